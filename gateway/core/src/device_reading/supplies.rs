//! Supplies. A negative level is a state, never a number (RFC 3805, `prtMarkerSuppliesLevel`).

use wire::reading::{LevelState, Supply};

use super::labels;
use super::mib::{Mib, Row};
use super::objects as o;
use super::plan::SUPPLIES;
use crate::profiles::Profile;

/// What a level is.
pub(crate) const fn level_state(level: i64) -> LevelState {
    match level {
        0.. => LevelState::Units,
        -1 => LevelState::Other,
        -3 => LevelState::SomeRemaining,
        _ => LevelState::Unknown,
    }
}

/// Level / max, where both are units. The unit column isn't reliable and isn't needed for it.
#[must_use]
pub fn percent(level: i64, max: i64) -> Option<f64> {
    if level < 0 || max <= 0 {
        return None;
    }
    // Tenths of a percent are finer than any sensor; 128 bits hold every product.
    let tenths = (i128::from(level) * 1_000 + i128::from(max) / 2) / i128::from(max);
    i32::try_from(tenths).ok().map(|tenths| f64::from(tenths) / 10.0)
}

/// The rows of `prtMarkerSuppliesTable`, else the profile's supplies.
pub(crate) fn supplies(mib: &Mib, profile: Option<&Profile>) -> Vec<Supply> {
    let mut rows: Vec<Supply> = mib.table(&SUPPLIES).iter().map(|row| supply(mib, row)).collect();
    profile
        .iter()
        .flat_map(|profile| &profile.supply_tables)
        .for_each(|table| table.complete(mib, &mut rows));
    if !rows.is_empty() {
        return rows;
    }
    let private = profile.iter().flat_map(|profile| &profile.supplies).enumerate();
    private.filter_map(|(at, source)| source.read(mib, format!("private.{}", at + 1))).collect()
}

fn supply(mib: &Mib, row: &Row<'_, { SUPPLIES.len() }>) -> Supply {
    let label = |object, labels| row.number(object).map(|number| labels::label(labels, number));
    let level = row.number(o::PRT_MARKER_SUPPLIES_LEVEL);
    let max = row.number(o::PRT_MARKER_SUPPLIES_MAX_CAPACITY);
    Supply {
        index: super::oid::dotted(row.index),
        description: row.text(o::PRT_MARKER_SUPPLIES_DESCRIPTION),
        supply_type: label(o::PRT_MARKER_SUPPLIES_TYPE, labels::SUPPLY_TYPE),
        class: label(o::PRT_MARKER_SUPPLIES_CLASS, labels::SUPPLY_CLASS),
        color: color(mib, row),
        unit: label(o::PRT_MARKER_SUPPLIES_SUPPLY_UNIT, labels::UNITS),
        level,
        level_state: level.map(level_state),
        max,
        percent: level.zip(max).and_then(|(level, max)| percent(level, max)),
    }
}

/// `prtMarkerColorantValue` of the supply's colorant; colorant 0 is none.
fn color(mib: &Mib, row: &Row<'_, { SUPPLIES.len() }>) -> Option<String> {
    let colorant = u32::try_from(row.number(o::PRT_MARKER_SUPPLIES_COLORANT_INDEX)?).ok()?;
    let (_, device) = row.index.split_last()?;
    let instance = [device, &[colorant]].concat();
    mib.text(o::PRT_MARKER_COLORANT_VALUE, &instance).filter(|_| colorant > 0).map(|text| text.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_level_is_a_state_and_has_no_percent() {
        let cases = [
            (80, 100, LevelState::Units, Some(80.0)),
            (7_056, 7_200, LevelState::Units, Some(98.0)),
            (0, 100, LevelState::Units, Some(0.0)),
            (1, 3, LevelState::Units, Some(33.3)),
            (-1, 100, LevelState::Other, None),
            (-2, 100, LevelState::Unknown, None),
            (-3, 100, LevelState::SomeRemaining, None),
            (-4, 100, LevelState::Unknown, None),
            (50, -2, LevelState::Units, None),
            (50, 0, LevelState::Units, None),
            (2_000_000_000, 2_000_000_000, LevelState::Units, Some(100.0)),
            (i64::MAX, 1, LevelState::Units, None),
        ];
        for (level, max, state, share) in cases {
            assert_eq!(level_state(level), state, "{level}");
            assert_eq!(percent(level, max), share, "{level} / {max}");
        }
    }
}
