//! Lets go of what is kept no longer, a gateway at a time, so that no table is read as a whole.

use comm_server_core::retention::{self, Retention, Span};
use jiff::Timestamp;
use sqlx::AnyConnection;

use super::{Store, StoreError, failed, partitions, row};

/// Gateways that have their turn in one transaction.
const AT_ONCE: i64 = 20;

/// A gateway of a tenant.
type Of<'a> = (&'a str, &'a str);

impl Store {
    /// Lets old rows of gateways go whose turn has come; how many rows went.
    ///
    /// # Errors
    /// The database.
    pub async fn tidy(&self, retention: Retention, now: Timestamp) -> Result<u64, StoreError> {
        let days = retention.reports_days;
        let keep =
            self.writer().write(move |c| Box::pin(async move { partitions::keep(c, now, days).await }));
        let mut gone = keep.await?;
        loop {
            let (gateways, rows) = self
                .writer()
                .write(move |connection| Box::pin(async move { tidy(connection, &retention, now).await }))
                .await?;
            gone += rows;
            if gateways < AT_ONCE {
                let before_ms = retention::before(now, retention.audit_days);
                let writer = self.writer();
                let gone_entries =
                    writer.write(move |c| Box::pin(async move { forget(c, before_ms).await })).await?;
                return Ok(gone + gone_entries);
            }
        }
    }
}

async fn forget(connection: &mut AnyConnection, before_ms: i64) -> Result<u64, StoreError> {
    let forgotten = sqlx::query("DELETE FROM audit WHERE at_ms < $1").bind(before_ms);
    Ok(forgotten.execute(connection).await.map_err(failed("to let old audit entries go"))?.rows_affected())
}

/// How many gateways had their turn, and how many rows went.
async fn tidy(
    connection: &mut AnyConnection,
    retention: &Retention,
    now: Timestamp,
) -> Result<(i64, u64), StoreError> {
    let found = sqlx::query(
        "SELECT tenant, gateway, tidied_ms FROM gateways WHERE tidied_ms <= $1 ORDER BY tidied_ms LIMIT $2",
    )
    .bind(retention::before(now, 1))
    .bind(AT_ONCE)
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("to read gateways"))?;
    let in_partitions = !found.is_empty() && partitions::are_used(connection).await?;
    let mut gone = 0;
    for turn in &found {
        let (tenant, gateway) = (row::text(turn, "tenant")?, row::text(turn, "gateway")?);
        // Of several servers, the one that moves the time does the work.
        let moved = sqlx::query(
            "UPDATE gateways SET tidied_ms = $3 WHERE tenant = $1 AND gateway = $2 AND tidied_ms = $4",
        )
        .bind(tenant.clone())
        .bind(gateway.clone())
        .bind(now.as_millisecond())
        .bind(row::number(turn, "tidied_ms")?)
        .execute(&mut *connection)
        .await
        .map_err(failed("a gateway's turn"))?;
        if moved.rows_affected() == 1 {
            gone += one(connection, (&tenant, &gateway), retention, now).await?;
            if !in_partitions {
                gone += old_reports(connection, (&tenant, &gateway), retention, now).await?;
            }
        }
    }
    Ok((i64::try_from(found.len()).unwrap_or(i64::MAX), gone))
}

async fn one(
    connection: &mut AnyConnection,
    of: Of<'_>,
    retention: &Retention,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let mut gone = 0;
    if let Some(oldest_ms) = oldest_meter(connection, of).await? {
        for span in retention.spans(now, oldest_ms) {
            gone += thin(connection, of, span).await?;
        }
    }
    let rows = [
        (
            "DELETE FROM commands WHERE tenant = $1 AND gateway = $2 AND created_ms < $3 \
             AND state IN ('done', 'failed', 'expired')",
            retention.commands_days,
        ),
        (
            "DELETE FROM calls WHERE tenant = $1 AND gateway = $2 AND is_open = 0 AND cleared_ms < $3",
            retention.calls_days,
        ),
        (
            "DELETE FROM quarantine WHERE tenant = $1 AND gateway = $2 AND received_ms < $3",
            retention.quarantine_days,
        ),
    ];
    for (sql, days) in rows {
        gone += delete(connection, of, sql, retention::before(now, days)).await?;
    }
    Ok(gone)
}

/// Reports that aren't in partitions, which go as a whole.
async fn old_reports(
    connection: &mut AnyConnection,
    of: Of<'_>,
    retention: &Retention,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let sql = "DELETE FROM reports WHERE tenant = $1 AND gateway = $2 AND received_ms < $3";
    delete(connection, of, sql, retention::before(now, retention.reports_days)).await
}

async fn delete(
    connection: &mut AnyConnection,
    of: Of<'_>,
    sql: &'static str,
    before_ms: i64,
) -> Result<u64, StoreError> {
    let done = sqlx::query(sql).bind(of.0.to_owned()).bind(of.1.to_owned()).bind(before_ms);
    Ok(done.execute(connection).await.map_err(failed("to let old rows go"))?.rows_affected())
}

async fn oldest_meter(connection: &mut AnyConnection, of: Of<'_>) -> Result<Option<i64>, StoreError> {
    let found = sqlx::query("SELECT MIN(read_ms) AS oldest FROM counters WHERE tenant = $1 AND gateway = $2")
        .bind(of.0.to_owned())
        .bind(of.1.to_owned())
        .fetch_one(connection)
        .await
        .map_err(failed("to read the oldest meter"))?;
    row::maybe_number(&found, "oldest")
}

/// Of each source of a counter keeps the last meter of each step, the first of all, and of each fall the meters before and
/// after it.
async fn thin(connection: &mut AnyConnection, of: Of<'_>, span: Span) -> Result<u64, StoreError> {
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
    .bind(of.0.to_owned())
    .bind(of.1.to_owned())
    .bind(span.step_ms.map_or(span.from_ms, |step| span.from_ms.div_euclid(step) * step))
    .bind(span.to_ms)
    .bind(span.step_ms.unwrap_or(i64::MAX))
    .execute(connection)
    .await
    .map_err(failed("to thin meters"))?;
    Ok(done.rows_affected())
}
