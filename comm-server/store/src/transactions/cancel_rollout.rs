//! Cancels the devices of a roll-out to which no image was pushed.

use comm_server_core::commands::{CommandEvent, CommandState};
use comm_server_core::rollouts::RolloutState;
use comm_server_core::tenancy::Scope;
use jiff::Timestamp;
use serde_json::json;
use sqlx::AnyConnection;
use wire::command::Order;
use wire::ids::RolloutId;

use super::advance_rollout::derive;
use super::create_rollout::RolloutError;
use super::queue_command::queue_command;
use crate::db::StoreError;
use crate::tables::rollout_devices::Reach;
use crate::tables::{GatewayRef, audit, commands, rollout_devices, rollouts};
use crate::{AuditEntry, Scoped};

/// The result of a cancellation.
enum Cancelled {
    Yes,
    NotFound,
    Outside,
    Ended(RolloutState),
}

impl Scoped {
    /// Cancels the devices to which no image was pushed.
    ///
    /// # Errors
    /// There is no such roll-out, it has ended, or the database failed.
    pub async fn cancel_rollout(
        &self,
        rollout: RolloutId,
        by: &str,
        now: Timestamp,
    ) -> Result<(), RolloutError> {
        let (scope, by) = (self.scope().clone(), by.to_owned());
        let cancelled =
            self.writer().write(move |c| Box::pin(async move { cancel(c, &scope, rollout, &by, now).await }));
        match cancelled.await? {
            Cancelled::Yes => Ok(()),
            Cancelled::Outside => Err(RolloutError::Outside { rollout }),
            Cancelled::NotFound => Err(RolloutError::NotFound { rollout }),
            Cancelled::Ended(state) => Err(RolloutError::Ended { rollout, state }),
        }
    }
}

/// Commands that were not delivered are withdrawn; for the others, a cancellation is queued.
async fn cancel(
    connection: &mut AnyConnection,
    scope: &Scope,
    rollout: RolloutId,
    by: &str,
    now: Timestamp,
) -> Result<Cancelled, StoreError> {
    let tenant = scope.tenant();
    let Some(locked) = rollouts::lock(connection, tenant, rollout).await? else {
        return Ok(Cancelled::NotFound);
    };
    match rollout_devices::reach(connection, scope, rollout).await? {
        Reach::All => {}
        Reach::Some => return Ok(Cancelled::Outside),
        Reach::None => return Ok(Cancelled::NotFound),
    }
    if !locked.state.is_open() {
        return Ok(Cancelled::Ended(locked.state));
    }
    let withdrawn = (CommandState::Queued, CommandState::Queued.after(CommandEvent::Expire));
    for (gateway, id, state) in commands::open_of_rollout(connection, tenant, rollout).await? {
        let of = GatewayRef { tenant, gateway: &gateway };
        // What waits for its poll is withdrawn, unless it went out in between, through another server.
        let detail = "the roll-out was cancelled";
        let is_withdrawn = state == CommandState::Queued
            && commands::move_state(connection, of, id, withdrawn, detail).await?;
        if !is_withdrawn {
            queue_command(connection, of, &Order::FirmwareCancel { rollout }, by, now).await?;
        }
    }
    rollout_devices::cancel(connection, tenant, rollout, now).await?;
    let state = derive(connection, tenant, rollout, &locked, now).await?;
    let shown = |state: RolloutState| Some(json!({ "state": state.name() }));
    let entry = AuditEntry::new(now, by, "rollout.cancel", rollout.to_string());
    audit::append(connection, tenant, &entry.changing(shown(locked.state), shown(state))).await?;
    Ok(Cancelled::Yes)
}
