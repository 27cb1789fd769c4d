//! Rows of gateways.

use comm_server_core::ingest::{GatewayClock, readable};
use comm_server_core::tenancy::TenantId;
use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::GatewayRef;
use crate::db::multi_row::{self, Statement};
use crate::db::writer::GatewayKey;
use crate::db::writer::PollRequest;
use crate::db::{StoreError, failed, row};

const TABLE: &str = "gateways";

/// A gateway whose meters are due.
pub(crate) struct MetersDue {
    pub(crate) key: GatewayKey,
    /// When; absent for a gateway that is new.
    pub(crate) at: Option<Timestamp>,
}

/// A gateway whose old rows are to be deleted.
pub(crate) struct RetentionDue {
    pub(crate) key: GatewayKey,
    /// When that was done last, milliseconds.
    last_ms: i64,
}

/// What gateways report about themselves. A new spool has no id (the nil UUID) until the response to its first poll;
/// the requests that follow belong to the same epoch.
static UPDATE_GATEWAYS: Statement = Statement::new(|rows| {
    let new = multi_row::rows(rows, 11, 0, multi_row::plain);
    format!(
        "WITH new (tenant, gateway, version, spool, devices, devices_offline, uptime_s, now_ms, next_poll_s, \
         storage_problem, clock_ahead_s) \
         AS (VALUES {new}) \
         UPDATE gateways SET version = new.version, spool = new.spool, devices = new.devices, \
         devices_offline = new.devices_offline, uptime_s = new.uptime_s, last_poll_ms = new.now_ms, \
         next_poll_s = new.next_poll_s, storage_problem = new.storage_problem, \
         clock_ahead_s = new.clock_ahead_s, spool_since_ms = CASE \
         WHEN gateways.spool IN (new.spool, '00000000-0000-0000-0000-000000000000') \
         THEN gateways.spool_since_ms ELSE new.now_ms END \
         FROM new WHERE gateways.tenant = new.tenant AND gateways.gateway = new.gateway"
    )
});

fn key_of(found: &AnyRow) -> Result<GatewayKey, StoreError> {
    let tenant: TenantId = row::parsed(found, (TABLE, "tenant"), "a row")?;
    Ok(GatewayKey { gateway: row::parsed(found, (TABLE, "gateway"), tenant.as_str())?, tenant })
}

/// Inserts a gateway with its first interval; false if it exists already.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    next_poll_s: u32,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO gateways (tenant, gateway, first_seen_ms, next_poll_s) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (tenant, gateway) DO NOTHING",
    )
    .bind(of.tenant.to_string())
    .bind(of.gateway.to_string())
    .bind(now.as_millisecond())
    .bind(i64::from(next_poll_s))
    .execute(connection)
    .await
    .map_err(failed("insert gateway"))?;
    Ok(done.rows_affected() == 1)
}

/// Whether a gateway exists.
pub(crate) async fn exists(connection: &mut AnyConnection, of: GatewayRef<'_>) -> Result<bool, StoreError> {
    let found = sqlx::query("SELECT gateway FROM gateways WHERE tenant = $1 AND gateway = $2")
        .bind(of.tenant.to_string())
        .bind(of.gateway.to_string())
        .fetch_optional(connection)
        .await
        .map_err(failed("read gateway"))?;
    Ok(found.is_some())
}

/// Stores what gateways report about themselves, each with its new interval.
pub(crate) async fn update(
    connection: &mut AnyConnection,
    polls: &[(&PollRequest, u32)],
) -> Result<(), StoreError> {
    let (sql, rows) = UPDATE_GATEWAYS.at_least(polls.len());
    let mut update = sqlx::query(sql);
    for (PollRequest { caller, poll, .. }, next_poll_s) in polls {
        update = update
            .bind(caller.tenant.to_string())
            .bind(caller.gateway.to_string())
            .bind(readable(&poll.version))
            .bind(poll.spool.to_string())
            .bind(i64::from(poll.devices))
            .bind(i64::from(poll.devices_offline))
            .bind(i64::try_from(poll.uptime_s).unwrap_or(i64::MAX))
            .bind(caller.now.as_millisecond())
            .bind(i64::from(*next_poll_s))
            .bind(readable(poll.storage_problem.as_deref().unwrap_or_default()))
            .bind(GatewayClock::new(poll.at, caller.now).ahead_s());
    }
    for _ in polls.len()..rows {
        // No gateway has an empty name.
        update = update.bind("").bind("").bind("").bind("");
        update = update.bind(0_i64).bind(0_i64).bind(0_i64).bind(0_i64).bind(0_i64).bind("").bind(0_i64);
    }
    update.execute(connection).await.map_err(failed("update gateways"))?;
    Ok(())
}

/// Gateways whose meters are due, the longest due first, at most `limit`.
pub(crate) async fn meters_due(
    connection: &mut AnyConnection,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<MetersDue>, StoreError> {
    let rows = sqlx::query(
        "SELECT tenant, gateway, meters_due_ms FROM gateways WHERE meters_due_ms <= $1 \
         ORDER BY meters_due_ms LIMIT $2",
    )
    .bind(now.as_millisecond())
    .bind(limit)
    .fetch_all(connection)
    .await
    .map_err(failed("read gateways"))?;
    let due = |r| Ok(MetersDue { key: key_of(r)?, at: row::maybe_time(r, "meters_due_ms")? });
    rows.iter().map(due).collect()
}

/// Moves the time of the next meter request; false if another server moved it first.
pub(crate) async fn move_meters_due(
    connection: &mut AnyConnection,
    due: &MetersDue,
    next: Timestamp,
) -> Result<bool, StoreError> {
    let moved = sqlx::query(
        "UPDATE gateways SET meters_due_ms = $3 WHERE tenant = $1 AND gateway = $2 \
         AND COALESCE(meters_due_ms, -1) = $4",
    )
    .bind(due.key.tenant.to_string())
    .bind(due.key.gateway.to_string())
    .bind(next.as_millisecond())
    .bind(due.at.map_or(-1, Timestamp::as_millisecond))
    .execute(connection)
    .await
    .map_err(failed("update gateway"))?;
    Ok(moved.rows_affected() == 1)
}

/// Gateways whose old rows were deleted last at a time or before it, the longest ago first.
pub(crate) async fn retention_due(
    connection: &mut AnyConnection,
    before_ms: i64,
    limit: i64,
) -> Result<Vec<RetentionDue>, StoreError> {
    let rows = sqlx::query(
        "SELECT tenant, gateway, tidied_ms FROM gateways WHERE tidied_ms <= $1 ORDER BY tidied_ms LIMIT $2",
    )
    .bind(before_ms)
    .bind(limit)
    .fetch_all(connection)
    .await
    .map_err(failed("read gateways"))?;
    let due = |r| Ok(RetentionDue { key: key_of(r)?, last_ms: row::number(r, "tidied_ms")? });
    rows.iter().map(due).collect()
}

/// Notes that a gateway's old rows are deleted now; false if another server does it.
pub(crate) async fn move_retention(
    connection: &mut AnyConnection,
    due: &RetentionDue,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let moved = sqlx::query(
        "UPDATE gateways SET tidied_ms = $3 WHERE tenant = $1 AND gateway = $2 AND tidied_ms = $4",
    )
    .bind(due.key.tenant.to_string())
    .bind(due.key.gateway.to_string())
    .bind(now.as_millisecond())
    .bind(due.last_ms)
    .execute(connection)
    .await
    .map_err(failed("update gateway"))?;
    Ok(moved.rows_affected() == 1)
}
