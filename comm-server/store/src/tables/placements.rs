//! Rows of placements: which device is under which asset.

use comm_server_core::assets::Placement;
use comm_server_core::tenancy::{AssetId, TenantId};
use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use wire::ids::DeviceId;

use crate::db::{StoreError, failed, row};

const TABLE: &str = "placements";

fn of(found: &AnyRow) -> Result<Placement, StoreError> {
    Ok(Placement {
        asset: row::parsed(found, (TABLE, "asset"), "a row")?,
        device: row::parsed(found, (TABLE, "device"), "a row")?,
        from: row::time(found, "from_ms")?,
        to: row::maybe_time(found, "to_ms")?,
    })
}

/// All placements of an asset, oldest first.
pub(crate) async fn of_asset(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    asset: AssetId,
) -> Result<Vec<Placement>, StoreError> {
    with(connection, tenant, "asset", asset.to_string()).await
}

/// All placements of a device, oldest first.
pub(crate) async fn of_device(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    device: &DeviceId,
) -> Result<Vec<Placement>, StoreError> {
    with(connection, tenant, "device", device.to_string()).await
}

async fn with(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    column: &'static str,
    value: String,
) -> Result<Vec<Placement>, StoreError> {
    let sql = format!(
        "SELECT asset, device, from_ms, to_ms FROM placements WHERE tenant = $1 AND {column} = $2 \
         ORDER BY from_ms, COALESCE(to_ms, 9223372036854775807)"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(tenant.to_string())
        .bind(value)
        .fetch_all(connection)
        .await
        .map_err(failed("read placements"))?;
    rows.iter().map(of).collect()
}

/// Inserts a placement that is open.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    new: &Placement,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO placements (tenant, asset, device, from_ms) VALUES ($1, $2, $3, $4)")
        .bind(tenant.to_string())
        .bind(new.asset.to_string())
        .bind(new.device.to_string())
        .bind(new.from.as_millisecond())
        .execute(connection)
        .await
        .map_err(failed("insert placement"))?;
    Ok(())
}

/// Ends a placement.
pub(crate) async fn end(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    ended: &Placement,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE placements SET to_ms = $5 WHERE tenant = $1 AND asset = $2 AND device = $3 AND from_ms = $4 \
         AND to_ms IS NULL",
    )
    .bind(tenant.to_string())
    .bind(ended.asset.to_string())
    .bind(ended.device.to_string())
    .bind(ended.from.as_millisecond())
    .bind(ended.to.map(Timestamp::as_millisecond))
    .execute(connection)
    .await
    .map_err(failed("end placement"))?;
    Ok(())
}

/// Deletes an open placement that was made by mistake.
pub(crate) async fn delete(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    open: &Placement,
) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM placements WHERE tenant = $1 AND asset = $2 AND device = $3 AND from_ms = $4 AND to_ms IS NULL",
    )
    .bind(tenant.to_string())
    .bind(open.asset.to_string())
    .bind(open.device.to_string())
    .bind(open.from.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("delete placement"))?;
    Ok(())
}
