//! Steps of devices, each in the transaction of the report or the command's end that causes it; and the resulting
//! state of the roll-out.

use comm_server_core::ingest::readable;
use comm_server_core::rollouts::{RolloutState, StepEvent, checked};
use comm_server_core::tenancy::TenantId;
use jiff::Timestamp;
use sqlx::AnyConnection;
use wire::command::Order;
use wire::ids::{CommandId, RolloutId};
use wire::report::{FirmwareProgress, FirmwareState, FirmwareStep};

use crate::db::StoreError;
use crate::tables::rollout_devices::{self, Row, Which};
use crate::tables::rollouts::{self, Locked};
use crate::tables::{GatewayRef, commands};

/// Stores a reported step; one about the whole gateway applies to its devices that are not at a final step.
pub(super) async fn advance(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    state: &FirmwareState,
    now: Timestamp,
) -> Result<(), StoreError> {
    let rollout = state.rollout;
    let Some(locked) = rollouts::lock(connection, of.tenant, rollout).await? else { return Ok(()) };
    let state = checked(state, &locked.version);
    let step = state.progress.step();
    // What the whole gateway waits for is shown once, not at each of its devices.
    let which = match &state.device {
        Some(device) => Which::Device(device),
        None if step == FirmwareStep::Waiting => Which::Staging,
        None => Which::All,
    };
    for row in rollout_devices::rows(connection, of, rollout, which).await? {
        let changed = if row.device == state.device {
            by_own_report(row, &state)
        } else {
            let reason = if step == FirmwareStep::Failed { readable(&state.detail) } else { String::new() };
            by_event(row, StepEvent::Gateway(step), &reason)
        };
        if let Some(row) = changed {
            rollout_devices::update(connection, of, rollout, &row, now).await?;
        }
    }
    derive(connection, of.tenant, rollout, &locked, now).await?;
    Ok(())
}

/// The row after a report of the device itself; `None` if that changes nothing. Its text replaces others, and the
/// next step clears its reason to wait.
fn by_own_report(row: Row, state: &FirmwareState) -> Option<Row> {
    let after = row.standing.after(StepEvent::Device(state.progress.step()));
    let (detail, panel) = (readable(&state.detail), readable(&state.panel));
    let version_now = state.progress.version().map_or_else(|| row.version_now.clone(), readable);
    if let FirmwareProgress::Waiting(reason) = &state.progress {
        let waiting_for = reason.name().to_owned();
        return (!row.standing.step.is_final()).then_some(Row { waiting_for, detail, panel, ..row });
    }
    // A late report of an earlier step changes nothing.
    if after == row.standing && after.step.name() != state.progress.step().name() {
        return None;
    }
    Some(Row { standing: after, waiting_for: String::new(), detail, panel, version_now, ..row })
}

/// The row after an event that isn't about the device alone; `None` if that changes nothing.
fn by_event(row: Row, event: StepEvent, detail: &str) -> Option<Row> {
    let after = row.standing.after(event);
    (after != row.standing).then(|| Row {
        standing: after,
        waiting_for: String::new(),
        detail: detail.to_owned(),
        ..row
    })
}

/// Marks the devices of a command that failed or expired as failed, unless they are at a final step.
pub(super) async fn fail_devices(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    command: CommandId,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let order = commands::order(connection, of, command).await?;
    let Order::FirmwareUpdate(update) = order else { return Ok(()) };
    let Some(locked) = rollouts::lock(connection, of.tenant, update.rollout).await? else { return Ok(()) };
    for row in rollout_devices::rows(connection, of, update.rollout, Which::All).await? {
        if row.device.as_ref().is_some_and(|device| update.devices.contains(device))
            && let Some(row) = by_event(row, StepEvent::CommandEnded, reason)
        {
            rollout_devices::update(connection, of, update.rollout, &row, now).await?;
        }
    }
    derive(connection, of.tenant, update.rollout, &locked, now).await?;
    Ok(())
}

/// Derives the state from the devices and the time, stores and returns it.
pub(super) async fn derive(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    rollout: RolloutId,
    locked: &Locked,
    now: Timestamp,
) -> Result<RolloutState, StoreError> {
    let progress = rollout_devices::progress(connection, tenant, rollout).await?;
    let state = progress.state(locked.not_before, now);
    if state != locked.state {
        rollouts::set_state(connection, tenant, rollout, state).await?;
    }
    Ok(state)
}
