//! What a look at a device means: calls, reports, answers to commands, a step of a firmware update.

use std::net::SocketAddr;
use std::time::Duration;

use gateway_core::calls::{CallState, is_told_by_another};
use gateway_core::firmware::Shown;
use gateway_core::inventory::{
    self, AddressRole, DeviceRecord, Finding, LastReading, Recognition, Reported, Sighting,
};
use gateway_core::reading::{ChangeFingerprint, CompletedReading, Coverage, ReadScope};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use uuid::Uuid;
use wire::ids::{CommandId, DeviceId};
use wire::reading::Reading;
use wire::report::{Call, CounterSet, DeviceInformation, InformationReason, Report};

use super::engine::{Action, Engine, Outcome, told};
use crate::snmp::ReadError;
use crate::spool::QueuedMail;

/// A reading as an update that waits for a restart sees it.
fn shown(reading: &Reading) -> Shown<'_> {
    Shown { version: reading.identity.firmware_version(), status: &reading.status }
}

impl Engine {
    /// A look ended.
    pub(super) fn looked(
        &mut self,
        address: SocketAddr,
        scope: ReadScope,
        result: Result<Box<CompletedReading>, ReadError>,
        outcome: &mut Outcome,
    ) {
        self.looks = self.looks.saturating_sub(1);
        if let Some(target) = self.targets.at(address) {
            target.busy = false;
        }
        metrics::counter!("platen_gateway_reads_total").increment(1);
        match result {
            Ok(seen) if scope == ReadScope::ChangeCheck => self.glanced(address, seen.fingerprint),
            Ok(seen) => {
                let CompletedReading { reading, fingerprint, coverage, provenance: _, printer: _ } = *seen;
                self.read(address, scope, (&reading, coverage), fingerprint, outcome);
            }
            Err(error) => {
                metrics::counter!("platen_gateway_read_failures_total").increment(1);
                self.not_read(address, scope, &error, outcome);
            }
        }
    }

    /// A device was glanced at: it answers, and where anything changed it is looked at.
    fn glanced(&mut self, address: SocketAddr, fingerprint: Option<ChangeFingerprint>) {
        let rules = self.world.config.sensing_rules();
        let Some(target) = self.targets.at(address) else { return };
        if target.schedule.on_glance(&rules, fingerprint) {
            target.next = Instant::now();
            return;
        }
        if let Some(record) = target.device.as_ref().and_then(|id| self.known.devices.get_mut(id)) {
            record.answered_at = Timestamp::now();
        }
    }

    /// A device was read.
    pub(super) fn read(
        &mut self,
        address: SocketAddr,
        scope: ReadScope,
        (reading, coverage): (&Reading, Coverage),
        fingerprint: Option<ChangeFingerprint>,
        outcome: &mut Outcome,
    ) {
        let now = Timestamp::now();
        let Some(target) = self.targets.at(address) else { return };
        let before = target.device.clone();
        let Some(Recognition { device: id, role, findings }) =
            self.recognise(address, before.as_ref(), reading, now)
        else {
            return;
        };
        if scope == ReadScope::Status && before.as_ref() != Some(&id) {
            // Another device than expected: only a whole reading says who it is.
            self.targets.look_now(address, Instant::now());
            return;
        }
        if matches!(role, AddressRole::Secondary(_)) {
            self.stand_by(address, &id);
            self.note(&id, findings, now, outcome);
            return;
        }
        self.place(address, &id, before, now, outcome);
        self.silence_former(address, now, outcome);
        let whole = scope == ReadScope::Full;
        let record = self.known.devices.entry(id.clone()).or_insert_with(|| {
            tracing::info!(device = %id, device.address = super::looks::text(address), "a device is new");
            DeviceRecord {
                device: id.clone(),
                address,
                reading: LastReading::of(reading),
                answered_at: now,
                calls: CallState::default(),
                reported: None,
                called_at: None,
                access: None,
                findings: Vec::new(),
            }
        });
        record.address = address;
        record.answered_at = now;
        let access = self.world.reader.access(address);
        if access.is_some() && record.access != access {
            record.access = access;
            outcome.devices.insert(id.clone());
        }
        let profiles = self.world.reader.profiles();
        let profile = reading.identity.vendor.as_deref().and_then(|vendor| profiles.by_vendor(vendor));
        let mut last = record.reading.whole();
        let news = Reported::of(&last, now).differs(&Reported::of(reading, now), false);
        let rules = self.world.config.call_rules();
        let seen = (reading, coverage);
        let calls = record.calls.on_reading(&rules, profile.map(AsRef::as_ref), &id, seen);
        if let Some(target) = self.targets.at(address) {
            target.schedule.on_reading(reading, fingerprint, &record.calls, news);
            target.next = Instant::now() + target.schedule.wait(&self.world.config.sensing_rules());
        }
        if whole {
            record.reading = LastReading::of(reading);
            outcome.devices.insert(id.clone());
        } else {
            merge(&mut last, reading);
            record.reading = LastReading::of(&last);
        }
        let settling = record.calls.is_settling();
        self.confirm(address, settling);
        self.note(&id, findings, now, outcome);
        self.make_calls(&id, calls, outcome);
        if whole {
            self.inform(&id, reading, now, outcome);
            self.answer_read(&id, reading, now, outcome);
            self.read_back(&id, Some(shown(reading)), now, outcome);
        } else {
            self.look_closer(address, &id, reading, now);
        }
    }

