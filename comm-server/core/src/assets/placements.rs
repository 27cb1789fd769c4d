//! Which device stands under which asset: one at a time, each under one.

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
    /// From this time on.
    pub from: Timestamp,
    /// Until before this time; `None` while it stands there.
    pub to: Option<Timestamp>,
}

/// Why a device can't be placed or taken away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// The device has no identity.
    #[error(
        "{device} is known by its address only, which another device may have tomorrow: expected one with a serial number \
         or a hardware address"
    )]
    NoIdentity {
        /// The device.
        device: DeviceId,
    },
    /// The asset has a device.
    #[error("{device} stands under this asset: swap it, or remove it first")]
    Occupied {
        /// Its device.
        device: DeviceId,
    },
    /// The device stands under another asset.
    #[error("{device} stands under another asset: remove it there first")]
    Placed {
        /// The device.
        device: DeviceId,
        /// The other asset.
        asset: AssetId,
    },
    /// The asset has no device.
    #[error("no device stands under this asset")]
    Empty,
    /// The time lies in another placement, or in the future.
    #[error("the time is {given}: expected one from {from} to {to}")]
    Time {
        /// The time.
        given: Timestamp,
        /// The earliest that is possible.
        from: Timestamp,
        /// Now.
        to: Timestamp,
    },
    /// The asset is retired.
    #[error("the asset is retired")]
    Retired,
}

/// Whether a device can be placed: it has an identity of its own, which an address isn't.
#[must_use]
pub fn is_placeable(device: &DeviceId) -> bool {
    !device.as_str().starts_with("addr:")
}

impl Placement {
    /// A device placed under an asset; `others` are all placements of the asset and of the device.
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

    /// The placement, ended.
    ///
    /// # Errors
    /// The time lies before its begin, or in the future.
    pub fn end(&self, at: Timestamp, now: Timestamp) -> Result<Self, PlacementError> {
        check_time(at, self.from, now)?;
        Ok(Self { to: Some(at), ..self.clone() })
    }
}

fn check_time(given: Timestamp, from: Timestamp, to: Timestamp) -> Result<(), PlacementError> {
    if given < from || given > to { Err(PlacementError::Time { given, from, to }) } else { Ok(()) }
}

/// When a placement begins, if nobody says: with a reading of the device that tells, else now; not before asset and device
/// are free.
#[must_use]
pub fn begin_time(reading: Option<Timestamp>, free_since: Timestamp, now: Timestamp) -> Timestamp {
    reading.unwrap_or(now).max(free_since).min(now)
}

/// Since when the asset and the device of ended placements are free.
#[must_use]
pub fn free_since(others: &[Placement]) -> Timestamp {
    others.iter().filter_map(|other| other.to).max().unwrap_or(Timestamp::UNIX_EPOCH)
}
