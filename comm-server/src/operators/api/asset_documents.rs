//! The JSON documents of assets.

use comm_server_core::assets::{Epoch, History, Meter};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use wire::reading::Counter;

use super::states;
use crate::store;

/// An asset.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Asset {
    asset: Uuid,
    /// Its name or number.
    name: String,
    /// Its key in the ERP system, "" for none.
    erp_key: String,
    notes: String,
    customer: Option<Uuid>,
    /// "" if it has no site.
    customer_name: String,
    site: Option<Uuid>,
    site_name: String,
    #[schema(value_type = states::AssetState)]
    state: &'static str,
    /// The device under it.
    device: Option<String>,
    device_since: Option<Timestamp>,
    /// The gateway under which the device is counted.
    gateway: Option<String>,
    vendor: String,
    model: String,
    serial: String,
    /// When the last full reading of the device was made.
    read_at: Option<Timestamp>,
    /// Increases by one with each change, including those of its device; the `ETag` of the asset.
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
    retired_at: Option<Timestamp>,
}

/// An asset with its present and earlier devices.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AssetDetail {
    #[serde(flatten)]
    asset: Asset,
    /// Oldest first; they don't overlap.
    placements: Vec<Placement>,
    /// Oldest first.
    swaps: Vec<Swap>,
}

/// A device under an asset.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Placement {
    device: String,
    from: Timestamp,
    /// End, exclusive; null if it has not ended.
    to: Option<Timestamp>,
}

/// A device that was replaced by another.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Swap {
    swap: Uuid,
    at: Timestamp,
    old_device: String,
    new_device: String,
    reason: String,
    by: String,
    created_at: Timestamp,
    /// The last readings of the old device, one per counter.
    old: Vec<SwapReading>,
    /// The first readings of the new device, one per counter; empty until it is read.
    new: Vec<SwapReading>,
}

/// A reading that a swap names.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SwapReading {
    #[schema(value_type = states::CounterName)]
    counter: Counter,
    #[serde(flatten)]
    meter: AssetMeter,
}

/// A counter as it was read, with its evidence.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AssetMeter {
    at: Timestamp,
    value: u64,
    /// The object that was read, or several joined by `+`.
    oid: String,
    /// The value as the device reported it.
    raw: u64,
    gateway: String,
    /// Lane of the report that contained it. Null for readings that were stored before reports were recorded with
    /// them, as `seq` is.
    lane: Option<String>,
    /// Sequence number of that report.
    seq: Option<u64>,
}

/// Readings of one device and one object whose values never fall.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AssetEpoch {
    device: String,
    oid: String,
    #[schema(value_type = states::EpochOpening)]
    opened_by: &'static str,
    begin: AssetMeter,
    end: AssetMeter,
    readings: usize,
    /// Usage in this epoch after `from`, up to and including `to`.
    usage: u64,
}

/// The usage of an asset.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AssetEpochs {
    #[schema(value_type = states::CounterName)]
    counter: Counter,
    /// Usage after `from`, up to and including `to`: the sum over the epochs. The usages of adjacent periods add up.
    usage: u64,
    /// All epochs, in the order of their first readings.
    items: Vec<AssetEpoch>,
    /// Readings that were lower than the one before, until the old value was reached again; they are not counted.
    dips: Vec<AssetMeter>,
}

impl From<store::Asset> for Asset {
    fn from(a: store::Asset) -> Self {
        Self {
            asset: a.id.0,
            state: a.state().name(),
            name: a.spec.name,
            erp_key: a.spec.erp_key,
            notes: a.spec.notes,
            customer: a.customer.map(|id| id.0),
            customer_name: a.customer_name,
            site: a.spec.site.map(|id| id.0),
            site_name: a.site_name,
            device: a.device.map(Into::into),
            device_since: a.device_since,
            gateway: a.gateway.map(Into::into),
            vendor: a.vendor,
            model: a.model,
            serial: a.serial,
            read_at: a.read_at,
            version: a.version,
            created_at: a.created_at,
            updated_at: a.updated_at,
            retired_at: a.retired_at,
        }
    }
}

impl From<&Meter> for AssetMeter {
    fn from(m: &Meter) -> Self {
        Self {
            at: m.at,
            value: m.value,
            oid: m.source.clone(),
            raw: m.raw,
            gateway: m.gateway.to_string(),
            lane: m.report.map(|report| report.lane.name().to_owned()),
            seq: m.report.map(|report| report.seq),
        }
    }
}

impl From<store::SwapReading> for SwapReading {
    fn from(r: store::SwapReading) -> Self {
        Self { counter: r.counter, meter: (&r.meter).into() }
    }
}

impl From<store::Swap> for Swap {
    fn from(s: store::Swap) -> Self {
        Self {
            swap: s.id,
            at: s.at,
            old_device: s.old_device.into(),
            new_device: s.new_device.into(),
            reason: s.reason,
            by: s.by,
            created_at: s.created_at,
            old: s.old.into_iter().map(Into::into).collect(),
            new: s.new.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<store::AssetDetail> for AssetDetail {
    fn from(d: store::AssetDetail) -> Self {
        let placement = |p: comm_server_core::assets::Placement| Placement {
            device: p.device.into(),
            from: p.from,
            to: p.to,
        };
        Self {
            asset: d.asset.into(),
            placements: d.placements.into_iter().map(placement).collect(),
            swaps: d.swaps.into_iter().map(Into::into).collect(),
        }
    }
}

impl AssetEpochs {
    /// The epochs of a counter, with the usage after the first time, up to and including the second.
    pub(super) fn of(counter: Counter, history: &History, (from, to): (Timestamp, Timestamp)) -> Self {
        let epoch = |e: &Epoch| AssetEpoch {
            device: e.device.to_string(),
            oid: e.source().to_owned(),
            opened_by: e.opening.name(),
            begin: e.begin().into(),
            end: e.end().into(),
            readings: e.readings(),
            usage: e.usage(from, to),
        };
        Self {
            counter,
            usage: history.usage(from, to),
            items: history.epochs.iter().map(epoch).collect(),
            dips: history.dips.iter().map(Into::into).collect(),
        }
    }
}
