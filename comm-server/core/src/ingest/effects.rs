//! Reports as changes of the store.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use wire::ids::DeviceId;
use wire::reading::{Counter, Evidence, Reading};
use wire::report::{Call, CallKind, CounterSet, Edge, FirmwareState, InformationReason, Lane, Report};
use wire::text::without_hidden;

use super::parse::{Arrival, Content};
use crate::calls::{CallEffect, OpenCalls, ReportRef};

/// Characters of a text that people read; the report itself is kept whole.
const TEXT_CHARS: usize = 500;

/// So long after its last reading the source of a device's total is still the one that counts: a device is read at least
/// daily, and an object that is missing once comes back.
const SOURCE_LASTS: SignedDuration = SignedDuration::from_hours(48);

/// What the store knew before the batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Open calls of the gateway.
    pub open: OpenCalls,
    /// Newest total of each device that the batch is about.
    pub totals: BTreeMap<DeviceId, LastTotal>,
    /// Object that each of these totals was read from, where that is known.
    pub total_sources: BTreeMap<DeviceId, String>,
    /// Open calls that a gateway raised which has lost its memory since, and has not raised again: of devices that
    /// were known then. When it finds such a device anew, they are over.
    pub forgotten: BTreeSet<ReportRef>,
    /// When each of these devices last had a call that a counter fell.
    pub regressions: BTreeMap<DeviceId, Timestamp>,
}

/// A device's newest total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastTotal {
    /// Its value.
    pub value: u64,
    /// When it was read, by the gateway's clock.
    pub read_at: Timestamp,
}

/// A counter as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterRow {
    /// Which.
    pub counter: Counter,
    /// Its value.
    pub value: u64,
    /// Where it was read; absent when the report didn't say.
    pub evidence: Option<Evidence>,
}

/// A change of the store.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect<'a> {
    /// Keep the report as it came.
    Keep {
        /// The report.
        arrival: &'a Arrival,
        /// Name of its kind.
        kind: &'static str,
        /// What it is about.
        device: Option<&'a DeviceId>,
    },
    /// Put the report aside.
    Quarantine {
        /// The report.
        arrival: &'a Arrival,
        /// Why.
        reason: &'a str,
    },
    /// Make sure that the device is known.
    UpsertDevice(&'a DeviceId),
    /// Take over what a whole reading says.
    UpdateReading(&'a DeviceId, &'a Reading),
    /// The device answers, or doesn't.
    SetOffline(&'a DeviceId, bool),
    /// Add counters to the series.
    AddCounters {
        /// Of this device.
        device: &'a DeviceId,
        /// When they were read.
        read_at: Timestamp,
        /// What `total` counts, "" when unknown.
        unit: String,
        /// The counters.
        rows: Vec<CounterRow>,
    },
    /// The device's newest total.
    SetTotal(&'a DeviceId, LastTotal),
    /// A call is open, or on record.
    Raise {
        /// Known by this report.
        by: ReportRef,
        /// The call.
        call: Call,
        /// Whether it stays open.
        open: bool,
    },
    /// A call has ended.
    Close {
        /// The report that raised it.
        raised_by: ReportRef,
        /// The report that ended it.
        by: ReportRef,
        /// When.
        at: Timestamp,
        /// What a person should read.
        detail: String,
    },
    /// A step of a roll-out; with a device, or of the whole gateway.
    Firmware(&'a FirmwareState),
    /// Reports were let go by a full spool.
    Lost {
        /// How many.
        reports: u64,
        /// What a person should read.
        detail: String,
    },
}

/// What the new reports of a lane change, in their order.
#[must_use]
pub fn effects<'a>(mut known: Known, lane: Lane, arrivals: &'a [Arrival]) -> Vec<Effect<'a>> {
    let mut effects = Vec::new();
    for arrival in arrivals {
        let by = ReportRef { lane, seq: arrival.seq };
        match &arrival.content {
            Content::Unusable { reason } => effects.push(Effect::Quarantine { arrival, reason }),
            Content::Usable(report) => {
                let device = report.device();
                effects.push(Effect::Keep { arrival, kind: kind(report), device });
                effects.extend(device.map(Effect::UpsertDevice));
                take(&mut known, by, report, &mut effects);
            }
        }
    }
    effects
}

const fn kind(report: &Report) -> &'static str {
    match report {
        Report::Call(_) => "call",
        Report::CounterSet(_) => "counter_set",
        Report::DeviceInformation(_) => "device_information",
        Report::FirmwareState(_) => "firmware_state",
        Report::Loss(_) => "loss",
    }
}

fn take<'a>(known: &mut Known, by: ReportRef, report: &'a Report, effects: &mut Vec<Effect<'a>>) {
    match report {
        Report::Call(call) => take_call(known, by, call, effects),
        Report::CounterSet(set) => take_counters(known, by, set, effects),
        Report::DeviceInformation(information) => {
            let (device, reading) = (&information.device, &information.reading);
            effects.push(Effect::UpdateReading(device, reading));
            if information.reason == InformationReason::Found {
                end_forgotten(known, by, device, reading.read_at, effects);
            }
            let unit = reading.counter_unit.as_ref().map(ToString::to_string).unwrap_or_default();
            let rows = rows(&reading.counters, &reading.evidence);
            if !rows.is_empty() {
                effects.push(Effect::AddCounters { device, read_at: reading.read_at, unit, rows });
            }
            take_total(known, by, device, (&reading.counters, &reading.evidence), reading.read_at, effects);
        }
        Report::FirmwareState(state) => {
            effects.push(Effect::Firmware(state));
        }
        Report::Loss(loss) => {
            effects.push(Effect::Lost { reports: loss.reports, detail: readable(&loss.detail) });
        }
    }
}

