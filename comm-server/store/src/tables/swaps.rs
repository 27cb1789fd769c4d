//! Rows of swaps: a device that was replaced by another under an asset.

use comm_server_core::tenancy::{AssetId, TenantId};
use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use wire::ids::{DeviceId, Uuid};

use crate::db::{StoreError, failed, row};

const TABLE: &str = "swaps";

/// A swap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SwapRow {
    pub(crate) tenant: TenantId,
    pub(crate) id: Uuid,
    pub(crate) asset: AssetId,
    pub(crate) at: Timestamp,
    pub(crate) old: DeviceId,
    pub(crate) new: DeviceId,
    pub(crate) reason: String,
    pub(crate) by: String,
    pub(crate) created_at: Timestamp,
    /// Whether the new device was read after the swap.
    pub(crate) is_complete: bool,
}

const SELECT: &str = "SELECT tenant, swap, asset, at_ms, old_device, new_device, reason, created_by, created_ms, \
    is_complete FROM swaps";

fn of(found: &AnyRow) -> Result<SwapRow, StoreError> {
    let key = row::text(found, "swap")?;
    Ok(SwapRow {
        tenant: row::parsed(found, (TABLE, "tenant"), &key)?,
        id: row::parsed(found, (TABLE, "swap"), &key)?,
        asset: row::parsed(found, (TABLE, "asset"), &key)?,
        at: row::time(found, "at_ms")?,
        old: row::parsed(found, (TABLE, "old_device"), &key)?,
        new: row::parsed(found, (TABLE, "new_device"), &key)?,
        reason: row::text(found, "reason")?,
        by: row::text(found, "created_by")?,
        created_at: row::time(found, "created_ms")?,
        is_complete: row::flag(found, "is_complete")?,
    })
}

/// Inserts a swap.
pub(crate) async fn insert(connection: &mut AnyConnection, new: &SwapRow) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO swaps (tenant, swap, asset, at_ms, old_device, new_device, reason, created_by, created_ms, \
         is_complete) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(new.tenant.to_string())
    .bind(new.id.to_string())
    .bind(new.asset.to_string())
    .bind(new.at.as_millisecond())
    .bind(new.old.to_string())
    .bind(new.new.to_string())
    .bind(new.reason.clone())
    .bind(new.by.clone())
    .bind(new.created_at.as_millisecond())
    .bind(i64::from(new.is_complete))
    .execute(connection)
    .await
    .map_err(failed("insert swap"))?;
    Ok(())
}

/// The swaps of an asset, oldest first.
pub(crate) async fn of_asset(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    asset: AssetId,
) -> Result<Vec<SwapRow>, StoreError> {
    let sql = format!("{SELECT} WHERE tenant = $1 AND asset = $2 ORDER BY at_ms, swap");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(tenant.to_string())
        .bind(asset.to_string())
        .fetch_all(connection)
        .await
        .map_err(failed("read swaps"))?;
    rows.iter().map(of).collect()
}

/// Swaps of all tenants after an id whose new device has not been read yet, at most `limit`.
pub(crate) async fn incomplete(
    connection: &mut AnyConnection,
    after: &str,
    limit: i64,
) -> Result<Vec<SwapRow>, StoreError> {
    let sql = format!("{SELECT} WHERE is_complete = 0 AND swap > $1 ORDER BY swap LIMIT $2");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(after.to_owned())
        .bind(limit)
        .fetch_all(connection)
        .await
        .map_err(failed("read swaps"))?;
    rows.iter().map(of).collect()
}

/// Records that the readings of a swap are complete; returns whether they weren't before.
pub(crate) async fn complete(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    id: Uuid,
) -> Result<bool, StoreError> {
    let done =
        sqlx::query("UPDATE swaps SET is_complete = 1 WHERE tenant = $1 AND swap = $2 AND is_complete = 0")
            .bind(tenant.to_string())
            .bind(id.to_string())
            .execute(connection)
            .await
            .map_err(failed("update swap"))?;
    Ok(done.rows_affected() > 0)
}
