//! Rows of commands.

use comm_server_core::tenancy::TenantId;
use std::sync::LazyLock;

use comm_server_core::commands::CommandState;
use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use wire::command::{Order, OrderKind};
use wire::ids::{CommandId, GatewayId, RolloutId};

use super::GatewayRef;
use crate::db::{StoreError, failed, row, sql};

const TABLE: &str = "commands";

/// A command as it is inserted.
pub(crate) struct NewRow<'a> {
    pub(crate) of: GatewayRef<'a>,
    pub(crate) id: CommandId,
    pub(crate) order: &'a Order,
    pub(crate) rollout: Option<RolloutId>,
    pub(crate) by: &'a str,
    pub(crate) now: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// The columns that a gateway's response changes.
pub(crate) struct Responded {
    pub(crate) state: CommandState,
    pub(crate) detail: String,
    pub(crate) result: Option<String>,
}

/// A command that has expired.
pub(crate) struct Due {
    pub(crate) tenant: TenantId,
    pub(crate) gateway: GatewayId,
    pub(crate) id: CommandId,
    pub(crate) kind: OrderKind,
    pub(crate) state: CommandState,
}

static SELECT_DELIVERABLE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT command, body, expires_ms, state FROM commands WHERE tenant = $1 AND gateway = $2 \
         AND state IN ({}) AND expires_ms > $3 ORDER BY created_ms, command LIMIT $4",
        sql::command_states(CommandState::is_delivered_with_polls)
    )
});

static COUNT_OPEN: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT COUNT(*) AS open_ones FROM commands WHERE tenant = $1 AND gateway = $2 \
         AND state IN ({}) AND kind = $4 AND expires_ms > $3",
        sql::command_states(CommandState::is_open)
    )
});

static SELECT_DUE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT tenant, gateway, command, state, kind FROM commands \
         WHERE state IN ({}) AND expires_ms <= $1 ORDER BY tenant, gateway LIMIT 1000",
        sql::command_states(CommandState::may_expire)
    )
});

static SELECT_OPEN_OF_ROLLOUT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT gateway, command, state FROM commands WHERE tenant = $1 AND rollout = $2 AND kind = $3 \
         AND state IN ({})",
        sql::command_states(CommandState::is_open)
    )
});

static DELETE_ENDED: LazyLock<String> = LazyLock::new(|| {
    format!(
        "DELETE FROM commands WHERE tenant = $1 AND gateway = $2 AND created_ms < $3 AND state IN ({})",
        sql::command_states(|state| !state.is_open())
    )
});

pub(crate) fn id_of(found: &AnyRow) -> Result<CommandId, StoreError> {
    row::parsed(found, (TABLE, "command"), "a row")
}

pub(crate) fn state_of(found: &AnyRow, id: CommandId) -> Result<CommandState, StoreError> {
    row::parsed(found, (TABLE, "state"), &id.to_string())
}

pub(crate) fn kind_of(found: &AnyRow, id: CommandId) -> Result<OrderKind, StoreError> {
    row::parsed(found, (TABLE, "kind"), &id.to_string())
}

