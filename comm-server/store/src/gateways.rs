//! Gateways as people see them.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sqlx::any::AnyRow;

use super::devices::pattern;
use super::page::{PAGE_ROWS, Page};
use super::{Store, StoreError, failed, row};

/// A gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gateway {
    /// Its name, as in its certificate.
    pub gateway: String,
    /// Customer, "" when nobody said.
    pub customer: String,
    /// Site, "" when nobody said.
    pub site: String,
    /// Version of its program.
    pub version: String,
    /// Devices it knows.
    pub devices: i64,
    /// Those of them that don't answer.
    pub devices_offline: i64,
    /// Open calls of its devices.
    pub open_calls: i64,
    /// Open service calls among them.
    pub service_calls: i64,
    /// Seconds since its program began, at its last poll.
    pub uptime_s: i64,
    /// Why it can store nothing at present, "" while it can.
    pub storage_problem: String,
    /// When it was first heard of.
    pub first_seen: Timestamp,
    /// Its last poll.
    pub last_poll: Option<Timestamp>,
    /// Seconds that it was given until the next.
    pub next_poll_s: i64,
    /// Seconds that its clock was ahead of the server's at its last poll; negative behind, 0 when it was right.
    pub clock_ahead_s: i64,
    /// When its meters are asked for next.
    pub meters_due: Option<Timestamp>,
}

/// A gateway counts as silent when it is this late beyond twice its interval, milliseconds.
pub(super) const SILENT_SLACK_MS: i64 = 60_000;

/// As SQL, of the row `g`: its last sign of life, and twice its interval. Silent once this and the slack are past.
pub(super) const PATIENCE_MS: &str = "COALESCE(g.last_poll_ms, g.first_seen_ms) + 2000 * g.next_poll_s";

impl Gateway {
    /// When it is expected to poll again.
    #[must_use]
    pub fn next_poll(&self) -> Option<Timestamp> {
        self.last_poll?.checked_add(SignedDuration::from_secs(self.next_poll_s)).ok()
    }

    /// Whether it missed its poll by so much that something is wrong; the same as `PATIENCE_MS` says in SQL.
    #[must_use]
    pub fn is_silent(&self, now: Timestamp) -> bool {
        let last = self.last_poll.unwrap_or(self.first_seen).as_millisecond();
        let patience = self.next_poll_s.saturating_mul(2000).saturating_add(SILENT_SLACK_MS);
        last.saturating_add(patience) < now.as_millisecond()
    }
}

fn gateway(row: &AnyRow) -> Result<Gateway, StoreError> {
    Ok(Gateway {
        gateway: row::text(row, "gateway")?,
        customer: row::text(row, "customer")?,
        site: row::text(row, "site")?,
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

impl Store {
    /// Gateways by name.
    ///
    /// # Errors
    /// The database.
    pub async fn gateways(&self, tenant: &str, cursor: Option<&str>) -> Result<Page<Gateway>, StoreError> {
        self.find_gateways(tenant, "", cursor).await
    }

    /// Gateways by name whose name, customer or site has a text; all for "".
    ///
    /// # Errors
    /// The database.
    pub async fn find_gateways(
        &self,
        tenant: &str,
        text: &str,
        cursor: Option<&str>,
    ) -> Result<Page<Gateway>, StoreError> {
        let rows = sqlx::query(
            "SELECT g.*, \
             (SELECT COUNT(*) FROM calls c WHERE c.tenant = g.tenant AND c.gateway = g.gateway \
              AND c.is_open = 1) AS open_calls, \
             (SELECT COUNT(*) FROM calls c WHERE c.tenant = g.tenant AND c.gateway = g.gateway \
              AND c.is_open = 1 AND c.kind = 'service_call') AS service_calls \
             FROM gateways g WHERE g.tenant = $1 AND g.gateway > $2 \
             AND ($3 = '' OR LOWER(g.gateway) LIKE $3 ESCAPE '!' OR LOWER(g.customer) LIKE $3 ESCAPE '!' \
              OR LOWER(g.site) LIKE $3 ESCAPE '!' OR LOWER(g.customer || ' ' || g.site) LIKE $3 ESCAPE '!') \
             ORDER BY g.gateway LIMIT $4",
        )
        .bind(tenant.to_owned())
        .bind(cursor.unwrap_or_default().to_owned())
        .bind(pattern(text))
        .bind(PAGE_ROWS + 1)
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(failed("to read the gateways"))?;
        let items = rows.iter().map(gateway).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(items, |g| g.gateway.clone()))
    }

    /// One gateway.
    ///
    /// # Errors
    /// The database.
    pub async fn gateway(&self, tenant: &str, name: &str) -> Result<Option<Gateway>, StoreError> {
        let row = sqlx::query(
            "SELECT g.*, \
             (SELECT COUNT(*) FROM calls c WHERE c.tenant = g.tenant AND c.gateway = g.gateway \
              AND c.is_open = 1) AS open_calls, \
             (SELECT COUNT(*) FROM calls c WHERE c.tenant = g.tenant AND c.gateway = g.gateway \
              AND c.is_open = 1 AND c.kind = 'service_call') AS service_calls \
             FROM gateways g WHERE g.tenant = $1 AND g.gateway = $2",
        )
        .bind(tenant.to_owned())
        .bind(name.to_owned())
        .fetch_optional(&mut *self.reader().await?)
        .await
        .map_err(failed("to read a gateway"))?;
        row.as_ref().map(gateway).transpose()
    }
}
