//! The history of a supply's level, which keeps habits of sensors from becoming calls: a shaken cartridge, a sensor
//! in steps of 10 or 25 %, a level that is missing once. A supply was replaced if its level rose by much, or if its
//! serial number, capacity or description changed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::reading::{Reading, Supply};
use wire::report::{CallKind, Edge};

use super::Calls;
use super::facts::{is_warming_up, level_percent, name, truncate};

/// A rise by this number of percentage points means a new supply.
const REPLACED_RISE: f64 = 30.0;

/// With a coarse sensor, the rise must also exceed this number of its steps.
const REPLACED_STEPS: f64 = 1.5;

/// A larger fall between two readings, in percentage points, must be confirmed by the next one.
const ODD_FALL: f64 = 30.0;

/// A rise by this number of percentage points means a new supply if its description changed, too.
const SMALL_RISE: f64 = 5.0;

/// The coarsest step that is assumed, percent: after only 100 % and 50 %, the step isn't known yet.
const STEP_MAX: u32 = 25;

/// The history of one supply.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct SupplyMemory {
    /// The last level that was trusted, percent.
    pub(super) percent: Option<f64>,
    max: Option<i64>,
    serial: Option<String>,
    #[serde(default)]
    description: Option<String>,
    /// A level that the next reading must confirm, percent.
    #[serde(default)]
    doubted: Option<f64>,
    /// Greatest common divisor of the levels seen so far; 0 before the first.
    #[serde(default)]
    divisor: u32,
    /// The last reading showed no level.
    #[serde(default)]
    pub(super) silent: bool,
}

impl SupplyMemory {
    /// Whether a level must be confirmed.
    pub(super) const fn doubts(&self) -> bool {
        self.doubted.is_some()
    }

    fn of(supply: &Supply, percent: Option<f64>, divisor: u32) -> Self {
        let description = supply.description.as_deref().map(str::trim).filter(|text| !text.is_empty());
        Self {
            percent,
            max: supply.max.filter(|max| *max > 0),
            serial: description.and_then(serial),
            description: description.map(truncate),
            doubted: None,
            divisor: percent.map_or(divisor, |percent| common(divisor, percent)),
            silent: percent.is_none(),
        }
    }
}

/// The step of the sensor in percentage points, as far as known; at most [`STEP_MAX`].
pub(super) fn step(memory: Option<&SupplyMemory>) -> f64 {
    memory.map_or(0.0, |memory| f64::from(memory.divisor.min(STEP_MAX)))
}

/// Whether a level fell by more than printing explains, for the first time, and without an error bit that confirms
/// it.
pub(super) fn falls_oddly(memory: Option<&SupplyMemory>, reading: &Reading, supply: &Supply) -> bool {
    let told = reading.status.detected_errors.iter().any(|error| error == "lowToner" || error == "noToner");
    let levels = memory.and_then(|memory| memory.percent).zip(level_percent(supply));
    let falls = levels.is_some_and(|(before, now)| before - now > ODD_FALL);
    falls && !told && !memory.is_some_and(SupplyMemory::doubts)
}

/// Whether the row shows a different supply than before. Without a level, its serial number may still differ.
pub(super) fn is_another_now(memory: Option<&SupplyMemory>, supply: &Supply) -> bool {
    memory.is_some_and(|before| {
        is_another(before, &SupplyMemory::of(supply, level_percent(supply), before.divisor))
    })
}

/// Compares each supply with its history; a replaced supply is a call.
pub(super) fn judge(known: &mut BTreeMap<String, SupplyMemory>, reading: &Reading, calls: &mut Calls<'_>) {
    if is_warming_up(reading) {
        return;
    }
    for supply in &reading.supplies {
        let before = known.get(&supply.index);
        let Some(percent) = level_percent(supply) else {
            if let Some(now) = without_a_level(before, supply, calls) {
                known.insert(supply.index.clone(), now);
            }
            continue;
        };
        if falls_oddly(before, reading, supply) {
            if let Some(memory) = known.get_mut(&supply.index) {
                memory.doubted = Some(percent);
            }
            continue;
        }
        let now = SupplyMemory::of(supply, Some(percent), before.map_or(0, |before| before.divisor));
        if before.is_some_and(|before| is_another(before, &now)) {
            let detail = truncate(&format!("{} {percent:.0} %", name(supply)));
            calls.push(CallKind::SupplyReplaced, Edge::Raised, &supply.index, detail);
        }
        known.insert(supply.index.clone(), now);
    }
}

/// The new history of a supply that shows no level: the former one, unless the serial number shows a new supply.
fn without_a_level(
    before: Option<&SupplyMemory>,
    supply: &Supply,
    calls: &mut Calls<'_>,
) -> Option<SupplyMemory> {
    let now = SupplyMemory::of(supply, None, 0);
    match before {
        Some(before) if is_another(before, &now) => {
            calls.push(CallKind::SupplyReplaced, Edge::Raised, &supply.index, truncate(&name(supply)));
            Some(now)
        }
        Some(before) => Some(SupplyMemory { silent: true, ..before.clone() }),
        // Without a level and a serial number there is nothing to store.
        None => now.serial.is_some().then_some(now),
    }
}

fn is_another(before: &SupplyMemory, now: &SupplyMemory) -> bool {
    let rise = now.percent.zip(before.percent).map_or(0.0, |(now, before)| now - before);
    let coarse = f64::from(now.divisor.min(STEP_MAX));
    let max = before.max.is_some() && now.max.is_some() && before.max != now.max;
    let serial = before.serial.is_some() && now.serial.is_some() && before.serial != now.serial;
    let described =
        before.description.is_some() && now.description.is_some() && before.description != now.description;
    let much = rise >= REPLACED_RISE && rise > coarse * REPLACED_STEPS;
    let risen = now.percent.is_some() && rise >= 0.0;
    much || serial || (max && risen) || (described && rise >= SMALL_RISE)
}

/// The greatest common divisor of whole percentages; 1 for a level between them, which a coarse sensor doesn't show.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a percentage, clamped before")]
fn common(divisor: u32, percent: f64) -> u32 {
    let whole = percent.clamp(0.0, 100.0).round();
    if (whole - percent).abs() > 0.05 {
        return 1;
    }
    let (mut a, mut b) = (divisor, whole as u32);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
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
    fn the_serial_number_of_a_supply_is_in_its_description() {
        let found = serial("Black Toner S/N:CRUM-16031200000; rest").unwrap();
        assert_eq!(found, "CRUM-16031200000");
        assert_eq!(serial("Black Toner"), None);
        assert_eq!(serial("S/N: ?"), None);
    }

    #[test]
    fn the_step_of_a_sensor_is_learnt() {
        let learnt = |levels: &[f64]| levels.iter().fold(0, |divisor, level| common(divisor, *level));
        assert_eq!(learnt(&[100.0, 75.0, 50.0]), 25);
        assert_eq!(learnt(&[100.0, 90.0, 0.0]), 10);
        assert_eq!(learnt(&[80.0, 79.0]), 1);
        assert_eq!(learnt(&[98.4]), 1);
        assert_eq!(learnt(&[0.0]), 0);
    }
}
