//! Counters over time.

use comm_server_core::retention::plot_step_ms;
use jiff::Timestamp;
use serde::Serialize;
use wire::ids::{DeviceId, GatewayId};
use wire::reading::Counter;

use crate::Scoped;
use crate::db::{StoreError, failed, row};

/// Points of one series at most; of more, the newest are given.
const POINTS: i64 = 5000;

/// A counter at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CounterPoint {
    /// When it was read.
    pub at: Timestamp,
    /// Its value.
    pub value: i64,
    /// Object that was read.
    pub oid: String,
    /// What was read there.
    pub raw: i64,
}

/// The latest value of a counter with its evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestCounter {
    /// Name of the counter.
    pub counter: String,
    /// When it was read.
    pub at: Timestamp,
    /// Its value.
    pub value: i64,
    /// OID that it was read from.
    pub oid: String,
    /// Value as the device reported it.
    pub raw: i64,
    /// What it counts.
    pub unit: String,
}

impl Scoped {
    /// A counter of a device from `from` to `to`, oldest first.
    pub async fn counter_series(
        &self,
        gateway: &GatewayId,
        device: &DeviceId,
        counter: Counter,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<CounterPoint>, StoreError> {
        let (from, to) = self.extent((gateway, device, counter), from, to).await?;
        let rows = sqlx::query(
            "SELECT c.read_ms, c.value, c.oid, c.raw FROM counters c \
             JOIN (SELECT MAX(read_ms) AS newest FROM counters WHERE tenant = $1 AND gateway = $2 \
              AND device = $3 AND counter = $4 AND read_ms >= $5 AND read_ms <= $6 GROUP BY read_ms / $8) n \
             ON n.newest = c.read_ms \
             WHERE c.tenant = $1 AND c.gateway = $2 AND c.device = $3 AND c.counter = $4 \
             ORDER BY c.read_ms DESC LIMIT $7",
        )
        .bind(self.tenant().to_string())
        .bind(gateway.to_string())
        .bind(device.to_string())
        .bind(counter.name())
        .bind(from)
        .bind(to)
        .bind(POINTS)
        .bind(plot_step_ms(to.saturating_sub(from)))
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
        let rows = sqlx::query(
            "SELECT c.counter, c.read_ms, c.value, c.oid, c.raw, c.unit FROM counters c \
             JOIN (SELECT counter, MAX(read_ms) AS newest FROM counters \
              WHERE tenant = $1 AND gateway = $2 AND device = $3 GROUP BY counter) n \
             ON n.counter = c.counter AND n.newest = c.read_ms \
             WHERE c.tenant = $1 AND c.gateway = $2 AND c.device = $3",
        )
        .bind(self.tenant().to_string())
        .bind(gateway.to_string())
        .bind(device.to_string())
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(failed("read counters"))?;
        let counter = |r| {
            Ok(LatestCounter {
                counter: row::text(r, "counter")?,
                at: row::time(r, "read_ms")?,
                value: row::number(r, "value")?,
                oid: row::text(r, "oid")?,
                raw: row::number(r, "raw")?,
                unit: row::text(r, "unit")?,
            })
        };
        rows.iter().map(counter).collect()
    }

    /// The times of the first and the last value of a span, milliseconds.
    async fn extent(
        &self,
        (gateway, device, counter): (&GatewayId, &DeviceId, Counter),
        from: Timestamp,
        to: Timestamp,
    ) -> Result<(i64, i64), StoreError> {
        let found = sqlx::query(
            "SELECT COALESCE(MIN(read_ms), 0) AS oldest, COALESCE(MAX(read_ms), 0) AS newest FROM counters \
             WHERE tenant = $1 AND gateway = $2 AND device = $3 AND counter = $4 \
             AND read_ms >= $5 AND read_ms <= $6",
        )
        .bind(self.tenant().to_string())
        .bind(gateway.to_string())
        .bind(device.to_string())
        .bind(counter.name())
        .bind(from.as_millisecond())
        .bind(to.as_millisecond())
        .fetch_one(&mut *self.reader().await?)
        .await
        .map_err(failed("read counters"))?;
        Ok((row::number(&found, "oldest")?, row::number(&found, "newest")?))
    }
}
