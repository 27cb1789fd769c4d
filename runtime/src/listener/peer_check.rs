//! Checks an admitted peer again: after the handshake, on every request, and periodically on an idle connection.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pki::Identity;
use pki::rejection::Rejection;
use pki::revocation::{PeerLeaf, peer_still_good};
use tokio::sync::watch;

/// Interval between checks of an idle connection, because certificates and revocation lists expire.
const CHECK_INTERVAL: Duration = Duration::from_secs(20);

/// A peer's leaf, and the identity whose revocation lists it is checked against.
#[derive(Debug, Clone)]
pub(super) struct PeerCheck {
    leaf: Option<Arc<PeerLeaf>>,
    identity: Option<watch::Receiver<Arc<Identity>>>,
}

impl PeerCheck {
    /// `None`: a peer without a certificate, which always passes.
    pub(super) fn new(leaf: Option<PeerLeaf>, identity: watch::Receiver<Arc<Identity>>) -> Self {
        Self { leaf: leaf.map(Arc::new), identity: Some(identity) }
    }

    /// A check that every peer passes, for a listener without TLS.
    pub(super) const fn open() -> Self {
        Self { leaf: None, identity: None }
    }

    /// Fails once the certificate has expired or was revoked.
    pub(super) fn check(&self) -> Result<(), Rejection> {
        let (Some(leaf), Some(identity)) = (&self.leaf, &self.identity) else { return Ok(()) };
        peer_still_good(leaf, identity.borrow().crls(), Timestamp::now().as_second())
    }

    /// Waits until [`Self::check`] fails.
    pub(super) async fn rejected(mut self) -> Rejection {
        loop {
            if let Err(refused) = self.check() {
                return refused;
            }
            let Some(identity) = self.identity.as_mut().filter(|_| self.leaf.is_some()) else {
                return std::future::pending().await;
            };
            tokio::select! {
                changed = identity.changed() => {
                    if changed.is_err() {
                        // The identity no longer changes: only time does.
                        tokio::time::sleep(CHECK_INTERVAL).await;
                    }
                }
                () = tokio::time::sleep(CHECK_INTERVAL) => {}
            }
        }
    }
}
