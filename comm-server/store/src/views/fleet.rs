//! Queries of the console's fleet and device pages that the API doesn't have.

use comm_server_core::calls::CallPriority;
use jiff::Timestamp;
use sqlx::any::AnyRow;
use wire::ids::{DeviceId, GatewayId};
use wire::reading::Reading;
use wire::report::CallKind;

use super::search::pattern;
use super::sightings::{COUNTED, SEEN_BY};
use crate::Scoped;
use crate::db::page::{self, Page};
use crate::db::sql::{PLACE, PLACE_JOINS};
use crate::db::{StoreError, failed, row, sql};

/// The fleet in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetNumbers {
    /// Devices, each counted once.
    pub devices: i64,
    /// Offline devices.
    pub offline: i64,
    /// Open service calls.
    pub service_calls: i64,
    /// Number of supplies with an open call.
    pub supplies: i64,
    /// Gateways.
    pub gateways: i64,
    /// Number of gateways that don't poll.
    pub silent: i64,
}

/// The filter of the fleet page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FleetFilter {
    /// All devices.
    All,
    /// Devices that are offline or have an open call.
    Attention,
    /// Offline devices.
    Offline,
    /// Devices with an open call about a supply.
    Supplies,
}

/// A device of the fleet page.
#[derive(Debug, Clone)]
pub struct FleetDevice {
    /// Its gateway.
    pub gateway: GatewayId,
    /// Its id.
    pub device: DeviceId,
    /// Model, "" if unknown; the same applies to the following texts.
    pub model: String,
    /// Serial number.
    pub serial: String,
    /// Name on the network.
    pub name: String,
    /// Address at which the gateway reads it.
    pub address: String,
    /// The gateway's customer.
    pub customer: String,
    /// The gateway's site.
    pub site: String,
    /// Whether it is offline.
    pub offline: bool,
    /// Whether its gateway doesn't poll, so that the row may be outdated.
    pub silent: bool,
    /// Gateways that see it.
    pub seen_by: i64,
    /// Its total counter.
    pub total: Option<i64>,
    /// When it was last read.
    pub read_at: Option<Timestamp>,
    /// The open call with the highest priority.
    pub top_call: Option<CallPriority>,
    /// Its last reading.
    pub reading: Option<Reading>,
}

/// An open call about a supply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupplyCall {
    /// Its gateway.
    pub gateway: GatewayId,
    /// Its device.
    pub device: DeviceId,
    /// The supply's index; "" if the device does not report it.
    pub subject: String,
    /// Whether it is at its end, not only near it.
    pub is_end: bool,
}

fn select_supply_calls(within: &str) -> String {
    format!(
        "SELECT gateway, device, subject, kind FROM calls \
         WHERE tenant = $1{within} AND is_open = 1 AND kind IN ({}) \
         AND (gateway > $2 OR (gateway = $2 AND device >= $3)) \
         AND (gateway < $4 OR (gateway = $4 AND device <= $5))",
        sql::supply_kinds()
    )
}

/// Rank of the open call of the device `d` with the highest priority; null without one.
fn top_rank() -> String {
    format!(
        "(SELECT MIN({}) FROM calls c WHERE c.tenant = d.tenant AND c.gateway = d.gateway \
         AND c.device = d.device AND c.is_open = 1)",
        sql::call_rank()
    )
}

/// Whether the supply of the call `c` has an open call for its end, which supersedes the one for its near end.
fn ended() -> String {
    format!(
        "EXISTS (SELECT 1 FROM calls e WHERE e.tenant = c.tenant AND e.gateway = c.gateway \
         AND e.device = c.device AND e.subject = c.subject AND e.kind = {} AND e.is_open = 1)",
        sql::call_kind(CallKind::SupplyEnd)
    )
}

