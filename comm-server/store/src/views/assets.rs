//! Assets for pages and lists: their present and earlier devices, and their usage.

use std::str::FromStr;

use comm_server_core::assets::{AssetSpec, History, Meter, Placement, Stay};
use comm_server_core::tenancy::{AssetId, CustomerId};
use jiff::Timestamp;
use sqlx::any::AnyRow;
use wire::ids::{DeviceId, GatewayId, Uuid};
use wire::reading::Counter;

use super::search::pattern;
use super::sightings::COUNTED;
use crate::Scoped;
use crate::db::page::{self, Page};
use crate::db::{StoreError, failed, row, sql};
use crate::tables::counters::Which;
use crate::tables::swap_readings::{NamedReading, Side};
use crate::tables::swaps::SwapRow;
use crate::tables::{assets, counters, placements, swap_readings, swaps};

/// State of an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetState {
    /// A device is under it.
    InUse,
    /// No device is under it.
    Empty,
    /// It is no longer used.
    Retired,
}

impl AssetState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::InUse, Self::Empty, Self::Retired];

    /// Name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InUse => "in_use",
            Self::Empty => "empty",
            Self::Retired => "retired",
        }
    }
}

/// An unknown state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no state with that name: expected in_use, empty or retired")]
pub struct NoSuchState;

impl FromStr for AssetState {
    type Err = NoSuchState;

    fn from_str(name: &str) -> Result<Self, NoSuchState> {
        Self::ALL.into_iter().find(|state| state.name() == name).ok_or(NoSuchState)
    }
}

/// An asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// Its id.
    pub id: AssetId,
    /// The fields as entered.
    pub spec: AssetSpec,
    /// The customer of its site.
    pub customer: Option<CustomerId>,
    /// Name of its customer, "" for none.
    pub customer_name: String,
    /// Name of its site, "" for none.
    pub site_name: String,
    /// The device under it.
    pub device: Option<DeviceId>,
    /// Begin of the placement of that device.
    pub device_since: Option<Timestamp>,
    /// The gateway under which the device is counted.
    pub gateway: Option<GatewayId>,
    /// Vendor of the device, "" for none; the same applies to the following texts.
    pub vendor: String,
    /// Its model.
    pub model: String,
    /// Its serial number.
    pub serial: String,
    /// When the last full reading of the device was made.
    pub read_at: Option<Timestamp>,
    /// Increases by one with each change.
    pub version: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it was retired.
    pub retired_at: Option<Timestamp>,
}

impl Asset {
    /// Its state.
    #[must_use]
    pub const fn state(&self) -> AssetState {
        match (self.retired_at.is_some(), self.device.is_some()) {
            (true, _) => AssetState::Retired,
            (false, true) => AssetState::InUse,
            (false, false) => AssetState::Empty,
        }
    }
}

/// An asset with its placements and swaps, each oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetDetail {
    /// The asset.
    pub asset: Asset,
    /// Its placements.
    pub placements: Vec<Placement>,
    /// Its swaps.
    pub swaps: Vec<Swap>,
}

/// A device that was replaced by another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swap {
    /// Its id.
    pub id: Uuid,
    /// When the new device took the place of the old one.
    pub at: Timestamp,
    /// The old device.
    pub old_device: DeviceId,
    /// The new device.
    pub new_device: DeviceId,
    /// Why, for people.
    pub reason: String,
    /// Who recorded it.
    pub by: String,
    /// When that was.
    pub created_at: Timestamp,
    /// The last readings of the old device, one per counter.
    pub old: Vec<SwapReading>,
    /// The first readings of the new device, one per counter; empty until it is read.
    pub new: Vec<SwapReading>,
}

/// A reading that is stored with a swap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwapReading {
    /// The counter.
    pub counter: Counter,
    /// The reading with its evidence.
    pub meter: Meter,
}

/// A filter of assets.
#[derive(Debug, Clone, Default)]
pub struct AssetFilter {
    /// Only assets with this text in name, key, device, serial number or model, ignoring case; "" for all.
    pub text: String,
    /// Only assets in this state.
    pub state: Option<AssetState>,
    /// Only those that changed at or after this time.
    pub updated_since: Option<Timestamp>,
}

const TABLE: &str = "assets";

/// Columns and tables of an [`Asset`]; the tables are `a`, `p` and `d`.
fn select() -> String {
    format!(
        "SELECT a.asset, a.name, a.erp_key, a.site, a.notes, a.version, a.created_ms, a.updated_ms, a.retired_ms, \
         COALESCE(s.name, '') AS site_name, COALESCE(s.customer, '') AS customer, \
         COALESCE(c.name, '') AS customer_name, p.device, p.from_ms, d.gateway, COALESCE(d.vendor, '') AS vendor, \
         COALESCE(d.model, '') AS model, COALESCE(d.serial, '') AS serial, d.read_ms FROM assets a \
         LEFT JOIN sites s ON s.tenant = a.tenant AND s.site = a.site \
         LEFT JOIN customers c ON c.tenant = s.tenant AND c.customer = s.customer \
         LEFT JOIN placements p ON p.tenant = a.tenant AND p.asset = a.asset AND p.to_ms IS NULL \
         LEFT JOIN devices d ON d.tenant = p.tenant AND d.device = p.device AND {COUNTED}"
    )
}

