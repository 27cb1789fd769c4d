//! Enrolment: a gateway's first certificate, for a one-time token; also the way back of one whose certificate ended.
//!
//! The key is on the disk before it is asked for, and the same key is used when the command is run again: the server
//! gives the same certificate for the same token and key, so that an answer that got lost costs nothing.

mod client;
mod command;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use pki::est::{Applicant, InvalidBody};
use pki::renewal::files::{self, InstallError};
use pki::renewal::{Unproven, prove};
use pki::spiffe::{PartyKind, SpiffeId};
use pki::tls::TlsError;
use pki::token::Token;
use pki::trust::TrustError;
use pki::{Identity, IdentityConfig, IdentityError, Trust};
use rustls_pki_types::CertificateDer;

pub(crate) use client::Est;
pub use client::EstError;
pub use command::{EnrollArgs, command};

/// Why a gateway was not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// There is a certificate already.
    #[error("{} is there already: give --replace to put a new one in its place", path.display())]
    Exists {
        /// The certificate or key.
        path: PathBuf,
    },
    /// The token is of the past.
    #[error("the enrolment token expired at {0}: ask for a new one")]
    Expired(Timestamp),
    /// The folder.
    #[error("{}: can't be made", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The key.
    #[error("no key can be made or read")]
    Key(#[source] pki::authority::AuthorityError),
    /// The server is not the one that the token names.
    #[error(transparent)]
    Trust(#[from] TrustError),
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
    Unproven(#[from] Unproven),
    /// A file can't be written.
    #[error(transparent)]
    Install(#[from] InstallError),
}

/// What is wanted.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// `https://HOST:PORT` of the server's enrolment.
    pub server: &'a str,
    /// `http://[USER:PASSWORD@]HOST:PORT`.
    pub proxy: Option<&'a str>,
    /// The token.
    pub token: &'a Token,
    /// Where certificate, key and root go.
    pub files: &'a IdentityConfig,
    /// Whether they may take the place of others.
    pub replace: bool,
}

/// What was enrolled.
#[derive(Debug)]
pub struct Enrolled {
    /// Who the gateway is now.
    pub id: SpiffeId,
    /// When its certificate ends.
    pub not_after: Timestamp,
}

/// Enrols.
///
/// # Errors
/// It was not; what was in the files' place stays. The same command may be run again.
pub async fn enrol(wanted: &Wanted<'_>, now: Timestamp) -> Result<Enrolled, EnrolError> {
    let Wanted { token, files: place, .. } = wanted;
    if now >= token.expires_at {
        return Err(EnrolError::Expired(token.expires_at));
    }
    let taken = [&place.certificate, &place.key].into_iter().find(|path| path.exists());
    if let Some(path) = taken.filter(|_| !wanted.replace) {
        return Err(EnrolError::Exists { path: path.clone() });
    }
    let asked_with = beside(&place.key, ".enrolling");
    let applicant = applicant(place, &asked_with)?;
    let (trust, mut certificates) = first_contact(wanted).await?;
    let tls = pki::tls::enrolment_client_config(&trust, PartyKind::CommServer)?;
    let est = Est::new(wanted.server, wanted.proxy, tls)?;
    let secret = token.expose().to_owned().into();
    certificates.extend(est.enroll(&applicant.request, token.gateway.party.name(), &secret).await?);
    let identity = put(place, &trust, &applicant.chain_pem(&certificates)?, &applicant, wanted, now)?;
    if let Err(error) = std::fs::remove_file(&asked_with) {
        tracing::warn!(path = %asked_with.display(), error = %error, "a key that is no longer needed stays");
    }
    let not_after = Timestamp::from_second(identity.not_after()).unwrap_or(Timestamp::MAX);
    Ok(Enrolled { id: identity.id().clone(), not_after })
}

/// The key of an attempt before, or a new one.
fn applicant(place: &IdentityConfig, asked_with: &Path) -> Result<Applicant, EnrolError> {
    for path in [&place.certificate, &place.key, &place.root] {
        let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else { continue };
        std::fs::create_dir_all(folder)
            .map_err(|source| EnrolError::Folder { path: folder.to_owned(), source })?;
    }
    if asked_with.exists() {
        return Applicant::with_key(asked_with).map_err(EnrolError::Key);
    }
    let applicant = Applicant::new().map_err(EnrolError::Key)?;
    files::place(asked_with, &applicant.key_pem(), 0o600)?;
    Ok(applicant)
}

/// Asks for the authority's certificates, from whoever answers, and trusts the one that the token names.
async fn first_contact(wanted: &Wanted<'_>) -> Result<(Trust, Vec<CertificateDer<'static>>), EnrolError> {
    let est = Est::new(wanted.server, wanted.proxy, pki::tls::first_contact_config()?)?;
    let offered = est.cacerts().await?;
    let token = wanted.token;
    let trust = Trust::pinned(token.gateway.trust_domain.clone(), token.root_sha256, &offered)?;
    Ok((trust, offered))
}

/// Puts the new files in their place once our own verifier has them proven.
fn put(
    place: &IdentityConfig,
    trust: &Trust,
    chain_pem: &str,
    applicant: &Applicant,
    wanted: &Wanted<'_>,
    now: Timestamp,
) -> Result<Identity, EnrolError> {
    let root_pem: String = trust.roots().iter().map(pki::authority::to_pem).collect();
    let root = beside(&place.root, ".enrolling");
    files::place(&root, &root_pem.into(), 0o644)?;
    let staged = files::stage(place, chain_pem, &applicant.key_pem())?;
    // No revocation list yet: there may be none of this authority here.
    let proven = Identity::load(&IdentityConfig { root: root.clone(), crl: None, ..staged })
        .map_err(EnrolError::from)
        .and_then(|identity| Ok(prove(&identity, &wanted.token.gateway, None, now).map(|()| identity)?));
    let identity = match proven {
        Ok(identity) => identity,
        Err(error) => {
            files::discard(place)?;
            return Err(error);
        }
    };
    let in_place = |source| InstallError { path: place.root.clone(), source };
    std::fs::rename(&root, &place.root).map_err(in_place)?;
    files::install(place)?;
    Ok(identity)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(ending);
    path.with_file_name(name)
}
