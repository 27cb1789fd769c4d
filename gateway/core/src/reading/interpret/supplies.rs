//! Supplies. A negative level is a state, never a number (RFC 3805, `prtMarkerSuppliesLevel`).

use wire::reading::Supply;

use super::labels;
use crate::reading::mib::columns::SUPPLIES;
use crate::reading::mib::objects as o;
use crate::reading::mib::{Mib, Row, dotted, level_state, percent};
use crate::reading::profiles::{Profile, SupplySource};

/// A level as a percentage. If its unit is `percent(19)`, it is the level itself, whatever the maximum is (RFC 3805).
fn percent_of(level: i64, max: Option<i64>, unit: Option<i64>) -> Option<f64> {
    let itself = unit == Some(labels::UNIT_PERCENT) && (0..=100).contains(&level);
    percent(level, if itself { 100 } else { max? })
}

/// The rows of `prtMarkerSuppliesTable`, completed by the profile's levels; without rows, the profile's supplies.
pub(crate) fn supplies(mib: &Mib, profile: Option<&Profile>) -> Vec<Supply> {
    let mut rows: Vec<Supply> = mib.table(&SUPPLIES).iter().map(|row| supply(mib, row)).collect();
    let Some(profile) = profile else { return rows };
    profile.supply_tables.iter().for_each(|table| table.complete(mib, &mut rows));
    if rows.is_empty() {
        return SupplySource::read_all(&profile.supplies, mib);
    }
    profile.supplies.iter().for_each(|source| source.complete(mib, &mut rows));
    rows
}

fn supply(mib: &Mib, row: &Row<'_, { SUPPLIES.len() }>) -> Supply {
    let label = |object, labels| row.number(object).map(|number| labels::label(labels, number));
    let level = row.number(o::PRT_MARKER_SUPPLIES_LEVEL);
    let max = row.number(o::PRT_MARKER_SUPPLIES_MAX_CAPACITY);
    let unit = row.number(o::PRT_MARKER_SUPPLIES_SUPPLY_UNIT);
    Supply {
        index: dotted(row.index),
        description: row.text(o::PRT_MARKER_SUPPLIES_DESCRIPTION),
        supply_type: label(o::PRT_MARKER_SUPPLIES_TYPE, labels::SUPPLY_TYPE),
        class: label(o::PRT_MARKER_SUPPLIES_CLASS, labels::SUPPLY_CLASS),
        color: color(mib, row),
        unit: unit.map(|unit| labels::label(labels::UNITS, unit)),
        level,
        level_state: level.map(level_state),
        max,
        percent: level.and_then(|level| percent_of(level, max, unit)),
        private: None,
    }
}

/// `prtMarkerColorantValue` of the supply's colorant; index 0 means none.
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
    fn a_level_in_percent_needs_no_maximum() {
        let cases = [
            (45, Some(-2), Some(19), Some(45.0)),
            (25, Some(0), Some(19), Some(25.0)),
            (25, None, Some(19), Some(25.0)),
            (7, Some(200), Some(19), Some(7.0)),
            (150, Some(200), Some(19), Some(75.0)),
            (-3, Some(-2), Some(19), None),
            (45, Some(-2), Some(7), None),
            (45, Some(90), None, Some(50.0)),
            (45, None, None, None),
        ];
        for (level, max, unit, share) in cases {
            assert_eq!(percent_of(level, max, unit), share, "{level} / {max:?} {unit:?}");
        }
    }
}