/// The priority for a rank from SQL.
fn priority(rank: Option<i64>) -> Result<Option<CallPriority>, StoreError> {
    let priority = |rank| CallPriority::of_rank(rank).ok_or(StoreError::Range { what: "rank of a call" });
    rank.map(priority).transpose()
}

fn device(row: &AnyRow) -> Result<FleetDevice, StoreError> {
    let reading = row::maybe_text(row, "reading")?;
    Ok(FleetDevice {
        gateway: row::parsed(row, ("devices", "gateway"), "a row")?,
        device: row::parsed(row, ("devices", "device"), "a row")?,
        model: row::text(row, "model")?,
        serial: row::text(row, "serial")?,
        name: row::text(row, "name")?,
        address: row::text(row, "address")?,
        customer: row::text(row, "customer")?,
        site: row::text(row, "site")?,
        silent: row::flag(row, "silent")?,
        offline: row::flag(row, "offline")?,
        seen_by: row::number(row, "seen_by")?,
        total: row::maybe_number(row, "total")?,
        read_at: row::maybe_time(row, "read_ms")?,
        top_call: priority(row::maybe_number(row, "top_rank")?)?,
        reading: reading.as_deref().and_then(|json| serde_json::from_str(json).ok()),
    })
}

impl Scoped {
    /// The fleet in numbers.
    pub async fn fleet_numbers(&self, now: Timestamp) -> Result<FleetNumbers, StoreError> {
        let (silent, ended) = (sql::is_silent("$2"), ended());
        let [service_call, supply_end, near_end] =
            [CallKind::ServiceCall, CallKind::SupplyEnd, CallKind::SupplyNearEnd].map(sql::call_kind);
        let [calls_in, devices_in, gateways_in] =
            ["c.gateway", "d.gateway", "g.gateway"].map(|column| self.within(column));
        let calls = format!(
            "SELECT COUNT(*) FROM calls c LEFT JOIN devices d ON d.tenant = c.tenant AND d.gateway = c.gateway \
             AND d.device = c.device WHERE c.tenant = $1{calls_in} AND c.is_open = 1 \
             AND (d.device IS NULL OR {COUNTED})"
        );
        let sql = format!(
            "SELECT (SELECT COUNT(*) FROM devices d WHERE d.tenant = $1{devices_in} AND {COUNTED}) AS devices, \
             (SELECT COUNT(*) FROM devices d WHERE d.tenant = $1{devices_in} AND d.offline = 1 AND {COUNTED}) AS offline, \
             ({calls} AND c.kind = {service_call}) AS service_calls, \
             ({calls} AND (c.kind = {supply_end} OR (c.kind = {near_end} AND NOT {ended}))) AS supplies, \
             (SELECT COUNT(*) FROM gateways g WHERE g.tenant = $1{gateways_in}) AS gateways, \
             (SELECT COUNT(*) FROM gateways g WHERE g.tenant = $1{gateways_in} AND {silent}) AS silent"
        );
        let counts = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(now.as_millisecond())
            .fetch_one(&mut *self.reader().await?)
            .await
            .map_err(failed("count fleet"))?;
        Ok(FleetNumbers {
            devices: row::number(&counts, "devices")?,
            offline: row::number(&counts, "offline")?,
            service_calls: row::number(&counts, "service_calls")?,
            supplies: row::number(&counts, "supplies")?,
            gateways: row::number(&counts, "gateways")?,
            silent: row::number(&counts, "silent")?,
        })
    }

