//! Rows of devices.

use std::sync::LazyLock;

use comm_server_core::ingest::{LastTotal, readable};
use comm_server_core::rollouts::Candidate;
use comm_server_core::tenancy::{Scope, TenantId};
use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use wire::ids::{DeviceId, GatewayId};
use wire::reading::{Counter, Reading};
use wire::report::CallKind;

use super::GatewayRef;
use crate::db::multi_row::{self, Statement};
use crate::db::row::stored;
use crate::db::{StoreError, failed, row, sql};

const TABLE: &str = "devices";

/// The stored total counter of a device.
#[derive(Debug, Default)]
pub(crate) struct Total {
    pub(crate) last: Option<LastTotal>,
    /// OID that it was read from.
    pub(crate) source: Option<String>,
    /// When a counter of the device last fell.
    pub(crate) fell_at: Option<Timestamp>,
}

static DEVICES: Statement = Statement::new(|rows| {
    let rows = multi_row::rows(rows, 1, 3, |_| "$1, $2, $3, $3, ".to_owned());
    format!(
        "INSERT INTO devices (tenant, gateway, first_seen_ms, updated_ms, device) VALUES {rows} \
         ON CONFLICT (tenant, gateway, device) DO NOTHING"
    )
});

static TOTALS: Statement = Statement::new(|rows| {
    let rows = multi_row::rows(rows, 3, 3, multi_row::plain);
    format!(
        "WITH new (device, total, total_ms) AS (VALUES {rows}) \
         UPDATE devices SET total = new.total, total_ms = new.total_ms, updated_ms = $3 FROM new \
         WHERE devices.tenant = $1 AND devices.gateway = $2 AND devices.device = new.device"
    )
});

/// A device's total with its source, and when a counter of it last fell.
static SELECT_TOTAL: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT d.total, d.total_ms, (SELECT MAX(c.raised_ms) FROM calls c WHERE c.tenant = d.tenant \
         AND c.gateway = d.gateway AND c.device = d.device AND c.kind = {}) AS fell_ms, \
         (SELECT MAX(n.oid) FROM counters n WHERE n.tenant = d.tenant AND n.gateway = d.gateway \
         AND n.device = d.device AND n.counter = {} AND n.read_ms = d.total_ms) AS source \
         FROM devices d WHERE d.tenant = $1 AND d.gateway = $2 AND d.device = $3",
        sql::call_kind(CallKind::CounterRegression),
        sql::counter(Counter::Total)
    )
});

/// Devices by their keys; a key of empty texts matches nothing.
static SELECT_CANDIDATES: Statement = Statement::new(|rows| {
    let wanted = multi_row::rows(rows, 2, 1, multi_row::plain);
    format!(
        "WITH wanted (gateway, device) AS (VALUES {wanted}) \
         SELECT d.gateway, d.device, d.vendor, d.model, d.firmware FROM wanted w \
         JOIN devices d ON d.tenant = $1 AND d.gateway = w.gateway AND d.device = w.device"
    )
});

/// Inserts devices that have no row yet.
pub(crate) async fn insert_missing(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    first_seen: Timestamp,
    devices: &[&DeviceId],
) -> Result<(), StoreError> {
    for (sql, now) in DEVICES.split(devices) {
        let mut insert = sqlx::query(sql)
            .bind(of.tenant.to_string())
            .bind(of.gateway.to_string())
            .bind(first_seen.as_millisecond());
        for device in now {
            insert = insert.bind(device.to_string());
        }
        insert.execute(&mut *connection).await.map_err(failed("insert devices"))?;
    }
    Ok(())
}

/// Stores the newest total counters.
pub(crate) async fn set_totals(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    now: Timestamp,
    totals: &[(&DeviceId, LastTotal)],
) -> Result<(), StoreError> {
    for (sql, some) in TOTALS.split(totals) {
        let mut update = sqlx::query(sql)
            .bind(of.tenant.to_string())
            .bind(of.gateway.to_string())
            .bind(now.as_millisecond());
        for (device, total) in some {
            update = update
                .bind(device.to_string())
                .bind(stored(total.value, "devices.total")?)
                .bind(total.read_at.as_millisecond());
        }
        update.execute(&mut *connection).await.map_err(failed("update devices"))?;
    }
    Ok(())
}

/// Stores a full reading and the columns that follow from it.
pub(crate) async fn update_reading(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    device: &DeviceId,
    reading: &Reading,
    now: Timestamp,
) -> Result<(), StoreError> {
    let document = serde_json::to_string(reading)
        .map_err(|source| StoreError::Document { what: "devices.reading", source })?;
    let identity = &reading.identity;
    let text = |text: Option<&str>| readable(text.unwrap_or_default());
    sqlx::query(
        "UPDATE devices SET vendor = $4, model = $5, serial = $6, name = $7, mac = $8, address = $9, \
         firmware = $10, reading = $11, read_ms = $12, updated_ms = $13 WHERE tenant = $1 AND gateway = $2 AND device = $3",
    )
    .bind(of.tenant.to_string())
    .bind(of.gateway.to_string())
    .bind(device.to_string())
    .bind(text(identity.vendor.as_deref()))
    .bind(text(identity.model.as_deref()))
    .bind(text(identity.serial.as_deref()))
    .bind(text(identity.name.as_deref()))
    .bind(text(identity.mac.as_deref()))
    .bind(readable(&reading.address))
    .bind(text(identity.firmware_version()))
    .bind(document)
    .bind(reading.read_at.as_millisecond())
    .bind(now.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("update device"))?;
    Ok(())
}

