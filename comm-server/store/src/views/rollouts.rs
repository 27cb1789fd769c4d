//! Roll-outs as people see them.

use comm_server_core::commands::CommandState;
use comm_server_core::rollouts::{DeviceStep, RolloutState, waits_for};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::any::AnyRow;
use wire::command::OrderKind;
use wire::ids::{DeviceId, GatewayId, RolloutId};
use wire::report::WaitReason;

use crate::Scoped;
use crate::db::page::{self, Page};
use crate::db::sql::{PLACE, PLACE_JOINS};
use crate::db::{StoreError, failed, row, sql};
use crate::tables::rollout_devices::step_of;
use crate::tables::rollouts;

/// A roll-out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rollout {
    /// Its id.
    pub rollout: RolloutId,
    /// Vendor's short name.
    pub vendor: String,
    /// Model.
    pub model: String,
    /// Version that the devices show afterwards.
    pub version: String,
    /// Name of the image in the firmware repository.
    pub target: String,
    /// Push not before this.
    pub not_before: Timestamp,
    /// The author.
    pub created_by: String,
    /// The time.
    pub created_at: Timestamp,
    /// Its state.
    pub state: RolloutState,
    /// The roll-out whose failed devices these are.
    pub retry_of: Option<RolloutId>,
    /// The newest roll-out that orders the failed devices of this one again.
    pub retried_by: Option<RolloutId>,
    /// Devices in it.
    pub devices: i64,
    /// Those of which no step was reported.
    pub pending: i64,
    /// Those whose image is at their gateway.
    pub staged: i64,
    /// Those that were pushed to.
    pub pushed: i64,
    /// Those that show the new version.
    pub verified: i64,
    /// Those that failed.
    pub failed: i64,
    /// Those that were cancelled.
    pub cancelled: i64,
}

impl Rollout {
    /// Whether every device is at its end.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.pending + self.staged + self.pushed == 0
    }
}

/// A device in a roll-out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RolloutDevice {
    /// Its gateway.
    pub gateway: GatewayId,
    /// Its id; absent for the gateway's staging.
    #[serde(serialize_with = "device_or_empty")]
    pub device: Option<DeviceId>,
    /// Its model, "" when unknown; the same applies to the following texts.
    pub model: String,
    /// Its serial number.
    pub serial: String,
    /// Its name.
    pub name: String,
    /// The gateway's customer.
    pub customer: String,
    /// The gateway's site.
    pub site: String,
    /// Its state.
    pub step: DeviceStep,
    /// What it waits for, as reported by its gateway or derived from step and date; absent at a final step.
    #[serde(serialize_with = "name_or_empty")]
    pub waiting_for: Option<WaitReason>,
    /// The text of its panel, if its gateway reported it.
    pub panel: String,
    /// A text for people.
    pub detail: String,
    /// Version that it showed before.
    pub version_before: String,
    /// Version that it shows now, "" until it was read back.
    pub version_now: String,
    /// The time of this step.
    pub updated_at: Timestamp,
}

fn device_or_empty<S: serde::Serializer>(device: &Option<DeviceId>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(device.as_ref().map_or("", DeviceId::as_str))
}

fn name_or_empty<S: serde::Serializer>(reason: &Option<WaitReason>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(reason.map_or("", WaitReason::name))
}

/// The columns of a [`Rollout`]. Its numbers count devices within a scope. The table is `r`. A roll-out without a device
/// in the scope is not found.
fn select(within: &str, which: &str) -> String {
    let of = format!(
        "FROM rollout_devices d WHERE d.tenant = r.tenant AND d.rollout = r.rollout{within} AND d.device <> ''"
    );
    let counted = |step: DeviceStep| format!("(SELECT COUNT(*) {of} AND d.step = '{0}') AS {0}", step.name());
    let steps = DeviceStep::ALL.map(counted).join(", ");
    let is_there = if within.is_empty() { String::new() } else { format!(" AND EXISTS (SELECT 1 {of})") };
    format!(
        "SELECT r.*, (SELECT COUNT(*) {of}) AS devices, {steps}, \
         (SELECT MAX(again.rollout) FROM rollouts again \
          WHERE again.tenant = r.tenant AND again.retry_of = r.rollout) AS retried_by \
         FROM rollouts r WHERE r.tenant = $1{is_there} AND {which}"
    )
}

fn select_devices(within: &str) -> String {
    format!(
        "SELECT s.gateway, s.device, s.step, s.waiting_for, s.detail, s.panel, s.version_before, \
             s.version_now, s.updated_ms, r.not_before_ms, COALESCE(d.model, '') AS model, \
             COALESCE(d.serial, '') AS serial, COALESCE(d.name, '') AS name, \
             {PLACE}, \
             (SELECT COUNT(*) FROM commands c WHERE c.tenant = s.tenant AND c.rollout = s.rollout \
              AND c.gateway = s.gateway AND c.kind = '{}' \
              AND c.state IN ({})) AS unfetched FROM rollout_devices s \
             JOIN rollouts r ON r.tenant = s.tenant AND r.rollout = s.rollout \
             LEFT JOIN devices d ON d.tenant = s.tenant AND d.gateway = s.gateway AND d.device = s.device \
             LEFT JOIN gateways g ON g.tenant = s.tenant AND g.gateway = s.gateway {PLACE_JOINS} \
             WHERE s.tenant = $1{within} AND s.rollout = $2 \
             AND (s.gateway > $3 OR (s.gateway = $3 AND s.device > $4)) AND ($5 = '' OR s.step = $5) \
             ORDER BY s.gateway, s.device LIMIT $6",
        OrderKind::FirmwareUpdate.name(),
        sql::command_states(CommandState::is_delivered_with_polls)
    )
}

