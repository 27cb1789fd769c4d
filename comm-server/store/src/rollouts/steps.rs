//! Steps of devices, each in the transaction of the report or the command's end that causes it.

use comm_server_core::ingest::readable;
use comm_server_core::rollouts::{Standing, StepEvent, checked};
use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use wire::command::Order;
use wire::report::{FirmwareProgress, FirmwareState, FirmwareStep};

use super::derive::{derive, lock, step_of};
use crate::{StoreError, failed, row};

/// A command of a roll-out.
pub(crate) struct Place<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) gateway: &'a str,
    pub(crate) command: String,
}

/// A device's row.
struct Row {
    device: String,
    standing: Standing,
    waiting_for: String,
    detail: String,
    panel: String,
    version_now: String,
}

impl Row {
    fn of(found: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            device: row::text(found, "device")?,
            standing: Standing {
                step: step_of(&row::text(found, "step")?)?,
                presumed: row::flag(found, "presumed")?,
            },
            waiting_for: row::text(found, "waiting_for")?,
            detail: row::text(found, "detail")?,
            panel: row::text(found, "panel")?,
            version_now: row::text(found, "version_now")?,
        })
    }
}

/// Takes what a gateway reports of a step; about the whole gateway it reaches its devices that are not at their end.
pub(crate) async fn advance(
    connection: &mut AnyConnection,
    (tenant, gateway): (&str, &str),
    state: &FirmwareState,
    now: Timestamp,
) -> Result<(), StoreError> {
    let rollout = state.rollout.to_string();
    let Some(ordered) = lock(connection, tenant, &rollout).await? else { return Ok(()) };
    let state = checked(state, &ordered);
    let named = state.device.as_ref().map(|d| d.as_str().to_owned()).unwrap_or_default();
    let step = state.progress.step();
    let of = (tenant, gateway, rollout.as_str());
    // What is waited for by the whole gateway is shown once, not at each of its devices.
    let only = state.device.is_some() || step == FirmwareStep::Waiting;
    for row in rows(connection, of, only.then_some(named.as_str())).await? {
        let changed = if row.device == named {
            by_own_report(row, &state)
        } else {
            let reason = if step == FirmwareStep::Failed { readable(&state.detail) } else { String::new() };
            by_event(row, StepEvent::Gateway(step), &reason)
        };
        if let Some(row) = changed {
            store(connection, of, &row, now).await?;
        }
    }
    derive(connection, tenant, &rollout, now).await
}

/// The row after its own report; `None` if that changes nothing. The own report's words replace others, its reason to wait is
/// gone with the next step.
fn by_own_report(row: Row, state: &FirmwareState) -> Option<Row> {
    let after = row.standing.after(StepEvent::Device(state.progress.step()));
    let (detail, panel) = (readable(&state.detail), readable(&state.panel));
    let version_now = state.progress.version().map_or_else(|| row.version_now.clone(), readable);
    if let FirmwareProgress::Waiting(reason) = &state.progress {
        let waiting_for = reason.name().to_owned();
        return (!row.standing.step.is_final()).then_some(Row { waiting_for, detail, panel, ..row });
    }
    // A late report of an earlier step says nothing of this one.
    if after == row.standing && after.step.name() != state.progress.step().name() {
        return None;
    }
    Some(Row { standing: after, waiting_for: String::new(), detail, panel, version_now, ..row })
}

/// The row after something that isn't about it alone; `None` if that changes nothing.
fn by_event(row: Row, event: StepEvent, detail: &str) -> Option<Row> {
    let after = row.standing.after(event);
    (after != row.standing).then(|| Row {
        standing: after,
        waiting_for: String::new(),
        detail: detail.to_owned(),
        ..row
    })
}

/// Devices of a command that failed or expired, as far as they aren't at their end, have failed.
pub(crate) async fn fail_devices(
    connection: &mut AnyConnection,
    place: &Place<'_>,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let found = sqlx::query("SELECT body FROM commands WHERE tenant = $1 AND gateway = $2 AND command = $3")
        .bind(place.tenant.to_owned())
        .bind(place.gateway.to_owned())
        .bind(place.command.clone())
        .fetch_one(&mut *connection)
        .await
        .map_err(failed("to read a command"))?;
    let order: Order = serde_json::from_str(&row::text(&found, "body")?)
        .map_err(|source| StoreError::Document { what: "an order", source })?;
    let Order::FirmwareUpdate(update) = order else { return Ok(()) };
    let rollout = update.rollout.to_string();
    if lock(connection, place.tenant, &rollout).await?.is_none() {
        return Ok(());
    }
    let of = (place.tenant, place.gateway, rollout.as_str());
    for row in rows(connection, of, None).await? {
        if update.devices.iter().any(|device| device.as_str() == row.device)
            && let Some(row) = by_event(row, StepEvent::CommandEnded, reason)
        {
            store(connection, of, &row, now).await?;
        }
    }
    derive(connection, place.tenant, &rollout, now).await
}

/// The gateway's rows in a roll-out, or the one of a device.
async fn rows(
    connection: &mut AnyConnection,
    (tenant, gateway, rollout): (&str, &str, &str),
    only: Option<&str>,
) -> Result<Vec<Row>, StoreError> {
    let found = sqlx::query(
        "SELECT device, step, presumed, waiting_for, detail, panel, version_now FROM rollout_devices \
         WHERE tenant = $1 AND rollout = $2 AND gateway = $3 AND (device = $4 OR $5 = 1)",
    )
    .bind(tenant.to_owned())
    .bind(rollout.to_owned())
    .bind(gateway.to_owned())
    .bind(only.unwrap_or_default().to_owned())
    .bind(i64::from(only.is_none()))
    .fetch_all(connection)
    .await
    .map_err(failed("to read a roll-out's devices"))?;
    found.iter().map(Row::of).collect()
}

async fn store(
    connection: &mut AnyConnection,
    (tenant, gateway, rollout): (&str, &str, &str),
    row: &Row,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE rollout_devices SET step = $5, presumed = $6, waiting_for = $7, detail = $8, panel = $9, \
         version_now = $10, updated_ms = $11 \
         WHERE tenant = $1 AND rollout = $2 AND gateway = $3 AND device = $4",
    )
    .bind(tenant.to_owned())
    .bind(rollout.to_owned())
    .bind(gateway.to_owned())
    .bind(row.device.clone())
    .bind(row.standing.step.name())
    .bind(i64::from(row.standing.presumed))
    .bind(row.waiting_for.clone())
    .bind(row.detail.clone())
    .bind(row.panel.clone())
    .bind(row.version_now.clone())
    .bind(now.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("a roll-out's step"))?;
    Ok(())
}
