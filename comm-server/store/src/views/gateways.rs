//! Gateways for pages and lists.

use comm_server_core::cadence;
use comm_server_core::tenancy::{CustomerId, SiteId};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sqlx::any::AnyRow;
use wire::ids::GatewayId;
use wire::report::{CallKind, Lane};

use super::search::pattern;
use crate::Scoped;
use crate::db::page::Page;
use crate::db::sql::{PLACE, PLACE_JOINS};
use crate::db::{StoreError, failed, row, sql};

/// A gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gateway {
    /// Its name, as in its certificate.
    pub gateway: GatewayId,
    /// Name of its customer, "" while it is not assigned.
    pub customer: String,
    /// Name of its site, "" while it is not assigned.
    pub site: String,
    /// Its customer, while it is assigned.
    pub customer_id: Option<CustomerId>,
    /// Its site, while it is assigned.
    pub site_id: Option<SiteId>,
    /// Version of its program.
    pub version: String,
    /// Number of devices that it knows.
    pub devices: i64,
    /// Number of these that are offline.
    pub devices_offline: i64,
    /// Number of open calls of its devices.
    pub open_calls: i64,
    /// Number of open service calls of its devices.
    pub service_calls: i64,
    /// Seconds since its program began, at its last poll.
    pub uptime_s: i64,
    /// Why it can't store anything at present; "" if it can.
    pub storage_problem: String,
    /// Time of its first request.
    pub first_seen: Timestamp,
    /// Its last poll.
    pub last_poll: Option<Timestamp>,
    /// Seconds until the next poll, as in the last response.
    pub next_poll_s: i64,
    /// Seconds that its clock was ahead of the server's at its last poll; negative if behind, 0 within the tolerance.
    pub clock_ahead_s: i64,
    /// When its meters are requested next.
    pub meters_due: Option<Timestamp>,
}

impl Gateway {
    /// When it is expected to poll again.
    #[must_use]
    pub fn next_poll(&self) -> Option<Timestamp> {
        self.last_poll?.checked_add(SignedDuration::from_secs(self.next_poll_s)).ok()
    }

    /// Whether it has not polled for too long.
    #[must_use]
    pub fn is_silent(&self, now: Timestamp) -> bool {
        cadence::is_silent(self.last_poll.unwrap_or(self.first_seen), self.next_poll_s, now)
    }
}

/// A filter of gateways.
#[derive(Debug, Clone, Default)]
pub struct GatewayFilter {
    /// Only gateways with this text in name, customer or site, ignoring case; "" for all.
    pub text: String,
    /// Only gateways without a site.
    pub unassigned: bool,
}

/// The sequence numbers of one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneState {
    /// The gateway.
    pub gateway: GatewayId,
    /// The lane.
    pub lane: Lane,
    /// Number of the last report that the server acknowledged.
    pub acknowledged: i64,
    /// Number of the last report that the gateway made.
    pub made: i64,
}

fn gateway(row: &AnyRow) -> Result<Gateway, StoreError> {
    Ok(Gateway {
        gateway: row::parsed(row, ("gateways", "gateway"), "a row")?,
        customer: row::text(row, "customer")?,
        site: row::text(row, "site")?,
        customer_id: row::parsed_or_none(row, ("gateways", "customer_id"), "a row")?,
        site_id: row::parsed_or_none(row, ("gateways", "site_id"), "a row")?,
        version: row::text(row, "version")?,
        devices: row::number(row, "devices")?,
        devices_offline: row::number(row, "devices_offline")?,
        open_calls: row::number(row, "open_calls")?,
        service_calls: row::number(row, "service_calls")?,
        uptime_s: row::number(row, "uptime_s")?,
        storage_problem: row::text(row, "storage_problem")?,
        first_seen: row::time(row, "first_seen_ms")?,
        last_poll: row::maybe_time(row, "last_poll_ms")?,
        next_poll_s: row::number(row, "next_poll_s")?,
        clock_ahead_s: row::number(row, "clock_ahead_s")?,
        meters_due: row::maybe_time(row, "meters_due_ms")?,
    })
}

