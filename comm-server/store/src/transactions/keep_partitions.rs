//! Reports in monthly partitions, where an administrator made the table so: months are created ahead, and those that are
//! too old are dropped as a whole instead of row by row.

use comm_server_core::partitions::{Plan, plan};
use jiff::Timestamp;
use sqlx::AnyConnection;

use crate::db::StoreError;
use crate::tables::partitions;

/// Creates and drops the partitions that are due; how many. Another server that does the same is waited for, and leaves
/// nothing to do.
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
