//! Rows of calls.

use comm_server_core::calls::ReportRef;
use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use wire::ids::DeviceId;
use wire::report::{Call, CallKind};

use super::{GatewayRef, LaneRef};
use crate::db::row::stored;
use crate::db::{StoreError, failed, row};

const TABLE: &str = "calls";

/// An open call.
pub(crate) struct Open {
    pub(crate) device: DeviceId,
    pub(crate) kind: CallKind,
    pub(crate) subject: String,
    pub(crate) raised_by: ReportRef,
}

/// The end of a call.
pub(crate) struct End {
    pub(crate) seq: u64,
    pub(crate) at: Timestamp,
    pub(crate) detail: String,
}

fn open(found: &AnyRow) -> Result<Open, StoreError> {
    let seq = row::count(found, "raised_seq")?;
    let key = format!("report {seq}");
    Ok(Open {
        device: row::parsed(found, (TABLE, "device"), &key)?,
        kind: row::parsed(found, (TABLE, "kind"), &key)?,
        subject: row::text(found, "subject")?,
        raised_by: ReportRef { lane: row::parsed(found, (TABLE, "raised_lane"), &key)?, seq },
    })
}

/// The number of open service calls of a gateway.
pub(crate) async fn count_service_calls(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
) -> Result<u64, StoreError> {
    let found = sqlx::query(
        "SELECT COUNT(*) AS open_ones FROM calls \
         WHERE tenant = $1 AND gateway = $2 AND is_open = 1 AND kind = $3",
    )
    .bind(of.tenant.to_string())
    .bind(of.gateway.to_string())
    .bind(CallKind::ServiceCall.name())
    .fetch_one(connection)
    .await
    .map_err(failed("count calls"))?;
    row::count(&found, "open_ones")
}

/// The open calls of a gateway.
pub(crate) async fn open_calls(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
) -> Result<Vec<Open>, StoreError> {
    let rows = sqlx::query(
        "SELECT device, kind, subject, raised_lane, raised_seq FROM calls \
         WHERE tenant = $1 AND gateway = $2 AND is_open = 1",
    )
    .bind(of.tenant.to_string())
    .bind(of.gateway.to_string())
    .fetch_all(connection)
    .await
    .map_err(failed("read calls"))?;
    rows.iter().map(open).collect()
}

/// Open calls that were received before the gateway opened its present spool, of devices that have been read; and when
/// that spool was opened, milliseconds.
pub(crate) async fn open_before_spool(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
) -> Result<Option<(i64, Vec<Open>)>, StoreError> {
    let rows = sqlx::query(
        "SELECT c.device, c.kind, c.subject, c.raised_lane, c.raised_seq, g.spool_since_ms FROM calls c \
         JOIN gateways g ON g.tenant = c.tenant AND g.gateway = c.gateway \
         JOIN devices d ON d.tenant = c.tenant AND d.gateway = c.gateway AND d.device = c.device \
         WHERE c.tenant = $1 AND c.gateway = $2 AND c.is_open = 1 AND c.received_ms < g.spool_since_ms \
         AND d.read_ms IS NOT NULL",
    )
    .bind(of.tenant.to_string())
    .bind(of.gateway.to_string())
    .fetch_all(connection)
    .await
    .map_err(failed("read calls"))?;
    let Some(first) = rows.first() else { return Ok(None) };
    let since_ms = row::number(first, "spool_since_ms")?;
    Ok(Some((since_ms, rows.iter().map(open).collect::<Result<_, _>>()?)))
}

/// Inserts a call. One that is not open ends at the time at which it begins.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    LaneRef { of, lane }: LaneRef<'_>,
    seq: u64,
    call: &Call,
    is_open: bool,
    received_at: Timestamp,
) -> Result<(), StoreError> {
    let ended = (!is_open).then(|| call.seen_at.as_millisecond());
    sqlx::query(
        "INSERT INTO calls (tenant, gateway, raised_lane, raised_seq, device, kind, subject, detail, \
         raised_ms, received_ms, updated_ms, is_open, cleared_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, $12)",
    )
    .bind(of.tenant.to_string())
    .bind(of.gateway.to_string())
    .bind(lane.name())
    .bind(stored(seq, "calls.raised_seq")?)
    .bind(call.device.to_string())
    .bind(call.call.name())
    .bind(call.subject.clone())
    .bind(call.detail.clone())
    .bind(call.seen_at.as_millisecond())
    .bind(received_at.as_millisecond())
    .bind(i64::from(is_open))
    .bind(ended)
    .execute(connection)
    .await
    .map_err(failed("insert call"))?;
    Ok(())
}

/// Ends the call that a report opened.
pub(crate) async fn close(
    connection: &mut AnyConnection,
    LaneRef { of, lane }: LaneRef<'_>,
    raised_by: ReportRef,
    end: End,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE calls SET is_open = 0, cleared_lane = $5, cleared_seq = $6, cleared_ms = $7, \
         cleared_detail = $8, updated_ms = $9 WHERE tenant = $1 AND gateway = $2 AND raised_lane = $3 AND raised_seq = $4",
    )
    .bind(of.tenant.to_string())
    .bind(of.gateway.to_string())
    .bind(raised_by.lane.name())
    .bind(stored(raised_by.seq, "calls.raised_seq")?)
    .bind(lane.name())
    .bind(stored(end.seq, "calls.cleared_seq")?)
    .bind(end.at.as_millisecond())
    .bind(end.detail)
    .bind(now.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("close call"))?;
    Ok(())
}

/// Deletes calls that ended before a time; returns how many.
pub(crate) async fn delete_ended(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    before_ms: i64,
) -> Result<u64, StoreError> {
    let delete = sqlx::query(
        "DELETE FROM calls WHERE tenant = $1 AND gateway = $2 AND is_open = 0 AND cleared_ms < $3",
    )
    .bind(of.tenant.to_string())
    .bind(of.gateway.to_string())
    .bind(before_ms);
    Ok(delete.execute(connection).await.map_err(failed("delete calls"))?.rows_affected())
}
