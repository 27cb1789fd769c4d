//! A new certificate beside the old one: nothing takes its place before our own verifier has it proven.

use pki::est::{Applicant, InvalidBody};
use pki::renewal::ProofError;
use pki::renewal::files::{self, InstallError};
use pki::tls::TlsError;
use pki::{IdentityConfig, IdentityError};
use rustls_pki_types::CertificateDer;

use super::EstError;

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
pub enum NoCertificate {
    /// The key.
    #[error("no key can be made or read")]
    Key(#[source] pki::authority::AuthorityError),
    /// TLS.
    #[error("TLS can't be configured")]
    Tls(#[from] TlsError),
    /// The server.
    #[error(transparent)]
    Est(#[from] EstError),
    /// What the server gave.
    #[error("the server's answer can't be used: {0}")]
    Answer(#[from] InvalidBody),
    /// What the server gave can't be loaded.
    #[error("the new certificate can't be used")]
    Identity(#[from] IdentityError),
    /// What the server gave is refused by our own verifier.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// A file can't be written.
    #[error(transparent)]
    Install(#[from] InstallError),
}

/// Puts key and certificate beside those of `place`; what `prove` refuses is taken away again.
pub(crate) fn stage<T>(
    place: &IdentityConfig,
    applicant: &Applicant,
    certificates: &[CertificateDer<'static>],
    prove: impl FnOnce(IdentityConfig) -> Result<T, NoCertificate>,
) -> Result<T, NoCertificate> {
    let staged = files::stage(place, &applicant.chain_pem(certificates)?, &applicant.key_pem())?;
    prove(staged).or_else(|error| {
        files::discard(place)?;
        Err(error)
    })
}
