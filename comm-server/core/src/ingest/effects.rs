//! Converts reports to changes of the store.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use wire::ids::DeviceId;
use wire::reading::{Counter, Evidence, Reading};
use wire::report::{Call, CallKind, CounterSet, Edge, FirmwareState, InformationReason, Lane, Report};
use wire::text::without_hidden;

use super::parse::{Arrival, Content};
use crate::calls::{CallEffect, OpenCalls, ReportRef};

/// Maximum length of a text for people, characters; the report itself is stored unabridged.
const TEXT_CHARS: usize = 500;

/// A device's total keeps its source until this long after the source's last reading: a device is read at least daily,
/// and an object that is missing once returns (decision 0016).
pub(crate) const SOURCE_LASTS: SignedDuration = SignedDuration::from_hours(48);

/// The state of the store before the batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Open calls of the gateway.
    pub open: OpenCalls,
    /// Newest total of each device that the batch is about.
    pub totals: BTreeMap<DeviceId, LastTotal>,
    /// The object that each of these totals was read from, if known.
    pub total_sources: BTreeMap<DeviceId, String>,
    /// Calls that were open when their gateway lost its spool, and that it has not opened again. Each ends when the
    /// gateway finds the device again without reporting the call.
    pub forgotten: BTreeSet<ReportRef>,
    /// When each of these devices last had a call for a fallen counter.
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

/// A counter as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterRow {
    /// Its name.
    pub counter: Counter,
    /// Its value.
    pub value: u64,
    /// Its evidence; absent if the report has none.
    pub evidence: Option<Evidence>,
}

/// A change of the store.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect<'a> {
    /// Store the report as received.
    Keep {
        /// The report.
        arrival: &'a Arrival,
        /// Name of its kind.
        kind: &'static str,
        /// The device or roll-out of the report.
        device: Option<&'a DeviceId>,
    },
    /// Quarantine the report.
    Quarantine {
        /// The report.
        arrival: &'a Arrival,
        /// The reason.
        reason: &'a str,
    },
    /// Ensure that the device has a row.
    UpsertDevice(&'a DeviceId),
    /// Store the contents of a full reading.
    UpdateReading(&'a DeviceId, &'a Reading),
    /// Store whether the device is offline.
    SetOffline(&'a DeviceId, bool),
    /// Add counters to the series.
    AddCounters {
        /// The device.
        device: &'a DeviceId,
        /// The report that contained them.
        by: ReportRef,
        /// When they were read.
        read_at: Timestamp,
        /// The unit of `total`, "" when unknown.
        unit: String,
        /// The counters.
        rows: Vec<CounterRow>,
    },
    /// Store the device's newest total.
    SetTotal(&'a DeviceId, LastTotal),
    /// Open a call, or record one that has no end.
    Raise {
        /// The report that identifies it.
        by: ReportRef,
        /// The call.
        call: Call,
        /// Whether it stays open.
        open: bool,
    },
    /// End a call.
    Close {
        /// The report that opened it.
        raised_by: ReportRef,
        /// The report that ended it.
        by: ReportRef,
        /// The time.
        at: Timestamp,
        /// A text for people.
        detail: String,
    },
    /// Store a step of a roll-out, of a device or of its whole gateway.
    Firmware(&'a FirmwareState),
    /// Record that a full spool evicted reports.
    Lost {
        /// The number.
        reports: u64,
        /// A text for people.
        detail: String,
    },
}

/// The changes that the new reports of a lane make, in order.
#[must_use]
pub fn effects<'a>(mut known: Known, lane: Lane, arrivals: &'a [Arrival]) -> Vec<Effect<'a>> {
    let mut effects = Vec::new();
    for arrival in arrivals {
        let by = ReportRef { lane, seq: arrival.seq };
        match &arrival.content {
            Content::Unusable { reason } => effects.push(Effect::Quarantine { arrival, reason }),
            Content::Usable(report) => {
                let device = report.device();
                effects.push(Effect::Keep { arrival, kind: report.kind(), device });
                effects.extend(device.map(Effect::UpsertDevice));
                take(&mut known, by, report, &mut effects);
            }
        }
    }
    effects
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
                effects.push(Effect::AddCounters { device, by, read_at: reading.read_at, unit, rows });
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
            "it was no longer present when the gateway, which had lost its store, found the device again"
                .to_owned();
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
        effects.push(Effect::AddCounters { device: &set.device, by, read_at: set.read_at, unit, rows });
    }
    take_total(known, by, &set.device, (&set.counters, &set.evidence), set.read_at, effects);
}

/// Reports a falling total as a call, unless the gateway has opened one since the higher total was read. Values of
/// two sources are not compared; a value of another source replaces the total only if its source has not been read
/// for [`SOURCE_LASTS`].
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

/// A text for people: hidden characters are removed (PostgreSQL can't store NUL), and the length is limited.
#[must_use]
pub fn readable(text: &str) -> String {
    without_hidden(text, TEXT_CHARS)
}