fn asset(found: &AnyRow) -> Result<Asset, StoreError> {
    let own = assets::of(found)?;
    let key = &own.spec.name;
    Ok(Asset {
        id: own.id,
        customer: row::parsed_or_none(found, (TABLE, "customer"), key)?,
        customer_name: row::text(found, "customer_name")?,
        site_name: row::text(found, "site_name")?,
        device: row::maybe_parsed(found, (TABLE, "device"), key)?,
        device_since: row::maybe_time(found, "from_ms")?,
        gateway: row::maybe_parsed(found, (TABLE, "gateway"), key)?,
        vendor: row::text(found, "vendor")?,
        model: row::text(found, "model")?,
        serial: row::text(found, "serial")?,
        read_at: row::maybe_time(found, "read_ms")?,
        version: own.version,
        created_at: row::time(found, "created_ms")?,
        updated_at: row::time(found, "updated_ms")?,
        retired_at: own.retired_at,
        spec: own.spec,
    })
}

fn swap(found: SwapRow, readings: &[NamedReading]) -> Swap {
    let of = |side| {
        let own = readings.iter().filter(|named| named.swap == found.id && named.side == side);
        own.map(|named| SwapReading { counter: named.counter, meter: named.meter.clone() }).collect()
    };
    Swap {
        old: of(Side::Old),
        new: of(Side::New),
        id: found.id,
        at: found.at,
        old_device: found.old,
        new_device: found.new,
        reason: found.reason,
        by: found.by,
        created_at: found.created_at,
    }
}

impl Scoped {
    /// Assets by name.
    ///
    /// # Errors
    /// The database failed, or the cursor is not valid.
    pub async fn assets(
        &self,
        filter: &AssetFilter,
        cursor: Option<&str>,
    ) -> Result<Page<Asset>, StoreError> {
        let (id, name) = page::two_names(cursor)?;
        let state = match filter.state {
            None => "",
            Some(AssetState::InUse) => " AND a.retired_ms IS NULL AND p.device IS NOT NULL",
            Some(AssetState::Empty) => " AND a.retired_ms IS NULL AND p.device IS NULL",
            Some(AssetState::Retired) => " AND a.retired_ms IS NOT NULL",
        };
        let (select, within) = (select(), sql::site_within(self.scope(), "a.site"));
        let sql = format!(
            "{select} WHERE a.tenant = $1{within}{state} AND (a.name > $2 OR (a.name = $2 AND a.asset > $3)) \
             AND ($4 = '' OR LOWER(a.name) LIKE $4 ESCAPE '!' OR LOWER(a.erp_key) LIKE $4 ESCAPE '!' \
              OR LOWER(COALESCE(p.device, '')) LIKE $4 ESCAPE '!' OR LOWER(COALESCE(d.serial, '')) LIKE $4 ESCAPE '!' \
              OR LOWER(COALESCE(d.model, '')) LIKE $4 ESCAPE '!') AND a.updated_ms >= $6 ORDER BY a.name, a.asset LIMIT $5"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(name)
            .bind(id)
            .bind(pattern(&filter.text))
            .bind(self.rows().and_one())
            .bind(row::since(filter.updated_since))
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read assets"))?;
        let items = rows.iter().map(asset).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(items, self.rows(), |a| format!("{},{}", a.id, a.spec.name)))
    }

    /// One asset with its placements and swaps.
    ///
    /// # Errors
    /// The database failed.
    pub async fn asset(&self, id: AssetId) -> Result<Option<AssetDetail>, StoreError> {
        let (select, within) = (select(), sql::site_within(self.scope(), "a.site"));
        let sql = format!("{select} WHERE a.tenant = $1{within} AND a.asset = $2");
        let mut reader = self.reader().await?;
        let found = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(id.to_string())
            .fetch_optional(&mut *reader)
            .await
            .map_err(failed("read asset"))?;
        let Some(found) = found else { return Ok(None) };
        let readings = swap_readings::of_asset(&mut reader, self.tenant(), id).await?;
        let swaps = swaps::of_asset(&mut reader, self.tenant(), id).await?;
        Ok(Some(AssetDetail {
            asset: asset(&found)?,
            placements: placements::of_asset(&mut reader, self.tenant(), id).await?,
            swaps: swaps.into_iter().map(|own| swap(own, &readings)).collect(),
        }))
    }

    /// The epochs of a counter of an asset; `None` if the scope has no such asset.
    ///
    /// # Errors
    /// The database failed.
    pub async fn asset_history(&self, id: AssetId, counter: Counter) -> Result<Option<History>, StoreError> {
        let mut reader = self.reader().await?;
        if assets::read(&mut reader, self.scope(), id).await?.is_none() {
            return Ok(None);
        }
        let mut stays = Vec::new();
        for Placement { device, from, to, .. } in placements::of_asset(&mut reader, self.tenant(), id).await?
        {
            let span = (from.as_millisecond(), to.map_or(i64::MAX, Timestamp::as_millisecond));
            let of = (&device, counter);
            let meters = counters::of_device(&mut reader, self.tenant(), of, span, Which::All).await?;
            stays.push(Stay { device, from, to, meters });
        }
        Ok(Some(History::of(stays)))
    }
}
