//! Supplies: near their end, at their end.
//!
//! Only what is consumed is judged by its level: vendors disagree on which way a receptacle counts, so those speak
//! by alert rows. The states -2 and -3 tell neither that a call holds nor that it is over.

use wire::reading::{Alert, LevelState, Reading, Supply};
use wire::report::CallKind;

use super::OpenCall;
use super::conditions::{Condition, Look, clip, is_alarm};
use super::levels;

/// `PrtAlertCodeTC`: toner, ink and ribbon almost empty, waste almost full, photo conductor almost over, developer
/// almost empty.
const NEAR_END: [i64; 7] = [1104, 1105, 1106, 1107, 1108, 1111, 1113];

/// The same, empty, full or over.
const END: [i64; 7] = [1101, 1102, 1103, 1109, 1110, 1112, 1114];

/// Once near its end, a supply is so until it is this far above the threshold: a cartridge that was shaken shows a
/// little more for a while, and is the same.
const NEAR_END_HYSTERESIS: f64 = 10.0;

/// Once at its end, a supply is so up to this.
const END_HYSTERESIS: f64 = 5.0;

/// Levels while a device warms up are not to be believed.
pub(super) fn is_warming_up(reading: &Reading) -> bool {
    reading.status.printer.as_ref().is_some_and(|printer| printer.is("warmup"))
}

/// The conditions of all supplies.
pub(super) fn conditions(look: &Look<'_>) -> Vec<Condition> {
    let mut seen = Vec::new();
    let unsure = is_warming_up(look.reading);
    for supply in &look.reading.supplies {
        let memory = look.supplies.get(&supply.index);
        let alert = alert_of(look.reading, supply);
        let sure = alert.is_some() || !levels::falls_oddly(memory, look.reading, supply);
        let percent = level_percent(supply).filter(|_| !unsure && sure);
        let step = levels::step(memory);
        let opened = |call, hysteresis: f64| {
            if look.is_open(call, &supply.index) { step.max(hysteresis) } else { 0.0 }
        };
        let still_end = opened(CallKind::SupplyEnd, END_HYSTERESIS);
        let still_near = opened(CallKind::SupplyNearEnd, NEAR_END_HYSTERESIS);
        let keeps = still_near > 0.0;
        let another = levels::is_another_now(memory, supply);
        let end = holds(alert, &END, percent, |p| p <= if another { 0.0 } else { still_end });
        let threshold = look.rules.near_end_percent + if another { 0.0 } else { still_near };
        let mut near = holds(alert, &NEAR_END, percent, |p| p <= threshold);
        if end == Some(true) {
            // The end says it all; what was near stays open until the supply is replaced.
            near = if keeps { Some(true) } else { Some(false) };
        }
        seen.push(condition(CallKind::SupplyEnd, supply, end));
        seen.push(condition(CallKind::SupplyNearEnd, supply, near));
    }
    seen.extend(by_bits(look, &seen));
    seen.extend(forgotten(look));
    seen
}

/// A table that was not read tells nothing: what is open of its rows stays so.
fn forgotten(look: &Look<'_>) -> Vec<Condition> {
    let gone = |open: &&OpenCall| {
        matches!(open.call, CallKind::SupplyEnd | CallKind::SupplyNearEnd)
            && !open.subject.is_empty()
            && look.reading.supplies.is_empty()
    };
    let unknown = |open: &OpenCall| Condition {
        call: open.call,
        subject: open.subject.clone(),
        holds: None,
        detail: String::new(),
    };
    look.open.iter().filter(gone).map(unknown).collect()
}

/// A device that shows no level tells by the error bits; then nobody knows which supply it is.
fn by_bits(look: &Look<'_>, seen: &[Condition]) -> Vec<Condition> {
    let explained = |call| seen.iter().any(|c| c.call == call && c.holds == Some(true));
    let levels = look.reading.supplies.iter().any(|supply| level_percent(supply).is_some());
    let whole = |call, detail: &str| Condition {
        call,
        subject: String::new(),
        holds: Some(true),
        detail: detail.to_owned(),
    };
    let mut more = Vec::new();
    if look.has_bit("noToner") && !explained(CallKind::SupplyEnd) {
        more.push(whole(CallKind::SupplyEnd, "no toner"));
    } else if look.has_bit("lowToner") && !levels && !explained(CallKind::SupplyNearEnd) {
        more.push(whole(CallKind::SupplyNearEnd, "toner is low"));
    }
    more
}

fn holds(
    alert: Option<&Alert>,
    codes: &[i64],
    percent: Option<f64>,
    by_level: impl Fn(f64) -> bool,
) -> Option<bool> {
    if alert.and_then(|alert| alert.code).is_some_and(|code| codes.contains(&code)) {
        return Some(true);
    }
    percent.map(by_level)
}

fn condition(call: CallKind, supply: &Supply, holds: Option<bool>) -> Condition {
    let level = supply.percent.map(|percent| format!(" {percent:.0} %")).unwrap_or_default();
    let detail = clip(&format!("{}{level}", name(supply)));
    Condition { call, subject: supply.index.clone(), holds, detail }
}

/// What a person calls the supply.
#[must_use]
pub fn name(supply: &Supply) -> String {
    let described = supply.description.as_deref().map(str::trim).filter(|text| !text.is_empty());
    described.map_or_else(|| plain_name(supply), str::to_owned)
}

fn plain_name(supply: &Supply) -> String {
    let kind = supply.supply_type.as_ref().map_or_else(|| "supply".to_owned(), ToString::to_string);
    supply.color.as_deref().map_or_else(|| kind.clone(), |color| format!("{color} {kind}"))
}

pub(super) fn level_percent(supply: &Supply) -> Option<f64> {
    let filled = supply.class.as_ref().is_some_and(|class| class.is("receptacleThatIsFilled"));
    let units = supply.level_state.is_none_or(|state| state == LevelState::Units);
    supply.percent.filter(|percent| !filled && units && percent.is_finite())
}

/// The alarm that is about a supply: its group is markerSupplies (11) and its group index the row's.
fn alert_of<'a>(reading: &'a Reading, supply: &Supply) -> Option<&'a Alert> {
    let row = supply.index.rsplit('.').next().and_then(|last| last.parse::<i64>().ok());
    reading.alerts.iter().filter(|alert| is_alarm(alert) && alert.group == Some(11)).find(|alert| {
        row.is_some()
            && alert.group_index == row
            && alert.code.is_some_and(|code| END.contains(&code) || NEAR_END.contains(&code))
    })
}
