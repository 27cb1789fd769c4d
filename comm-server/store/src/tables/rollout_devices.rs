//! Rows of devices in roll-outs. The row with an empty device is for the staging of the gateway.

use comm_server_core::tenancy::{Scope, TenantId};
use std::collections::BTreeSet;
use std::sync::LazyLock;

use comm_server_core::rollouts::{DeviceStep, OpenDevice, Progress, RolloutState, Standing, StepEvent};
use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use wire::ids::{DeviceId, GatewayId, RolloutId};

use super::GatewayRef;
use crate::db::{StoreError, failed, row, sql};

const TABLE: &str = "rollout_devices";

/// A device's row.
pub(crate) struct Row {
    /// The device; `None` for the staging of the image at the gateway.
    pub(crate) device: Option<DeviceId>,
    pub(crate) standing: Standing,
    pub(crate) waiting_for: String,
    pub(crate) detail: String,
    pub(crate) panel: String,
    pub(crate) version_now: String,
}

/// Which rows of a gateway in a roll-out are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which<'a> {
    All,
    Staging,
    Device(&'a DeviceId),
}

impl Which<'_> {
    /// The device as stored.
    fn text(self) -> String {
        match self {
            Self::All | Self::Staging => String::new(),
            Self::Device(device) => device.to_string(),
        }
    }
}

static SELECT_OPEN: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT r.rollout, r.target, d.gateway, d.device FROM rollouts r JOIN rollout_devices d \
         ON d.tenant = r.tenant AND d.rollout = r.rollout WHERE r.tenant = $1 \
         AND r.state IN ({}) AND d.device <> '' AND d.step IN ({}) ORDER BY r.rollout, d.gateway, d.device",
        sql::rollout_states(RolloutState::is_open),
        sql::device_steps(|step| !step.is_final())
    )
});

static CANCEL: LazyLock<String> = LazyLock::new(|| {
    let after = |step| Standing { step, presumed: false }.after(StepEvent::CancelOrdered).step;
    let cancelled = |step: DeviceStep| !step.is_final() && after(step) == DeviceStep::Cancelled;
    format!(
        "UPDATE rollout_devices SET step = '{}', waiting_for = '', panel = '', \
         detail = CASE WHEN device = '' THEN detail ELSE 'cancelled before the push' END, updated_ms = $3 \
         WHERE tenant = $1 AND rollout = $2 AND (step = '{}' OR (step IN ({}) AND device <> ''))",
        DeviceStep::Cancelled.name(),
        DeviceStep::Pending.name(),
        sql::device_steps(cancelled)
    )
});

pub(crate) fn step_of(found: &AnyRow, device: &str) -> Result<DeviceStep, StoreError> {
    row::parsed(found, (TABLE, "step"), device)
}

impl Row {
    fn of(found: &AnyRow) -> Result<Self, StoreError> {
        let key = row::text(found, "device")?;
        let step = step_of(found, &key)?;
        Ok(Self {
            device: row::parsed_or_none(found, (TABLE, "device"), "a row")?,
            standing: Standing { step, presumed: row::flag(found, "presumed")? },
            waiting_for: row::text(found, "waiting_for")?,
            detail: row::text(found, "detail")?,
            panel: row::text(found, "panel")?,
            version_now: row::text(found, "version_now")?,
        })
    }
}

/// The gateway's rows in a roll-out.
pub(crate) async fn rows(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    rollout: RolloutId,
    which: Which<'_>,
) -> Result<Vec<Row>, StoreError> {
    let found = sqlx::query(
        "SELECT device, step, presumed, waiting_for, detail, panel, version_now FROM rollout_devices \
         WHERE tenant = $1 AND rollout = $2 AND gateway = $3 AND (device = $4 OR $5 = 1)",
    )
    .bind(of.tenant.to_string())
    .bind(rollout.to_string())
    .bind(of.gateway.to_string())
    .bind(which.text())
    .bind(i64::from(which == Which::All))
    .fetch_all(connection)
    .await
    .map_err(failed("read roll-out devices"))?;
    found.iter().map(Row::of).collect()
}

/// Stores a device's row.
pub(crate) async fn update(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    rollout: RolloutId,
    row: &Row,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE rollout_devices SET step = $5, presumed = $6, waiting_for = $7, detail = $8, panel = $9, \
         version_now = $10, updated_ms = $11 \
         WHERE tenant = $1 AND rollout = $2 AND gateway = $3 AND device = $4",
    )
    .bind(of.tenant.to_string())
    .bind(rollout.to_string())
    .bind(of.gateway.to_string())
    .bind(row::text_or_empty(row.device.as_ref()))
    .bind(row.standing.step.name())
    .bind(i64::from(row.standing.presumed))
    .bind(row.waiting_for.clone())
    .bind(row.detail.clone())
    .bind(row.panel.clone())
    .bind(row.version_now.clone())
    .bind(now.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("update roll-out device"))?;
    Ok(())
}

