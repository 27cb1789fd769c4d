//! Identifies the device that a reading shows, by serial number and hardware address together, because either may be
//! wrong.
//!
//! A serial number may be missing, a maker's default, or have a prefix in one object and not in another. A network
//! card may be swapped, an address may be given to another device, and one device may respond at two addresses.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use wire::ids::{DeviceId, InvalidId};
use wire::reading::{Identity, Reading};

use super::{DeviceRecord, identify};

/// A shorter serial number is not compared without its prefix: too many devices would match.
const PREFIXED_LENGTH: usize = 4;

/// A reading at an address, and what is known.
pub struct Sighting<'a> {
    /// The reading.
    pub reading: &'a Reading,
    /// The address at which it was read.
    pub address: SocketAddr,
    /// The device that was read there before.
    pub expected: Option<&'a DeviceId>,
    /// All known devices.
    pub known: &'a BTreeMap<DeviceId, DeviceRecord>,
    /// The device that was last read at an address.
    pub holder: &'a dyn Fn(SocketAddr) -> Option<DeviceId>,
    /// The current time.
    pub now: Timestamp,
    /// A device that responded within this time is assumed to be where it was.
    pub recent_within: SignedDuration,
}

/// The result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognition {
    /// Its id.
    pub device: DeviceId,
    /// The role of the address for the device.
    pub role: AddressRole,
    /// Findings for operators.
    pub findings: Vec<Finding>,
}

/// The role of an address for the device that was read there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressRole {
    /// The device's address: it is new, or was there before.
    Primary,
    /// The device's new address: it no longer responds at the former one.
    Moved(SocketAddr),
    /// An additional address of the device. The former one stays the primary one, and a reading from here changes
    /// nothing.
    Secondary(SocketAddr),
}

/// An irregularity in a device's identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The kind of irregularity.
    pub kind: FindingKind,
    /// The text for operators.
    pub detail: String,
}

/// Kinds of irregularities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// It has another address.
    Moved,
    /// It has another hardware address.
    CardSwapped,
    /// Another device has the same serial number.
    DuplicateSerial,
    /// It has two forms of its serial number.
    PrefixedSerial,
    /// It responds at two addresses.
    SeenTwice,
}

impl FindingKind {
    /// Name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Moved => "moved",
            Self::CardSwapped => "card_swapped",
            Self::DuplicateSerial => "duplicate_serial",
            Self::PrefixedSerial => "prefixed_serial",
            Self::SeenTwice => "seen_twice",
        }
    }
}

/// Identifies the device that a reading shows.
///
/// # Errors
/// Nothing in the reading is usable as an id.
pub fn recognise(seen: &Sighting<'_>) -> Result<Recognition, InvalidId> {
    let mut findings = Vec::new();
    let device = match known(seen, &mut findings) {
        Some(device) => device,
        None => named(seen, &mut findings)?,
    };
    let role = role(seen, &device, &mut findings);
    Ok(Recognition { device, role, findings })
}

/// The known device, if there is no doubt.
fn known(seen: &Sighting<'_>, findings: &mut Vec<Finding>) -> Option<DeviceId> {
    let identity = &seen.reading.identity;
    let expected = seen.expected.and_then(|id| seen.known.get(id));
    let Some(serial) = usable(identity) else {
        // The serial number is missing because the device starts, or only a part was read: it is still the same
        // device.
        let here = expected.filter(|record| !differ(mac(record), identity.mac.as_deref()));
        let by_mac = || {
            seen.known
                .values()
                .find(|r| same(mac(r), identity.mac.as_deref()) && models_agree(r, seen.reading))
        };
        return here.or_else(by_mac).map(|record| record.device.clone());
    };
    // The expected device is nearly always right, and needs no search.
    let rest = || seen.known.values().filter(|record| Some(&record.device) != seen.expected);
    let like = |record: &&DeviceRecord| alike(record, identity, serial);
    let candidates: Vec<&DeviceRecord> =
        expected.into_iter().filter(like).chain(rest().filter(like)).collect();
    let exact = |record: &DeviceRecord| usable(record.reading.identity()) == Some(serial);
    let by_mac = candidates.iter().copied().filter(|r| same(mac(r), identity.mac.as_deref()));
    if let Some(record) = by_mac.max_by_key(|record| exact(record)) {
        if !exact(record) {
            findings.push(prefixed(record, serial));
        }
        return Some(record.device.clone());
    }
    let undecided = candidates.iter().copied().find(|record| {
        let here = record.address == seen.address && models_agree(record, seen.reading);
        !differ(mac(record), identity.mac.as_deref()) && (exact(record) || here)
    });
    if let Some(record) = undecided.filter(|record| !exact(record)) {
        findings.push(prefixed(record, serial));
    }
    undecided.map(|record| record.device.clone())
}

