//! Changes of roll-outs, each in the transaction of what causes it.

use comm_server_core::commands::{CommandEvent, CommandState};
use comm_server_core::ingest::{reaches_devices, readable};
use comm_server_core::rollouts::{Candidate, DeviceStep, Progress, Share, share_out};
use jiff::Timestamp;
use sqlx::AnyConnection;
use uuid::Uuid;
use wire::command::{FirmwareUpdate, Order};
use wire::ids::{DeviceId, RolloutId};
use wire::metadata::target_name;
use wire::report::{FirmwareState, FirmwareStep};

use super::NewRollout;
use crate::store::commands::{Queued, queue};
use crate::store::engine::Engine;
use crate::store::{AuditEntry, StoreError, audit, failed, row};

/// A command of a roll-out.
pub(crate) struct Place<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) gateway: &'a str,
    pub(crate) command: String,
}

/// What became of a wish to cancel.
pub(super) enum Cancelled {
    Yes,
    NotFound,
    Ended(String),
}

/// Makes the roll-out, its commands and its devices; `None` if it would have no device.
pub(super) async fn create(
    connection: &mut AnyConnection,
    tenant: &str,
    new: &NewRollout,
    now: Timestamp,
) -> Result<Option<RolloutId>, StoreError> {
    let shares = share_out(candidates(connection, tenant).await?, &new.vendor, &new.model, &new.version);
    if shares.is_empty() {
        return Ok(None);
    }
    let id = RolloutId(Uuid::now_v7());
    let target = target_name(&new.vendor, &new.model, &new.version);
    sqlx::query(
        "INSERT INTO rollouts (tenant, rollout, vendor, model, version, target, not_before_ms, created_by, \
         created_ms, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'scheduled')",
    )
    .bind(tenant.to_owned())
    .bind(id.to_string())
    .bind(new.vendor.clone())
    .bind(new.model.clone())
    .bind(new.version.clone())
    .bind(target.clone())
    .bind(new.not_before.as_millisecond())
    .bind(new.created_by.clone())
    .bind(now.as_millisecond())
    .execute(&mut *connection)
    .await
    .map_err(failed("a roll-out"))?;
    let mut devices = 0;
    for share in &shares {
        devices += share.devices.len();
        add_share(connection, tenant, id, share, now).await?;
        let update = FirmwareUpdate {
            rollout: id,
            target: target.clone(),
            version: new.version.clone(),
            devices: device_ids(share)?,
            not_before: new.not_before,
        };
        let order = Order::FirmwareUpdate(update);
        queue(
            connection,
            Queued { tenant, gateway: &share.gateway, order: &order, by: &new.created_by, now },
        )
        .await?;
    }
    derive(connection, tenant, &id.to_string(), now).await?;
    let detail = format!("{id}: {target}, {devices} devices, not before {}", new.not_before);
    audit::append(connection, tenant, &AuditEntry::new(now, &new.created_by, "rollout.create", detail))
        .await?;
    Ok(Some(id))
}

fn device_ids(share: &Share) -> Result<Vec<DeviceId>, StoreError> {
    let id = |d: &Candidate| d.device.parse().map_err(|_| StoreError::Range { what: "devices.device" });
    share.devices.iter().map(id).collect()
}

async fn candidates(connection: &mut AnyConnection, tenant: &str) -> Result<Vec<Candidate>, StoreError> {
    let rows = sqlx::query(
        "SELECT gateway, device, vendor, model, firmware FROM devices WHERE tenant = $1 AND model <> ''",
    )
    .bind(tenant.to_owned())
    .fetch_all(connection)
    .await
    .map_err(failed("to read the devices"))?;
    let candidate = |r| {
        Ok(Candidate {
            gateway: row::text(r, "gateway")?,
            device: row::text(r, "device")?,
            vendor: row::text(r, "vendor")?,
            model: row::text(r, "model")?,
            version: row::text(r, "firmware")?,
        })
    };
    rows.iter().map(candidate).collect()
}

async fn add_share(
    connection: &mut AnyConnection,
    tenant: &str,
    rollout: RolloutId,
    share: &Share,
    now: Timestamp,
) -> Result<(), StoreError> {
    let staging = [("", "")];
    let devices = share.devices.iter().map(|d| (d.device.as_str(), d.version.as_str()));
    for (device, version) in staging.into_iter().chain(devices) {
        sqlx::query(
            "INSERT INTO rollout_devices (tenant, rollout, gateway, device, step, version_before, updated_ms) \
             VALUES ($1, $2, $3, $4, 'pending', $5, $6) \
             ON CONFLICT (tenant, rollout, gateway, device) DO NOTHING",
        )
        .bind(tenant.to_owned())
        .bind(rollout.to_string())
        .bind(share.gateway.clone())
        .bind(device.to_owned())
        .bind(version.to_owned())
        .bind(now.as_millisecond())
        .execute(&mut *connection)
        .await
        .map_err(failed("a roll-out's device"))?;
    }
    Ok(())
}

