//! Cancellation of what isn't pushed yet.

use comm_server_core::commands::{CommandEvent, CommandState};
use jiff::Timestamp;
use sqlx::AnyConnection;
use wire::command::Order;
use wire::ids::RolloutId;

use super::derive::{derive, lock};
use crate::commands::{Queued, queue};
use crate::{AuditEntry, StoreError, audit, failed, row};

/// What became of a wish to cancel.
pub(super) enum Cancelled {
    Yes,
    NotFound,
    Ended(String),
}

/// Cancels: commands that never went out are not sent, the others are followed by a cancellation.
pub(super) async fn cancel(
    connection: &mut AnyConnection,
    (tenant, rollout): (&str, RolloutId),
    by: &str,
    now: Timestamp,
) -> Result<Cancelled, StoreError> {
    let id = rollout.to_string();
    if lock(connection, tenant, &id).await?.is_none() {
        return Ok(Cancelled::NotFound);
    }
    let found = sqlx::query("SELECT state FROM rollouts WHERE tenant = $1 AND rollout = $2")
        .bind(tenant.to_owned())
        .bind(id.clone())
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed("to read a roll-out"))?;
    let Some(found) = found else { return Ok(Cancelled::NotFound) };
    let state = row::text(&found, "state")?;
    if !matches!(state.as_str(), "scheduled" | "running") {
        return Ok(Cancelled::Ended(state));
    }
    let commands = sqlx::query(
        "SELECT gateway, command, state FROM commands WHERE tenant = $1 AND rollout = $2 \
         AND kind = 'firmware_update' AND state IN ('queued', 'delivered', 'accepted', 'running')",
    )
    .bind(tenant.to_owned())
    .bind(id.clone())
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("to read commands"))?;
    for command in &commands {
        let gateway = row::text(command, "gateway")?;
        let queued = row::text(command, "state")? == CommandState::Queued.name();
        let id = row::text(command, "command")?;
        if !queued || !withdraw(connection, tenant, &gateway, id).await? {
            let order = Order::FirmwareCancel { rollout };
            queue(connection, Queued { tenant, gateway: &gateway, order: &order, by, now }).await?;
        }
    }
    sqlx::query(
        "UPDATE rollout_devices SET step = 'cancelled', waiting_for = '', panel = '', \
         detail = CASE WHEN device = '' THEN detail ELSE 'cancelled before the push' END, updated_ms = $3 \
         WHERE tenant = $1 AND rollout = $2 AND (step = 'pending' OR (step = 'staged' AND device <> ''))",
    )
    .bind(tenant.to_owned())
    .bind(id.clone())
    .bind(now.as_millisecond())
    .execute(&mut *connection)
    .await
    .map_err(failed("a cancellation"))?;
    derive(connection, tenant, &id, now).await?;
    audit::append(connection, tenant, &AuditEntry::new(now, by, "rollout.cancel", id)).await?;
    Ok(Cancelled::Yes)
}

/// Takes back what waits for its poll; false if it went out in between, through another server.
async fn withdraw(
    connection: &mut AnyConnection,
    tenant: &str,
    gateway: &str,
    command: String,
) -> Result<bool, StoreError> {
    let state = CommandState::Queued.after(CommandEvent::Expire);
    let done = sqlx::query(
        "UPDATE commands SET state = $4, detail = 'the roll-out was cancelled' \
         WHERE tenant = $1 AND gateway = $2 AND command = $3 AND state = 'queued'",
    )
    .bind(tenant.to_owned())
    .bind(gateway.to_owned())
    .bind(command)
    .bind(state.name())
    .execute(connection)
    .await
    .map_err(failed("a withdrawal"))?;
    Ok(done.rows_affected() == 1)
}
