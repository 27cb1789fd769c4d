//! Counters over time.

use jiff::Timestamp;
use serde::Serialize;

use super::{Store, StoreError, failed, row};

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

impl Store {
    /// A counter of a device from `from` to `to`, oldest first.
    ///
    /// # Errors
    /// The database.
    pub async fn counter_series(
        &self,
        tenant: &str,
        gateway: &str,
        device: &str,
        counter: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<CounterPoint>, StoreError> {
        let rows = sqlx::query(
            "SELECT read_ms, value, oid, raw FROM counters WHERE tenant = $1 AND gateway = $2 \
             AND device = $3 AND counter = $4 AND read_ms >= $5 AND read_ms <= $6 \
             ORDER BY read_ms DESC LIMIT $7",
        )
        .bind(tenant.to_owned())
        .bind(gateway.to_owned())
        .bind(device.to_owned())
        .bind(counter.to_owned())
        .bind(from.as_millisecond())
        .bind(to.as_millisecond())
        .bind(POINTS)
        .fetch_all(self.readers())
        .await
        .map_err(failed("to read counters"))?;
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
}
