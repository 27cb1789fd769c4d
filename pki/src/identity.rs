//! A program's own identity: certificate chain, key, trusted roots and, where configured, revocation lists.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use crate::Tolerance;
use crate::crypto;
use crate::facts;
use crate::leaf;
use crate::pem_file::{self, PemFileError};
use crate::rejection::Rejection;
use crate::revocation::{CrlError, Crls};
use crate::spiffe::SpiffeId;
use crate::trust::Trust;

/// The files of a program's identity: the key `identity` of its configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityConfig {
    /// Own certificate and its intermediate, PEM.
    pub certificate: PathBuf,
    /// Own private key, PEM, readable by its owner alone.
    pub key: PathBuf,
    /// Trusted roots, PEM.
    pub root: PathBuf,
    /// Revocation lists of all intermediates: `crl.pem` of `platen-pki crl`. If configured, a peer of unknown or stale
    /// status is rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crl: Option<PathBuf>,
}

/// Why an identity can't be loaded.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file can't be used.
    #[error(transparent)]
    File(#[from] PemFileError),
    /// Our own certificate has no SPIFFE ID.
    #[error("own certificate {} is refused", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Rejection,
    },
    /// The key does not belong to the certificate.
    #[error("key {} does not belong to certificate {}: issue both again", key.display(), certificate.display())]
    Key {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
        /// The error of rustls.
        source: rustls::Error,
    },
    /// The revocation lists can't be used.
    #[error(transparent)]
    Crl(#[from] CrlError),
    /// A trusted root can't be used.
    #[error("root certificate in {} can't be used", path.display())]
    Root {
        /// The file.
        path: PathBuf,
        /// The error of rustls.
        source: rustls::Error,
    },
}

/// A loaded identity: own certificate and key, and the trust against which peers are verified.
#[derive(Debug, Clone)]
pub struct Identity {
    id: SpiffeId,
    pub(crate) certified: Arc<CertifiedKey>,
    pub(crate) trust: Trust,
    validity: (i64, i64),
}

impl Identity {
    /// Loads it with the default tolerance. An expired certificate is accepted, so that the program can run and
    /// report it.
    ///
    /// # Errors
    /// A file is unreadable or damaged, other users can read the key, the key belongs to another certificate, or the
    /// certificate has no SPIFFE ID.
    pub fn load(config: &IdentityConfig) -> Result<Self, IdentityError> {
        Self::load_with(config, Tolerance::default())
    }

    /// Loads it; `tolerance` applies to the times of the certificates and lists of its peers.
    ///
    /// # Errors
    /// As [`Identity::load`].
    pub fn load_with(config: &IdentityConfig, tolerance: Tolerance) -> Result<Self, IdentityError> {
        let mut chain = pem_file::certificates(&config.certificate)?;
        let key = pem_file::private_key(&config.key)?;
        let trusted = pem_file::certificates(&config.root)?;
        // The peer has the root: sending it would only cost bytes.
        chain.retain(|certificate| !trusted.contains(certificate));
        let (id, validity) = own_id(config, &chain)?;
        let certified = CertifiedKey::from_der(chain, key, &crypto::provider()).map_err(|source| {
            IdentityError::Key { key: config.key.clone(), certificate: config.certificate.clone(), source }
        })?;
        let crls = match &config.crl {
            None => Crls::none(tolerance),
            Some(path) => Crls::load(path, &trusted, tolerance)?,
        };
        let failed = |source| IdentityError::Root { path: config.root.clone(), source };
        let trust = Trust::new(id.trust_domain.clone(), trusted).map_err(failed)?;
        let trust = trust.with_crls(Arc::new(crls));
        Ok(Self { id, certified: Arc::new(certified), trust, validity })
    }

    /// The same identity with newer revocation lists. Build every TLS configuration from scratch with it: otherwise,
    /// sessions and ticket keys of the old one would remain valid.
    #[must_use]
    pub fn with_crls(&self, crls: Arc<Crls>) -> Self {
        Self { trust: self.trust.with_crls(crls), ..self.clone() }
    }

    /// Own SPIFFE ID. Its trust domain is the only one accepted.
    #[must_use]
    pub const fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// The trust against which peers are verified.
    #[must_use]
    pub const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The revocation lists, with the tolerance for their times.
    #[must_use]
    pub const fn crls(&self) -> &Arc<Crls> {
        self.trust.crls()
    }

    /// Own certificate, then the intermediate.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    /// Begin of our own certificate's validity, Unix seconds.
    #[must_use]
    pub const fn not_before(&self) -> i64 {
        self.validity.0
    }

    /// End of our own certificate's validity, Unix seconds.
    #[must_use]
    pub const fn not_after(&self) -> i64 {
        self.validity.1
    }
}

fn own_id(
    config: &IdentityConfig,
    chain: &[CertificateDer<'static>],
) -> Result<(SpiffeId, (i64, i64)), IdentityError> {
    let refused = |source| IdentityError::Certificate { path: config.certificate.clone(), source };
    let Some((own, intermediates)) = chain.split_first() else {
        return Err(refused(Rejection::IsAuthority));
    };
    let facts = facts::of_leaf(own, intermediates).map_err(refused)?;
    let id = leaf::identity_of(&facts).map_err(refused)?;
    Ok((id, (facts.not_before, facts.not_after)))
}
