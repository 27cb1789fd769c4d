//! A new certificate beside the old one. It replaces the old one only after our own verifier has accepted it.

use pki::est::{Applicant, InvalidBody};
use pki::renewal::ProofError;
use pki::renewal::files::{self, InstallError};
use pki::tls::TlsError;
use pki::{IdentityConfig, IdentityError};
use rustls_pki_types::CertificateDer;

use super::EstError;

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoCertificate {
    /// The key can't be generated or read.
    #[error("the key can't be generated or read")]
    Key(#[source] pki::authority::AuthorityError),
    /// TLS can't be configured.
    #[error("TLS can't be configured")]
    Tls(#[from] TlsError),
    /// The request failed.
    #[error(transparent)]
    Est(#[from] EstError),
    /// The response is invalid.
    #[error("the server's response can't be used: {0}")]
    Answer(#[from] InvalidBody),
    /// The new certificate can't be loaded.
    #[error("the new certificate can't be used")]
    Identity(#[from] IdentityError),
    /// The new certificate is rejected by our own verifier.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// A file can't be written.
    #[error(transparent)]
    Install(#[from] InstallError),
}

/// Writes key and certificate beside those of `place`; removes them if `prove` rejects them.
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
