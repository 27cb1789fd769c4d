//! Devices that belong to no asset.

use comm_server_core::assets::is_placeable;
use jiff::Timestamp;
use wire::ids::{DeviceId, GatewayId};

use super::search::pattern;
use super::sightings::COUNTED;
use crate::Scoped;
use crate::db::page::{self, Page};
use crate::db::{StoreError, failed, row, sql};

/// A device that belongs to no asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnassignedDevice {
    /// The gateway under which it counts.
    pub gateway: GatewayId,
    /// Its id.
    pub device: DeviceId,
    /// Vendor, "" when unknown; the same applies to the following texts.
    pub vendor: String,
    /// Model.
    pub model: String,
    /// Serial number.
    pub serial: String,
    /// Address on the customer's network.
    pub address: String,
    /// Name of the customer of its gateway.
    pub customer: String,
    /// Name of the site of its gateway.
    pub site: String,
    /// When it was first reported.
    pub first_seen: Timestamp,
    /// When it was last read as a whole.
    pub read_at: Option<Timestamp>,
    /// Whether it can be placed under an asset. A device that is identified by its address only can't.
    pub placeable: bool,
}

impl Scoped {
    /// Devices that belong to no asset, by gateway and id, each once; those with a text in id, model, serial number or
    /// address; "" matches all.
    ///
    /// # Errors
    /// The database failed, or the cursor is not valid.
    pub async fn unassigned_devices(
        &self,
        text: &str,
        cursor: Option<&str>,
    ) -> Result<Page<UnassignedDevice>, StoreError> {
        let (gateway, id) = page::two_names(cursor)?;
        let (within, place, joins) = (self.within("d.gateway"), sql::PLACE, sql::PLACE_JOINS);
        let sql = format!(
            "SELECT d.gateway, d.device, d.vendor, d.model, d.serial, d.address, d.first_seen_ms, d.read_ms, {place} \
             FROM devices d JOIN gateways g ON g.tenant = d.tenant AND g.gateway = d.gateway {joins} \
             WHERE d.tenant = $1{within} AND (d.gateway > $2 OR (d.gateway = $2 AND d.device > $3)) AND {COUNTED} \
             AND NOT EXISTS (SELECT 1 FROM placements p WHERE p.tenant = d.tenant AND p.device = d.device \
              AND p.to_ms IS NULL) \
             AND ($4 = '' OR LOWER(d.device) LIKE $4 ESCAPE '!' OR LOWER(d.model) LIKE $4 ESCAPE '!' \
              OR LOWER(d.serial) LIKE $4 ESCAPE '!' OR LOWER(d.address) LIKE $4 ESCAPE '!') \
             ORDER BY d.gateway, d.device LIMIT $5"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(gateway)
            .bind(id)
            .bind(pattern(text))
            .bind(self.rows().and_one())
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read devices"))?;
        let device = |found| {
            let device: DeviceId = row::parsed(found, ("devices", "device"), "a row")?;
            Ok(UnassignedDevice {
                gateway: row::parsed(found, ("devices", "gateway"), device.as_str())?,
                placeable: is_placeable(&device),
                device,
                vendor: row::text(found, "vendor")?,
                model: row::text(found, "model")?,
                serial: row::text(found, "serial")?,
                address: row::text(found, "address")?,
                customer: row::text(found, "customer")?,
                site: row::text(found, "site")?,
                first_seen: row::time(found, "first_seen_ms")?,
                read_at: row::maybe_time(found, "read_ms")?,
            })
        };
        let items = rows.iter().map(device).collect::<Result<Vec<_>, StoreError>>()?;
        Ok(Page::of(items, self.rows(), |d| format!("{},{}", d.gateway, d.device)))
    }
}
