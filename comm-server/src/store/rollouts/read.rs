//! Roll-outs as people see them.

use jiff::Timestamp;
use serde::Serialize;
use sqlx::any::AnyRow;
use wire::ids::RolloutId;

use crate::store::page::{self, PAGE_ROWS, Page};
use crate::store::{Store, StoreError, failed, row};

/// A roll-out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rollout {
    /// Its id.
    pub rollout: String,
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
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// `scheduled`, `running`, `done`, `failed` or `cancelled`.
    pub state: String,
    /// Devices in it.
    pub devices: i64,
    /// Those that show the new version.
    pub verified: i64,
    /// Those that failed.
    pub failed: i64,
    /// Those that were cancelled.
    pub cancelled: i64,
}

/// A device in a roll-out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RolloutDevice {
    /// Its gateway.
    pub gateway: String,
    /// Its id; "" for the gateway's staging.
    pub device: String,
    /// `pending`, or the name of a [`wire::report::FirmwareStep`].
    pub step: String,
    /// What a person should read.
    pub detail: String,
    /// Version that it showed before.
    pub version_before: String,
    /// Version that it shows now, "" until it was read back.
    pub version_now: String,
    /// When it came to this step.
    pub updated_at: Timestamp,
}

/// Columns of a [`Rollout`]; the table is `r`.
const SELECT: &str = "SELECT r.*, \
    (SELECT COUNT(*) FROM rollout_devices d WHERE d.tenant = r.tenant AND d.rollout = r.rollout \
     AND d.device <> '') AS devices, \
    (SELECT COUNT(*) FROM rollout_devices d WHERE d.tenant = r.tenant AND d.rollout = r.rollout \
     AND d.device <> '' AND d.step = 'verified') AS verified, \
    (SELECT COUNT(*) FROM rollout_devices d WHERE d.tenant = r.tenant AND d.rollout = r.rollout \
     AND d.device <> '' AND d.step = 'failed') AS failed, \
    (SELECT COUNT(*) FROM rollout_devices d WHERE d.tenant = r.tenant AND d.rollout = r.rollout \
     AND d.device <> '' AND d.step = 'cancelled') AS cancelled FROM rollouts r";

fn rollout(row: &AnyRow) -> Result<Rollout, StoreError> {
    Ok(Rollout {
        rollout: row::text(row, "rollout")?,
        vendor: row::text(row, "vendor")?,
        model: row::text(row, "model")?,
        version: row::text(row, "version")?,
        target: row::text(row, "target")?,
        not_before: row::time(row, "not_before_ms")?,
        created_by: row::text(row, "created_by")?,
        created_at: row::time(row, "created_ms")?,
        state: row::text(row, "state")?,
        devices: row::number(row, "devices")?,
        verified: row::number(row, "verified")?,
        failed: row::number(row, "failed")?,
        cancelled: row::number(row, "cancelled")?,
    })
}

impl Store {
    /// Roll-outs, newest first.
    ///
    /// # Errors
    /// The database.
    pub async fn rollouts(&self, tenant: &str, cursor: Option<&str>) -> Result<Page<Rollout>, StoreError> {
        let sql = format!("{SELECT} WHERE r.tenant = $1 AND r.rollout < $2 ORDER BY r.rollout DESC LIMIT $3");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(tenant.to_owned())
            .bind(cursor.unwrap_or(page::LAST).to_owned())
            .bind(PAGE_ROWS + 1)
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("to read the roll-outs"))?;
        let items = rows.iter().map(rollout).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(items, |r| r.rollout.clone()))
    }

    /// One roll-out.
    ///
    /// # Errors
    /// The database.
    pub async fn rollout(&self, tenant: &str, id: RolloutId) -> Result<Option<Rollout>, StoreError> {
        let sql = format!("{SELECT} WHERE r.tenant = $1 AND r.rollout = $2");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(tenant.to_owned())
            .bind(id.to_string())
            .fetch_optional(&mut *self.reader().await?)
            .await
            .map_err(failed("to read a roll-out"))?;
        row.as_ref().map(rollout).transpose()
    }

    /// The devices of a roll-out by gateway and id; a gateway's staging is the row with an empty device.
    ///
    /// # Errors
    /// The database or the cursor.
    pub async fn rollout_devices(
        &self,
        tenant: &str,
        id: RolloutId,
        cursor: Option<&str>,
    ) -> Result<Page<RolloutDevice>, StoreError> {
        let (gateway, device) = page::two_names(cursor)?;
        let rows = sqlx::query(
            "SELECT gateway, device, step, detail, version_before, version_now, updated_ms \
             FROM rollout_devices WHERE tenant = $1 AND rollout = $2 \
             AND (gateway > $3 OR (gateway = $3 AND device > $4)) ORDER BY gateway, device LIMIT $5",
        )
        .bind(tenant.to_owned())
        .bind(id.to_string())
        .bind(gateway)
        .bind(device)
        .bind(PAGE_ROWS + 1)
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(failed("to read a roll-out's devices"))?;
        let one = |r| {
            Ok(RolloutDevice {
                gateway: row::text(r, "gateway")?,
                device: row::text(r, "device")?,
                step: row::text(r, "step")?,
                detail: row::text(r, "detail")?,
                version_before: row::text(r, "version_before")?,
                version_now: row::text(r, "version_now")?,
                updated_at: row::time(r, "updated_ms")?,
            })
        };
        let items = rows.iter().map(one).collect::<Result<Vec<_>, StoreError>>()?;
        Ok(Page::of(items, |d| format!("{},{}", d.gateway, d.device)))
    }
}
