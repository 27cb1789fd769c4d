//! Supplies that are near their end, or at it.
//!
//! An alert row, a level or an error bit shows it. Levels count for consumed supplies only: vendors disagree on the
//! direction in which a receptacle counts, so receptacles are judged by alert rows. The levels -2 and -3 show neither
//! that a call holds nor that it ended.

use wire::reading::Reading;
use wire::report::CallKind;

use super::OpenCall;
use super::bits::{Bits, Target};
use super::colorants::{Marking, colorants};
use super::condition::{Condition, Observation, Verdict};
use super::facts::{is_warming_up, name_with_color, truncate};
use super::grounds::{Ground, Grounds};
use super::judged::{Judged, judge};
use super::rows::{Stage, SupplyRow, supply_rows};

/// Readings that must agree that a row or a bit is gone, if no level confirms it: a device that starts has neither
/// for a moment.
const GONE_READINGS: u8 = 2;

/// The same for a call that is also based on a level which is no longer shown.
const GONE_WITH_LEVEL_READINGS: u8 = 3;

/// The conditions of all supplies, and those of the device that no supply could be identified for.
pub(super) fn conditions(observed: &Observation<'_>) -> Vec<Condition> {
    let rows = supply_rows(observed.reading, observed.coverage.supplies);
    let colors = colorants(observed.reading);
    let supplies = observed.reading.supplies.iter().zip(colors).enumerate();
    let judged: Vec<Judged<'_>> =
        supplies.map(|(at, (supply, colors))| judge(observed, supply, (at, colors), &rows)).collect();
    let bits = Bits::of(observed, &judged, &rows);
    let mut seen = Vec::new();
    for (at, own) in judged.iter().enumerate() {
        let is_it = |target| target == Some(Target::Place(at));
        let end = own.condition(observed, CallKind::SupplyEnd, is_it(bits.end));
        let mut near = own.condition(observed, CallKind::SupplyNearEnd, is_it(bits.near));
        // A bit that is attributed to the device, or to nothing because the table is cut, may be about this supply.
        let unattributed =
            bits.end.is_none() && !observed.coverage.supplies && is_set(observed, CallKind::SupplyEnd);
        let maybe = (bits.end == Some(Target::Device) || unattributed) && own.colors && !own.shown;
        supersede(observed, &mut near, end.verdict, maybe);
        seen.extend([end, near]);
    }
    let devices = device_wide(observed, &rows, bits, &seen);
    seen.extend(devices);
    seen.extend(forgotten(observed));
    seen
}

impl Judged<'_> {
    fn condition(&self, observed: &Observation<'_>, call: CallKind, bit: bool) -> Condition {
        let signs = if call == CallKind::SupplyEnd { self.end } else { self.near };
        let level = signs.level == Some(true);
        // A bit that a level explains is a ground as well: it remains if the level is no longer shown.
        let said = bit || (self.colors && signs.shows() && is_set(observed, call));
        let grounds = Grounds::of([(Ground::Row, signs.row), (Ground::Level, level), (Ground::Bit, said)]);
        let verdict = match signs.level {
            _ if !grounds.is_empty() => Verdict::Holds,
            Some(_) => Verdict::Over { readings: 1 },
            None => self.without_a_level(observed, call),
        };
        let detail = self.detail(call, bit && !signs.shows());
        Condition { call, subject: self.supply.index.clone(), verdict, detail, grounds }
    }

    /// The verdict if nothing shows the condition and no level contradicts it.
    fn without_a_level(&self, observed: &Observation<'_>, call: CallKind) -> Verdict {
        let Some(open) = observed.open_call(call, &self.supply.index) else {
            return Verdict::Over { readings: 1 };
        };
        if self.another && !is_warming_up(observed.reading) {
            return Verdict::Over { readings: 1 };
        }
        // The bit may be about another supply by now.
        if open.grounds.has(Ground::Bit) && is_set(observed, call) {
            return Verdict::Unknown;
        }
        let by_level = self.memory.is_some_and(|memory| memory.percent.is_some());
        // An earlier version didn't store the grounds.
        let unknown = Grounds::of([(Ground::Level, by_level), (Ground::Row, !by_level)]);
        gone(observed, if open.grounds.is_empty() { &unknown } else { &open.grounds })
    }

    /// The text for operators.
    fn detail(&self, call: CallKind, only_a_bit: bool) -> String {
        let name = name_with_color(self.supply);
        let level = self.supply.percent.map(|percent| format!(" {percent:.0} %"));
        let end = call == CallKind::SupplyEnd;
        truncate(&match (level, only_a_bit) {
            (Some(level), false) => format!("{name}{level}"),
            (Some(level), true) if end => format!("{name}{level}, empty as reported by the device"),
            (Some(level), true) => format!("{name}{level}, low as reported by the device"),
            (None, true) if end => format!("{name} is empty"),
            (None, true) => format!("{name} is low"),
            (None, false) => name,
        })
    }
}

