//! Whether a peer that was let in may stay: asked after the handshake, on every request, and while nothing is asked.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pki::Identity;
use pki::leaf::Refused;
use pki::revocation::{PeerLeaf, peer_still_good};
use tokio::sync::watch;

/// How often a connection on which nothing happens is looked at: certificates and revocation lists also end by time.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// A peer, and what it is measured by.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    leaf: Option<Arc<PeerLeaf>>,
    identity: Option<watch::Receiver<Arc<Identity>>>,
}

impl Guard {
    /// `None`: a peer without a certificate, which nothing is held against.
    pub(super) fn new(leaf: Option<PeerLeaf>, identity: watch::Receiver<Arc<Identity>>) -> Self {
        Self { leaf: leaf.map(Arc::new), identity: Some(identity) }
    }

    /// Nothing is held against anybody: a listener without TLS.
    pub(super) const fn open() -> Self {
        Self { leaf: None, identity: None }
    }

    /// Whether it may stay.
    pub(super) fn check(&self) -> Result<(), Refused> {
        let (Some(leaf), Some(identity)) = (&self.leaf, &self.identity) else { return Ok(()) };
        peer_still_good(leaf, identity.borrow().crls(), Timestamp::now().as_second())
    }

    /// Ends when the peer may no longer stay.
    pub(super) async fn lost(mut self) -> Refused {
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
                        // Nobody renews it any more: time alone decides.
                        tokio::time::sleep(LOOK_EVERY).await;
                    }
                }
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }
}