    /// Which device a reading shows.
    fn recognise(
        &self,
        address: SocketAddr,
        expected: Option<&DeviceId>,
        reading: &Reading,
        now: Timestamp,
    ) -> Option<Recognition> {
        let holder = |address| self.targets.holder(address);
        let (known, recent_within) = (&self.known.devices, self.recent_within());
        let seen = Sighting { reading, address, expected, known, holder: &holder, now, recent_within };
        match inventory::recognise(&seen) {
            Ok(recognition) => Some(recognition),
            Err(error) => {
                tracing::error!(device.address = super::looks::text(address), error = %error, "a device has no id");
                None
            }
        }
    }

    /// A device that answered within this is still where it was.
    fn recent_within(&self) -> SignedDuration {
        let rules = self.world.config.sensing_rules();
        let longest = rules.status.max(rules.idle).max(rules.asleep).saturating_mul(2);
        SignedDuration::try_from(self.world.config.wait(longest)).unwrap_or(SignedDuration::MAX)
    }

    /// This is a second address of a device: it is looked at seldom, and at once when the first falls silent.
    fn stand_by(&mut self, address: SocketAddr, id: &DeviceId) {
        let config = &self.world.config;
        let seldom = config.wait(Duration::from_secs(config.sensing.reading_s.into()));
        if let Some(target) = self.targets.at(address) {
            target.device = Some(id.clone());
            (target.also, target.whole, target.next) = (true, true, Instant::now() + seldom);
        }
    }

    /// Remembers and tells what is odd about who a device is.
    fn note(&mut self, id: &DeviceId, findings: Vec<Finding>, now: Timestamp, outcome: &mut Outcome) {
        let Some(record) = self.known.devices.get_mut(id) else { return };
        for finding in findings {
            let (kind, detail) = (finding.kind.name(), finding.detail.clone());
            if record.note(finding, now) {
                tracing::warn!(device = %id, finding = kind, detail, "something is odd about who a device is");
                metrics::counter!("platen_gateway_identity_findings_total", "kind" => kind).increment(1);
                outcome.devices.insert(id.clone());
            }
        }
    }