/// Inserts a command that waits for the gateway's next poll.
pub(crate) async fn insert(connection: &mut AnyConnection, new: NewRow<'_>) -> Result<(), StoreError> {
    let body = serde_json::to_string(new.order)
        .map_err(|source| StoreError::Document { what: "commands.body", source })?;
    sqlx::query(
        "INSERT INTO commands (tenant, gateway, command, kind, body, rollout, created_by, created_ms, \
         expires_ms, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(new.of.tenant.to_string())
    .bind(new.of.gateway.to_string())
    .bind(new.id.to_string())
    .bind(new.order.name())
    .bind(body)
    .bind(new.rollout.map(|rollout| rollout.to_string()))
    .bind(new.by.to_owned())
    .bind(new.now.as_millisecond())
    .bind(new.expires_at.as_millisecond())
    .bind(CommandState::Queued.name())
    .execute(connection)
    .await
    .map_err(failed("insert command"))?;
    Ok(())
}

/// Commands to deliver with a poll, with their states.
pub(crate) async fn deliverable(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<(wire::command::Command, CommandState)>, StoreError> {
    let rows = sqlx::query(SELECT_DELIVERABLE.as_str())
        .bind(of.tenant.to_string())
        .bind(of.gateway.to_string())
        .bind(now.as_millisecond())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await
        .map_err(failed("read commands"))?;
    let command = |found: &AnyRow| {
        let id = id_of(found)?;
        let order = serde_json::value::RawValue::from_string(row::text(found, "body")?)
            .map_err(|source| StoreError::Document { what: "commands.body", source })?;
        let expires_at = row::time(found, "expires_ms")?;
        Ok((wire::command::Command::from_stored(id, expires_at, order), state_of(found, id)?))
    };
    rows.iter().map(command).collect()
}

/// Records that a command was delivered.
pub(crate) async fn set_delivered(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    id: CommandId,
    state: CommandState,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE commands SET state = $4, delivered_ms = $5 WHERE tenant = $1 AND gateway = $2 AND command = $3",
    )
    .bind(of.tenant.to_string())
    .bind(of.gateway.to_string())
    .bind(id.to_string())
    .bind(state.name())
    .bind(now.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("update command"))?;
    Ok(())
}

/// The number of commands of a kind that are open and have not expired.
pub(crate) async fn count_open(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    kind: OrderKind,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let open = sqlx::query(COUNT_OPEN.as_str())
        .bind(of.tenant.to_string())
        .bind(of.gateway.to_string())
        .bind(now.as_millisecond())
        .bind(kind.name())
        .fetch_one(connection)
        .await
        .map_err(failed("count commands"))?;
    row::count(&open, "open_ones")
}

/// State and kind of a command.
pub(crate) async fn state(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    id: CommandId,
) -> Result<Option<(CommandState, OrderKind)>, StoreError> {
    let found =
        sqlx::query("SELECT state, kind FROM commands WHERE tenant = $1 AND gateway = $2 AND command = $3")
            .bind(of.tenant.to_string())
            .bind(of.gateway.to_string())
            .bind(id.to_string())
            .fetch_optional(connection)
            .await
            .map_err(failed("read command"))?;
    found.map(|found| Ok((state_of(&found, id)?, kind_of(&found, id)?))).transpose()
}

/// The order of a command.
pub(crate) async fn order(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    id: CommandId,
) -> Result<Order, StoreError> {
    let found = sqlx::query("SELECT body FROM commands WHERE tenant = $1 AND gateway = $2 AND command = $3")
        .bind(of.tenant.to_string())
        .bind(of.gateway.to_string())
        .bind(id.to_string())
        .fetch_one(connection)
        .await
        .map_err(failed("read command"))?;
    serde_json::from_str(&row::text(&found, "body")?)
        .map_err(|source| StoreError::Document { what: "commands.body", source })
}

/// Stores a gateway's response.
pub(crate) async fn set_response(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    id: CommandId,
    responded: Responded,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE commands SET state = $4, answered_ms = $5, detail = $6, result = $7 \
         WHERE tenant = $1 AND gateway = $2 AND command = $3",
    )
    .bind(of.tenant.to_string())
    .bind(of.gateway.to_string())
    .bind(id.to_string())
    .bind(responded.state.name())
    .bind(now.as_millisecond())
    .bind(responded.detail)
    .bind(responded.result)
    .execute(connection)
    .await
    .map_err(failed("update command"))?;
    Ok(())
}

/// Commands that have expired, at most 1000.
pub(crate) async fn due(connection: &mut AnyConnection, now: Timestamp) -> Result<Vec<Due>, StoreError> {
    let rows = sqlx::query(SELECT_DUE.as_str())
        .bind(now.as_millisecond())
        .fetch_all(connection)
        .await
        .map_err(failed("read commands"))?;
    let due = |found: &AnyRow| {
        let id = id_of(found)?;
        Ok(Due {
            tenant: row::parsed(found, (TABLE, "tenant"), &id.to_string())?,
            gateway: row::parsed(found, (TABLE, "gateway"), &id.to_string())?,
            id,
            kind: kind_of(found, id)?,
            state: state_of(found, id)?,
        })
    };
    rows.iter().map(due).collect()
}

/// Changes the state of a command, unless another server has changed it meanwhile; returns whether it did.
pub(crate) async fn move_state(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    id: CommandId,
    (from, to): (CommandState, CommandState),
    detail: &'static str,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE commands SET state = $4, detail = $6 \
         WHERE tenant = $1 AND gateway = $2 AND command = $3 AND state = $5",
    )
    .bind(of.tenant.to_string())
    .bind(of.gateway.to_string())
    .bind(id.to_string())
    .bind(to.name())
    .bind(from.name())
    .bind(detail)
    .execute(connection)
    .await
    .map_err(failed("update command"))?;
    Ok(done.rows_affected() == 1)
}

/// The open firmware updates of a roll-out: gateway, id and state.
pub(crate) async fn open_of_rollout(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    rollout: RolloutId,
) -> Result<Vec<(GatewayId, CommandId, CommandState)>, StoreError> {
    let rows = sqlx::query(SELECT_OPEN_OF_ROLLOUT.as_str())
        .bind(tenant.to_string())
        .bind(rollout.to_string())
        .bind(OrderKind::FirmwareUpdate.name())
        .fetch_all(connection)
        .await
        .map_err(failed("read commands"))?;
    let command = |found: &AnyRow| {
        let id = id_of(found)?;
        Ok((row::parsed(found, (TABLE, "gateway"), &id.to_string())?, id, state_of(found, id)?))
    };
    rows.iter().map(command).collect()
}

/// Deletes commands that have ended and were created before a time; returns how many.
pub(crate) async fn delete_ended(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    before_ms: i64,
) -> Result<u64, StoreError> {
    let delete = sqlx::query(DELETE_ENDED.as_str())
        .bind(of.tenant.to_string())
        .bind(of.gateway.to_string())
        .bind(before_ms);
    Ok(delete.execute(connection).await.map_err(failed("delete commands"))?.rows_affected())
}