fn prefixed(record: &DeviceRecord, serial: &str) -> Finding {
    let own = usable(record.reading.identity()).unwrap_or_default();
    Finding {
        kind: FindingKind::PrefixedSerial,
        detail: format!("reports its serial number in two forms: {own} and {serial}"),
    }
}

/// A device that is new or has another network card: its serial number is known with another hardware address.
fn named(seen: &Sighting<'_>, findings: &mut Vec<Finding>) -> Result<DeviceId, InvalidId> {
    let id = identify(seen.reading)?;
    let identity = &seen.reading.identity;
    let (Some(serial), Some(own)) = (usable(identity), identity.mac.as_deref()) else { return Ok(id) };
    let others = seen
        .known
        .values()
        .filter(|r| usable(r.reading.identity()) == Some(serial) && alike(r, identity, serial));
    let mut others: Vec<&DeviceRecord> = others.collect();
    others.sort_by_key(|record| record.address != seen.address);
    let swapped = others.iter().find(|record| {
        let gone = record.address == seen.address || !is_there(seen, record);
        gone && models_agree(record, seen.reading) && !counts_less(record, seen.reading)
    });
    if let Some(record) = swapped {
        let before = mac(record).unwrap_or("an unknown one");
        let detail = format!("has a new hardware address: {own}, before {before}");
        findings.push(Finding { kind: FindingKind::CardSwapped, detail });
        return Ok(record.device.clone());
    }
    let Some(other) = others.first() else { return Ok(id) };
    let detail = format!("{} at {} has the same serial number: {serial}", other.device, other.address.ip());
    findings.push(Finding { kind: FindingKind::DuplicateSerial, detail });
    let hex: String = own.chars().filter(char::is_ascii_hexdigit).collect();
    format!("{id}/{hex}").parse().or_else(|_| format!("mac:{hex}").parse())
}

fn role(seen: &Sighting<'_>, device: &DeviceId, findings: &mut Vec<Finding>) -> AddressRole {
    let Some(record) = seen.known.get(device).filter(|record| record.address != seen.address) else {
        return AddressRole::Primary;
    };
    let (here, there) = (seen.address, record.address);
    if is_there(seen, record) {
        let detail = format!("responds at {there} and at {here}");
        findings.push(Finding { kind: FindingKind::SeenTwice, detail });
        return AddressRole::Secondary(there);
    }
    findings.push(Finding { kind: FindingKind::Moved, detail: format!("moved from {there} to {here}") });
    AddressRole::Moved(there)
}

/// Whether a device was read at its own address recently, and no other device since.
fn is_there(seen: &Sighting<'_>, record: &DeviceRecord) -> bool {
    let ago = seen.now.duration_since(record.answered_at);
    record.calls.answers()
        && (SignedDuration::ZERO..=seen.recent_within).contains(&ago)
        && (seen.holder)(record.address).as_ref() == Some(&record.device)
}

fn mac(record: &DeviceRecord) -> Option<&str> {
    record.reading.identity().mac.as_deref()
}

fn same(a: Option<&str>, b: Option<&str>) -> bool {
    a.is_some() && a == b
}

fn differ(a: Option<&str>, b: Option<&str>) -> bool {
    a.is_some() && b.is_some() && a != b
}

/// The serial number, if it consists of more than zeros and dashes.
fn usable(identity: &Identity) -> Option<&str> {
    let serial = identity.serial.as_deref()?.trim();
    serial.chars().any(|c| c.is_ascii_alphanumeric() && c != '0').then_some(serial)
}

/// Whether vendor and serial number match; leading zeros are ignored.
fn alike(record: &DeviceRecord, identity: &Identity, serial: &str) -> bool {
    let known = record.reading.identity();
    !differ(known.vendor.as_deref(), identity.vendor.as_deref())
        && usable(known).is_some_and(|own| {
            own == serial || (plain(own) == plain(serial) && plain(serial).len() >= PREFIXED_LENGTH)
        })
}

/// A serial number without leading zeros.
fn plain(serial: &str) -> &str {
    serial.trim_start_matches('0')
}

fn models_agree(record: &DeviceRecord, reading: &Reading) -> bool {
    !differ(record.reading.identity().model.as_deref(), reading.identity.model.as_deref())
}

/// Whether the total fell, which means another device.
fn counts_less(record: &DeviceRecord, reading: &Reading) -> bool {
    record.reading.counts_more_than(reading)
}

#[cfg(test)]
mod tests;
