//! The trust against which peers are verified: trust domain, roots, revocation lists.

use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;

use crate::Tolerance;
use crate::facts;
use crate::revocation::Crls;
use crate::spiffe::TrustDomain;

/// Trust domain, roots and revocation lists: cheap to clone.
#[derive(Debug, Clone)]
pub struct Trust {
    pub(crate) trust_domain: TrustDomain,
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) certificates: Arc<[CertificateDer<'static>]>,
    pub(crate) crls: Arc<Crls>,
}

/// None of the certificates is the pinned root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the server's authority is not the one that the token names: expected a root with SHA-256 {expected}, got {}",
    if got.is_empty() { "none".to_owned() } else { got.join(" and ") }
)]
pub struct NotPinned {
    /// Fingerprint in the token, hexadecimal.
    pub expected: String,
    /// Fingerprints of the certificates that the server sent, hexadecimal.
    pub got: Vec<String>,
}

/// Why roots can't be trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The pinned root is missing.
    #[error(transparent)]
    NotPinned(#[from] NotPinned),
    /// A root can't be used.
    #[error("the root certificate can't be used")]
    Root(#[from] rustls::Error),
}

impl Trust {
    /// Trusts `roots`, with no revocation list and the default tolerance.
    ///
    /// # Errors
    /// A root is not a certificate.
    pub fn new(
        trust_domain: TrustDomain,
        roots: Vec<CertificateDer<'static>>,
    ) -> Result<Self, rustls::Error> {
        let mut store = RootCertStore::empty();
        for root in &roots {
            store.add(root.clone())?;
        }
        let crls = Arc::new(Crls::none(Tolerance::default()));
        Ok(Self { trust_domain, roots: Arc::new(store), certificates: roots.into(), crls })
    }

    /// Trusts the certificate in `offered` (the `cacerts` of an EST server) whose SHA-256 is in a token.
    ///
    /// # Errors
    /// None of them has that digest.
    pub fn pinned(
        trust_domain: TrustDomain,
        root_sha256: [u8; 32],
        offered: &[CertificateDer<'_>],
    ) -> Result<Self, TrustError> {
        let Some(root) = offered.iter().find(|offered| fingerprint(offered) == root_sha256) else {
            let got = offered.iter().take(8).map(|offered| hex::encode(fingerprint(offered))).collect();
            return Err(NotPinned { expected: hex::encode(root_sha256), got }.into());
        };
        Ok(Self::new(trust_domain, vec![root.clone().into_owned()])?)
    }

    /// The same with other revocation lists.
    #[must_use]
    pub fn with_crls(&self, crls: Arc<Crls>) -> Self {
        Self { crls, ..self.clone() }
    }

    /// The trust domain; no other is accepted.
    #[must_use]
    pub const fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The roots' certificates.
    #[must_use]
    pub fn roots(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// The revocation lists, and the tolerance.
    #[must_use]
    pub(crate) const fn crls(&self) -> &Arc<Crls> {
        &self.crls
    }
}

/// The trust domain of a root created by `platen-pki`: its organisation.
#[must_use]
pub fn domain_of_root(root: &CertificateDer<'_>) -> Option<TrustDomain> {
    let certificate = facts::parse(root).ok()?;
    let organization = certificate.subject().iter_organization().next()?.as_str().ok()?;
    organization.parse().ok()
}

/// SHA-256 of a certificate, as pinned by a token.
#[must_use]
pub fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, certificate);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}
