//! How a listener authenticates its clients, and the TLS configuration for that. The configuration is rebuilt from scratch
//! whenever the identity or its revocation lists change, so that no session of an older one can be resumed.

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

/// Whether clients must present a certificate.
#[derive(Debug, Clone, Copy)]
pub enum ClientAuth {
    /// A client must present a certificate of one of these kinds.
    Required(&'static [PartyKind]),
    /// A client may present one of these kinds, or none; the routes check the peer.
    Optional(&'static [PartyKind]),
    /// No certificate is requested, because operators use browsers.
    None,
}

/// A listener's name, its identity, and the clients it accepts.
#[derive(Debug, Clone)]
pub struct ListenerAuth {
    /// Label in logs and metrics: `gateways`, `operators`, `listen`.
    pub(super) name: &'static str,
    /// Response header names in title case over HTTP/1.
    pub(super) title_case: bool,
    pub(super) limits: Limits,
    pub(super) client_auth: ClientAuth,
    identity: watch::Receiver<Arc<Identity>>,
    tls: Arc<ArcSwap<ServerConfig>>,
    /// Whether the server certificate is a public one, not the identity's.
    has_own_certificate: bool,
}

impl ListenerAuth {
    /// Serves the identity's own certificate.
    ///
    /// # Errors
    /// The identity is not a server's, or its roots can't be used.
    pub fn new(
        name: &'static str,
        identity: &LiveIdentity,
        client_auth: ClientAuth,
    ) -> Result<Self, TlsError> {
        let mut identity = identity.subscribe();
        let tls = Arc::new(ArcSwap::from_pointee(config(&identity.borrow_and_update(), client_auth)?));
        Ok(Self {
            name,
            title_case: false,
            limits: Limits::default(),
            client_auth,
            identity,
            tls,
            has_own_certificate: false,
        })
    }

    /// Serves a certificate of a public authority, and requests none from clients.
    ///
    /// # Errors
    /// TLS can't be configured.
    pub fn public(
        name: &'static str,
        identity: &LiveIdentity,
        certificate: Arc<PublicCertificate>,
    ) -> Result<Self, TlsError> {
        let auth = Self::new(name, identity, ClientAuth::None)?;
        auth.tls.store(Arc::new(certificate.server_config()?));
        Ok(Self { has_own_certificate: true, ..auth })
    }

    /// Replaces the default limits.
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

    /// Rebuilds the TLS configuration at each change of the identity, until `shutdown`.
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
            match config(&newest, self.client_auth) {
                Ok(tls) => self.tls.store(Arc::new(tls)),
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(
                        error,
                        listener = self.name,
                        "new identity rejected: the TLS configuration can't be built"
                    );
                }
            }
        }
    }
}

fn config(identity: &Identity, client_auth: ClientAuth) -> Result<ServerConfig, TlsError> {
    match client_auth {
        ClientAuth::Required(kinds) => pki::tls::server_config(identity, kinds),
        ClientAuth::Optional(kinds) => pki::tls::enrollment_server_config(identity, kinds),
        ClientAuth::None => pki::tls::public_server_config(identity),
    }
}
