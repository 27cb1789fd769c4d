//! Devices that have not been read for a long time, and would otherwise be missed.

use comm_server_core::assets::UnreadReason;
use comm_server_core::tenancy::AssetId;
use jiff::Timestamp;
use wire::ids::{DeviceId, GatewayId};

use super::sightings::COUNTED;
use crate::Scoped;
use crate::db::page::{self, Page};
use crate::db::{StoreError, failed, row, sql};

/// A device that has not been read for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadDevice {
    /// The gateway under which it counts.
    pub gateway: GatewayId,
    /// Its id.
    pub device: DeviceId,
    /// Model, "" when unknown; the same applies to the following texts.
    pub model: String,
    /// Serial number.
    pub serial: String,
    /// Name of the customer of its gateway.
    pub customer: String,
    /// Name of the site of its gateway.
    pub site: String,
    /// The asset that it belongs to.
    pub asset: Option<AssetId>,
    /// Name of that asset, "" for none.
    pub asset_name: String,
    /// When it was first reported.
    pub first_seen: Timestamp,
    /// When its counters were last read.
    pub read_at: Option<Timestamp>,
    /// Why it isn't read.
    pub reason: UnreadReason,
}

/// When the counters of the device `d` were last read.
const READ: &str =
    "CASE WHEN COALESCE(d.total_ms, 0) > COALESCE(d.read_ms, 0) THEN d.total_ms ELSE d.read_ms END";

impl Scoped {
    /// Devices that were last read before a time, or first seen before it and never read; by gateway and id, each once.
    /// `now` decides whether a gateway counts as not polling.
    ///
    /// # Errors
    /// The database failed, or the cursor is not valid.
    pub async fn unread_devices(
        &self,
        (before, now): (Timestamp, Timestamp),
        cursor: Option<&str>,
    ) -> Result<Page<UnreadDevice>, StoreError> {
        let (gateway, id) = page::two_names(cursor)?;
        let (within, place, joins) = (self.within("d.gateway"), sql::PLACE, sql::PLACE_JOINS);
        let silent = sql::is_silent("$5");
        let sql = format!(
            "SELECT d.gateway, d.device, d.model, d.serial, d.first_seen_ms, {READ} AS seen_ms, {place}, \
             COALESCE(a.asset, '') AS asset, COALESCE(a.name, '') AS asset_name, \
             CASE WHEN {silent} THEN 1 ELSE 0 END AS is_silent \
             FROM devices d JOIN gateways g ON g.tenant = d.tenant AND g.gateway = d.gateway {joins} \
             LEFT JOIN placements p ON p.tenant = d.tenant AND p.device = d.device AND p.to_ms IS NULL \
             LEFT JOIN assets a ON a.tenant = p.tenant AND a.asset = p.asset \
             WHERE d.tenant = $1{within} AND (d.gateway > $2 OR (d.gateway = $2 AND d.device > $3)) AND {COUNTED} \
             AND COALESCE({READ}, d.first_seen_ms) < $4 ORDER BY d.gateway, d.device LIMIT $6"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(gateway)
            .bind(id)
            .bind(before.as_millisecond())
            .bind(now.as_millisecond())
            .bind(self.rows().and_one())
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read devices"))?;
        let device = |found| {
            let device: DeviceId = row::parsed(found, ("devices", "device"), "a row")?;
            let read_at = row::maybe_time(found, "seen_ms")?;
            Ok(UnreadDevice {
                gateway: row::parsed(found, ("devices", "gateway"), device.as_str())?,
                model: row::text(found, "model")?,
                serial: row::text(found, "serial")?,
                customer: row::text(found, "customer")?,
                site: row::text(found, "site")?,
                asset: row::parsed_or_none(found, ("assets", "asset"), device.as_str())?,
                asset_name: row::text(found, "asset_name")?,
                first_seen: row::time(found, "first_seen_ms")?,
                reason: UnreadReason::of(read_at.is_some(), row::flag(found, "is_silent")?),
                read_at,
                device,
            })
        };
        let items = rows.iter().map(device).collect::<Result<Vec<_>, StoreError>>()?;
        Ok(Page::of(items, self.rows(), |d| format!("{},{}", d.gateway, d.device)))
    }
}
