//! Monthly partitions of `reports`, if an administrator has partitioned the table: partitions are created ahead, and
//! those that are too old are dropped as a whole.

use comm_server_core::partitions::{Plan, plan};
use jiff::Timestamp;
use sqlx::AnyConnection;

use crate::db::StoreError;
use crate::tables::partitions;

/// Creates and drops the partitions that are due; returns how many. If another server does the same, this waits for
/// it and finds nothing to do.
pub(super) async fn keep_partitions(
    connection: &mut AnyConnection,
    now: Timestamp,
    days: u32,
) -> Result<u64, StoreError> {
    if !partitions::are_used(connection).await? {
        return Ok(0);
    }
    partitions::lock(connection).await?;
    let Plan { make, drop } = plan(&partitions::existing(connection).await?, now, days);
    let done = make.len() + drop.len();
    for partition in make {
        partitions::create(connection, partition).await?;
    }
    for name in drop {
        tracing::info!(partition = name, "dropping expired reports");
        partitions::drop_partition(connection, &name).await?;
    }
    Ok(done as u64)
}