fn rollout(row: &AnyRow) -> Result<Rollout, StoreError> {
    let id = rollouts::id_of(row)?;
    let key = id.to_string();
    Ok(Rollout {
        rollout: id,
        vendor: row::text(row, "vendor")?,
        model: row::text(row, "model")?,
        version: row::text(row, "version")?,
        target: row::text(row, "target")?,
        not_before: row::time(row, "not_before_ms")?,
        created_by: row::text(row, "created_by")?,
        created_at: row::time(row, "created_ms")?,
        state: rollouts::state_of(row, &key)?,
        retry_of: row::maybe_parsed(row, ("rollouts", "retry_of"), &key)?,
        retried_by: row::maybe_parsed(row, ("rollouts", "retried_by"), &key)?,
        devices: row::number(row, "devices")?,
        pending: row::number(row, "pending")?,
        staged: row::number(row, "staged")?,
        pushed: row::number(row, "pushed")?,
        verified: row::number(row, "verified")?,
        failed: row::number(row, "failed")?,
        cancelled: row::number(row, "cancelled")?,
    })
}

fn rollout_device(row: &AnyRow, now: Timestamp) -> Result<RolloutDevice, StoreError> {
    let device = row::parsed_or_none(row, ("rollout_devices", "device"), "a row")?;
    let (step, reported) = (step_of(row, &row::text(row, "device")?)?, row::text(row, "waiting_for")?);
    let not_before = row::time(row, "not_before_ms")?;
    let waits = waits_for(step, reported.parse().ok(), row::number(row, "unfetched")? == 0, not_before, now);
    // A gateway whose image is staged waits for nothing itself.
    let ready = device.is_none() && step == DeviceStep::Staged;
    Ok(RolloutDevice {
        gateway: row::parsed(row, ("rollout_devices", "gateway"), "a row")?,
        device,
        model: row::text(row, "model")?,
        serial: row::text(row, "serial")?,
        name: row::text(row, "name")?,
        customer: row::text(row, "customer")?,
        site: row::text(row, "site")?,
        step,
        waiting_for: waits.filter(|_| !ready),
        panel: row::text(row, "panel")?,
        detail: row::text(row, "detail")?,
        version_before: row::text(row, "version_before")?,
        version_now: row::text(row, "version_now")?,
        updated_at: row::time(row, "updated_ms")?,
    })
}

impl Scoped {
    /// Roll-outs, newest first.
    pub async fn rollouts(&self, cursor: Option<&str>) -> Result<Page<Rollout>, StoreError> {
        let sql = select(&self.within("d.gateway"), "r.rollout < $2 ORDER BY r.rollout DESC LIMIT $3");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(page::id(cursor)?)
            .bind(self.rows().and_one())
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read roll-outs"))?;
        let items = rows.iter().map(rollout).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(items, self.rows(), |r| r.rollout.to_string()))
    }

    /// One roll-out.
    pub async fn rollout(&self, id: RolloutId) -> Result<Option<Rollout>, StoreError> {
        let sql = select(&self.within("d.gateway"), "r.rollout = $2");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(id.to_string())
            .fetch_optional(&mut *self.reader().await?)
            .await
            .map_err(failed("read roll-out"))?;
        row.as_ref().map(rollout).transpose()
    }

    /// The devices of a roll-out by gateway and id, those of one step only where `step` is given; a gateway's staging is the
    /// row with an empty device.
    ///
    /// # Errors
    /// The database failed, or the cursor is not valid.
    pub async fn rollout_devices(
        &self,
        id: RolloutId,
        step: Option<DeviceStep>,
        cursor: Option<&str>,
    ) -> Result<Page<RolloutDevice>, StoreError> {
        let (gateway, device) = page::two_names(cursor)?;
        let rows = sqlx::query(sqlx::AssertSqlSafe(select_devices(&self.within("s.gateway"))))
            .bind(self.tenant().to_string())
            .bind(id.to_string())
            .bind(gateway)
            .bind(device)
            .bind(step.map_or("", DeviceStep::name))
            .bind(self.rows().and_one())
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read roll-out devices"))?;
        let now = Timestamp::now();
        let items = rows.iter().map(|r| rollout_device(r, now)).collect::<Result<Vec<_>, StoreError>>()?;
        Ok(Page::of(items, self.rows(), |d| {
            format!("{},{}", d.gateway, d.device.as_ref().map_or("", DeviceId::as_str))
        }))
    }
}