/// Whether the error bit of a call is set.
fn is_set(observed: &Observation<'_>, call: CallKind) -> bool {
    observed.has_bit(if call == CallKind::SupplyEnd { "noToner" } else { "lowToner" })
}

/// The verdict if none of the grounds of an open call is in this reading.
fn gone(observed: &Observation<'_>, grounds: &Grounds) -> Verdict {
    let confirmed = grounds.confirmed();
    if is_warming_up(observed.reading) || confirmed.is_empty() || !confirmed.were_read(observed.coverage) {
        return Verdict::Unknown;
    }
    let readings = if grounds.has(Ground::Level) { GONE_WITH_LEVEL_READINGS } else { GONE_READINGS };
    Verdict::Over { readings }
}

/// A call for the end includes the call for "near end": the latter ends together with the former, not when the former
/// opens.
fn supersede(observed: &Observation<'_>, near: &mut Condition, end: Verdict, maybe_ended: bool) {
    let open = observed.is_open(CallKind::SupplyNearEnd, &near.subject);
    match end {
        Verdict::Holds => {
            near.verdict = if open { Verdict::Holds } else { Verdict::Over { readings: 1 } };
            near.grounds = Grounds::default();
        }
        Verdict::Unknown
            if near.verdict != Verdict::Holds && observed.is_open(CallKind::SupplyEnd, &near.subject) =>
        {
            near.verdict = Verdict::Unknown;
        }
        Verdict::Over { .. } | Verdict::Unknown => {}
    }
    if maybe_ended && open && near.verdict != Verdict::Holds {
        near.verdict = Verdict::Unknown;
    }
}

/// The conditions of open calls about rows of a table that was not read: these calls stay open.
fn forgotten(observed: &Observation<'_>) -> Vec<Condition> {
    let supplies = &observed.reading.supplies;
    let gone = |open: &&OpenCall| {
        matches!(open.call, CallKind::SupplyEnd | CallKind::SupplyNearEnd)
            && !open.subject.is_empty()
            && (supplies.is_empty() || !observed.coverage.supplies)
            && !supplies.iter().any(|supply| supply.index == open.subject)
    };
    let unknown = |open: &OpenCall| Condition::unknown(open.call, &open.subject);
    observed.open.iter().filter(gone).map(unknown).collect()
}

/// The conditions of the device, for rows and bits that no supply could be identified for.
fn device_wide(
    observed: &Observation<'_>,
    rows: &[SupplyRow<'_>],
    bits: Bits,
    seen: &[Condition],
) -> Vec<Condition> {
    let whole = |call, stage, bit: Option<Target>| {
        // A row that matches no supply may be about one that was not read.
        let open = observed.is_open(call, "");
        let row = rows.iter().find(|row| row.place.is_none() && row.stage == stage);
        let row = row.filter(|_| open || observed.coverage.supplies);
        // While the table is missing, the bit may be about one of its rows.
        let of_a_row = |open: &&OpenCall| open.call == call && !open.subject.is_empty();
        let known = observed.reading.supplies.is_empty() && observed.open.iter().any(|open| of_a_row(&open));
        let bit = bit == Some(Target::Device) && !known;
        let grounds = Grounds::of([(Ground::Row, row.is_some()), (Ground::Bit, bit)]);
        let verdict = match observed.open_call(call, "") {
            _ if !grounds.is_empty() => Verdict::Holds,
            None => Verdict::Over { readings: 1 },
            Some(open) if open.grounds.is_empty() => gone(observed, &Grounds::of([(Ground::Bit, true)])),
            Some(open) => gone(observed, &open.grounds),
        };
        let said = row.and_then(|row| row.alert.description.as_deref()).map(truncate);
        let said = said.filter(|text| !text.is_empty());
        let detail = said.unwrap_or_else(|| plain_detail(call, marking(observed.reading)));
        Condition { call, subject: String::new(), verdict, detail, grounds }
    };
    let end = whole(CallKind::SupplyEnd, Stage::End, bits.end);
    let mut near = whole(CallKind::SupplyNearEnd, Stage::Near, bits.near);
    let ended = observed.has_bit("noToner")
        || seen.iter().any(|own| own.call == CallKind::SupplyEnd && own.verdict == Verdict::Holds);
    supersede(observed, &mut near, end.verdict, ended);
    vec![end, near]
}

/// What the device prints with.
fn marking(reading: &Reading) -> Marking {
    Marking::of(reading.supplies.iter().filter_map(|supply| supply.supply_type.as_ref()))
}

fn plain_detail(call: CallKind, marking: Marking) -> String {
    let what = marking.words();
    if call == CallKind::SupplyEnd { format!("no {what}") } else { format!("{what} is low") }
}
