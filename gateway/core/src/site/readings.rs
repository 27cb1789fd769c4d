//! What follows a read: calls, reports, responses to commands, progress of firmware updates.

use std::net::SocketAddr;

use wire::ids::DeviceId;
use wire::reading::Reading;

use super::context::Context;
use super::effect::Notice;
use super::event::ReadFailure;
use super::{answers, firmware, placement, reports, silence};
use crate::access::Access;
use crate::calls::CallState;
use crate::firmware::Shown;
use crate::inventory::{AddressRole, DeviceRecord, LastReading, Recognition, Reported};
use crate::reading::{ChangeFingerprint, CompletedReading, Coverage, ReadScope};

/// A reading, and how it was made.
pub(super) struct Taken<'a> {
    pub(super) scope: ReadScope,
    pub(super) reading: &'a Reading,
    pub(super) coverage: Coverage,
    pub(super) fingerprint: Option<ChangeFingerprint>,
    pub(super) access: Option<Access>,
}

/// A read ended.
pub(super) fn on_read_completed(
    cx: &mut Context,
    address: SocketAddr,
    scope: ReadScope,
    access: Option<Access>,
    result: Result<Box<CompletedReading>, ReadFailure>,
) {
    cx.reads = cx.reads.saturating_sub(1);
    if let Some(watched) = cx.addresses.at(address) {
        watched.busy = false;
    }
    match result {
        Ok(seen) if scope == ReadScope::ChangeCheck => on_change_check(cx, address, seen.fingerprint),
        Ok(seen) => {
            let CompletedReading { reading, fingerprint, coverage, provenance: _, printer: _ } = *seen;
            read(cx, address, Taken { scope, reading: &reading, coverage, fingerprint, access });
        }
        Err(failure) => not_read(cx, address, scope, &failure),
    }
}

/// A search found a device. A search has no coverage: an open call ends only if the reading contradicts it.
pub(super) fn on_found(cx: &mut Context, address: SocketAddr, access: Option<Access>, reading: &Reading) {
    if !cx.rules.holds(address) {
        return;
    }
    let later = cx.elapsed() + cx.rules.status_interval();
    let watched = cx.addresses.watch(address, None, later);
    if watched.busy {
        // A read is in progress and gives the same result.
        return;
    }
    watched.full = false;
    let coverage = Coverage::NOTHING;
    read(cx, address, Taken { scope: ReadScope::Full, reading, coverage, fingerprint: None, access });
}

/// A change check had a response: the device is online. If anything changed, its status is read.
fn on_change_check(cx: &mut Context, address: SocketAddr, fingerprint: Option<ChangeFingerprint>) {
    let now = cx.now;
    let Some(watched) = cx.addresses.at(address) else { return };
    if watched.schedule.on_change_check(&cx.rules.sensing, fingerprint) {
        watched.next = now.elapsed;
        return;
    }
    if let Some(record) = watched.device.as_ref().and_then(|id| cx.state.devices.get_mut(id)) {
        record.answered_at = now.clock;
    }
}

fn read(cx: &mut Context, address: SocketAddr, taken: Taken<'_>) {
    let (scope, reading) = (taken.scope, taken.reading);
    let Some(watched) = cx.addresses.at(address) else { return };
    let before = watched.device.clone();
    let Some(Recognition { device: id, role, findings }) =
        placement::recognise(cx, address, before.as_ref(), reading)
    else {
        return;
    };
    if scope == ReadScope::Status && before.as_ref() != Some(&id) {
        // Another device than expected: only a full reading identifies it.
        cx.addresses.read_now(address, cx.now.elapsed);
        return;
    }
    if matches!(role, AddressRole::Secondary(_)) {
        placement::stand_by(cx, address, &id);
        placement::note(cx, &id, findings);
        return;
    }
    placement::place(cx, address, &id, before);
    silence::silence_previous_devices(cx, address);
    let calls = take_in(cx, address, &id, taken);
    let settling = cx.state.devices.get(&id).is_some_and(|record| record.calls.is_settling());
    placement::confirm(cx, address, settling);
    placement::note(cx, &id, findings);
    reports::make_calls(cx, &id, &calls);
    if scope == ReadScope::Full {
        reports::inform(cx, &id, reading);
        answers::on_read(cx, &id, reading);
        firmware::on_read_back(cx, &id, Some(shown(reading)));
    } else {
        schedule_full_read(cx, address, &id, reading);
    }
}

