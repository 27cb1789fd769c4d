//! Evaluates one supply of a reading: whether its level and its alert rows show that it is near its end, or at it.

use wire::reading::Supply;
use wire::report::CallKind;

use super::condition::Observation;
use super::facts::{is_warming_up, level_percent};
use super::levels::{self, SupplyMemory};
use super::rows::{Stage, SupplyRow};

/// Once near its end, a supply stays so until its level is this far above the threshold, in percentage points: a
/// shaken cartridge shows a little more for a while.
const NEAR_END_HYSTERESIS: f64 = 10.0;

/// Once at its end, a supply stays so up to this level, percent.
pub(super) const END_HYSTERESIS: f64 = 5.0;

/// Whether a row or a level shows the condition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signs {
    pub(super) row: bool,
    pub(super) level: Option<bool>,
}

impl Signs {
    /// Whether a row or the level shows it; error bits are not considered.
    pub(super) fn shows(self) -> bool {
        self.row || self.level == Some(true)
    }
}

/// A supply of the reading, evaluated.
pub(super) struct Judged<'a> {
    pub(super) supply: &'a Supply,
    pub(super) memory: Option<&'a SupplyMemory>,
    /// Whether it is a consumed toner or ink.
    pub(super) colors: bool,
    /// Whether it shows a level, trusted or not.
    pub(super) shown: bool,
    /// Its level, if trusted.
    pub(super) percent: Option<f64>,
    pub(super) near: Signs,
    pub(super) end: Signs,
    /// Whether the supply was replaced since the last reading.
    pub(super) another: bool,
}

pub(super) fn judge<'a>(
    observed: &Observation<'a>,
    supply: &'a Supply,
    (at, colors): (usize, bool),
    rows: &[SupplyRow<'_>],
) -> Judged<'a> {
    let memory = observed.supplies.get(&supply.index);
    let row = |stage| rows.iter().any(|row| row.place == Some(at) && row.stage == stage);
    let told = row(Stage::Near) || row(Stage::End);
    let believed =
        !is_warming_up(observed.reading) && (told || !levels::falls_oddly(memory, observed.reading, supply));
    let percent = level_percent(supply).filter(|_| believed);
    let step = levels::step(memory);
    let another = levels::is_another_now(memory, supply);
    // A sensor with coarse steps keeps open what a level opened. What a row or a bit opened ends with a level that
    // contradicts it.
    let opened = |call, hysteresis: f64| match observed.open_call(call, &supply.index) {
        Some(open) if !another && open.grounds.may_be_a_level() => step.max(hysteresis),
        Some(_) if !another => hysteresis,
        Some(_) | None => 0.0,
    };
    let end_at = opened(CallKind::SupplyEnd, END_HYSTERESIS);
    let near_at = observed.rules.near_end_percent + opened(CallKind::SupplyNearEnd, NEAR_END_HYSTERESIS);
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