    /// The device is at this address, and nowhere else.
    fn place(
        &mut self,
        address: SocketAddr,
        id: &DeviceId,
        before: Option<DeviceId>,
        now: Timestamp,
        outcome: &mut Outcome,
    ) {
        let elsewhere = self.known.devices.get(id).map(|record| record.address).filter(|a| *a != address);
        if let Some(old) = elsewhere {
            tracing::info!(device = %id, device.address = super::looks::text(address), "a device has moved");
            let left = self.targets.at(old).is_some_and(|target| target.device.as_ref() == Some(id));
            if left {
                self.targets.remove(old);
            }
        }
        let mut replaced = None;
        if let Some(target) = self.targets.at(address) {
            target.former.retain(|former| former != id);
            if let Some(before) = before.filter(|before| before != id) {
                if inventory::is_provisional_id(&before) {
                    replaced = Some(before);
                } else {
                    target.former.push(before);
                }
            }
            target.device = Some(id.clone());
            target.also = false;
        }
        if let Some(makeshift) = replaced {
            self.rename(&makeshift, id, now, outcome);
        }
    }

    /// A device that was known by a makeshift id is known by its serial number now: its open calls end.
    fn rename(&mut self, makeshift: &DeviceId, id: &DeviceId, now: Timestamp, outcome: &mut Outcome) {
        let Some(old) = self.known.devices.remove(makeshift) else { return };
        outcome.devices.insert(makeshift.clone());
        for open in old.calls.open {
            let call = Call {
                device: makeshift.clone(),
                call: open.call,
                edge: wire::report::Edge::Cleared,
                subject: open.subject,
                detail: format!("this device is known as {id} now"),
                seen_at: now,
            };
            outcome.report(&Report::Call(call), now);
            outcome.actions.push(Action::SendUrgent);
        }
    }

    /// Devices whose address another one has now don't answer either.
    fn silence_former(&mut self, address: SocketAddr, now: Timestamp, outcome: &mut Outcome) {
        let former = self.targets.at(address).map(|target| target.former.clone()).unwrap_or_default();
        for id in former {
            self.silent(&id, "another device has its address", now, outcome);
        }
    }

    fn not_read(&mut self, address: SocketAddr, scope: ReadScope, error: &ReadError, outcome: &mut Outcome) {
        let now = Timestamp::now();
        let Some(target) = self.targets.at(address) else { return };
        // What was to be read wholly still is.
        target.whole |= scope == ReadScope::Full;
        target.schedule.on_silence();
        target.next = Instant::now() + target.schedule.wait(&self.world.config.sensing_rules());
        let Some(id) = target.device.clone() else { return };
        if target.also {
            // It is the device's second address, and the first is what counts.
            return;
        }
        self.targets.try_others(&id, address, Instant::now());
        match error {
            ReadError::NoAnswer { .. } | ReadError::Unreachable { .. } => {
                self.silent(&id, "no answer", now, outcome);
            }
            ReadError::Refused { .. } | ReadError::Malformed { .. } | ReadError::TooSlow { .. } => {
                tracing::warn!(device = %id, error = %error, "a device answers and can't be read");
                self.answer_silence(&id, &error.to_string(), now, outcome);
            }
        }
        if scope == ReadScope::Full {
            self.read_back(&id, None, now, outcome);
        }
        self.silence_former(address, now, outcome);
    }

    fn silent(&mut self, id: &DeviceId, why: &str, now: Timestamp, outcome: &mut Outcome) {
        let rules = self.world.config.call_rules();
        if self.known.updates.values().any(|update| update.is_under_way(id)) {
            return self.answer_silence(id, why, now, outcome);
        }
        let Some(record) = self.known.devices.get_mut(id) else { return };
        let calls = record.calls.on_silence(&rules, id, now);
        self.make_calls(id, calls, outcome);
        self.answer_silence(id, why, now, outcome);
    }

    /// Calls are reported, mailed, and remembered as open, in one batch.
    fn make_calls(&mut self, id: &DeviceId, calls: Vec<Call>, outcome: &mut Outcome) {
        let Some(record) = self.known.devices.get_mut(id).filter(|_| !calls.is_empty()) else { return };
        record.called_at = Some(Timestamp::now());
        outcome.devices.insert(id.clone());
        for call in &calls {
            tracing::info!(
                device = %id,
                device.serial = record.reading.identity().serial.as_deref().unwrap_or(""),
                subject = call.subject,
                detail = call.detail,
                "{}",
                call.title()
            );
            let now = call.seen_at;
            if self.world.mails.is_some() && !is_told_by_another(call, &calls) {
                let mail = QueuedMail {
                    id: Uuid::now_v7(),
                    call: call.clone(),
                    identity: record.reading.identity().clone(),
                    address: crate::snmp::address_text(record.address),
                    attempts: 0,
                    not_before: now,
                };
                told(outcome.changes.enqueue_mail(&mail));
                outcome.actions.push(Action::Post(Box::new(mail)));
            }
            outcome.report(&Report::Call(call.clone()), now);
        }
        outcome.actions.push(Action::SendUrgent);
    }