/// Gateways of a scope with the numbers of their open calls.
fn select(within: &str, which: &str) -> String {
    format!(
        "SELECT g.gateway, g.version, g.devices, g.devices_offline, g.uptime_s, g.storage_problem, g.first_seen_ms, \
         g.last_poll_ms, g.next_poll_s, g.clock_ahead_s, g.meters_due_ms, {PLACE}, \
         (SELECT COUNT(*) FROM calls c WHERE c.tenant = g.tenant AND c.gateway = g.gateway \
          AND c.is_open = 1) AS open_calls, \
         (SELECT COUNT(*) FROM calls c WHERE c.tenant = g.tenant AND c.gateway = g.gateway \
          AND c.is_open = 1 AND c.kind = {}) AS service_calls \
         FROM gateways g {PLACE_JOINS} WHERE g.tenant = $1{within} AND {which}",
        sql::call_kind(CallKind::ServiceCall)
    )
}

const OF_PAGE: &str = "g.gateway > $2 AND ($3 = '' OR LOWER(g.gateway) LIKE $3 ESCAPE '!' \
     OR LOWER(COALESCE(cu.name, '') || ' ' || COALESCE(si.name, '')) LIKE $3 ESCAPE '!') \
     AND ($5 = 0 OR g.site_id = '') ORDER BY g.gateway LIMIT $4";

impl Scoped {
    /// Gateways by name.
    pub async fn gateways(&self, cursor: Option<&str>) -> Result<Page<Gateway>, StoreError> {
        self.find_gateways(&GatewayFilter::default(), cursor).await
    }

    /// Gateways that match a filter, by name.
    pub async fn find_gateways(
        &self,
        filter: &GatewayFilter,
        cursor: Option<&str>,
    ) -> Result<Page<Gateway>, StoreError> {
        let sql = select(&self.within("g.gateway"), OF_PAGE);
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(cursor.unwrap_or_default().to_owned())
            .bind(pattern(&filter.text))
            .bind(self.rows().and_one())
            .bind(i64::from(filter.unassigned))
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read gateways"))?;
        let items = rows.iter().map(gateway).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(items, self.rows(), |g| g.gateway.to_string()))
    }

    /// One gateway.
    pub async fn gateway(&self, name: &GatewayId) -> Result<Option<Gateway>, StoreError> {
        let sql = select(&self.within("g.gateway"), "g.gateway = $2");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(name.to_string())
            .fetch_optional(&mut *self.reader().await?)
            .await
            .map_err(failed("read gateway"))?;
        row.as_ref().map(gateway).transpose()
    }

    /// Gateways of a site by name, at most 1,000.
    pub async fn gateways_of(&self, site: SiteId) -> Result<Vec<GatewayId>, StoreError> {
        let within = self.within("gateway");
        let sql = format!(
            "SELECT gateway FROM gateways WHERE tenant = $1{within} AND site_id = $2 ORDER BY gateway LIMIT 1000"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(site.to_string())
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read gateways"))?;
        rows.iter().map(|r| row::parsed(r, ("gateways", "gateway"), "a row")).collect()
    }

    /// The lanes of gateways from one name to another, both included.
    pub async fn lanes(&self, first: &GatewayId, last: &GatewayId) -> Result<Vec<LaneState>, StoreError> {
        let within = self.within("gateway");
        let sql = format!(
            "SELECT gateway, lane, acknowledged, made FROM lanes \
             WHERE tenant = $1{within} AND gateway >= $2 AND gateway <= $3 ORDER BY gateway, lane DESC"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(first.to_string())
            .bind(last.to_string())
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read lanes"))?;
        let lane = |r| {
            Ok(LaneState {
                gateway: row::parsed(r, ("lanes", "gateway"), "a row")?,
                lane: row::parsed(r, ("lanes", "lane"), "a row")?,
                acknowledged: row::number(r, "acknowledged")?,
                made: row::number(r, "made")?,
            })
        };
        rows.iter().map(lane).collect()
    }
}