/// Takes what is told of a step; of a whole gateway it reaches its devices that are not at their end.
pub(crate) async fn advance(
    connection: &mut AnyConnection,
    (tenant, gateway): (&str, &str),
    state: &FirmwareState,
    told: Told,
    now: Timestamp,
) -> Result<(), StoreError> {
    let rollout = state.rollout.to_string();
    lock(connection, tenant, &rollout).await?;
    let named = state.device.as_ref().map(|d| d.as_str().to_owned()).unwrap_or_default();
    let whole = state.device.is_none() && reaches_devices(state.step);
    let rows = sqlx::query(
        "SELECT device, step, version_now FROM rollout_devices WHERE tenant = $1 AND rollout = $2 \
         AND gateway = $3 AND (device = $4 OR $5 = 1)",
    )
    .bind(tenant.to_owned())
    .bind(rollout.clone())
    .bind(gateway.to_owned())
    .bind(named.clone())
    .bind(i64::from(whole))
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("to read a roll-out's devices"))?;
    for found in &rows {
        let device = row::text(found, "device")?;
        let before = step_of(&row::text(found, "step")?)?;
        let after = before.after(state.step);
        // The device's own report says more than the command that failed for it.
        let says_more = told == Told::ByReport && device == named && !state.detail.is_empty();
        if (after == before && !says_more) || (device != named && before.is_final()) {
            continue;
        }
        let known = row::text(found, "version_now")?;
        let step = Step {
            device: &device,
            step: after,
            detail: &readable(&state.detail),
            version_now: state.version_now.as_deref().map_or(known, readable),
        };
        set_step(connection, (tenant, gateway, &rollout), step, now).await?;
    }
    derive(connection, tenant, &rollout, now).await
}

/// Locks a roll-out: its state follows from all of its devices, which several servers may be told of at once.
async fn lock(connection: &mut AnyConnection, tenant: &str, rollout: &str) -> Result<(), StoreError> {
    let locking = Engine::of_connection(connection).for_update();
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT rollout FROM rollouts WHERE tenant = $1 AND rollout = $2{locking}"
    )))
    .bind(tenant.to_owned())
    .bind(rollout.to_owned())
    .fetch_optional(connection)
    .await
    .map_err(failed("to lock a roll-out"))?;
    Ok(())
}

/// Who tells of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// A report about that device.
    ByReport,
    /// The command that failed or expired.
    ByCommand,
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
    for device in update.devices {
        let state = FirmwareState {
            rollout: update.rollout,
            device: Some(device),
            step: FirmwareStep::Failed,
            at: now,
            version_before: None,
            version_now: None,
            detail: reason.to_owned(),
        };
        advance(connection, (place.tenant, place.gateway), &state, Told::ByCommand, now).await?;
    }
    Ok(())
}

/// Cancels: commands that never went out are not sent, the others are followed by a cancellation.
pub(super) async fn cancel(
    connection: &mut AnyConnection,
    (tenant, rollout): (&str, RolloutId),
    by: &str,
    now: Timestamp,
) -> Result<Cancelled, StoreError> {
    let id = rollout.to_string();
    lock(connection, tenant, &id).await?;
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
        "UPDATE rollout_devices SET step = 'cancelled', detail = 'cancelled', updated_ms = $3 \
         WHERE tenant = $1 AND rollout = $2 AND step IN ('pending', 'staged')",
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

/// A device's new step.
struct Step<'a> {
    device: &'a str,
    step: DeviceStep,
    detail: &'a str,
    version_now: String,
}

async fn set_step(
    connection: &mut AnyConnection,
    (tenant, gateway, rollout): (&str, &str, &str),
    new: Step<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE rollout_devices SET step = $5, detail = $6, version_now = $7, updated_ms = $8 \
         WHERE tenant = $1 AND rollout = $2 AND gateway = $3 AND device = $4",
    )
    .bind(tenant.to_owned())
    .bind(rollout.to_owned())
    .bind(gateway.to_owned())
    .bind(new.device.to_owned())
    .bind(new.step.name())
    .bind(new.detail.to_owned())
    .bind(new.version_now)
    .bind(now.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("a roll-out's step"))?;
    Ok(())
}

/// Writes down the state that follows from the devices.
async fn derive(
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

fn step_of(text: &str) -> Result<DeviceStep, StoreError> {
    text.parse().map_err(|_| StoreError::Range { what: "rollout_devices.step" })
}
