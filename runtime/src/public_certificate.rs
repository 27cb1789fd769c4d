//! A certificate of a public authority, for the port that browsers use. The files are checked every few seconds, so
//! that renewing it only means replacing them.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use pki::pem_file::{self, PemFileError};
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_util::sync::CancellationToken;

use crate::error::chain;

/// How often the files are checked for changes.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Paths of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate and its intermediates, PEM (the "full chain" of certificate authorities).
    pub certificate: PathBuf,
    /// Its private key, PEM, readable by its owner alone.
    pub key: PathBuf,
}

/// A certificate that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// One of the files.
    #[error(transparent)]
    File(#[from] PemFileError),
    /// The key does not belong to the certificate, or is of an unsupported kind.
    #[error("key {} does not belong to certificate {}", key.display(), certificate.display())]
    Key {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
        /// The error of rustls.
        source: rustls::Error,
    },
}

/// The current certificate.
pub struct PublicCertificate {
    files: CertificateFiles,
    current: ArcSwap<CertifiedKey>,
    seen: Mutex<[Option<SystemTime>; 2]>,
}

impl fmt::Debug for PublicCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicCertificate").field("files", &self.files).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for PublicCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

impl PublicCertificate {
    /// Loads the files.
    ///
    /// # Errors
    /// A file can't be read or is damaged, or the key belongs to another certificate.
    pub fn load(files: &CertificateFiles) -> Result<Arc<Self>, CertificateError> {
        let seen = Mutex::new(stamps(files));
        let current = ArcSwap::from_pointee(read(files)?);
        Ok(Arc::new(Self { files: files.clone(), current, seen }))
    }

    /// Checks the files and loads changed ones; returns whether anything changed. If they can't be used, the
    /// certificate in force stays.
    ///
    /// # Errors
    /// The files changed and can't be used.
    pub(crate) fn reload(&self) -> Result<bool, CertificateError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let found = stamps(&self.files);
        if *seen == found {
            return Ok(false);
        }
        *seen = found;
        let newer = read(&self.files)?;
        if newer.cert == self.current.load().cert {
            return Ok(false);
        }
        self.current.store(Arc::new(newer));
        Ok(true)
    }

    /// Reloads changed files until `shutdown`.
    pub async fn watch_files(self: Arc<Self>, shutdown: CancellationToken) {
        let mut every = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                _ = every.tick() => {}
                () = shutdown.cancelled() => return,
            }
            let own = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || own.reload()).await {
                Ok(Ok(false)) => {}
                Ok(Ok(true)) => {
                    tracing::info!(file = %self.files.certificate.display(), "new certificate in use")
                }
                Ok(Err(error)) => tracing::warn!(why = chain(&error), "a changed certificate is not used"),
                Err(error) => tracing::error!(error = %error, "the certificate's files were not read"),
            }
        }
    }

    /// TLS 1.3 with this certificate, without client certificates.
    ///
    /// # Errors
    /// The provider lacks TLS 1.3.
    pub(crate) fn server_config(self: Arc<Self>) -> Result<ServerConfig, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(pki::tls::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_cert_resolver(self);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn stamps(files: &CertificateFiles) -> [Option<SystemTime>; 2] {
    [&files.certificate, &files.key].map(|path| std::fs::metadata(path).and_then(|file| file.modified()).ok())
}

fn read(files: &CertificateFiles) -> Result<CertifiedKey, CertificateError> {
    let certificates = pem_file::certificates(&files.certificate)?;
    let key = pem_file::private_key(&files.key)?;
    CertifiedKey::from_der(certificates, key, &pki::tls::provider()).map_err(|source| CertificateError::Key {
        key: files.key.clone(),
        certificate: files.certificate.clone(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use pki::authority::{Authority, Passphrase, Request};
    use pki::spiffe::PartyKind;

    #[test]
    fn replaced_files_are_taken_and_a_wrong_pair_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let now = Timestamp::now();
        let domain = "test.example".parse().unwrap();
        let authority =
            Authority::init(&dir.path().join("ca"), &domain, &Passphrase::InsecureNone, now).unwrap();
        let issue = |name: &str| {
            let ips = vec!["127.0.0.1".parse().unwrap()];
            let request = Request { profile: PartyKind::CommServer, name: name.to_owned(), dns: vec![], ips };
            let out = dir.path().join(name);
            authority.issue(&request, now).unwrap().write(&out).unwrap();
            (out.join("cert.pem"), out.join("key.pem"))
        };
        let ((certificate, key), (other, other_key)) = (issue("a"), issue("b"));
        let files = CertificateFiles { certificate, key };
        let loaded = PublicCertificate::load(&files).unwrap();
        let first = loaded.current.load_full();
        assert!(!loaded.reload().unwrap());
        let replace = |from: &PathBuf, to: &PathBuf| {
            let aside = dir.path().join("aside");
            std::fs::copy(from, &aside).unwrap();
            let later = SystemTime::now() + Duration::from_secs(10);
            std::fs::File::options().append(true).open(&aside).unwrap().set_modified(later).unwrap();
            std::fs::rename(&aside, to).unwrap();
        };
        replace(&other, &files.certificate);
        let refused = loaded.reload().unwrap_err().to_string();
        assert!(refused.contains("does not belong to certificate"), "{refused}");
        assert_eq!(loaded.current.load().cert, first.cert);
        replace(&other_key, &files.key);
        assert!(loaded.reload().unwrap());
        assert_ne!(loaded.current.load().cert, first.cert);
        assert!(Arc::clone(&loaded).server_config().is_ok());
    }
}