/// Stores a reading in the record of its device. Returns the calls that it opens and ends.
fn take_in(
    cx: &mut Context,
    address: SocketAddr,
    id: &DeviceId,
    taken: Taken<'_>,
) -> Vec<wire::report::Call> {
    let Taken { scope, reading, coverage, fingerprint, access } = taken;
    let now = cx.now;
    let outcome = &mut cx.outcome;
    let record = cx.state.devices.entry(id.clone()).or_insert_with(|| {
        outcome.notices.push(Notice::DeviceFound(id.clone(), address));
        DeviceRecord {
            device: id.clone(),
            address,
            reading: LastReading::of(reading),
            answered_at: now.clock,
            calls: CallState::default(),
            reported: None,
            called_at: None,
            access: None,
            findings: Vec::new(),
        }
    });
    record.address = address;
    record.answered_at = now.clock;
    if access.is_some() && record.access != access {
        record.access = access;
        outcome.devices.insert(id.clone());
    }
    let vendor = reading.identity.vendor.as_deref();
    let profile = vendor.and_then(|vendor| cx.profiles.by_vendor(vendor));
    let mut last = record.reading.whole();
    let news = Reported::of(&last, now.clock).differs(&Reported::of(reading, now.clock), false);
    let calls = record.calls.on_reading(&cx.rules.calls, profile.map(AsRef::as_ref), id, (reading, coverage));
    if let Some(watched) = cx.addresses.at(address) {
        watched.schedule.on_reading(reading, fingerprint, &record.calls, news);
        watched.next = now.elapsed + watched.schedule.wait(&cx.rules.sensing);
    }
    if scope == ReadScope::Full {
        record.reading = LastReading::of(reading);
        outcome.devices.insert(id.clone());
    } else {
        merge(&mut last, reading);
        record.reading = LastReading::of(&last);
    }
    calls
}

fn not_read(cx: &mut Context, address: SocketAddr, scope: ReadScope, failure: &ReadFailure) {
    let now = cx.elapsed();
    let Some(watched) = cx.addresses.at(address) else { return };
    // A full read that was due remains due.
    watched.full |= scope == ReadScope::Full;
    watched.schedule.on_silence();
    watched.next = now + watched.schedule.wait(&cx.rules.sensing);
    let Some(id) = watched.device.clone() else { return };
    if watched.secondary {
        // Only the device's primary address counts.
        return;
    }
    cx.addresses.try_others(&id, address, now);
    match failure {
        ReadFailure::NoResponse => silence::on_silence(cx, &id, "no response"),
        ReadFailure::Unreadable(why) => {
            cx.outcome.notices.push(Notice::Unreadable(id.clone(), why.clone()));
            answers::on_silence(cx, &id, why);
        }
    }
    if scope == ReadScope::Full {
        firmware::on_read_back(cx, &id, None);
    }
    silence::silence_previous_devices(cx, address);
}

/// A change of the status is reported with a full reading: schedules one.
fn schedule_full_read(cx: &mut Context, address: SocketAddr, id: &DeviceId, reading: &Reading) {
    let now = cx.now;
    let Some(record) = cx.state.devices.get(id) else { return };
    let triggers = record.report_trigger(reading, false, now.clock).is_some();
    let owed = record.owes_reading();
    let seen = Reported::of(reading, now.clock);
    let Some(watched) = cx.addresses.at(address) else { return };
    let differs = watched.status_seen.as_ref().is_none_or(|before| before.differs(&seen, false));
    if triggers && (differs || owed) {
        watched.full = true;
        watched.next = now.elapsed;
    }
    if triggers || !differs || watched.status_seen.is_none() {
        watched.status_seen = Some(seen);
    }
}

/// The view of a firmware update on a reading.
fn shown(reading: &Reading) -> Shown<'_> {
    Shown { version: reading.identity.firmware_version(), status: &reading.status }
}

/// Merges a newer status into the last full reading, for the local page.
fn merge(full: &mut Reading, part: &Reading) {
    full.status = part.status.clone();
    full.alerts = part.alerts.clone();
    if !part.supplies.is_empty() {
        full.supplies = part.supplies.clone();
    }
}
