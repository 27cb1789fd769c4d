//! Supplies: near their end, at their end.
//!
//! A row of the alert table says it, a level does, or an error bit. Only what is consumed is judged by its level: vendors
//! disagree on which way a receptacle counts, so those speak by alert rows. The states -2 and -3 tell neither that a call
//! holds nor that it is over.

use wire::reading::{LevelState, Reading, Supply};
use wire::report::CallKind;

use super::OpenCall;
use super::bits::{Bits, Target};
use super::colorants::{Marking, colorants};
use super::conditions::{Condition, Look, Verdict, clip};
use super::grounds::{Ground, Grounds};
use super::levels::{self, SupplyMemory};
use super::rows::{Stage, SupplyRow, supply_rows};

/// Once near its end, a supply is so until it is this far above the threshold: a cartridge that was shaken shows a
/// little more for a while, and is the same.
const NEAR_END_HYSTERESIS: f64 = 10.0;

/// Once at its end, a supply is so up to this.
pub(super) const END_HYSTERESIS: f64 = 5.0;

/// Looks that must agree that a row or a bit is gone where no level says it as well: a device that starts has neither
/// for a moment.
const GONE_LOOKS: u8 = 2;

/// The same where the call stands on a level, too, that is no longer shown.
const GONE_WITH_LEVEL_LOOKS: u8 = 3;

/// Levels while a device warms up are not to be believed.
pub(super) fn is_warming_up(reading: &Reading) -> bool {
    reading.status.printer.as_ref().is_some_and(|printer| printer.is("warmup"))
}

/// What tells that a supply is near its end, or at it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signs {
    pub(super) row: bool,
    pub(super) level: Option<bool>,
}

impl Signs {
    /// Whether it is, bits left out.
    pub(super) fn tells(self) -> bool {
        self.row || self.level == Some(true)
    }
}

/// A supply as it is seen.
pub(super) struct Judged<'a> {
    pub(super) supply: &'a Supply,
    pub(super) memory: Option<&'a SupplyMemory>,
    /// Whether it is a consumed toner or ink.
    pub(super) colors: bool,
    /// Whether it shows a level, believed or not.
    pub(super) shown: bool,
    /// Its level, where it is believed.
    pub(super) percent: Option<f64>,
    pub(super) near: Signs,
    pub(super) end: Signs,
    /// Whether it isn't the supply that was there before.
    another: bool,
}

/// The conditions of all supplies, and of those that nobody can name.
pub(super) fn conditions(look: &Look<'_>) -> Vec<Condition> {
    let rows = supply_rows(look.reading, look.coverage.supplies);
    let colors = colorants(look.reading);
    let supplies = look.reading.supplies.iter().zip(colors).enumerate();
    let judged: Vec<Judged<'_>> =
        supplies.map(|(at, (supply, colors))| judge(look, supply, (at, colors), &rows)).collect();
    let bits = Bits::of(look, &judged, &rows);
    let mut seen = Vec::new();
    for (at, own) in judged.iter().enumerate() {
        let is_it = |target| target == Some(Target::Place(at));
        let end = own.condition(look, CallKind::SupplyEnd, is_it(bits.end));
        let mut near = own.condition(look, CallKind::SupplyNearEnd, is_it(bits.near));
        // The end of some supply that nobody can name may be this one's.
        let maybe = bits.end == Some(Target::Device) && own.colors && !own.shown;
        supersede(look, &mut near, end.verdict, maybe);
        seen.extend([end, near]);
    }
    let devices = device_wide(look, &rows, bits, &seen);
    seen.extend(devices);
    seen.extend(forgotten(look));
    seen
}

fn judge<'a>(
    look: &Look<'a>,
    supply: &'a Supply,
    (at, colors): (usize, bool),
    rows: &[SupplyRow<'_>],
) -> Judged<'a> {
    let memory = look.supplies.get(&supply.index);
    let row = |stage| rows.iter().any(|row| row.place == Some(at) && row.stage == stage);
    let told = row(Stage::Near) || row(Stage::End);
    let believed =
        !is_warming_up(look.reading) && (told || !levels::falls_oddly(memory, look.reading, supply));
    let percent = level_percent(supply).filter(|_| believed);
    let step = levels::step(memory);
    let another = levels::is_another_now(memory, supply);
    // A sensor in steps keeps what a level raised. What a row or a bit raised ends with the level that denies it.
    let opened = |call, hysteresis: f64| match look.open_call(call, &supply.index) {
        Some(open) if !another && open.grounds.may_be_a_level() => step.max(hysteresis),
        Some(_) if !another => hysteresis,
        Some(_) | None => 0.0,
    };
    let end_at = opened(CallKind::SupplyEnd, END_HYSTERESIS);
    let near_at = look.rules.near_end_percent + opened(CallKind::SupplyNearEnd, NEAR_END_HYSTERESIS);
    Judged {
        supply,
        memory,
        colors,
        shown: level_percent(supply).is_some(),
        percent,
        near: Signs { row: row(Stage::Near), level: percent.map(|percent| percent <= near_at) },
        end: Signs { row: row(Stage::End), level: percent.map(|percent| percent <= end_at) },
        another,
    }
}

