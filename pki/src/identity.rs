//! A program's own identity: certificate chain, key, trusted roots and, where configured, revocation lists.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use serde::{Deserialize, Serialize};

use crate::facts;
use crate::leaf::{self, Refused};
use crate::pem_file::{self, PemFileError};
use crate::spiffe::SpiffeId;
use crate::tls;

/// Where a program finds its identity: the key `identity` of its configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityConfig {
    /// Own certificate and its intermediate, PEM.
    pub certificate: PathBuf,
    /// Own private key, PEM, readable by its owner alone.
    pub key: PathBuf,
    /// Trusted roots, PEM.
    pub root: PathBuf,
    /// Revocation lists of all intermediates, PEM. With it, a peer of unknown or stale status is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crl: Option<PathBuf>,
}

/// Why an identity can't be loaded.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// One of its files.
    #[error(transparent)]
    File(#[from] PemFileError),
    /// The own certificate names nobody.
    #[error("own certificate {} is refused", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Refused,
    },
    /// The key is not the certificate's.
    #[error("key {} does not belong to certificate {}: issue both anew", key.display(), certificate.display())]
    Key {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
    /// A trusted root can't be used.
    #[error("root certificate in {} can't be used", path.display())]
    Root {
        /// The file.
        path: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
}

/// A loaded identity.
#[derive(Debug, Clone)]
pub struct Identity {
    id: SpiffeId,
    pub(crate) certified: Arc<CertifiedKey>,
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) crls: Vec<CertificateRevocationListDer<'static>>,
    not_after: i64,
}

impl Identity {
    /// Loads it; an expired certificate loads too, so that the program can run and tell.
    ///
    /// # Errors
    /// A file is unreadable or damaged, the key can be read by others or is of another certificate,
    /// or the certificate has no SPIFFE ID.
    pub fn load(config: &IdentityConfig) -> Result<Self, IdentityError> {
        let mut chain = pem_file::certificates(&config.certificate)?;
        let key = pem_file::private_key(&config.key)?;
        let trusted = pem_file::certificates(&config.root)?;
        // The peer has the root: sending it would only cost bytes.
        chain.retain(|certificate| !trusted.contains(certificate));
        let (id, not_after) = own_id(config, &chain)?;
        let certified = CertifiedKey::from_der(chain, key, &tls::provider()).map_err(|source| {
            IdentityError::Key { key: config.key.clone(), certificate: config.certificate.clone(), source }
        })?;
        let mut roots = RootCertStore::empty();
        for root in trusted {
            let failed = |source| IdentityError::Root { path: config.root.clone(), source };
            roots.add(root).map_err(failed)?;
        }
        let crls = match &config.crl {
            None => Vec::new(),
            Some(path) => pem_file::sections(path, &pem_file::read(path)?, "one or more revocation lists")?,
        };
        Ok(Self { id, certified: Arc::new(certified), roots: Arc::new(roots), crls, not_after })
    }

    /// Own SPIFFE ID. Its trust domain is the only one accepted.
    #[must_use]
    pub const fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// End of the own certificate's validity, Unix seconds.
    #[must_use]
    pub const fn not_after(&self) -> i64 {
        self.not_after
    }
}

fn own_id(
    config: &IdentityConfig,
    chain: &[CertificateDer<'static>],
) -> Result<(SpiffeId, i64), IdentityError> {
    let refused = |source| IdentityError::Certificate { path: config.certificate.clone(), source };
    let Some((own, intermediates)) = chain.split_first() else {
        return Err(refused(Refused::IsAuthority));
    };
    let facts = facts::of_leaf(own, intermediates).map_err(refused)?;
    let id = leaf::identity_of(&facts).map_err(refused)?;
    Ok((id, facts.not_after))
}
