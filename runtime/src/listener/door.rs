//! Who may come through a listener, and the TLS configuration that follows: built anew, from nothing, whenever the
//! identity or its revocation lists change, so that nobody resumes what an older one let in.

use std::sync::Arc;

use arc_swap::ArcSwap;
use pki::Identity;
use pki::spiffe::PartyKind;
use pki::tls::TlsError;
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Limits;
use crate::identity::LiveIdentity;
use crate::public_certificate::PublicCertificate;

/// What a listener asks of its clients.
#[derive(Debug, Clone, Copy)]
pub enum Asks {
    /// A certificate of one of these kinds.
    For(&'static [PartyKind]),
    /// The same, but a client may come without one; the routes look at the peer.
    OrNone(&'static [PartyKind]),
    /// None: operators with their browsers.
    Nobody,
}

/// A listener's name, its own identity, and whom it lets in.
#[derive(Debug, Clone)]
pub struct Door {
    /// In logs and metrics: `gateways`, `operators`, `listen`.
    pub(super) name: &'static str,
    /// Response header names in title case over HTTP/1.
    pub(super) title_case: bool,
    pub(super) limits: Limits,
    pub(super) asks: Asks,
    identity: watch::Receiver<Arc<Identity>>,
    tls: Arc<ArcSwap<ServerConfig>>,
    /// Whether the certificate is another than the identity's.
    has_own_certificate: bool,
}

impl Door {
    /// A door of this name.
    ///
    /// # Errors
    /// The identity is no server's, or its roots can't be used.
    pub fn new(name: &'static str, identity: &LiveIdentity, asks: Asks) -> Result<Self, TlsError> {
        let mut identity = identity.subscribe();
        let tls = Arc::new(ArcSwap::from_pointee(config(&identity.borrow_and_update(), asks)?));
        Ok(Self {
            name,
            title_case: false,
            limits: Limits::default(),
            asks,
            identity,
            tls,
            has_own_certificate: false,
        })
    }

    /// A door where anybody may come, with a certificate of a public authority.
    ///
    /// # Errors
    /// TLS can't be configured.
    pub fn public(
        name: &'static str,
        identity: &LiveIdentity,
        certificate: Arc<PublicCertificate>,
    ) -> Result<Self, TlsError> {
        let door = Self::new(name, identity, Asks::Nobody)?;
        door.tls.store(Arc::new(certificate.server_config()?));
        Ok(Self { has_own_certificate: true, ..door })
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Sends response header names in title case over HTTP/1, for clients that compare them by case.
    #[must_use]
    pub fn with_title_case(self) -> Self {
        Self { title_case: true, ..self }
    }

    pub(super) fn tls(&self) -> Arc<ServerConfig> {
        self.tls.load_full()
    }

    pub(super) fn identity(&self) -> watch::Receiver<Arc<Identity>> {
        self.identity.clone()
    }

    /// Follows the identity until `shutdown`.
    pub(super) async fn follow(mut self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                changed = self.identity.changed() => if changed.is_err() { return },
                () = shutdown.cancelled() => return,
            }
            let newest = Arc::clone(&self.identity.borrow_and_update());
            if self.has_own_certificate {
                continue;
            }
            match config(&newest, self.asks) {
                Ok(tls) => self.tls.store(Arc::new(tls)),
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(error, listener = self.name, "a new identity can't be served");
                }
            }
        }
    }
}

fn config(identity: &Identity, asks: Asks) -> Result<ServerConfig, TlsError> {
    match asks {
        Asks::For(kinds) => pki::tls::server_config(identity, kinds),
        Asks::OrNone(kinds) => pki::tls::enrollment_server_config(identity, kinds),
        Asks::Nobody => pki::tls::public_server_config(identity),
    }
}
