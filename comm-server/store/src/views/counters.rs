//! Counters over time.

use comm_server_core::retention::plot_step_ms;
use jiff::Timestamp;
use serde::Serialize;
use wire::ids::{DeviceId, GatewayId};
use wire::reading::Counter;

use crate::Scoped;
use crate::db::{StoreError, failed, row};
use crate::tables::{GatewayRef, devices};

/// Maximum number of points of a series; the oldest are left out.
const POINTS: i64 = 5000;

/// Maximum number of sources of one counter.
const SOURCES: i64 = 20;

/// A counter at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CounterPoint {
    /// When it was read.
    pub at: Timestamp,
    /// Its value.
    pub value: i64,
    /// The object that was read.
    pub oid: String,
    /// The value as read.
    pub raw: i64,
}

/// The latest value of a counter with its evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestCounter {
    /// The counter.
    pub counter: Counter,
    /// When it was read.
    pub at: Timestamp,
    /// Its value.
    pub value: i64,
    /// OID that it was read from.
    pub oid: String,
    /// Value as the device reported it.
    pub raw: i64,
    /// The unit.
    pub unit: String,
}

/// The counter, span and source of a series.
#[derive(Debug, Clone, Copy)]
pub struct SeriesQuery<'a> {
    /// The gateway.
    pub gateway: &'a GatewayId,
    /// The device's id.
    pub device: &'a DeviceId,
    /// The counter.
    pub counter: Counter,
    /// Not before this time.
    pub from: Timestamp,
    /// Not after this time.
    pub to: Timestamp,
    /// The object that the values were read from, as in [`CounterPoint::oid`]. `None` selects the source of the
    /// device's total; for other counters, that of the newest value.
    pub source: Option<&'a str>,
}

/// Values from one source, oldest first, because values of two sources can't be compared (decision 0016).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CounterSeries {
    /// The object that the values were read from; empty if there is no value.
    pub source: String,
    /// Every source with values in the span, that of the newest value first.
    pub sources: Vec<CounterSource>,
    /// The values.
    pub points: Vec<CounterPoint>,
}

/// A source of a counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterSource {
    /// The object that is read, or several joined by `+`.
    pub oid: String,
    /// Number of values in the span.
    pub values: i64,
    /// Time of the first one.
    pub first: Timestamp,
    /// Time of the last one.
    pub last: Timestamp,
}

impl Scoped {
    /// A counter of a device over time, of one source.
    ///
    /// # Errors
    /// The database failed.
    pub async fn counter_series(&self, query: SeriesQuery<'_>) -> Result<CounterSeries, StoreError> {
        let sources = self.counter_sources(query).await?;
        let source = match query.source {
            Some(source) => source.to_owned(),
            None => self.default_source(query, &sources).await?,
        };
        let span = sources.iter().find(|own| own.oid == source);
        let points = match span {
            Some(span) => self.points(query, span).await?,
            None => Vec::new(),
        };
        Ok(CounterSeries { source, sources, points })
    }

    /// The source of the device's total if it has values in the span, else the source of the newest value.
    async fn default_source(
        &self,
        query: SeriesQuery<'_>,
        sources: &[CounterSource],
    ) -> Result<String, StoreError> {
        let newest = sources.first().map(|source| source.oid.clone()).unwrap_or_default();
        if query.counter != Counter::Total || sources.len() < 2 {
            return Ok(newest);
        }
        let of = GatewayRef { tenant: self.tenant(), gateway: query.gateway };
        let total = devices::total(&mut *self.reader().await?, of, query.device).await?;
        Ok(total.source.filter(|own| sources.iter().any(|source| source.oid == *own)).unwrap_or(newest))
    }

    async fn points(
        &self,
        query: SeriesQuery<'_>,
        span: &CounterSource,
    ) -> Result<Vec<CounterPoint>, StoreError> {
        let (from, to) = (span.first.as_millisecond(), span.last.as_millisecond());
        let rows = sqlx::query(
            "SELECT c.read_ms, c.value, c.oid, c.raw FROM counters c \
             JOIN (SELECT MAX(read_ms) AS newest FROM counters WHERE tenant = $1 AND gateway = $2 \
              AND device = $3 AND counter = $4 AND oid = $5 AND read_ms >= $6 AND read_ms <= $7 \
              GROUP BY read_ms / $8) n ON n.newest = c.read_ms \
             WHERE c.tenant = $1 AND c.gateway = $2 AND c.device = $3 AND c.counter = $4 AND c.oid = $5 \
             ORDER BY c.read_ms DESC LIMIT $9",
        )
        .bind(self.tenant().to_string())
        .bind(query.gateway.to_string())
        .bind(query.device.to_string())
        .bind(query.counter.name())
        .bind(span.oid.clone())
        .bind(from)
        .bind(to)
        .bind(plot_step_ms(to.saturating_sub(from)))
        .bind(POINTS)
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(failed("read counters"))?;
        let point = |r| {
            Ok(CounterPoint {
                at: row::time(r, "read_ms")?,
                value: row::number(r, "value")?,
                oid: row::text(r, "oid")?,
                raw: row::number(r, "raw")?,
            })
        };
        rows.iter().rev().map(point).collect()
    }

    /// The latest value of each counter of a device.
    pub async fn latest_counters(
        &self,
        gateway: &GatewayId,
        device: &DeviceId,
    ) -> Result<Vec<LatestCounter>, StoreError> {
        let within = self.within("c.gateway");
        let sql = format!(
            "SELECT c.counter, c.read_ms, c.value, c.oid, c.raw, c.unit FROM counters c \
             JOIN (SELECT counter, MAX(read_ms) AS newest FROM counters \
              WHERE tenant = $1 AND gateway = $2 AND device = $3 GROUP BY counter) n \
             ON n.counter = c.counter AND n.newest = c.read_ms \
             WHERE c.tenant = $1{within} AND c.gateway = $2 AND c.device = $3"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(gateway.to_string())
            .bind(device.to_string())
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read counters"))?;
        let counter = |r| {
            Ok(LatestCounter {
                counter: row::parsed(r, ("counters", "counter"), device.as_str())?,
                at: row::time(r, "read_ms")?,
                value: row::number(r, "value")?,
                oid: row::text(r, "oid")?,
                raw: row::number(r, "raw")?,
                unit: row::text(r, "unit")?,
            })
        };
        rows.iter().map(counter).collect()
    }

    /// The sources of a counter in a span, that of the newest value first.
    async fn counter_sources(&self, query: SeriesQuery<'_>) -> Result<Vec<CounterSource>, StoreError> {
        let within = self.within("gateway");
        let sql = format!(
            "SELECT oid, COUNT(*) AS points, MIN(read_ms) AS oldest, MAX(read_ms) AS newest FROM counters \
             WHERE tenant = $1{within} AND gateway = $2 AND device = $3 AND counter = $4 \
             AND read_ms >= $5 AND read_ms <= $6 GROUP BY oid ORDER BY newest DESC, oid LIMIT $7"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(query.gateway.to_string())
            .bind(query.device.to_string())
            .bind(query.counter.name())
            .bind(query.from.as_millisecond())
            .bind(query.to.as_millisecond())
            .bind(SOURCES)
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read counters"))?;
        let source = |r| {
            Ok(CounterSource {
                oid: row::text(r, "oid")?,
                values: row::number(r, "points")?,
                first: row::time(r, "oldest")?,
                last: row::time(r, "newest")?,
            })
        };
        rows.iter().map(source).collect()
    }
}
