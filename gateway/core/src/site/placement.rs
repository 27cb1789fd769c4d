//! Which device is at which address, and irregularities of identities.

use std::net::SocketAddr;
use std::time::Duration;

use wire::ids::DeviceId;
use wire::reading::Reading;

use super::context::Context;
use super::effect::Notice;
use super::reports;
use crate::inventory::{self, Finding, Recognition, Sighting};

/// Identifies the device of a reading; `None` if nothing in it is usable as an id.
pub(super) fn recognise(
    cx: &mut Context,
    address: SocketAddr,
    expected: Option<&DeviceId>,
    reading: &Reading,
) -> Option<Recognition> {
    let addresses = &cx.addresses;
    let holder = |address| addresses.holder(address);
    let recognised = inventory::recognise(&Sighting {
        reading,
        address,
        expected,
        known: &cx.state.devices,
        holder: &holder,
        now: cx.now.clock,
        recent_within: cx.rules.recent_within(),
    });
    recognised.map_err(|error| cx.outcome.notices.push(Notice::NoDeviceId(address, error.to_string()))).ok()
}

/// Marks the address as a secondary one: it is read rarely, and at once when the primary one times out.
pub(super) fn stand_by(cx: &mut Context, address: SocketAddr, id: &DeviceId) {
    let next = cx.elapsed() + cx.rules.wait(cx.rules.reading);
    if let Some(watched) = cx.addresses.at(address) {
        watched.device = Some(id.clone());
        (watched.secondary, watched.full, watched.next) = (true, true, next);
    }
}

/// Stores findings about a device's identity.
pub(super) fn note(cx: &mut Context, id: &DeviceId, findings: Vec<Finding>) {
    let now = cx.clock();
    let Some(record) = cx.state.devices.get_mut(id) else { return };
    for finding in findings {
        if record.note(finding.clone(), now) {
            cx.outcome.notices.push(Notice::IdentityFinding(id.clone(), finding));
            cx.outcome.devices.insert(id.clone());
        }
    }
}

/// Records that the device is at this address and no other; `before` is the device that was read there until now.
pub(super) fn place(cx: &mut Context, address: SocketAddr, id: &DeviceId, before: Option<DeviceId>) {
    let elsewhere = cx.state.devices.get(id).map(|record| record.address).filter(|a| *a != address);
    if let Some(old) = elsewhere {
        cx.outcome.notices.push(Notice::DeviceMoved(id.clone(), address));
        let left = cx.addresses.at(old).is_some_and(|watched| watched.device.as_ref() == Some(id));
        if left {
            cx.addresses.remove(old);
        }
    }
    let Some(watched) = cx.addresses.at(address) else { return };
    watched.previous_devices.retain(|previous| previous != id);
    watched.device = Some(id.clone());
    watched.secondary = false;
    let Some(before) = before.filter(|before| before != id) else { return };
    if inventory::is_provisional_id(&before) {
        rename(cx, &before, id);
    } else {
        watched.previous_devices.push(before);
    }
}

/// A device with a provisional id now has a serial number: renames it.
fn rename(cx: &mut Context, provisional: &DeviceId, id: &DeviceId) {
    let Some(old) = cx.state.devices.remove(provisional) else { return };
    cx.outcome.devices.insert(provisional.clone());
    reports::clear_calls_of(cx, provisional, &old, id);
}

/// Confirms the result of a read after a trap soon, instead of at the next scheduled read.
pub(super) fn confirm(cx: &mut Context, address: SocketAddr, settling: bool) {
    let soon = cx.elapsed() + cx.rules.wait(CONFIRM_AFTER).max(CONFIRM_MIN);
    if let Some(watched) = cx.addresses.at(address) {
        watched.trap_pending &= settling;
        if watched.trap_pending {
            watched.next = watched.next.min(soon);
        }
    }
}

/// The pause between a read after a trap and its confirmation.
const CONFIRM_AFTER: Duration = Duration::from_secs(30);

/// Minimum pause before a confirmation in a demonstration.
const CONFIRM_MIN: Duration = Duration::from_secs(1);
