//! Rows of `prtAlertTable` about supplies: which stage, and which supply.

use wire::reading::{Alert, Reading, Supply};

use super::alarms::is_alarm;
use super::colorants::{is_receptacle, is_typed_colorant, is_untyped};

/// `PrtAlertGroupTC`: markerSupplies.
const MARKER_SUPPLIES: i64 = 11;

/// The stage that a row reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Near,
    End,
}

/// The kind of supply that an alert code is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Matter {
    Colorant,
    Waste,
    Drum,
    Developer,
    Any,
}

/// A row about a supply.
#[derive(Debug, Clone, Copy)]
pub(super) struct SupplyRow<'a> {
    pub(super) alert: &'a Alert,
    pub(super) stage: Stage,
    /// The supply's position in the reading; `None` if the row doesn't identify one.
    pub(super) place: Option<usize>,
    /// Whether it is about toner or ink.
    pub(super) colors: bool,
}

/// All alerts about supplies; `whole` is whether the supply table was read to its end.
pub(super) fn supply_rows(reading: &Reading, whole: bool) -> Vec<SupplyRow<'_>> {
    let alarms = reading.alerts.iter().filter(|alert| is_alarm(alert));
    let row = |alert| {
        let (stage, matter) = meaning(alert)?;
        let place = place(&reading.supplies, alert, matter, whole);
        Some(SupplyRow { alert, stage, place, colors: matter == Matter::Colorant })
    };
    alarms.filter_map(row).collect()
}

/// By `PrtAlertCodeTC`. A code for subunits in general counts if the row's group is markerSupplies.
fn meaning(alert: &Alert) -> Option<(Stage, Matter)> {
    use Matter::{Any, Colorant, Developer, Drum, Waste};
    let supplies = alert.group == Some(MARKER_SUPPLIES);
    Some(match alert.code? {
        1101..=1103 => (Stage::End, Colorant),
        1104..=1106 => (Stage::Near, Colorant),
        1107 | 1108 => (Stage::Near, Waste),
        1109 | 1110 => (Stage::End, Waste),
        1111 => (Stage::Near, Drum),
        1112 => (Stage::End, Drum),
        1113 => (Stage::Near, Developer),
        1114 => (Stage::End, Developer),
        // subunitLifeAlmostOver, AlmostEmpty, AlmostFull; LifeOver, Empty, Full.
        10 | 12 | 14 if supplies => (Stage::Near, Any),
        11 | 13 | 15 if supplies => (Stage::End, Any),
        _ => return None,
    })
}

/// The supply that a row is about: the one of its index if the kind fits, else the only one that fits, else the one
/// that its text names. With an incomplete table, only the index counts.
fn place(supplies: &[Supply], alert: &Alert, matter: Matter, whole: bool) -> Option<usize> {
    let last = |supply: &Supply| supply.index.rsplit('.').next().and_then(|last| last.parse::<i64>().ok());
    let indexed =
        alert.group_index.and_then(|index| supplies.iter().position(|supply| last(supply) == Some(index)));
    // The index is a supply's only if the group is markerSupplies.
    let indexed = indexed.filter(|_| alert.group.is_none_or(|group| group == MARKER_SUPPLIES));
    if indexed.and_then(|at| supplies.get(at)).is_some_and(|supply| can_be(supply, matter)) {
        return indexed;
    }
    if !whole {
        return None;
    }
    let fitting = || supplies.iter().enumerate().filter(|(_, s)| matter != Matter::Any && can_be(s, matter));
    only(fitting().map(|(at, _)| at))
        .or_else(|| only(fitting().filter(|(_, supply)| names(alert, supply)).map(|(at, _)| at)))
        .or(indexed)
}

fn can_be(supply: &Supply, matter: Matter) -> bool {
    let is = |name| supply.supply_type.as_ref().is_some_and(|own| own.is(name));
    match matter {
        Matter::Any => true,
        Matter::Waste => is_receptacle(supply),
        Matter::Colorant => is_typed_colorant(supply) || (is_untyped(supply) && !is_receptacle(supply)),
        Matter::Drum => is("opc") || is_untyped(supply),
        Matter::Developer => is("developer") || is_untyped(supply),
    }
}

fn names(alert: &Alert, supply: &Supply) -> bool {
    let Some(text) = alert.description.as_deref().map(str::to_lowercase) else { return false };
    let said = [supply.color.as_deref(), supply.description.as_deref()];
    said.into_iter().flatten().any(|word| {
        let word = word.trim().to_lowercase();
        word.chars().count() >= 3 && text.contains(&word)
    })
}

/// The item of an iterator that has exactly one.
pub(super) fn only<T>(mut some: impl Iterator<Item = T>) -> Option<T> {
    some.next().filter(|_| some.next().is_none())
}
