//! Devices for pages and lists.

use jiff::Timestamp;
use serde::Serialize;
use sqlx::any::AnyRow;
use wire::ids::{DeviceId, GatewayId};
use wire::report::CallKind;

use super::search::pattern;
use super::sightings::{COUNTED, SEEN_BY};
use crate::db::page::{self, Page};
use crate::db::{StoreError, failed, row, sql};
use crate::{Scoped, tables};

const TABLE: &str = "devices";

/// A device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Device {
    /// Its gateway.
    pub gateway: GatewayId,
    /// Its id.
    pub device: DeviceId,
    /// Vendor's short name, "" if unknown; the same applies to the following texts.
    pub vendor: String,
    /// Model.
    pub model: String,
    /// Serial number.
    pub serial: String,
    /// Name.
    pub name: String,
    /// Hardware address.
    pub mac: String,
    /// Address on the customer's network.
    pub address: String,
    /// Firmware version.
    pub firmware: String,
    /// Whether it is offline.
    pub offline: bool,
    /// When the last full reading was made.
    pub read_at: Option<Timestamp>,
    /// Its newest total counter.
    pub total: Option<i64>,
    /// When that was read.
    pub total_at: Option<Timestamp>,
    /// When it was first reported.
    pub first_seen: Timestamp,
    /// Number of its open calls.
    pub open_calls: i64,
    /// Number of its open service calls.
    pub service_calls: i64,
    /// Number of gateways that see it.
    pub seen_by: i64,
    /// Whether it is counted under this gateway; if several see it, it is counted under one.
    pub counted: bool,
}

/// A device with its last full reading.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeviceDetail {
    /// The device.
    #[serde(flatten)]
    pub device: Device,
    /// A [`wire::reading::Reading`]; absent until the first.
    pub reading: Option<serde_json::Value>,
}

/// A filter of devices.
#[derive(Debug, Clone, Default)]
pub struct DeviceFilter {
    /// Only devices of this gateway.
    pub gateway: Option<GatewayId>,
    /// Only devices with this text in model, serial number, name, address or id, ignoring case.
    pub text: Option<String>,
    /// Only those that changed at or after this time.
    pub updated_since: Option<Timestamp>,
}

/// Columns of a [`Device`]; the table is `d`.
fn select() -> String {
    let service_call = sql::call_kind(CallKind::ServiceCall);
    format!(
        "SELECT d.gateway, d.device, d.vendor, d.model, d.serial, d.name, d.mac, d.address, \
         d.firmware, d.offline, d.read_ms, d.total, d.total_ms, d.first_seen_ms, \
         (SELECT COUNT(*) FROM calls c WHERE c.tenant = d.tenant AND c.gateway = d.gateway \
          AND c.device = d.device AND c.is_open = 1) AS open_calls, \
         (SELECT COUNT(*) FROM calls c WHERE c.tenant = d.tenant AND c.gateway = d.gateway \
          AND c.device = d.device AND c.is_open = 1 AND c.kind = {service_call}) AS service_calls, \
         {SEEN_BY} AS seen_by, CASE WHEN {COUNTED} THEN 1 ELSE 0 END AS counted"
    )
}

fn device(row: &AnyRow) -> Result<Device, StoreError> {
    Ok(Device {
        gateway: row::parsed(row, (TABLE, "gateway"), "a row")?,
        device: row::parsed(row, (TABLE, "device"), "a row")?,
        vendor: row::text(row, "vendor")?,
        model: row::text(row, "model")?,
        serial: row::text(row, "serial")?,
        name: row::text(row, "name")?,
        mac: row::text(row, "mac")?,
        address: row::text(row, "address")?,
        firmware: row::text(row, "firmware")?,
        offline: row::flag(row, "offline")?,
        read_at: row::maybe_time(row, "read_ms")?,
        total: row::maybe_number(row, "total")?,
        total_at: row::maybe_time(row, "total_ms")?,
        first_seen: row::time(row, "first_seen_ms")?,
        open_calls: row::number(row, "open_calls")?,
        service_calls: row::number(row, "service_calls")?,
        seen_by: row::number(row, "seen_by")?,
        counted: row::flag(row, "counted")?,
    })
}

impl Scoped {
    /// Devices by gateway and id: each once, or those of one gateway, whether they count there or not.
    ///
    /// # Errors
    /// The database failed, or the cursor is not valid.
    pub async fn devices(
        &self,
        filter: &DeviceFilter,
        cursor: Option<&str>,
    ) -> Result<Page<Device>, StoreError> {
        let (gateway, id) = page::two_names(cursor)?;
        let (select, within) = (select(), self.within("d.gateway"));
        let sql = format!(
            "{select} FROM devices d WHERE d.tenant = $1{within} \
             AND (d.gateway > $2 OR (d.gateway = $2 AND d.device > $3)) \
             AND (d.gateway = $4 OR ($4 = '' AND {COUNTED})) \
             AND ($5 = '' OR LOWER(d.model) LIKE $5 ESCAPE '!' OR LOWER(d.serial) LIKE $5 ESCAPE '!' \
              OR LOWER(d.name) LIKE $5 ESCAPE '!' OR LOWER(d.address) LIKE $5 ESCAPE '!' \
              OR LOWER(d.device) LIKE $5 ESCAPE '!') AND d.updated_ms >= $7 \
             ORDER BY d.gateway, d.device LIMIT $6"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(gateway)
            .bind(id)
            .bind(row::text_or_empty(filter.gateway.as_ref()))
            .bind(filter.text.as_deref().map(pattern).unwrap_or_default())
            .bind(self.rows().and_one())
            .bind(row::since(filter.updated_since))
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read devices"))?;
        let items = rows.iter().map(device).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(items, self.rows(), |d| format!("{},{}", d.gateway, d.device)))
    }

    /// One device with its last reading.
    pub async fn device(
        &self,
        gateway: &GatewayId,
        id: &DeviceId,
    ) -> Result<Option<DeviceDetail>, StoreError> {
        let (select, within) = (select(), self.within("d.gateway"));
        let sql = format!(
            "{select}, d.reading FROM devices d WHERE d.tenant = $1{within} AND d.gateway = $2 AND d.device = $3"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(gateway.to_string())
            .bind(id.to_string())
            .fetch_optional(&mut *self.reader().await?)
            .await
            .map_err(failed("read device"))?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(DeviceDetail { device: device(&row)?, reading: row::maybe_document(&row, "reading")? }))
    }

    /// Vendors and models of all devices, to choose from for a roll-out; at most 1000.
    pub async fn models(&self) -> Result<Vec<(String, String)>, StoreError> {
        tables::devices::models(&mut *self.reader().await?, self.scope(), 1000).await
    }
}
