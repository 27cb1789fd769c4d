//! Quarantined reports, and their replay.

use comm_server_core::roles::Permission;
use jiff::Timestamp;
use wire::ids::GatewayId;

use super::{Actor, Forbidden};
use crate::store::{Replayed, Store, StoreError};

/// Why nothing is replayed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QuarantineError {
    /// The role does not allow it.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Replays quarantined reports; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Quarantine {
    store: Store,
}

impl Quarantine {
    /// The service on a store.
    #[must_use]
    pub(crate) const fn new(store: Store) -> Self {
        Self { store }
    }

    /// Processes quarantined reports again, of one gateway or of all, and stores those that can be used now.
    ///
    /// # Errors
    /// The role does not allow it, or the store failed.
    pub(crate) async fn replay(
        &self,
        actor: &Actor,
        gateway: Option<&GatewayId>,
    ) -> Result<Replayed, QuarantineError> {
        actor.check(Permission::ReplayQuarantine)?;
        let now = Timestamp::now();
        Ok(self.store.of(&actor.scope).replay_quarantine(gateway, &actor.name, now).await?)
    }
}
