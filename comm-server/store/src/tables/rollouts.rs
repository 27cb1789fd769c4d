//! Rows of roll-outs.

use std::sync::LazyLock;

use comm_server_core::rollouts::RolloutState;
use comm_server_core::tenancy::TenantId;
use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};
use wire::ids::RolloutId;

use crate::db::{Engine, StoreError, failed, row, sql};

const TABLE: &str = "rollouts";

/// A roll-out as it is inserted.
pub(crate) struct NewRow<'a> {
    pub(crate) id: RolloutId,
    pub(crate) vendor: &'a str,
    pub(crate) model: &'a str,
    pub(crate) version: &'a str,
    pub(crate) target: &'a str,
    pub(crate) not_before: Timestamp,
    pub(crate) created_by: &'a str,
    pub(crate) now: Timestamp,
    pub(crate) retry_of: Option<RolloutId>,
}

/// The columns that decisions about a roll-out depend on.
pub(crate) struct Locked {
    pub(crate) version: String,
    pub(crate) not_before: Timestamp,
    pub(crate) state: RolloutState,
}

static INSERT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "INSERT INTO rollouts (tenant, rollout, vendor, model, version, target, not_before_ms, created_by, \
         created_ms, state, retry_of) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, '{}', $10)",
        RolloutState::Scheduled.name()
    )
});

pub(crate) fn id_of(found: &AnyRow) -> Result<RolloutId, StoreError> {
    row::parsed(found, (TABLE, "rollout"), "a row")
}

pub(crate) fn state_of(found: &AnyRow, rollout: &str) -> Result<RolloutState, StoreError> {
    row::parsed(found, (TABLE, "state"), rollout)
}

/// Locks a roll-out and reads it; `None` if it doesn't exist. The lock is needed because the state depends on all
/// devices, whose reports several servers may receive at the same time.
pub(crate) async fn lock(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    rollout: RolloutId,
) -> Result<Option<Locked>, StoreError> {
    let locking = Engine::of_connection(connection).for_update();
    let found = sqlx::query(AssertSqlSafe(format!(
        "SELECT version, not_before_ms, state FROM rollouts WHERE tenant = $1 AND rollout = $2{locking}"
    )))
    .bind(tenant.to_string())
    .bind(rollout.to_string())
    .fetch_optional(connection)
    .await
    .map_err(failed("lock roll-out"))?;
    let locked = |found: AnyRow| {
        Ok(Locked {
            version: row::text(&found, "version")?,
            not_before: row::time(&found, "not_before_ms")?,
            state: state_of(&found, &rollout.to_string())?,
        })
    };
    found.map(locked).transpose()
}

/// Inserts a scheduled roll-out.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    new: NewRow<'_>,
) -> Result<(), StoreError> {
    sqlx::query(INSERT.as_str())
        .bind(tenant.to_string())
        .bind(new.id.to_string())
        .bind(new.vendor.to_owned())
        .bind(new.model.to_owned())
        .bind(new.version.to_owned())
        .bind(new.target.to_owned())
        .bind(new.not_before.as_millisecond())
        .bind(new.created_by.to_owned())
        .bind(new.now.as_millisecond())
        .bind(new.retry_of.map(|retried| retried.to_string()))
        .execute(connection)
        .await
        .map_err(failed("insert roll-out"))?;
    Ok(())
}

/// Stores the state of a roll-out.
pub(crate) async fn set_state(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    rollout: RolloutId,
    state: RolloutState,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE rollouts SET state = $3 WHERE tenant = $1 AND rollout = $2")
        .bind(tenant.to_string())
        .bind(rollout.to_string())
        .bind(state.name())
        .execute(connection)
        .await
        .map_err(failed("update roll-out"))?;
    Ok(())
}

/// Scheduled roll-outs whose date has passed, by tenant and id, at most 1000.
pub(crate) async fn due(
    connection: &mut AnyConnection,
    now: Timestamp,
) -> Result<Vec<(TenantId, RolloutId)>, StoreError> {
    let active = sql::of_active_tenant("tenant");
    let rows = sqlx::query(AssertSqlSafe(format!(
        "SELECT tenant, rollout FROM rollouts WHERE state = $1 AND not_before_ms <= $2{active} \
         ORDER BY tenant, rollout LIMIT 1000"
    )))
    .bind(RolloutState::Scheduled.name())
    .bind(now.as_millisecond())
    .fetch_all(connection)
    .await
    .map_err(failed("read roll-outs"))?;
    rows.iter().map(|found| Ok((row::parsed(found, (TABLE, "tenant"), "a row")?, id_of(found)?))).collect()
}
