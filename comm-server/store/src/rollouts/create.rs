//! A new roll-out: planned on what the devices show now, in the transaction that makes it.

use comm_server_core::rollouts::{Candidate, DeviceStep, Fleet, OpenDevice, Plan, PlanError, Share, plan};
use jiff::Timestamp;
use sqlx::AnyConnection;
use uuid::Uuid;
use wire::command::{FirmwareUpdate, Order};
use wire::ids::{DeviceId, RolloutId};

use super::NewRollout;
use super::derive::derive;
use crate::commands::{Queued, queue};
use crate::engine::Engine;
use crate::{AuditEntry, StoreError, audit, failed, row};

/// Makes the roll-out, its commands and its devices, or says why not.
pub(super) async fn create(
    connection: &mut AnyConnection,
    tenant: &str,
    new: &NewRollout,
    now: Timestamp,
) -> Result<Result<RolloutId, PlanError>, StoreError> {
    lock(connection, tenant).await?;
    let plan = match plan(&new.wish, &fleet(connection, tenant).await?, now) {
        Ok(plan) => plan,
        Err(refused) => return Ok(Err(refused)),
    };
    let id = RolloutId(Uuid::now_v7());
    insert(connection, (tenant, id), new, &plan, now).await?;
    let mut devices = 0;
    for share in &plan.shares {
        devices += share.devices.len();
        add_share(connection, tenant, id, share, now).await?;
        let update = FirmwareUpdate {
            rollout: id,
            target: new.target.clone(),
            version: new.wish.version.clone(),
            devices: device_ids(share)?,
            not_before: plan.not_before,
        };
        let order = Order::FirmwareUpdate(update);
        let queued = Queued { tenant, gateway: &share.gateway, order: &order, by: &new.created_by, now };
        queue(connection, queued).await?;
    }
    derive(connection, tenant, &id.to_string(), now).await?;
    let detail = format!("{id}: {}, {devices} devices, not before {}", new.target, plan.not_before);
    let (what, detail) = match new.retry_of {
        Some(retried) => ("rollout.retry", format!("{detail}, failed in {retried}")),
        None => ("rollout.create", detail),
    };
    audit::append(connection, tenant, &AuditEntry::new(now, &new.created_by, what, detail)).await?;
    Ok(Ok(id))
}

/// What is known of the tenant's devices.
pub(super) async fn fleet(connection: &mut AnyConnection, tenant: &str) -> Result<Fleet, StoreError> {
    Ok(Fleet { candidates: candidates(connection, tenant).await?, open: open(connection, tenant).await? })
}

/// Two servers that plan at once must not order the same device twice.
async fn lock(connection: &mut AnyConnection, tenant: &str) -> Result<(), StoreError> {
    let locking = Engine::of_connection(connection).for_update();
    sqlx::query(sqlx::AssertSqlSafe(format!("SELECT tenant FROM tenants WHERE tenant = $1{locking}")))
        .bind(tenant.to_owned())
        .fetch_optional(connection)
        .await
        .map_err(failed("to lock a tenant"))?;
    Ok(())
}

async fn insert(
    connection: &mut AnyConnection,
    (tenant, id): (&str, RolloutId),
    new: &NewRollout,
    plan: &Plan,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO rollouts (tenant, rollout, vendor, model, version, target, not_before_ms, created_by, \
         created_ms, state, retry_of) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'scheduled', $10)",
    )
    .bind(tenant.to_owned())
    .bind(id.to_string())
    .bind(new.wish.vendor.clone())
    .bind(new.wish.model.clone())
    .bind(new.wish.version.clone())
    .bind(new.target.clone())
    .bind(plan.not_before.as_millisecond())
    .bind(new.created_by.clone())
    .bind(now.as_millisecond())
    .bind(new.retry_of.map(|retried| retried.to_string()))
    .execute(connection)
    .await
    .map_err(failed("a roll-out"))?;
    Ok(())
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

/// Devices of roll-outs that have not ended.
async fn open(connection: &mut AnyConnection, tenant: &str) -> Result<Vec<OpenDevice>, StoreError> {
    let rows = sqlx::query(
        "SELECT r.rollout, r.target, d.gateway, d.device FROM rollouts r JOIN rollout_devices d \
         ON d.tenant = r.tenant AND d.rollout = r.rollout WHERE r.tenant = $1 \
         AND r.state IN ('scheduled', 'running') AND d.device <> '' \
         AND d.step IN ('pending', 'staged', 'pushed') ORDER BY r.rollout, d.gateway, d.device",
    )
    .bind(tenant.to_owned())
    .fetch_all(connection)
    .await
    .map_err(failed("to read open roll-outs"))?;
    let open = |r| {
        let rollout = row::text(r, "rollout")?;
        Ok(OpenDevice {
            rollout: rollout.parse().map_err(|_| StoreError::Range { what: "rollouts.rollout" })?,
            target: row::text(r, "target")?,
            gateway: row::text(r, "gateway")?,
            device: row::text(r, "device")?,
        })
    };
    rows.iter().map(open).collect()
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
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant, rollout, gateway, device) DO NOTHING",
        )
        .bind(tenant.to_owned())
        .bind(rollout.to_string())
        .bind(share.gateway.clone())
        .bind(device.to_owned())
        .bind(DeviceStep::Pending.name())
        .bind(version.to_owned())
        .bind(now.as_millisecond())
        .execute(&mut *connection)
        .await
        .map_err(failed("a roll-out's device"))?;
    }
    Ok(())
}
