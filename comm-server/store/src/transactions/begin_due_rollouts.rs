//! Begins roll-outs whose date has passed.

use jiff::Timestamp;
use sqlx::AnyConnection;

use super::advance_rollout::derive;
use crate::Store;
use crate::db::StoreError;
use crate::tables::rollouts;

impl Store {
    /// Updates the state of roll-outs whose date has passed; returns their number.
    pub async fn begin_due_rollouts(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.writer().write(move |c| Box::pin(async move { begin(c, now).await })).await
    }
}

async fn begin(connection: &mut AnyConnection, now: Timestamp) -> Result<u64, StoreError> {
    let mut begun = 0;
    for (tenant, rollout) in rollouts::due(connection, now).await? {
        let Some(locked) = rollouts::lock(connection, &tenant, rollout).await? else { continue };
        if derive(connection, &tenant, rollout, &locked, now).await? != locked.state {
            begun += 1;
        }
    }
    Ok(begun)
}
