//! Rows of counters over time.

use std::sync::LazyLock;

use comm_server_core::assets::Meter;
use comm_server_core::calls::ReportRef;
use comm_server_core::ingest::{self, readable};
use comm_server_core::retention::Span;
use comm_server_core::tenancy::TenantId;
use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use wire::ids::DeviceId;
use wire::reading::Counter;

use super::{GatewayRef, LaneRef};
use crate::db::multi_row::{self, Statement};
use crate::db::row::stored;
use crate::db::{StoreError, failed, row};

/// A counter to insert.
pub(crate) struct CounterRow<'a> {
    pub(crate) device: &'a DeviceId,
    /// Sequence number of its report.
    pub(crate) seq: u64,
    pub(crate) read_at: Timestamp,
    pub(crate) unit: String,
    pub(crate) value: ingest::CounterRow,
}

static COUNTERS: Statement = Statement::new(|rows| {
    let rows = multi_row::rows(rows, 8, 3, |_| "$1, $2, $3, ".to_owned());
    format!(
        "INSERT INTO counters (tenant, gateway, lane, device, seq, read_ms, unit, counter, value, oid, raw) VALUES {rows} \
         ON CONFLICT (tenant, gateway, device, counter, read_ms) DO NOTHING"
    )
});

/// Inserts counters, unless a value of the same counter and time exists.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    LaneRef { of, lane }: LaneRef<'_>,
    counters: &[CounterRow<'_>],
) -> Result<(), StoreError> {
    for (sql, now) in COUNTERS.split(counters) {
        let mut insert =
            sqlx::query(sql).bind(of.tenant.to_string()).bind(of.gateway.to_string()).bind(lane.name());
        for CounterRow { device, seq, read_at, unit, value } in now {
            let evidence = value.evidence.as_ref();
            let raw = evidence.map_or(value.value, |evidence| evidence.value);
            insert = insert
                .bind(device.to_string())
                .bind(stored(*seq, "counters.seq")?)
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

/// Keeps the last meter of each step, and for each source the first of all, and the meters before and after each
/// fall.
const THIN_STEPS: &str = "DELETE FROM counters WHERE tenant = $1 AND gateway = $2 AND read_ms >= $3 AND read_ms < $4 \
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
          AND b.oid = counters.oid AND b.read_ms < counters.read_ms)";

/// Keeps in addition the first and last readings of the epochs of assets. The second meter after a fall shows whether
/// it was a dip; the first one of a source is the beginning of an epoch if the previous source is not read for 48
/// hours after it.
const THIN_BORDERS: &str = " \
         AND NOT COALESCE((SELECT b.value FROM counters b WHERE b.tenant = counters.tenant \
          AND b.gateway = counters.gateway AND b.device = counters.device AND b.counter = counters.counter \
          AND b.oid = counters.oid AND b.read_ms < counters.read_ms ORDER BY b.read_ms DESC LIMIT 1) < \
          (SELECT b.value FROM counters b WHERE b.tenant = counters.tenant \
          AND b.gateway = counters.gateway AND b.device = counters.device AND b.counter = counters.counter \
          AND b.oid = counters.oid AND b.read_ms < counters.read_ms ORDER BY b.read_ms DESC LIMIT 1 OFFSET 1), FALSE) \
         AND NOT EXISTS (SELECT 1 FROM counters b WHERE b.tenant = counters.tenant \
          AND b.gateway = counters.gateway AND b.device = counters.device AND b.counter = counters.counter \
          AND b.oid <> counters.oid AND b.read_ms = (SELECT MAX(m.read_ms) FROM counters m \
           WHERE m.tenant = counters.tenant AND m.gateway = counters.gateway AND m.device = counters.device \
           AND m.counter = counters.counter AND m.read_ms < counters.read_ms) \
          AND NOT EXISTS (SELECT 1 FROM counters n WHERE n.tenant = counters.tenant \
           AND n.gateway = counters.gateway AND n.device = counters.device AND n.counter = counters.counter \
           AND n.oid = b.oid AND n.read_ms > counters.read_ms AND n.read_ms < b.read_ms + 172800000)) \
         AND NOT EXISTS (SELECT 1 FROM placements p WHERE p.tenant = counters.tenant \
          AND p.device = counters.device AND ((p.from_ms <= counters.read_ms AND NOT EXISTS \
           (SELECT 1 FROM counters n WHERE n.tenant = counters.tenant AND n.gateway = counters.gateway \
            AND n.device = counters.device AND n.counter = counters.counter AND n.oid = counters.oid \
            AND n.read_ms >= p.from_ms AND n.read_ms < counters.read_ms)) \
          OR (p.to_ms > counters.read_ms AND NOT EXISTS \
           (SELECT 1 FROM counters n WHERE n.tenant = counters.tenant AND n.gateway = counters.gateway \
            AND n.device = counters.device AND n.counter = counters.counter AND n.oid = counters.oid \
            AND n.read_ms > counters.read_ms AND n.read_ms < p.to_ms)))) \
         AND NOT EXISTS (SELECT 1 FROM swap_readings s WHERE s.tenant = counters.tenant \
          AND s.gateway = counters.gateway AND s.device = counters.device AND s.counter = counters.counter \
          AND s.read_ms = counters.read_ms)";

static THIN: LazyLock<String> = LazyLock::new(|| format!("{THIN_STEPS}{THIN_BORDERS}"));

/// Thins meters: for each source of a counter, keeps the last one of each step, the first of all, and those before
/// and after each fall; and the first and last readings of the epochs of assets.
pub(crate) async fn thin(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    span: Span,
) -> Result<u64, StoreError> {
    let done = sqlx::query(THIN.as_str())
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

/// Columns of a [`Meter`]; the table is `c`.
const METER: &str = "c.gateway, c.read_ms, c.value, c.oid, c.raw, c.lane, c.seq";

pub(crate) fn meter(found: &AnyRow) -> Result<Meter, StoreError> {
    let lane = row::maybe_parsed(found, ("counters", "lane"), "a row")?;
    let seq = row::maybe_number(found, "seq")?.and_then(|seq| u64::try_from(seq).ok());
    Ok(Meter {
        at: row::time(found, "read_ms")?,
        value: row::count(found, "value")?,
        source: row::text(found, "oid")?,
        raw: row::count(found, "raw")?,
        gateway: row::parsed(found, ("counters", "gateway"), "a row")?,
        report: lane.zip(seq).map(|(lane, seq)| ReportRef { lane, seq }),
    })
}

/// Which readings of a span are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    First,
    Last,
}

/// Readings of a counter of a device by all gateways of the tenant in `[from, to)`, milliseconds, oldest first.
pub(crate) async fn of_device(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    (device, counter): (&DeviceId, Counter),
    (from_ms, to_ms): (i64, i64),
    which: Which,
) -> Result<Vec<Meter>, StoreError> {
    let order = match which {
        Which::All => "ORDER BY c.read_ms, c.gateway",
        Which::First => "ORDER BY c.read_ms, c.gateway LIMIT 1",
        Which::Last => "ORDER BY c.read_ms DESC, c.gateway LIMIT 1",
    };
    let sql = format!(
        "SELECT {METER} FROM devices d JOIN counters c ON c.tenant = d.tenant AND c.gateway = d.gateway \
         AND c.device = d.device WHERE d.tenant = $1 AND d.device = $2 AND c.counter = $3 \
         AND c.read_ms >= $4 AND c.read_ms < $5 {order}"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(tenant.to_string())
        .bind(device.to_string())
        .bind(counter.name())
        .bind(from_ms)
        .bind(to_ms)
        .fetch_all(connection)
        .await
        .map_err(failed("read counters"))?;
    rows.iter().map(meter).collect()
}

/// The first reading of a device after a time, by any gateway of the tenant.
pub(crate) async fn first_after(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    device: &DeviceId,
    after: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let found = sqlx::query(
        "SELECT MIN(c.read_ms) AS first_ms FROM devices d JOIN counters c ON c.tenant = d.tenant \
         AND c.gateway = d.gateway AND c.device = d.device \
         WHERE d.tenant = $1 AND d.device = $2 AND c.read_ms > $3",
    )
    .bind(tenant.to_string())
    .bind(device.to_string())
    .bind(after.as_millisecond())
    .fetch_one(connection)
    .await
    .map_err(failed("read counters"))?;
    row::maybe_time(&found, "first_ms")
}
