//! Who is where: the address of each device, and what is odd about it.

use std::net::SocketAddr;
use std::time::Duration;

use wire::ids::DeviceId;
use wire::reading::Reading;

use super::context::Context;
use super::effect::Notice;
use super::reports;
use crate::inventory::{self, Finding, Recognition, Sighting};

/// The device that a reading shows; `None` where nothing in it is usable as an id.
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

/// This is a secondary address of a device: it is read rarely, and at once when the device falls silent at its own.
pub(super) fn stand_by(cx: &mut Context, address: SocketAddr, id: &DeviceId) {
    let next = cx.elapsed() + cx.rules.wait(cx.rules.reading);
    if let Some(watched) = cx.addresses.at(address) {
        watched.device = Some(id.clone());
        (watched.secondary, watched.full, watched.next) = (true, true, next);
    }
}

/// Remembers what is odd about the identity of a device.
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

/// The device is at this address, and nowhere else. `before` answered there until now.
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

/// A device of a provisional id is known by its serial number now.
fn rename(cx: &mut Context, provisional: &DeviceId, id: &DeviceId) {
    let Some(old) = cx.state.devices.remove(provisional) else { return };
    cx.outcome.devices.insert(provisional.clone());
    reports::clear_calls_of(cx, provisional, &old, id);
}

/// What a read after a trap found is confirmed soon, not when the next read is due anyway.
pub(super) fn confirm(cx: &mut Context, address: SocketAddr, settling: bool) {
    let soon = cx.elapsed() + cx.rules.wait(CONFIRM_AFTER).max(CONFIRM_MIN);
    if let Some(watched) = cx.addresses.at(address) {
        watched.trap_pending &= settling;
        if watched.trap_pending {
            watched.next = watched.next.min(soon);
        }
    }
}

/// Between a read that a trap asked for and the one that confirms it.
const CONFIRM_AFTER: Duration = Duration::from_secs(30);

/// No demonstration confirms earlier.
const CONFIRM_MIN: Duration = Duration::from_secs(1);
