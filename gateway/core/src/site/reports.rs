//! Reports of readings and calls.

use jiff::Timestamp;
use uuid::Builder;
use wire::ids::{CommandId, DeviceId};
use wire::reading::Reading;
use wire::report::{Call, CounterSet, DeviceInformation, Edge, InformationReason, Report};

use super::context::Context;
use super::effect::{Effect, Notice};
use crate::calls::{OpenCall, is_covered_by_another};
use crate::inventory::{DeviceRecord, Reported};
use crate::mail_queue::QueuedMail;

/// Reports a full reading, if the device is new or the reading differs from the last reported one.
pub(super) fn inform(cx: &mut Context, id: &DeviceId, reading: &Reading) {
    let Some(record) = cx.state.devices.get(id) else { return };
    if let Some(trigger) = record.report_trigger(reading, true, cx.clock()) {
        report_information(cx, id, trigger.reason, None);
        if trigger.at_once {
            cx.outcome.effect(Effect::SendReading);
        }
    }
}

/// Reports the last full reading of a device.
pub(super) fn report_information(
    cx: &mut Context,
    id: &DeviceId,
    reason: InformationReason,
    command: Option<CommandId>,
) {
    let now = cx.clock();
    let Some(record) = cx.state.devices.get_mut(id) else { return };
    let reading = record.reading.whole();
    record.reported = Some(Reported::of(&reading, now));
    let information = DeviceInformation { device: id.clone(), reason, command, reading };
    cx.outcome.report(Report::DeviceInformation(Box::new(information)), now);
    cx.outcome.devices.insert(id.clone());
}

/// Reports the meters that a command requested.
pub(super) fn report_counters(cx: &mut Context, id: &DeviceId, reading: &Reading, command: CommandId) {
    let now = cx.clock();
    let set = CounterSet {
        device: id.clone(),
        read_at: reading.read_at,
        command: Some(command),
        unit: reading.counter_unit.clone(),
        counters: reading.counters.clone(),
        evidence: reading.evidence.clone(),
    };
    cx.outcome.report(Report::CounterSet(set), now);
}

/// Reports, mails and stores calls in one commit.
pub(super) fn make_calls(cx: &mut Context, id: &DeviceId, calls: &[Call]) {
    let now = cx.clock();
    let Some(record) = cx.state.devices.get_mut(id).filter(|_| !calls.is_empty()) else { return };
    record.called_at = Some(now);
    cx.outcome.devices.insert(id.clone());
    let serial = record.reading.identity().serial.clone();
    let mut mails = Vec::new();
    for call in calls {
        cx.outcome.notices.push(Notice::CallMade(Box::new(call.clone()), serial.clone()));
        if cx.rules.mails && !is_covered_by_another(call, calls) {
            mails.push((call.clone(), record.reading.identity().clone(), record.address));
        }
        cx.outcome.report(Report::Call(call.clone()), call.seen_at);
    }
    for (call, identity, address) in mails {
        let mail = QueuedMail {
            id: mail_id(cx),
            not_before: call.seen_at,
            call,
            identity,
            address: crate::access::address_text(address),
            attempts: 0,
        };
        cx.outcome.mails.push(mail.clone());
        cx.outcome.effect(Effect::Mail(Box::new(mail)));
    }
    cx.outcome.effect(Effect::SendUrgent);
}

/// A UUID version 7: mails made in the same millisecond keep their order.
fn mail_id(cx: &mut Context) -> uuid::Uuid {
    cx.mails_made = cx.mails_made.wrapping_add(1);
    let [high, low] = (cx.mails_made & 0x0fff).to_be_bytes();
    let [a, b, c, d, e, f, g, h] = cx.random.bits().to_be_bytes();
    let millis = u64::try_from(cx.clock().as_millisecond()).unwrap_or(0);
    Builder::from_unix_timestamp_millis(millis, &[high, low, a, b, c, d, e, f, g ^ h, h]).into_uuid()
}

/// Reports every open call and every device again after a sequence mismatch: the server may have stored the end of a
/// call that this gateway has lost. Duplicates change nothing there.
pub(super) fn report_again(cx: &mut Context) {
    let now = cx.clock();
    for (id, record) in &mut cx.state.devices {
        record.reported = None;
        cx.outcome.devices.insert(id.clone());
        for open in &record.calls.open {
            let call = edge_of(id, open, Edge::Raised, open.detail.clone(), now);
            cx.outcome.reports.push((now, Report::Call(call)));
        }
    }
    cx.outcome.effect(Effect::SendUrgent);
}

/// A device with a provisional id now has a serial number: ends the open calls of the provisional id.
pub(super) fn clear_calls_of(cx: &mut Context, provisional: &DeviceId, record: &DeviceRecord, id: &DeviceId) {
    let now = cx.clock();
    for open in &record.calls.open {
        let detail = format!("this device now has the id {id}");
        cx.outcome.report(Report::Call(edge_of(provisional, open, Edge::Cleared, detail, now)), now);
        cx.outcome.effect(Effect::SendUrgent);
    }
}

fn edge_of(device: &DeviceId, open: &OpenCall, edge: Edge, detail: String, seen_at: Timestamp) -> Call {
    let (device, subject) = (device.clone(), open.subject.clone());
    Call { device, call: open.call, edge, subject, detail, seen_at }
}