    /// Devices of the overview.
    pub async fn fleet(
        &self,
        text: &str,
        filter: FleetFilter,
        cursor: Option<&str>,
        now: Timestamp,
    ) -> Result<Page<FleetDevice>, StoreError> {
        let (gateway, id) = page::two_names(cursor)?;
        let (silent, top_rank) = (sql::is_silent("$6"), top_rank());
        let shown = match filter {
            FleetFilter::All => "1 = 1".to_owned(),
            FleetFilter::Attention => format!("(d.offline = 1 OR {top_rank} IS NOT NULL)"),
            FleetFilter::Offline => "d.offline = 1".to_owned(),
            FleetFilter::Supplies => format!(
                "EXISTS (SELECT 1 FROM calls c WHERE c.tenant = d.tenant \
                 AND c.gateway = d.gateway AND c.device = d.device AND c.is_open = 1 \
                 AND c.kind IN ({}))",
                sql::supply_kinds()
            ),
        };
        let within = self.within("d.gateway");
        let sql = format!(
            "SELECT d.gateway, d.device, d.model, d.serial, d.name, d.address, d.offline, d.total, d.read_ms, \
             d.reading, {PLACE}, \
             CASE WHEN {silent} THEN 1 ELSE 0 END AS silent, {top_rank} AS top_rank, {SEEN_BY} AS seen_by \
             FROM devices d LEFT JOIN gateways g ON g.tenant = d.tenant AND g.gateway = d.gateway {PLACE_JOINS} \
             WHERE d.tenant = $1{within} AND (d.gateway > $2 OR (d.gateway = $2 AND d.device > $3)) AND {shown} AND {COUNTED} \
             AND ($4 = '' OR LOWER(d.model) LIKE $4 ESCAPE '!' OR LOWER(d.serial) LIKE $4 ESCAPE '!' \
              OR LOWER(d.name) LIKE $4 ESCAPE '!' OR LOWER(d.address) LIKE $4 ESCAPE '!' \
              OR LOWER(d.device) LIKE $4 ESCAPE '!' OR LOWER(d.gateway) LIKE $4 ESCAPE '!' \
              OR LOWER(COALESCE(si.name, '')) LIKE $4 ESCAPE '!' \
              OR LOWER(COALESCE(cu.name, '')) LIKE $4 ESCAPE '!') \
             ORDER BY d.gateway, d.device LIMIT $5"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(gateway)
            .bind(id)
            .bind(pattern(text))
            .bind(self.rows().and_one())
            .bind(now.as_millisecond())
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read fleet"))?;
        let items = rows.iter().map(device).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(items, self.rows(), |d| format!("{},{}", d.gateway, d.device)))
    }

    /// The open calls about supplies of the devices from one to another, both included, in the order of the fleet
    /// page.
    pub async fn supply_calls(
        &self,
        (first_gateway, first): (&GatewayId, &DeviceId),
        (last_gateway, last): (&GatewayId, &DeviceId),
    ) -> Result<Vec<SupplyCall>, StoreError> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(select_supply_calls(&self.within("gateway"))))
            .bind(self.tenant().to_string())
            .bind(first_gateway.to_string())
            .bind(first.to_string())
            .bind(last_gateway.to_string())
            .bind(last.to_string())
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read supply calls"))?;
        let call = |r| {
            Ok(SupplyCall {
                gateway: row::parsed(r, ("calls", "gateway"), "a row")?,
                device: row::parsed(r, ("calls", "device"), "a row")?,
                subject: row::text(r, "subject")?,
                is_end: row::parsed::<CallKind>(r, ("calls", "kind"), "a row")? == CallKind::SupplyEnd,
            })
        };
        rows.iter().map(call).collect()
    }

    /// The open call of a device with the highest priority.
    pub async fn top_call(
        &self,
        gateway: &GatewayId,
        device: &DeviceId,
    ) -> Result<Option<CallPriority>, StoreError> {
        let sql = format!(
            "SELECT {} AS top_rank FROM devices d WHERE d.tenant = $1{} AND d.gateway = $2 AND d.device = $3",
            top_rank(),
            self.within("d.gateway")
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(gateway.to_string())
            .bind(device.to_string())
            .fetch_optional(&mut *self.reader().await?)
            .await
            .map_err(failed("read top call"))?;
        let rank = row.as_ref().map(|row| row::maybe_number(row, "top_rank")).transpose()?;
        priority(rank.flatten())
    }
}