impl Judged<'_> {
    fn condition(&self, look: &Look<'_>, call: CallKind, bit: bool) -> Condition {
        let signs = if call == CallKind::SupplyEnd { self.end } else { self.near };
        let level = signs.level == Some(true);
        // A bit that a level explains says the same; when the level goes, the bit is what is left of it.
        let said = bit || (self.colors && signs.tells() && is_set(look, call));
        let grounds = Grounds::of([(Ground::Row, signs.row), (Ground::Level, level), (Ground::Bit, said)]);
        let verdict = match signs.level {
            _ if !grounds.is_empty() => Verdict::Holds,
            Some(_) => Verdict::Over { looks: 1 },
            None => self.without_a_level(look, call),
        };
        let detail = self.detail(call, bit && !signs.tells());
        Condition { call, subject: self.supply.index.clone(), verdict, detail, grounds }
    }

    /// Nothing says that the call holds, and no level says that it doesn't.
    fn without_a_level(&self, look: &Look<'_>, call: CallKind) -> Verdict {
        let Some(open) = look.open_call(call, &self.supply.index) else { return Verdict::Over { looks: 1 } };
        if self.another && !is_warming_up(look.reading) {
            return Verdict::Over { looks: 1 };
        }
        // Nobody knows whether the bit is still about this one.
        if open.grounds.has(Ground::Bit) && is_set(look, call) {
            return Verdict::Unknown;
        }
        let by_level = self.memory.is_some_and(|memory| memory.percent.is_some());
        // An earlier version didn't remember on what a call stands.
        let unknown = Grounds::of([(Ground::Level, by_level), (Ground::Row, !by_level)]);
        gone(look, if open.grounds.is_empty() { &unknown } else { &open.grounds })
    }

    /// What a person should read.
    fn detail(&self, call: CallKind, only_a_bit: bool) -> String {
        let name = name_with_color(self.supply);
        let level = self.supply.percent.map(|percent| format!(" {percent:.0} %"));
        let end = call == CallKind::SupplyEnd;
        clip(&match (level, only_a_bit) {
            (Some(level), false) => format!("{name}{level}"),
            (Some(level), true) if end => format!("{name}{level}, empty as the device says"),
            (Some(level), true) => format!("{name}{level}, low as the device says"),
            (None, true) if end => format!("{name} is empty"),
            (None, true) => format!("{name} is low"),
            (None, false) => name,
        })
    }
}

/// Whether the error bit of a call is set.
fn is_set(look: &Look<'_>, call: CallKind) -> bool {
    look.has_bit(if call == CallKind::SupplyEnd { "noToner" } else { "lowToner" })
}

/// All on which an open call stands is gone from this look.
fn gone(look: &Look<'_>, grounds: &Grounds) -> Verdict {
    let confirmed = grounds.confirmed();
    if is_warming_up(look.reading) || confirmed.is_empty() || !confirmed.were_read(look.coverage) {
        return Verdict::Unknown;
    }
    let looks = if grounds.has(Ground::Level) { GONE_WITH_LEVEL_LOOKS } else { GONE_LOOKS };
    Verdict::Over { looks }
}

/// The end says it all: what was near its end isn't over in that moment, but with the end.
fn supersede(look: &Look<'_>, near: &mut Condition, end: Verdict, maybe_ended: bool) {
    let open = look.is_open(CallKind::SupplyNearEnd, &near.subject);
    match end {
        Verdict::Holds => {
            near.verdict = if open { Verdict::Holds } else { Verdict::Over { looks: 1 } };
            near.grounds = Grounds::default();
        }
        Verdict::Unknown
            if near.verdict != Verdict::Holds && look.is_open(CallKind::SupplyEnd, &near.subject) =>
        {
            near.verdict = Verdict::Unknown;
        }
        Verdict::Over { .. } | Verdict::Unknown => {}
    }
    if maybe_ended && open && near.verdict != Verdict::Holds {
        near.verdict = Verdict::Unknown;
    }
}

