//! Rows of reports.

use std::sync::LazyLock;

use comm_server_core::ingest::Arrival;
use jiff::Timestamp;
use sqlx::AnyConnection;
use wire::ids::DeviceId;
use wire::report::{Call, Report};

use super::{GatewayRef, LaneRef};
use crate::db::multi_row::{self, Statement};
use crate::db::row::stored;
use crate::db::{StoreError, failed, row, sql};

/// A report to store.
pub(crate) struct ReportRow<'a> {
    pub(crate) arrival: &'a Arrival,
    pub(crate) kind: &'static str,
    pub(crate) device: Option<&'a DeviceId>,
}

static REPORTS: Statement = Statement::new(|rows| {
    // Tenant, gateway, lane and time of receipt are the same in each row.
    let rows = multi_row::rows(rows, 5, 4, |_| "$1, $2, $3, $4, ".to_owned());
    format!(
        "INSERT INTO reports (tenant, gateway, lane, received_ms, seq, at_ms, kind, device, body) VALUES {rows}"
    )
});

static CALLS_SINCE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT body FROM reports WHERE tenant = $1 AND gateway = $2 AND received_ms >= $3 AND kind = {}",
        sql::call_reports()
    )
});

static CALLS_AFTER: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT body FROM reports WHERE tenant = $1 AND gateway = $2 AND lane = $3 AND seq > $4 \
         AND device = $5 AND kind = {} ORDER BY seq",
        sql::call_reports()
    )
});

/// Inserts reports.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    LaneRef { of, lane }: LaneRef<'_>,
    received_at: Timestamp,
    reports: &[ReportRow<'_>],
) -> Result<(), StoreError> {
    for (sql, now) in REPORTS.split(reports) {
        let mut insert = sqlx::query(sql)
            .bind(of.tenant.to_string())
            .bind(of.gateway.to_string())
            .bind(lane.name())
            .bind(received_at.as_millisecond());
        for ReportRow { arrival, kind, device } in now {
            insert = insert
                .bind(stored(arrival.seq, "reports.seq")?)
                .bind(arrival.at.as_millisecond())
                .bind(*kind)
                .bind(device.map(ToString::to_string))
                .bind(arrival.body.clone());
        }
        insert.execute(&mut *connection).await.map_err(failed("insert reports"))?;
    }
    Ok(())
}

/// Number and time of the reports from one number to another, both included.
pub(crate) async fn times(
    connection: &mut AnyConnection,
    LaneRef { of, lane }: LaneRef<'_>,
    first: u64,
    last: u64,
) -> Result<Vec<(u64, i64)>, StoreError> {
    let rows = sqlx::query(
        "SELECT seq, at_ms FROM reports WHERE tenant = $1 AND gateway = $2 AND lane = $3 \
         AND seq >= $4 AND seq <= $5",
    )
    .bind(of.tenant.to_string())
    .bind(of.gateway.to_string())
    .bind(lane.name())
    .bind(stored(first, "reports.seq")?)
    .bind(stored(last, "reports.seq")?)
    .fetch_all(connection)
    .await
    .map_err(failed("read reports"))?;
    rows.iter().map(|found| Ok((row::count(found, "seq")?, row::number(found, "at_ms")?))).collect()
}

/// Whether a report with this number was accepted.
pub(crate) async fn exists(
    connection: &mut AnyConnection,
    LaneRef { of, lane }: LaneRef<'_>,
    seq: u64,
) -> Result<bool, StoreError> {
    let found =
        sqlx::query("SELECT seq FROM reports WHERE tenant = $1 AND gateway = $2 AND lane = $3 AND seq = $4")
            .bind(of.tenant.to_string())
            .bind(of.gateway.to_string())
            .bind(lane.name())
            .bind(stored(seq, "reports.seq")?)
            .fetch_optional(connection)
            .await
            .map_err(failed("read report"))?;
    Ok(found.is_some())
}

/// Calls that were reported since a time, milliseconds.
pub(crate) async fn calls_since(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    since_ms: i64,
) -> Result<Vec<Call>, StoreError> {
    let rows = sqlx::query(CALLS_SINCE.as_str())
        .bind(of.tenant.to_string())
        .bind(of.gateway.to_string())
        .bind(since_ms)
        .fetch_all(connection)
        .await
        .map_err(failed("read reports"))?;
    rows.iter().filter_map(|found| call(row::text(found, "body")).transpose()).collect()
}

/// Calls of a device that were reported in the lane after a number, in order.
pub(crate) async fn calls_after(
    connection: &mut AnyConnection,
    LaneRef { of, lane }: LaneRef<'_>,
    seq: u64,
    device: &DeviceId,
) -> Result<Vec<Call>, StoreError> {
    let rows = sqlx::query(CALLS_AFTER.as_str())
        .bind(of.tenant.to_string())
        .bind(of.gateway.to_string())
        .bind(lane.name())
        .bind(stored(seq, "reports.seq")?)
        .bind(device.to_string())
        .fetch_all(connection)
        .await
        .map_err(failed("read reports"))?;
    rows.iter().filter_map(|found| call(row::text(found, "body")).transpose()).collect()
}

/// The call in a body; `None` if it isn't a call that this version knows.
fn call(body: Result<String, StoreError>) -> Result<Option<Call>, StoreError> {
    Ok(match serde_json::from_str(&body?) {
        Ok(Report::Call(call)) => Some(call),
        Ok(
            Report::CounterSet(_) | Report::DeviceInformation(_) | Report::FirmwareState(_) | Report::Loss(_),
        )
        | Err(_) => None,
    })
}

/// Deletes reports that were received before a time; returns how many. Partitions are dropped elsewhere.
pub(crate) async fn delete_before(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    before_ms: i64,
) -> Result<u64, StoreError> {
    let delete = sqlx::query("DELETE FROM reports WHERE tenant = $1 AND gateway = $2 AND received_ms < $3")
        .bind(of.tenant.to_string())
        .bind(of.gateway.to_string())
        .bind(before_ms);
    Ok(delete.execute(connection).await.map_err(failed("delete reports"))?.rows_affected())
}