/// Inserts a device with the version that it shows now, unless the roll-out already has it.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    rollout: RolloutId,
    (device, version): (Option<&DeviceId>, &str),
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO rollout_devices (tenant, rollout, gateway, device, step, version_before, updated_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant, rollout, gateway, device) DO NOTHING",
    )
    .bind(of.tenant.to_string())
    .bind(rollout.to_string())
    .bind(of.gateway.to_string())
    .bind(row::text_or_empty(device))
    .bind(DeviceStep::Pending.name())
    .bind(version.to_owned())
    .bind(now.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("insert roll-out device"))?;
    Ok(())
}

/// The number of devices of a roll-out at each step.
pub(crate) async fn progress(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    rollout: RolloutId,
) -> Result<Progress, StoreError> {
    let rows = sqlx::query(
        "SELECT step, COUNT(*) AS devices FROM rollout_devices \
         WHERE tenant = $1 AND rollout = $2 AND device <> '' GROUP BY step",
    )
    .bind(tenant.to_string())
    .bind(rollout.to_string())
    .fetch_all(connection)
    .await
    .map_err(failed("count roll-out devices"))?;
    let mut progress = Progress::default();
    for counted in &rows {
        progress.count(step_of(counted, &rollout.to_string())?, row::count(counted, "devices")?);
    }
    Ok(progress)
}

/// Devices that failed in a roll-out, by gateway and id.
pub(crate) async fn failed_devices(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    rollout: RolloutId,
) -> Result<BTreeSet<(GatewayId, DeviceId)>, StoreError> {
    let rows = sqlx::query(
        "SELECT gateway, device FROM rollout_devices WHERE tenant = $1 AND rollout = $2 \
         AND device <> '' AND step = $3",
    )
    .bind(tenant.to_string())
    .bind(rollout.to_string())
    .bind(DeviceStep::Failed.name())
    .fetch_all(connection)
    .await
    .map_err(failed("read roll-out devices"))?;
    let key = rollout.to_string();
    let named = |r| Ok((row::parsed(r, (TABLE, "gateway"), &key)?, row::parsed(r, (TABLE, "device"), &key)?));
    rows.iter().map(named).collect()
}

/// Devices that are not at a final step, of roll-outs that have not ended.
pub(crate) async fn open(
    connection: &mut AnyConnection,
    tenant: &TenantId,
) -> Result<Vec<OpenDevice>, StoreError> {
    let rows = sqlx::query(SELECT_OPEN.as_str())
        .bind(tenant.to_string())
        .fetch_all(connection)
        .await
        .map_err(failed("read roll-out devices"))?;
    let open = |r: &AnyRow| {
        Ok(OpenDevice {
            rollout: row::parsed(r, (TABLE, "rollout"), "a row")?,
            target: row::text(r, "target")?,
            gateway: row::parsed(r, (TABLE, "gateway"), "a row")?,
            device: row::parsed(r, (TABLE, "device"), "a row")?,
        })
    };
    rows.iter().map(open).collect()
}

/// Cancels the devices to which no image was pushed, and the stagings that have not finished.
pub(crate) async fn cancel(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    rollout: RolloutId,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(CANCEL.as_str())
        .bind(tenant.to_string())
        .bind(rollout.to_string())
        .bind(now.as_millisecond())
        .execute(connection)
        .await
        .map_err(failed("cancel roll-out devices"))?;
    Ok(())
}

/// How many devices of a roll-out are in a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// All of them.
    All,
    /// Some of them.
    Some,
    /// None of them.
    None,
}

/// How many devices of a roll-out are in a scope.
pub(crate) async fn reach(
    connection: &mut AnyConnection,
    scope: &Scope,
    rollout: RolloutId,
) -> Result<Reach, StoreError> {
    let within = sql::gateway_within(scope, "gateway");
    let of = "FROM rollout_devices WHERE tenant = $1 AND rollout = $2";
    let sql = format!("SELECT (SELECT COUNT(*) {of}) AS devices, (SELECT COUNT(*) {of}{within}) AS inside");
    let found = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(scope.tenant().to_string())
        .bind(rollout.to_string())
        .fetch_one(connection)
        .await
        .map_err(failed("count devices"))?;
    let (devices, inside) = (row::number(&found, "devices")?, row::number(&found, "inside")?);
    Ok(match inside {
        0 if devices > 0 => Reach::None,
        _ if inside == devices => Reach::All,
        _ => Reach::Some,
    })
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_cancelled_as_the_core_decides() {
        assert!(CANCEL.contains("(step = 'pending' OR (step IN ('pending', 'staged') AND device <> ''))"));
        assert!(SELECT_OPEN.contains("r.state IN ('scheduled', 'running')"));
        assert!(SELECT_OPEN.contains("d.step IN ('pending', 'staged', 'pushed')"));
    }
}
