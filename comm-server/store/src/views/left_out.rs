//! Failed devices that a retry of their roll-out did not order again.

use comm_server_core::rollouts::DeviceStep;
use serde::Serialize;
use sqlx::any::AnyRow;
use wire::ids::RolloutId;

use crate::Scoped;
use crate::db::page::Page;
use crate::db::{StoreError, failed, page, row};

/// A device that failed in the retried roll-out and is not in its retry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOutDevice {
    /// Its gateway at that time.
    pub gateway: String,
    /// Its id.
    pub device: String,
    /// Why it is not ordered again, for people.
    pub reason: String,
}

/// `within` limits the devices to those of a scope.
fn select(within: &str) -> String {
    format!(
        "SELECT s.gateway, s.device, r.version AS wanted, COALESCE(d.model, '') AS model, \
     COALESCE(d.firmware, '') AS firmware, CAST(CASE WHEN d.device IS NULL THEN 1 ELSE 0 END AS BIGINT) AS gone, \
     (SELECT MAX(o.gateway) FROM devices o WHERE o.tenant = s.tenant AND o.device = s.device \
      AND o.gateway <> s.gateway) AS elsewhere \
     FROM rollouts r JOIN rollout_devices s ON s.tenant = r.tenant AND s.rollout = r.retry_of \
     LEFT JOIN devices d ON d.tenant = s.tenant AND d.gateway = s.gateway AND d.device = s.device \
     WHERE r.tenant = $1{within} AND r.rollout = $2 AND s.step = $3 AND s.device <> '' \
     AND NOT EXISTS (SELECT 1 FROM rollout_devices n WHERE n.tenant = r.tenant AND n.rollout = r.rollout \
      AND n.gateway = s.gateway AND n.device = s.device) \
     AND (s.gateway > $4 OR (s.gateway = $4 AND s.device > $5)) ORDER BY s.gateway, s.device LIMIT $6"
    )
}

fn reason(found: &AnyRow) -> Result<String, StoreError> {
    let (wanted, firmware) = (row::text(found, "wanted")?, row::text(found, "firmware")?);
    if row::flag(found, "gone")? {
        return Ok(match row::maybe_text(found, "elsewhere")? {
            Some(gateway) => format!("it has moved to gateway {gateway}"),
            None => "it is no longer in the fleet".to_owned(),
        });
    }
    if firmware.trim() == wanted.trim() {
        return Ok(format!("it shows version {wanted} already"));
    }
    Ok(format!("its model was {} when the roll-out was ordered again", row::text(found, "model")?))
}

impl Scoped {
    /// The failed devices of the retried roll-out that the retry `id` does not order again; empty if `id` is not a
    /// retry.
    ///
    /// # Errors
    /// The database failed, or the cursor is not valid.
    pub async fn left_out_devices(
        &self,
        id: RolloutId,
        cursor: Option<&str>,
    ) -> Result<Page<LeftOutDevice>, StoreError> {
        let (gateway, device) = page::two_names(cursor)?;
        let rows = sqlx::query(sqlx::AssertSqlSafe(select(&self.within("s.gateway"))))
            .bind(self.tenant().to_string())
            .bind(id.to_string())
            .bind(DeviceStep::Failed.name())
            .bind(gateway)
            .bind(device)
            .bind(self.rows().and_one())
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read left-out devices"))?;
        let device = |found: &AnyRow| {
            Ok(LeftOutDevice {
                gateway: row::text(found, "gateway")?,
                device: row::text(found, "device")?,
                reason: reason(found)?,
            })
        };
        let items = rows.iter().map(device).collect::<Result<Vec<_>, StoreError>>()?;
        Ok(Page::of(items, self.rows(), |d| format!("{},{}", d.gateway, d.device)))
    }
}
