//! Which device is placed under which asset: an asset has at most one device at a time, and a device at most one
//! asset.

use jiff::Timestamp;
use wire::ids::DeviceId;

use crate::tenancy::AssetId;

/// A device under an asset in `[from, to)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The asset.
    pub asset: AssetId,
    /// The device.
    pub device: DeviceId,
    /// Begin, inclusive.
    pub from: Timestamp,
    /// End, exclusive; `None` if it has not ended.
    pub to: Option<Timestamp>,
}

/// Why a device can't be placed or removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// The device is identified only by its address.
    #[error(
        "{device} is known by its address only, which another device may get: expected one with a serial number \
         or a hardware address"
    )]
    NoIdentity {
        /// The device.
        device: DeviceId,
    },
    /// The asset already has a device.
    #[error("{device} is under this asset: swap it, or remove it first")]
    Occupied {
        /// Its device.
        device: DeviceId,
    },
    /// The device is under another asset.
    #[error("{device} is under another asset: remove it there first")]
    Placed {
        /// The device.
        device: DeviceId,
        /// The other asset.
        asset: AssetId,
    },
    /// The asset has no device.
    #[error("no device is under this asset: place one first")]
    Empty,
    /// The time is within another placement, or in the future.
    #[error("the time is {given}: expected one from {from} to {to}")]
    Time {
        /// The time.
        given: Timestamp,
        /// The earliest accepted time.
        from: Timestamp,
        /// Now, the latest accepted time.
        to: Timestamp,
    },
    /// The asset is retired.
    #[error("the asset is retired")]
    Retired,
}

/// Whether a device can be placed: its id must not be only an address.
#[must_use]
pub fn is_placeable(device: &DeviceId) -> bool {
    !device.as_str().starts_with("addr:")
}

impl Placement {
    /// Places a device under an asset; `others` are all placements of the asset and of the device.
    ///
    /// # Errors
    /// See [`PlacementError`].
    pub fn begin(
        asset: AssetId,
        device: &DeviceId,
        others: &[Self],
        (at, now): (Timestamp, Timestamp),
    ) -> Result<Self, PlacementError> {
        if !is_placeable(device) {
            return Err(PlacementError::NoIdentity { device: device.clone() });
        }
        if let Some(other) = others.iter().find(|other| other.to.is_none()) {
            let device = other.device.clone();
            return Err(if other.asset == asset {
                PlacementError::Occupied { device }
            } else {
                PlacementError::Placed { device, asset: other.asset }
            });
        }
        check_time(at, free_since(others), now)?;
        Ok(Self { asset, device: device.clone(), from: at, to: None })
    }

    /// Ends the placement.
    ///
    /// # Errors
    /// The time is before its begin, or in the future.
    pub fn end(&self, at: Timestamp, now: Timestamp) -> Result<Self, PlacementError> {
        check_time(at, self.from, now)?;
        Ok(Self { to: Some(at), ..self.clone() })
    }
}

fn check_time(given: Timestamp, from: Timestamp, to: Timestamp) -> Result<(), PlacementError> {
    if given < from || given > to { Err(PlacementError::Time { given, from, to }) } else { Ok(()) }
}

/// Default begin of a placement: the time of the device's newest reading, else now; not before asset and device are
/// free.
#[must_use]
pub fn begin_time(reading: Option<Timestamp>, free_since: Timestamp, now: Timestamp) -> Timestamp {
    reading.unwrap_or(now).max(free_since).min(now)
}

/// The time since which the asset and the device of ended placements are free.
#[must_use]
pub fn free_since(others: &[Placement]) -> Timestamp {
    others.iter().filter_map(|other| other.to).max().unwrap_or(Timestamp::UNIX_EPOCH)
}