/// A table that was not read tells nothing: what is open of its rows stays so.
fn forgotten(look: &Look<'_>) -> Vec<Condition> {
    let supplies = &look.reading.supplies;
    let gone = |open: &&OpenCall| {
        matches!(open.call, CallKind::SupplyEnd | CallKind::SupplyNearEnd)
            && !open.subject.is_empty()
            && (supplies.is_empty() || !look.coverage.supplies)
            && !supplies.iter().any(|supply| supply.index == open.subject)
    };
    let unknown = |open: &OpenCall| Condition::unknown(open.call, &open.subject);
    look.open.iter().filter(gone).map(unknown).collect()
}

/// What is said of some supply that nobody can name.
fn device_wide(look: &Look<'_>, rows: &[SupplyRow<'_>], bits: Bits, seen: &[Condition]) -> Vec<Condition> {
    let whole = |call, stage, bit: Option<Target>| {
        // A row that names no supply may name one that was not read.
        let open = look.is_open(call, "");
        let row = rows.iter().find(|row| row.place.is_none() && row.stage == stage);
        let row = row.filter(|_| open || look.coverage.supplies);
        // While the table isn't there, the bit may be about one of its rows.
        let of_a_row = |open: &&OpenCall| open.call == call && !open.subject.is_empty();
        let known = look.reading.supplies.is_empty() && look.open.iter().any(|open| of_a_row(&open));
        let bit = bit == Some(Target::Device) && !known;
        let grounds = Grounds::of([(Ground::Row, row.is_some()), (Ground::Bit, bit)]);
        let verdict = match look.open_call(call, "") {
            _ if !grounds.is_empty() => Verdict::Holds,
            None => Verdict::Over { looks: 1 },
            Some(open) if open.grounds.is_empty() => gone(look, &Grounds::of([(Ground::Bit, true)])),
            Some(open) => gone(look, &open.grounds),
        };
        let said = row.and_then(|row| row.alert.description.as_deref()).map(clip);
        let said = said.filter(|text| !text.is_empty());
        let detail = said.unwrap_or_else(|| plain_detail(call, marking(look.reading)));
        Condition { call, subject: String::new(), verdict, detail, grounds }
    };
    let end = whole(CallKind::SupplyEnd, Stage::End, bits.end);
    let mut near = whole(CallKind::SupplyNearEnd, Stage::Near, bits.near);
    let ended = look.has_bit("noToner")
        || seen.iter().any(|own| own.call == CallKind::SupplyEnd && own.verdict == Verdict::Holds);
    supersede(look, &mut near, end.verdict, ended);
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

/// What a person calls the supply.
#[must_use]
pub fn name(supply: &Supply) -> String {
    let described = supply.description.as_deref().map(str::trim).filter(|text| !text.is_empty());
    described.map_or_else(|| plain_name(supply), str::to_owned)
}

/// The same with its colour, where the description doesn't say it: `TK-5430Y (yellow toner)`.
fn name_with_color(supply: &Supply) -> String {
    let name = name(supply);
    let color = supply.color.as_deref().map(str::trim).unwrap_or_default();
    let said = name.to_lowercase().contains(&color.to_lowercase());
    let none = ["other", "unknown", "none"].contains(&color);
    if said || none || !color.chars().all(char::is_alphabetic) {
        return name;
    }
    format!("{name} ({})", plain_name(supply))
}

fn plain_name(supply: &Supply) -> String {
    let kind = match &supply.supply_type {
        Some(kind) if kind.is("inkCartridge") => "ink".to_owned(),
        Some(kind) if kind.is("tonerCartridge") => "toner".to_owned(),
        Some(kind) => kind.to_string(),
        None => "supply".to_owned(),
    };
    supply.color.as_deref().map_or_else(|| kind.clone(), |color| format!("{color} {kind}"))
}

pub(super) fn level_percent(supply: &Supply) -> Option<f64> {
    let filled = super::colorants::is_receptacle(supply);
    let units = supply.level_state.is_none_or(|state| state == LevelState::Units);
    supply.percent.filter(|percent| !filled && units && percent.is_finite())
}
