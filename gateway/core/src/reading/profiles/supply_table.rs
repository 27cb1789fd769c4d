//! Tables of supplies in a profile, for what the standard table lacks.

use serde::Deserialize;
use wire::reading::{Label, LevelState, Supply};

use super::private_level::{Found, color};
use crate::reading::mib::{Mib, Oid, Value, level_state, percent};

/// Maximum number of rows of one table.
const ROWS: usize = 32;

/// A private table of supplies.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupplyTable {
    /// The column of names.
    pub names: Oid,
    /// The column of levels, relative to `max`.
    pub levels: Oid,
    /// How its rows are used.
    pub rows: TableUse,
    /// Label of `PrtMarkerSuppliesTypeTC`.
    #[serde(rename = "type")]
    pub supply_type: String,
    /// The level of a full supply.
    #[serde(default = "hundred")]
    pub max: u32,
    /// Levels that mean "some remains", in addition to -3.
    #[serde(default)]
    pub some_remaining: Vec<i64>,
}

/// How the rows of a private table are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableUse {
    /// They fill in names and levels that the standard row with the same last index lacks or hides. Without a
    /// standard table, they are the supplies.
    Fill,
    /// They are added to the standard rows, unless one of these has the same name.
    Add,
}

const fn hundred() -> u32 {
    100
}

impl SupplyTable {
    pub(crate) fn columns(&self) -> [&Oid; 2] {
        [&self.names, &self.levels]
    }

    /// Merges the table into the supplies of the standard table.
    pub(crate) fn complete(&self, mib: &Mib, supplies: &mut Vec<Supply>) {
        let standard = supplies.iter().any(|supply| !supply.index.starts_with("private."));
        let rows = mib.rows(self.levels.arcs()).take(ROWS);
        for (row, value) in rows {
            let Some(level) = value.number() else { continue };
            let name = mib.value(self.names.join(row).arcs()).and_then(|value| named(mib, value));
            match self.rows {
                TableUse::Fill if standard => self.fill(supplies, row, name, level),
                TableUse::Fill | TableUse::Add => self.add(supplies, row, name, level),
            }
        }
    }

    fn fill(&self, supplies: &mut [Supply], row: &[u32], name: Option<String>, level: i64) {
        let last = row.last().map(u32::to_string);
        let own = supplies.iter_mut().find(|supply| supply.index.rsplit('.').next() == last.as_deref());
        let Some(supply) = own else { return };
        let (theirs, ours) = (color(supply.color.as_deref(), supply.description.as_deref()), name.as_deref());
        if color(None, ours).zip(theirs).is_some_and(|(ours, theirs)| ours != theirs) {
            // The rows of the two tables are in different orders.
            return;
        }
        if supply.description.as_deref().is_none_or(|text| text.trim().is_empty()) {
            supply.description = name;
        }
        if supply.level.is_none() {
            self.set(supply, level);
        } else {
            Found { oid: self.levels.join(row).to_string(), level, max: self.max }.put_into(supply);
        }
    }

    fn add(&self, supplies: &mut Vec<Supply>, row: &[u32], name: Option<String>, level: i64) {
        let same = |supply: &Supply| name.is_some() && supply.description == name;
        if supplies.iter().any(same) {
            return;
        }
        let index = format!("private.{}.{}", self.supply_type, crate::reading::mib::dotted(row));
        let mut supply = Supply {
            index,
            description: name,
            supply_type: Some(Label::Name(self.supply_type.clone().into())),
            class: None,
            color: None,
            unit: None,
            level: None,
            level_state: None,
            max: None,
            percent: None,
            private: None,
        };
        self.set(&mut supply, level);
        supplies.push(supply);
    }

    fn set(&self, supply: &mut Supply, level: i64) {
        let max = i64::from(self.max);
        let some = self.some_remaining.contains(&level);
        supply.level = Some(level);
        supply.level_state = Some(if some { LevelState::SomeRemaining } else { level_state(level) });
        supply.max = Some(max);
        supply.percent = percent(level, max).filter(|percent| *percent <= 100.0);
    }
}

fn named(mib: &Mib, value: &Value) -> Option<String> {
    mib.text_of(value).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mib() -> Mib {
        let mut mib = Mib::default();
        for (oid, value) in [
            ("1.9.3.1", Value::octets(b"Black Toner")),
            ("1.9.5.1", Value::Integer(70)),
            ("1.9.3.2", Value::octets(b"Cyan Toner")),
            ("1.9.5.2", Value::Integer(-100)),
        ] {
            mib.insert(oid.parse().unwrap(), value);
        }
        mib
    }

    fn table(rows: &str) -> SupplyTable {
        let yaml =
            format!("{{names: 1.9.3, levels: 1.9.5, rows: {rows}, type: toner, some_remaining: [-100]}}");
        serde_yaml::from_str(&yaml).unwrap()
    }

    fn standard(index: &str, name: Option<&str>, level: Option<i64>) -> Supply {
        let description = name.map(str::to_owned);
        let (supply_type, class, color, unit, level_state, max, percent, private) =
            (None, None, None, None, None, None, None, None);
        let index = index.to_owned();
        Supply {
            index,
            description,
            supply_type,
            class,
            color,
            unit,
            level,
            level_state,
            max,
            percent,
            private,
        }
    }

    #[test]
    fn what_the_standard_table_lacks_is_filled_in_and_nothing_else() {
        let mut supplies = vec![
            standard("1.1", None, None),
            standard("1.2", Some("C"), None),
            standard("1.3", None, Some(5)),
        ];
        table("fill").complete(&mib(), &mut supplies);
        assert_eq!(
            (supplies[0].description.as_deref(), supplies[0].percent),
            (Some("Black Toner"), Some(70.0))
        );
        assert_eq!((supplies[1].description.as_deref(), supplies[1].level), (Some("C"), Some(-100)));
        assert_eq!((supplies[1].level_state, supplies[1].percent), (Some(LevelState::SomeRemaining), None));
        assert_eq!((supplies[2].description.as_deref(), supplies.len()), (None, 3));
        let mut hidden = vec![
            standard("1.1", Some("K"), Some(-2)),
            standard("1.2", Some("C"), Some(-3)),
            standard("1.1", Some("Yellow"), Some(-3)),
        ];
        table("fill").complete(&mib(), &mut hidden);
        let kept = hidden[0].private.as_ref().unwrap();
        assert_eq!(
            (hidden[0].level, kept.oid.as_str(), kept.standard_level),
            (Some(70), "1.9.5.1", Some(-2))
        );
        assert_eq!((hidden[1].level, hidden[1].private.is_none()), (Some(-3), true));
        let mut other = hidden.split_off(2);
        table("fill").complete(&mib(), &mut other);
        assert_eq!(other[0].level, Some(-3), "the row is of another colour");
    }

    #[test]
    fn without_a_standard_table_its_rows_are_the_supplies() {
        let mut supplies = Vec::new();
        table("fill").complete(&mib(), &mut supplies);
        let indices: Vec<_> = supplies.iter().map(|supply| supply.index.as_str()).collect();
        assert_eq!(indices, ["private.toner.1", "private.toner.2"]);
        let mut beside = vec![standard("1.1", Some("Cyan Toner"), Some(5))];
        table("add").complete(&mib(), &mut beside);
        assert_eq!((beside.len(), beside[1].description.as_deref()), (2, Some("Black Toner")));
    }
}