    /// What is open is told once more, and every device described once more: the server may have heard of an end that this
    /// gateway has forgotten. What it knows already changes nothing there.
    pub(super) fn tell_again(&mut self, outcome: &mut Outcome) {
        let now = Timestamp::now();
        for (id, record) in &mut self.known.devices {
            record.reported = None;
            outcome.devices.insert(id.clone());
            for open in &record.calls.open {
                let call = Call {
                    device: id.clone(),
                    call: open.call,
                    edge: wire::report::Edge::Raised,
                    subject: open.subject.clone(),
                    detail: open.detail.clone(),
                    seen_at: now,
                };
                outcome.report(&Report::Call(call), now);
            }
        }
        outcome.actions.push(Action::SendUrgent);
    }

    /// A whole reading is reported when it is new or differs.
    fn inform(&mut self, id: &DeviceId, reading: &Reading, now: Timestamp, outcome: &mut Outcome) {
        let Some(record) = self.known.devices.get(id) else { return };
        if let Some(trigger) = record.report_trigger(reading, true, now) {
            self.report_information(id, trigger.reason, None, now, outcome);
            if trigger.at_once {
                outcome.actions.push(Action::SendReading);
            }
        }
    }

    /// Reports the last whole reading of a device.
    pub(super) fn report_information(
        &mut self,
        id: &DeviceId,
        reason: InformationReason,
        command: Option<CommandId>,
        now: Timestamp,
        outcome: &mut Outcome,
    ) {
        let Some(record) = self.known.devices.get_mut(id) else { return };
        let reading = record.reading.whole();
        record.reported = Some(Reported::of(&reading, now));
        let information = DeviceInformation { device: id.clone(), reason, command, reading };
        outcome.report(&Report::DeviceInformation(Box::new(information)), now);
        outcome.devices.insert(id.clone());
    }

    /// Reports the meters that a command asked for; `false` where the device has none.
    pub(super) fn report_counters(
        id: &DeviceId,
        reading: &Reading,
        command: CommandId,
        now: Timestamp,
        outcome: &mut Outcome,
    ) {
        let set = CounterSet {
            device: id.clone(),
            read_at: reading.read_at,
            command: Some(command),
            unit: reading.counter_unit.clone(),
            counters: reading.counters.clone(),
            evidence: reading.evidence.clone(),
        };
        outcome.report(&Report::CounterSet(set), now);
    }

    /// A change of the status asks for a whole reading: only that is reported.
    fn look_closer(&mut self, address: SocketAddr, id: &DeviceId, reading: &Reading, now: Timestamp) {
        let Some(record) = self.known.devices.get(id) else { return };
        let worth = record.report_trigger(reading, false, now).is_some();
        let owed = record.owes_reading();
        let seen = Reported::of(reading, now);
        let Some(target) = self.targets.at(address) else { return };
        let differs = target.status_seen.as_ref().is_none_or(|before| before.differs(&seen, false));
        if worth && (differs || owed) {
            target.whole = true;
            target.next = Instant::now();
        }
        if worth || !differs || target.status_seen.is_none() {
            target.status_seen = Some(seen);
        }
    }
}

/// Takes the newer parts of a look at the status into the last whole reading, for the local page.
fn merge(whole: &mut Reading, part: &Reading) {
    whole.status = part.status.clone();
    whole.alerts = part.alerts.clone();
    if !part.supplies.is_empty() {
        whole.supplies = part.supplies.clone();
    }
}
