//! Deletes rows beyond their retention, one gateway at a time, so that no table is read as a whole.

use comm_server_core::retention::{self, Retention};
use jiff::Timestamp;
use sqlx::AnyConnection;

use super::keep_partitions::keep_partitions;
use crate::Store;
use crate::db::StoreError;
use crate::tables::{GatewayRef, calls, commands, counters, gateways, partitions, quarantine, reports};

/// Gateways whose rows one transaction deletes.
const BATCH: i64 = 20;

impl Store {
    /// Deletes the old rows of gateways that are due; returns the number of rows.
    pub async fn apply_retention(&self, retention: Retention, now: Timestamp) -> Result<u64, StoreError> {
        let days = retention.reports_days;
        let partitions =
            self.writer().write(move |c| Box::pin(async move { keep_partitions(c, now, days).await }));
        let mut deleted = partitions.await?;
        loop {
            let (gateways, rows) = self
                .writer()
                .write(move |c| Box::pin(async move { delete_due(c, &retention, now).await }))
                .await?;
            deleted += rows;
            if gateways < BATCH {
                return Ok(deleted + self.trim_audit(retention::before(now, retention.audit_days)).await?);
            }
        }
    }
}

/// The number of gateways that were due, and of their rows that were deleted.
async fn delete_due(
    connection: &mut AnyConnection,
    retention: &Retention,
    now: Timestamp,
) -> Result<(i64, u64), StoreError> {
    let due = gateways::retention_due(connection, retention::before(now, 1), BATCH).await?;
    let in_partitions = !due.is_empty() && partitions::are_used(connection).await?;
    let mut deleted = 0;
    for turn in &due {
        // Of several servers, the one that moves the time does the work.
        if gateways::move_retention(connection, turn, now).await? {
            let of = GatewayRef::of(&turn.key);
            deleted += delete_rows(connection, of, retention, now).await?;
            if !in_partitions {
                let before_ms = retention::before(now, retention.reports_days);
                deleted += reports::delete_before(connection, of, before_ms).await?;
            }
        }
    }
    Ok((i64::try_from(due.len()).unwrap_or(i64::MAX), deleted))
}

async fn delete_rows(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    retention: &Retention,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let before = |days| retention::before(now, days);
    let mut deleted = 0;
    if let Some(oldest_ms) = counters::oldest(connection, of).await? {
        for span in retention.spans(now, oldest_ms) {
            deleted += counters::thin(connection, of, span).await?;
        }
    }
    deleted += commands::delete_ended(connection, of, before(retention.commands_days)).await?;
    deleted += calls::delete_ended(connection, of, before(retention.calls_days)).await?;
    deleted += quarantine::delete_before(connection, of, before(retention.quarantine_days)).await?;
    Ok(deleted)
}
