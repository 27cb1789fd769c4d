//! Enrollment: gets a gateway's first certificate with a one-time token, or a new one after the old one has expired.
//!
//! The key is durable before it is used, and a repeated command uses the same key. The server returns the same
//! certificate for the same token and key, so that a lost response does no harm.

mod client;
mod staged;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use pki::est::Applicant;
use pki::renewal::files::{self, InstallError};
use pki::renewal::prove;
use pki::spiffe::{PartyKind, SpiffeId};
use pki::token::Token;
use pki::trust::TrustError;
use pki::{Identity, IdentityConfig, Trust};
use rustls_pki_types::CertificateDer;
use secrecy::ExposeSecret as _;

pub(crate) use client::Est;
pub(crate) use client::EstError;
pub(crate) use staged::NoCertificate;
pub(crate) use staged::stage;

/// Why the enrollment failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnrollError {
    /// There is a certificate already.
    #[error("{} exists already: use --replace to replace it", path.display())]
    Exists {
        /// The certificate or key.
        path: PathBuf,
    },
    /// The token has expired.
    #[error("the enrollment token expired at {0}: request a new one")]
    Expired(Timestamp),
    /// A directory can't be created.
    #[error("{}: can't be created", path.display())]
    Folder {
        /// The directory.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The server is not the one that the token names.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// No certificate was issued.
    #[error(transparent)]
    NoCertificate(#[from] NoCertificate),
}

/// The parameters of an enrollment.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// `https://HOST:PORT` of the server's enrollment.
    pub server: &'a str,
    /// `http://[USER:PASSWORD@]HOST:PORT`.
    pub proxy: Option<&'a str>,
    /// The token.
    pub token: &'a Token,
    /// The paths of certificate, key and root.
    pub files: &'a IdentityConfig,
    /// Whether existing files are replaced.
    pub replace: bool,
}

/// The result of an enrollment.
#[derive(Debug)]
pub(crate) struct Enrolled {
    /// The gateway's identity.
    pub id: SpiffeId,
    /// When its certificate expires.
    pub not_after: Timestamp,
}

/// Enrolls.
///
/// # Errors
/// The enrollment failed; existing files are unchanged. It may be repeated.
pub(crate) async fn enroll(wanted: &Wanted<'_>, now: Timestamp) -> Result<Enrolled, EnrollError> {
    let Wanted { token, files: place, .. } = wanted;
    if now >= token.expires_at {
        return Err(EnrollError::Expired(token.expires_at));
    }
    let taken = [&place.certificate, &place.key].into_iter().find(|path| path.exists());
    if let Some(path) = taken.filter(|_| !wanted.replace) {
        return Err(EnrollError::Exists { path: path.clone() });
    }
    let asked_with = beside(&place.key, ".enrolling");
    let applicant = applicant(place, &asked_with)?;
    let (trust, certificates) = first_contact(wanted).await?;
    let identity = obtain(wanted, &applicant, &trust, certificates, now).await?;
    if let Err(error) = std::fs::remove_file(&asked_with) {
        tracing::warn!(path = %asked_with.display(), error = %error, "an unused key can't be removed");
    }
    let not_after = Timestamp::from_second(identity.not_after()).unwrap_or(Timestamp::MAX);
    Ok(Enrolled { id: identity.id().clone(), not_after })
}

/// The key of an earlier attempt, or a new one.
fn applicant(place: &IdentityConfig, asked_with: &Path) -> Result<Applicant, EnrollError> {
    for path in [&place.certificate, &place.key, &place.root] {
        let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else { continue };
        std::fs::create_dir_all(folder)
            .map_err(|source| EnrollError::Folder { path: folder.to_owned(), source })?;
    }
    if asked_with.exists() {
        return Ok(Applicant::with_key(asked_with).map_err(NoCertificate::Key)?);
    }
    let applicant = Applicant::new().map_err(NoCertificate::Key)?;
    files::write(asked_with, applicant.key_pem().expose_secret(), 0o600).map_err(NoCertificate::from)?;
    Ok(applicant)
}

/// Requests the authority's certificates from an unverified server, and trusts those that the token names.
async fn first_contact(wanted: &Wanted<'_>) -> Result<(Trust, Vec<CertificateDer<'static>>), EnrollError> {
    let offered = offered(wanted).await?;
    let token = wanted.token;
    let trust = Trust::pinned(token.gateway.trust_domain.clone(), token.root_sha256, &offered)?;
    Ok((trust, offered))
}

async fn offered(wanted: &Wanted<'_>) -> Result<Vec<CertificateDer<'static>>, NoCertificate> {
    let est = Est::new(wanted.server, wanted.proxy, pki::tls::first_contact_config()?)?;
    Ok(est.cacerts().await?)
}

/// Requests the certificate, and installs the new files once our own verifier has accepted them.
async fn obtain(
    wanted: &Wanted<'_>,
    applicant: &Applicant,
    trust: &Trust,
    mut certificates: Vec<CertificateDer<'static>>,
    now: Timestamp,
) -> Result<Identity, NoCertificate> {
    let Wanted { token, files: place, .. } = wanted;
    let tls = pki::tls::enrollment_client_config(trust, PartyKind::CommServer)?;
    let est = Est::new(wanted.server, wanted.proxy, tls)?;
    let secret = token.expose().to_owned().into();
    certificates.extend(est.enroll(&applicant.request, token.gateway.party.name(), &secret).await?);
    let root_pem: String = trust.roots().iter().map(pki::pem_file::to_pem).collect();
    let root = beside(&place.root, ".enrolling");
    files::write(&root, &root_pem, 0o644)?;
    let identity = stage(place, applicant, &certificates, |staged| {
        // Without a revocation list: there may be none of this authority yet.
        let identity = Identity::load(&IdentityConfig { root: root.clone(), crl: None, ..staged })?;
        prove(&identity, &token.gateway, None, now)?;
        Ok(identity)
    })?;
    let in_place = |source| InstallError { path: place.root.clone(), source };
    durable::rename(&root, &place.root).map_err(in_place)?;
    files::install(place)?;
    Ok(identity)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(ending);
    path.with_file_name(name)
}
