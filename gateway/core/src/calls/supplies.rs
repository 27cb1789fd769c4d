//! Supplies: near their end, at their end, replaced.
//!
//! Only what is consumed is judged by its level: vendors disagree on which way a receptacle counts, so those speak
//! by alert rows. The states -2 and -3 tell neither that a call holds nor that it is over.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::reading::{Alert, LevelState, Reading, Supply};
use wire::report::{CallKind, Edge};

use super::conditions::{Condition, clip, is_alarm};
use super::{CallRules, Calls, OpenCall};

/// `PrtAlertCodeTC`: toner, ink and ribbon almost empty, waste almost full, photo conductor almost over, developer
/// almost empty.
const NEAR_END: [i64; 7] = [1104, 1105, 1106, 1107, 1108, 1111, 1113];

/// The same, empty, full or over.
const END: [i64; 7] = [1101, 1102, 1103, 1109, 1110, 1112, 1114];

/// Once near its end, a supply is so until it is this far above the threshold.
const HYSTERESIS_PERCENT: f64 = 2.0;

/// A rise of so many points is a new supply.
const REPLACED_RISE: f64 = 30.0;

/// What is remembered of a supply.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct SupplyMemory {
    percent: Option<f64>,
    max: Option<i64>,
    serial: Option<String>,
}

/// What is looked at.
pub(super) struct Supplies<'a> {
    pub(super) rules: &'a CallRules,
    pub(super) reading: &'a Reading,
    pub(super) open: &'a [OpenCall],
}

impl Supplies<'_> {
    fn is_open(&self, call: CallKind, subject: &str) -> bool {
        self.open.iter().any(|open| open.call == call && open.subject == subject)
    }

    fn has_bit(&self, bit: &str) -> bool {
        self.reading.status.detected_errors.iter().any(|error| error == bit)
    }
}

/// Levels while a device warms up are not to be believed.
fn is_warming_up(reading: &Reading) -> bool {
    reading.status.printer.as_ref().is_some_and(|printer| printer.is("warmup"))
}

/// The conditions of all supplies.
pub(super) fn conditions(look: &Supplies<'_>) -> Vec<Condition> {
    let mut seen = Vec::new();
    let unsure = is_warming_up(look.reading);
    for supply in &look.reading.supplies {
        let percent = level_percent(supply).filter(|_| !unsure);
        let alert = alert_of(look.reading, supply);
        let end = holds(alert, &END, percent, |p| p <= 0.0);
        let keeps = look.is_open(CallKind::SupplyNearEnd, &supply.index);
        let threshold = look.rules.near_end_percent + if keeps { HYSTERESIS_PERCENT } else { 0.0 };
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
fn forgotten(look: &Supplies<'_>) -> Vec<Condition> {
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
fn by_bits(look: &Supplies<'_>, seen: &[Condition]) -> Vec<Condition> {
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

fn level_percent(supply: &Supply) -> Option<f64> {
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

/// Compares with what is known of each supply: a replaced one is a call.
pub(super) fn judge(known: &mut BTreeMap<String, SupplyMemory>, reading: &Reading, calls: &mut Calls<'_>) {
    if is_warming_up(reading) {
        return;
    }
    for supply in &reading.supplies {
        let Some(percent) = level_percent(supply) else { continue };
        let now = SupplyMemory {
            percent: Some(percent),
            max: supply.max.filter(|max| *max > 0),
            serial: supply.description.as_deref().and_then(serial),
        };
        let before = known.insert(supply.index.clone(), now.clone());
        if before.is_some_and(|before| is_another(&before, &now)) {
            let detail = clip(&format!("{} {percent:.0} %", name(supply)));
            calls.push(CallKind::SupplyReplaced, Edge::Raised, &supply.index, detail);
        }
    }
}

fn is_another(before: &SupplyMemory, now: &SupplyMemory) -> bool {
    let rise = now.percent.zip(before.percent).map_or(0.0, |(now, before)| now - before);
    let differ = |a: &Option<i64>, b: &Option<i64>| a.is_some() && b.is_some() && a != b;
    let other_serial = before.serial.is_some() && now.serial.is_some() && before.serial != now.serial;
    rise >= REPLACED_RISE || other_serial || (differ(&before.max, &now.max) && rise >= 0.0)
}

/// The serial number that some makers put into a supply's description: `Cyan Cartridge, S/N:CRUM-16031200000`.
fn serial(description: &str) -> Option<String> {
    let (_, rest) = description.split_once("S/N")?;
    let rest = rest.trim_start_matches([':', ' ', '.']);
    let serial: String =
        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').take(40).collect();
    (serial.len() >= 4).then_some(serial)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supply_tells_its_serial_in_its_description() {
        let found = serial("Black Toner S/N:CRUM-16031200000; rest").unwrap();
        assert_eq!(found, "CRUM-16031200000");
        assert_eq!(serial("Black Toner"), None);
        assert_eq!(serial("S/N: ?"), None);
    }
}
