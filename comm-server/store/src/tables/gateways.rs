//! Rows of gateways.

use comm_server_core::ingest::{GatewayClock, readable};
use comm_server_core::settings::{Level, Setting};
use comm_server_core::tenancy::{CustomerId, Scope, SiteId, TenantId};
use comm_server_core::tree::Node;
use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use wire::ids::GatewayId;

use super::GatewayRef;
use crate::db::multi_row::{self, Statement};
use crate::db::writer::GatewayKey;
use crate::db::writer::PollRequest;
use crate::db::{StoreError, failed, row, sql};

const TABLE: &str = "gateways";

/// A gateway whose meters are due.
pub(crate) struct MetersDue {
    pub(crate) key: GatewayKey,
    /// When; `None` for a new gateway.
    pub(crate) at: Option<Timestamp>,
}

/// A gateway whose old rows are to be deleted.
pub(crate) struct RetentionDue {
    pub(crate) key: GatewayKey,
    /// When that was last done, milliseconds.
    last_ms: i64,
}

/// What gateways report about themselves. A new spool has the nil UUID as its id until the response to its first
/// poll; later requests with its new id belong to the same epoch.
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

/// Inserts a gateway with its first interval; false if it exists already, in whichever tenant.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    next_poll_s: u32,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO gateways (tenant, gateway, first_seen_ms, next_poll_s) VALUES ($1, $2, $3, $4) \
         ON CONFLICT DO NOTHING",
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

/// The tenant of a gateway; ids are unique over all of them.
pub(crate) async fn tenant_of(
    connection: &mut AnyConnection,
    gateway: &GatewayId,
) -> Result<Option<TenantId>, StoreError> {
    let found = sqlx::query("SELECT tenant FROM gateways WHERE gateway = $1")
        .bind(gateway.to_string())
        .fetch_optional(connection)
        .await
        .map_err(failed("read gateway"))?;
    found.as_ref().map(|r| row::parsed(r, (TABLE, "tenant"), gateway.as_str())).transpose()
}

/// Whether a gateway exists within a scope.
pub(crate) async fn is_within(
    connection: &mut AnyConnection,
    scope: &Scope,
    gateway: &GatewayId,
) -> Result<bool, StoreError> {
    let within = sql::gateway_within(scope, "gateway");
    let sql = format!("SELECT gateway FROM gateways WHERE tenant = $1{within} AND gateway = $2");
    let found = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(scope.tenant().to_string())
        .bind(gateway.to_string())
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

/// Gateways of active tenants whose meters are due, longest overdue first, at most `limit`.
pub(crate) async fn meters_due(
    connection: &mut AnyConnection,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<MetersDue>, StoreError> {
    let active = sql::of_active_tenant("tenant");
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT tenant, gateway, meters_due_ms FROM gateways WHERE meters_due_ms <= $1{active} \
         ORDER BY meters_due_ms LIMIT $2"
    )))
    .bind(now.as_millisecond())
    .bind(limit)
    .fetch_all(connection)
    .await
    .map_err(failed("read gateways"))?;
    let due = |r| Ok(MetersDue { key: key_of(r)?, at: row::maybe_time(r, "meters_due_ms")? });
    rows.iter().map(due).collect()
}

/// Sets the time of the next meter request; `false` if another server did first.
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

/// Gateways whose old rows were last deleted at or before a time, longest ago first.
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

/// Records that a gateway's old rows are deleted now; `false` if another server did.
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

/// The site of a gateway.
pub(crate) async fn site_of(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    gateway: &GatewayId,
) -> Result<Option<SiteId>, StoreError> {
    let found = sqlx::query("SELECT site_id FROM gateways WHERE tenant = $1 AND gateway = $2")
        .bind(tenant.to_string())
        .bind(gateway.to_string())
        .fetch_optional(connection)
        .await
        .map_err(failed("read gateway"))?;
    let site = found.as_ref().map(|r| row::parsed_or_none(r, (TABLE, "site_id"), gateway.as_str()));
    Ok(site.transpose()?.flatten())
}

/// The number of gateways of a site.
pub(crate) async fn count_of_site(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    site: SiteId,
) -> Result<i64, StoreError> {
    let found = sqlx::query("SELECT COUNT(*) AS gateways FROM gateways WHERE tenant = $1 AND site_id = $2")
        .bind(tenant.to_string())
        .bind(site.to_string())
        .fetch_one(connection)
        .await
        .map_err(failed("count gateways"))?;
    row::number(&found, "gateways")
}

/// Stores the customer and the site of a gateway.
pub(crate) async fn set_place(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    gateway: &GatewayId,
    place: Option<(CustomerId, SiteId)>,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE gateways SET customer_id = $3, site_id = $4 WHERE tenant = $1 AND gateway = $2")
        .bind(tenant.to_string())
        .bind(gateway.to_string())
        .bind(row::text_or_empty(place.as_ref().map(|(customer, _)| customer)))
        .bind(row::text_or_empty(place.as_ref().map(|(_, site)| site)))
        .execute(connection)
        .await
        .map_err(failed("update gateway"))?;
    Ok(())
}

/// Stores the poll interval of the gateways below a part of the tree, from their settings, so that a poll reads only
/// one row.
pub(crate) async fn derive_poll_interval(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    node: &Node,
) -> Result<(), StoreError> {
    let own = |level: Level, key: &str| {
        format!(
            "(SELECT CAST(s.value AS BIGINT) FROM settings s WHERE s.tenant = gateways.tenant \
             AND s.level = '{}' AND s.node = {key} AND s.name = '{}')",
            level.name(),
            Setting::PollInterval.name()
        )
    };
    let (below, key) = match node {
        Node::Tenant => ("$2 = ''", String::new()),
        Node::Customer(_) => ("customer_id = $2", node.key()),
        Node::Site(_) => ("site_id = $2", node.key()),
        Node::Gateway(_) => ("gateway = $2", node.key()),
    };
    let sql = format!(
        "UPDATE gateways SET poll_interval_s = COALESCE({}, {}, {}, {}) WHERE tenant = $1 AND {below}",
        own(Level::Gateway, "gateways.gateway"),
        own(Level::Site, "gateways.site_id"),
        own(Level::Customer, "gateways.customer_id"),
        own(Level::Tenant, "''")
    );
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(tenant.to_string())
        .bind(key)
        .execute(connection)
        .await
        .map_err(failed("update gateways"))?;
    Ok(())
}