/// Ends the calls of a device that its gateway no longer knows of.
fn end_forgotten(
    known: &mut Known,
    by: ReportRef,
    device: &DeviceId,
    at: Timestamp,
    effects: &mut Vec<Effect<'_>>,
) {
    for (_, _, raised_by) in known.open.forget(device, &known.forgotten) {
        let detail =
            "it was gone when the gateway, which had lost its store, found the device again".to_owned();
        effects.push(Effect::Close { raised_by, by, at, detail });
    }
}

fn take_call<'a>(known: &mut Known, by: ReportRef, call: &'a Call, effects: &mut Vec<Effect<'a>>) {
    let device = &call.device;
    if call.call == CallKind::DeviceOffline {
        effects.push(Effect::SetOffline(device, call.edge == Edge::Raised));
    }
    if call.call == CallKind::CounterRegression {
        known.regressions.insert(device.clone(), call.seen_at);
    }
    let call = Call { detail: readable(&call.detail), subject: readable(&call.subject), ..call.clone() };
    if call.edge == Edge::Raised {
        // Told again: it is still there.
        if let Some(again) = known.open.raised_by(&call) {
            known.forgotten.remove(&again);
        }
    }
    for effect in known.open.take(&call, by) {
        effects.push(match effect {
            CallEffect::Open(call) => Effect::Raise { by, call, open: true },
            CallEffect::Record(call) => Effect::Raise { by, call, open: false },
            CallEffect::Close(raised_by) => {
                Effect::Close { raised_by, by, at: call.seen_at, detail: call.detail.clone() }
            }
        });
    }
}

fn take_counters<'a>(known: &mut Known, by: ReportRef, set: &'a CounterSet, effects: &mut Vec<Effect<'a>>) {
    let unit = set.unit.as_ref().map(ToString::to_string).unwrap_or_default();
    let rows = rows(&set.counters, &set.evidence);
    if !rows.is_empty() {
        effects.push(Effect::AddCounters { device: &set.device, read_at: set.read_at, unit, rows });
    }
    take_total(known, by, &set.device, (&set.counters, &set.evidence), set.read_at, effects);
}

/// A total that falls is never taken over in silence: it is a call, made here if the gateway made none since the
/// total was read that it fell from. Two sources count differently: what one says is no change of the other, and it takes
/// the other's place only when that is gone for good.
fn take_total<'a>(
    known: &mut Known,
    by: ReportRef,
    device: &'a DeviceId,
    (counters, evidence): (&BTreeMap<Counter, u64>, &BTreeMap<Counter, Evidence>),
    read_at: Timestamp,
    effects: &mut Vec<Effect<'a>>,
) {
    let Some(&value) = counters.get(&Counter::Total) else { return };
    let source = evidence.get(&Counter::Total).map(|evidence| readable(&evidence.oid));
    let other = source.as_ref().is_some_and(|source| {
        known.total_sources.get(device).is_some_and(|own| !own.is_empty() && own != source)
    });
    if other {
        let last = known.totals.get(device).map(|total| total.read_at);
        if last.is_some_and(|last| read_at.duration_since(last) < SOURCE_LASTS) {
            return;
        }
        known.totals.remove(device);
    }
    known.total_sources.insert(device.clone(), source.unwrap_or_default());
    let before = known.totals.insert(device.clone(), LastTotal { value, read_at });
    effects.push(Effect::SetTotal(device, LastTotal { value, read_at }));
    let Some(before) = before.filter(|before| value < before.value) else { return };
    if known.regressions.get(device).is_some_and(|&told| told >= before.read_at) {
        return;
    }
    known.regressions.insert(device.clone(), read_at);
    let call = Call {
        device: device.clone(),
        call: CallKind::CounterRegression,
        edge: Edge::Raised,
        subject: Counter::Total.name().to_owned(),
        detail: format!("total fell from {} to {value}", before.value),
        seen_at: read_at,
    };
    effects.push(Effect::Raise { by, call, open: false });
}

fn rows(counters: &BTreeMap<Counter, u64>, evidence: &BTreeMap<Counter, Evidence>) -> Vec<CounterRow> {
    let row = |(&counter, &value): (&Counter, &u64)| CounterRow {
        counter,
        value,
        evidence: evidence.get(&counter).filter(|e| i64::try_from(e.value).is_ok()).cloned(),
    };
    counters.iter().map(row).collect()
}

/// A text for people: without hidden characters (a NUL is no text to PostgreSQL), of bounded length.
#[must_use]
pub fn readable(text: &str) -> String {
    without_hidden(text, TEXT_CHARS)
}
