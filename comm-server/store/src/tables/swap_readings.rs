//! Rows of the readings that are stored with a swap.

use std::str::FromStr;

use comm_server_core::assets::Meter;
use comm_server_core::tenancy::{AssetId, TenantId};
use sqlx::AnyConnection;
use wire::ids::{DeviceId, Uuid};
use wire::reading::Counter;

use super::counters;
use crate::db::row::stored;
use crate::db::{StoreError, failed, row};

/// The device of a reading: the old or the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Old,
    New,
}

impl Side {
    const ALL: [Self; 2] = [Self::Old, Self::New];

    const fn name(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }
}

impl FromStr for Side {
    type Err = NoSuchSide;

    fn from_str(name: &str) -> Result<Self, NoSuchSide> {
        Self::ALL.into_iter().find(|side| side.name() == name).ok_or(NoSuchSide)
    }
}

/// An unknown side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoSuchSide;

/// A reading that is stored with a swap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedReading {
    pub(crate) swap: Uuid,
    pub(crate) side: Side,
    pub(crate) counter: Counter,
    pub(crate) meter: Meter,
}

/// Inserts a reading.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    device: &DeviceId,
    new: &NamedReading,
) -> Result<(), StoreError> {
    let meter = &new.meter;
    let seq = meter.report.map(|report| stored(report.seq, "swap_readings.seq")).transpose()?;
    sqlx::query(
        "INSERT INTO swap_readings (tenant, swap, side, counter, gateway, device, read_ms, value, oid, raw, lane, \
         seq) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(tenant.to_string())
    .bind(new.swap.to_string())
    .bind(new.side.name())
    .bind(new.counter.name())
    .bind(meter.gateway.to_string())
    .bind(device.to_string())
    .bind(meter.at.as_millisecond())
    .bind(stored(meter.value, "swap_readings.value")?)
    .bind(meter.source.clone())
    .bind(stored(meter.raw, "swap_readings.raw")?)
    .bind(meter.report.map(|report| report.lane.name()))
    .bind(seq)
    .execute(connection)
    .await
    .map_err(failed("insert swap reading"))?;
    Ok(())
}

/// The readings of all swaps of an asset.
pub(crate) async fn of_asset(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    asset: AssetId,
) -> Result<Vec<NamedReading>, StoreError> {
    let rows = sqlx::query(
        "SELECT c.swap, c.side, c.counter, c.gateway, c.read_ms, c.value, c.oid, c.raw, c.lane, c.seq \
         FROM swaps s JOIN swap_readings c ON c.tenant = s.tenant AND c.swap = s.swap \
         WHERE s.tenant = $1 AND s.asset = $2 ORDER BY c.swap, c.side, c.counter",
    )
    .bind(tenant.to_string())
    .bind(asset.to_string())
    .fetch_all(connection)
    .await
    .map_err(failed("read swap readings"))?;
    let named = |found| {
        Ok(NamedReading {
            swap: row::parsed(found, ("swap_readings", "swap"), "a row")?,
            side: row::parsed(found, ("swap_readings", "side"), "a row")?,
            counter: row::parsed(found, ("swap_readings", "counter"), "a row")?,
            meter: counters::meter(found)?,
        })
    };
    rows.iter().map(named).collect()
}
