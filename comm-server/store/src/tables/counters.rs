//! Rows of counters over time.

use comm_server_core::ingest::{self, readable};
use comm_server_core::retention::Span;
use jiff::Timestamp;
use sqlx::AnyConnection;
use wire::ids::DeviceId;

use super::GatewayRef;
use crate::db::multi_row::{self, Statement};
use crate::db::row::stored;
use crate::db::{StoreError, failed, row};

/// A counter to be added.
pub(crate) struct CounterRow<'a> {
    pub(crate) device: &'a DeviceId,
    pub(crate) read_at: Timestamp,
    pub(crate) unit: String,
    pub(crate) value: ingest::CounterRow,
}

static COUNTERS: Statement = Statement::new(|rows| {
    let rows = multi_row::rows(rows, 7, 2, |_| "$1, $2, ".to_owned());
    format!(
        "INSERT INTO counters (tenant, gateway, device, read_ms, unit, counter, value, oid, raw) VALUES {rows} \
         ON CONFLICT (tenant, gateway, device, counter, read_ms) DO NOTHING"
    )
});

/// Inserts counters, unless the same counter was read at that time already.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    counters: &[CounterRow<'_>],
) -> Result<(), StoreError> {
    for (sql, now) in COUNTERS.split(counters) {
        let mut insert = sqlx::query(sql).bind(of.tenant.to_string()).bind(of.gateway.to_string());
        for CounterRow { device, read_at, unit, value } in now {
            let evidence = value.evidence.as_ref();
            let raw = evidence.map_or(value.value, |evidence| evidence.value);
            insert = insert
                .bind(device.to_string())
                .bind(read_at.as_millisecond())
                .bind(unit.clone())
                .bind(value.counter.name())
                .bind(stored(value.value, "counters.value")?)
                .bind(evidence.map(|evidence| readable(&evidence.oid)).unwrap_or_default())
                .bind(stored(raw, "counters.raw")?);
        }
        insert.execute(&mut *connection).await.map_err(failed("insert counters"))?;
    }
    Ok(())
}

/// The time of the oldest counter of a gateway, milliseconds.
pub(crate) async fn oldest(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
) -> Result<Option<i64>, StoreError> {
    let found = sqlx::query("SELECT MIN(read_ms) AS oldest FROM counters WHERE tenant = $1 AND gateway = $2")
        .bind(of.tenant.to_string())
        .bind(of.gateway.to_string())
        .fetch_one(connection)
        .await
        .map_err(failed("read counters"))?;
    row::maybe_number(&found, "oldest")
}

/// Of each source of a counter keeps the last meter of each step, the first of all, and of each fall the meters before and
/// after it.
pub(crate) async fn thin(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    span: Span,
) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "DELETE FROM counters WHERE tenant = $1 AND gateway = $2 AND read_ms >= $3 AND read_ms < $4 \
         AND EXISTS (SELECT 1 FROM counters n WHERE n.tenant = counters.tenant \
          AND n.gateway = counters.gateway AND n.device = counters.device AND n.counter = counters.counter \
          AND n.oid = counters.oid AND n.read_ms > counters.read_ms AND n.read_ms < $4 \
          AND (n.read_ms - $3) / $5 = (counters.read_ms - $3) / $5) \
         AND NOT COALESCE(counters.value > (SELECT n.value FROM counters n WHERE n.tenant = counters.tenant \
          AND n.gateway = counters.gateway AND n.device = counters.device AND n.counter = counters.counter \
          AND n.oid = counters.oid AND n.read_ms > counters.read_ms ORDER BY n.read_ms LIMIT 1), FALSE) \
         AND NOT COALESCE(counters.value < (SELECT b.value FROM counters b WHERE b.tenant = counters.tenant \
          AND b.gateway = counters.gateway AND b.device = counters.device AND b.counter = counters.counter \
          AND b.oid = counters.oid AND b.read_ms < counters.read_ms ORDER BY b.read_ms DESC LIMIT 1), FALSE) \
         AND EXISTS (SELECT 1 FROM counters b WHERE b.tenant = counters.tenant \
          AND b.gateway = counters.gateway AND b.device = counters.device AND b.counter = counters.counter \
          AND b.oid = counters.oid AND b.read_ms < counters.read_ms)",
    )
    .bind(of.tenant.to_string())
    .bind(of.gateway.to_string())
    .bind(span.step_ms.map_or(span.from_ms, |step| span.from_ms.div_euclid(step) * step))
    .bind(span.to_ms)
    .bind(span.step_ms.unwrap_or(i64::MAX))
    .execute(connection)
    .await
    .map_err(failed("thin counters"))?;
    Ok(done.rows_affected())
}
