//! The state of a roll-out, as it follows from its devices and the time.

use comm_server_core::rollouts::{DeviceStep, Progress};
use jiff::Timestamp;
use sqlx::AnyConnection;

use crate::engine::Engine;
use crate::{StoreError, failed, row};

/// Locks a roll-out and gives its version, `None` if there is no such roll-out: its state follows from all of its devices,
/// which several servers may be told of at once.
pub(super) async fn lock(
    connection: &mut AnyConnection,
    tenant: &str,
    rollout: &str,
) -> Result<Option<String>, StoreError> {
    let locking = Engine::of_connection(connection).for_update();
    let found = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT version FROM rollouts WHERE tenant = $1 AND rollout = $2{locking}"
    )))
    .bind(tenant.to_owned())
    .bind(rollout.to_owned())
    .fetch_optional(connection)
    .await
    .map_err(failed("to lock a roll-out"))?;
    found.map(|found| row::text(&found, "version")).transpose()
}

/// Writes down the state that follows from the devices.
pub(super) async fn derive(
    connection: &mut AnyConnection,
    tenant: &str,
    rollout: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let found = sqlx::query("SELECT not_before_ms FROM rollouts WHERE tenant = $1 AND rollout = $2")
        .bind(tenant.to_owned())
        .bind(rollout.to_owned())
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed("to read a roll-out"))?;
    let Some(found) = found else { return Ok(()) };
    let counted = sqlx::query(
        "SELECT step, COUNT(*) AS devices FROM rollout_devices \
         WHERE tenant = $1 AND rollout = $2 AND device <> '' GROUP BY step",
    )
    .bind(tenant.to_owned())
    .bind(rollout.to_owned())
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("to count a roll-out's devices"))?;
    let mut progress = Progress::default();
    for counted in &counted {
        progress.count(step_of(&row::text(counted, "step")?)?, row::count(counted, "devices")?);
    }
    let state = progress.state(row::time(&found, "not_before_ms")?, now);
    sqlx::query("UPDATE rollouts SET state = $3 WHERE tenant = $1 AND rollout = $2")
        .bind(tenant.to_owned())
        .bind(rollout.to_owned())
        .bind(state.name())
        .execute(connection)
        .await
        .map_err(failed("a roll-out's state"))?;
    Ok(())
}

/// Roll-outs whose date has come are running.
pub(crate) async fn begin_due(connection: &mut AnyConnection, now: Timestamp) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "UPDATE rollouts SET state = 'running' WHERE state = 'scheduled' AND not_before_ms <= $1",
    )
    .bind(now.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("to begin roll-outs"))?;
    Ok(done.rows_affected())
}

pub(super) fn step_of(text: &str) -> Result<DeviceStep, StoreError> {
    text.parse().map_err(|_| StoreError::Range { what: "rollout_devices.step" })
}