/// Stores whether a device is offline.
pub(crate) async fn set_offline(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    device: &DeviceId,
    offline: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE devices SET offline = $4, updated_ms = $5 WHERE tenant = $1 AND gateway = $2 AND device = $3",
    )
    .bind(of.tenant.to_string())
    .bind(of.gateway.to_string())
    .bind(device.to_string())
    .bind(i64::from(offline))
    .bind(now.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("update device"))?;
    Ok(())
}

/// The stored total counter of a device; empty if the device is unknown.
pub(crate) async fn total(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    device: &DeviceId,
) -> Result<Total, StoreError> {
    let Some(found) = of_device(connection, SELECT_TOTAL.as_str(), of, device).await? else {
        return Ok(Total::default());
    };
    let value = row::maybe_number(&found, "total")?.and_then(|total| u64::try_from(total).ok());
    let read_at = row::maybe_time(&found, "total_ms")?;
    let last = value.zip(read_at).map(|(value, read_at)| LastTotal { value, read_at });
    Ok(Total {
        source: row::maybe_text(&found, "source")?.filter(|_| last.is_some()),
        last,
        fell_at: row::maybe_time(&found, "fell_ms")?,
    })
}

/// When the last full reading of a device was made.
pub(crate) async fn read_at(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    device: &DeviceId,
) -> Result<Option<Timestamp>, StoreError> {
    let select = "SELECT read_ms FROM devices WHERE tenant = $1 AND gateway = $2 AND device = $3";
    let found = of_device(connection, select, of, device).await?;
    Ok(found.map(|found| row::maybe_time(&found, "read_ms")).transpose()?.flatten())
}

/// Whether a gateway within a scope sees a device.
pub(crate) async fn is_within(
    connection: &mut AnyConnection,
    scope: &Scope,
    device: &DeviceId,
) -> Result<bool, StoreError> {
    let within = sql::gateway_within(scope, "gateway");
    let sql = format!("SELECT gateway FROM devices WHERE tenant = $1{within} AND device = $2 LIMIT 1");
    let found = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(scope.tenant().to_string())
        .bind(device.to_string())
        .fetch_optional(connection)
        .await
        .map_err(failed("read device"))?;
    Ok(found.is_some())
}

/// When the counters of a device were last read, by any gateway of the tenant.
pub(crate) async fn newest_reading(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    device: &DeviceId,
) -> Result<Option<Timestamp>, StoreError> {
    let select = "SELECT COALESCE(MAX(total_ms), MAX(read_ms)) AS newest FROM devices \
        WHERE tenant = $1 AND device = $2";
    let found = sqlx::query(select)
        .bind(tenant.to_string())
        .bind(device.to_string())
        .fetch_one(connection)
        .await
        .map_err(failed("read device"))?;
    row::maybe_time(&found, "newest")
}

/// The row of a device, if it exists. The parameters of `select` are tenant, gateway and device.
async fn of_device(
    connection: &mut AnyConnection,
    select: &'static str,
    of: GatewayRef<'_>,
    device: &DeviceId,
) -> Result<Option<AnyRow>, StoreError> {
    sqlx::query(select)
        .bind(of.tenant.to_string())
        .bind(of.gateway.to_string())
        .bind(device.to_string())
        .fetch_optional(connection)
        .await
        .map_err(failed("read device"))
}

fn candidate(r: &AnyRow) -> Result<Candidate, StoreError> {
    Ok(Candidate {
        gateway: row::parsed(r, (TABLE, "gateway"), "a row")?,
        device: row::parsed(r, (TABLE, "device"), "a row")?,
        vendor: row::text(r, "vendor")?,
        model: row::text(r, "model")?,
        version: row::text(r, "firmware")?,
    })
}

/// Vendors and models of all devices, at most `limit`.
pub(crate) async fn models(
    connection: &mut AnyConnection,
    scope: &Scope,
    limit: i64,
) -> Result<Vec<(String, String)>, StoreError> {
    let within = sql::gateway_within(scope, "gateway");
    let sql = format!(
        "SELECT DISTINCT vendor, model FROM devices WHERE tenant = $1{within} AND model <> '' \
         ORDER BY vendor, model LIMIT $2"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(scope.tenant().to_string())
        .bind(limit)
        .fetch_all(connection)
        .await
        .map_err(failed("read models"))?;
    rows.iter().map(|r| Ok((row::text(r, "vendor")?, row::text(r, "model")?))).collect()
}

/// The devices of a vendor with exactly this model text.
pub(crate) async fn of_model(
    connection: &mut AnyConnection,
    scope: &Scope,
    (vendor, model): &(String, String),
) -> Result<Vec<Candidate>, StoreError> {
    let within = sql::gateway_within(scope, "gateway");
    let sql = format!(
        "SELECT gateway, device, vendor, model, firmware FROM devices \
         WHERE tenant = $1{within} AND vendor = $2 AND model = $3"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(scope.tenant().to_string())
        .bind(vendor.clone())
        .bind(model.clone())
        .fetch_all(connection)
        .await
        .map_err(failed("read devices"))?;
    rows.iter().map(candidate).collect()
}

/// The existing devices among these keys.
pub(crate) async fn candidates(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    keys: &[(&GatewayId, &DeviceId)],
) -> Result<Vec<Candidate>, StoreError> {
    let mut found = Vec::with_capacity(keys.len());
    for (sql, now) in SELECT_CANDIDATES.split(keys) {
        let mut select = sqlx::query(sql).bind(tenant.to_string());
        for &(gateway, device) in now {
            select = select.bind(gateway.to_string()).bind(device.to_string());
        }
        let rows = select.fetch_all(&mut *connection).await.map_err(failed("read devices"))?;
        for row in &rows {
            found.push(candidate(row)?);
        }
    }
    Ok(found)
}
