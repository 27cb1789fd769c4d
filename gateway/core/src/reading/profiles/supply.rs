//! Supplies in a profile, for devices without `prtMarkerSuppliesTable` and for rows that hide their level.

use serde::Deserialize;
use wire::reading::{Label, LevelState, Supply};

use super::counter::CounterSource;
use super::private_level::{Found, color, is_alike};
use crate::reading::mib::{Mib, percent};

/// A supply whose level is in a private object.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupplySource {
    /// The name, for people.
    pub description: String,
    /// Label of `PrtMarkerSuppliesTypeTC`.
    #[serde(rename = "type")]
    pub supply_type: String,
    /// Colour, where it has one.
    #[serde(default)]
    pub color: Option<String>,
    /// The level.
    pub level: CounterSource,
    /// The level of a full supply.
    #[serde(default = "hundred")]
    pub max: u32,
}

const fn hundred() -> u32 {
    100
}

impl SupplySource {
    /// The supplies of a device without `prtMarkerSuppliesTable`. Their indices are synthetic, as there are no rows.
    /// Of several sources of one supply, the first with a level counts.
    pub(crate) fn read_all(sources: &[Self], mib: &Mib) -> Vec<Supply> {
        let mut supplies: Vec<Supply> = Vec::new();
        for (at, source) in sources.iter().enumerate() {
            let same = |own: &Supply| source.is_of(own);
            if let Some(found) = source.found(mib).filter(|_| !supplies.iter().any(same)) {
                supplies.push(source.supply(&found, format!("private.{}", at + 1)));
            }
        }
        supplies
    }

    /// Sets the level of the standard row with this type and colour, if exactly one such row lacks a level.
    pub(crate) fn complete(&self, mib: &Mib, supplies: &mut [Supply]) {
        let Some(found) = self.found(mib) else { return };
        let mut own = supplies.iter_mut().filter(|supply| self.is_of(supply));
        if let (Some(supply), None) = (own.next(), own.next()) {
            found.put_into(supply);
        }
    }

    fn is_of(&self, supply: &Supply) -> bool {
        let alike = supply.supply_type.as_ref().is_some_and(|own| is_alike(&self.supply_type, own));
        alike && color(supply.color.as_deref(), supply.description.as_deref()) == self.color.as_deref()
    }

    fn found(&self, mib: &Mib) -> Option<Found> {
        let (level, oid) = self.level.read(mib)?;
        let level = i64::try_from(level).ok().filter(|level| *level <= i64::from(self.max))?;
        Some(Found { oid, level, max: self.max })
    }

    fn supply(&self, found: &Found, index: String) -> Supply {
        Supply {
            index,
            description: Some(self.description.clone()),
            supply_type: Some(Label::Name(self.supply_type.clone().into())),
            class: None,
            color: self.color.clone(),
            unit: None,
            level: Some(found.level),
            level_state: Some(LevelState::Units),
            max: Some(i64::from(self.max)),
            percent: percent(found.level, i64::from(self.max)),
            private: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::mib::Value;

    const RECORDS: &str = "
- {description: Black, type: toner, color: black, max: 10000, level: {octets: {oid: 1.9.1, id: 0x6f, length: 4}}}
- {description: Cyan, type: toner, color: cyan, max: 10000, level: {octets: {oid: 1.9.1, id: 0x70, length: 4}}}
- {description: Drum, type: opc, max: 10000, level: {octets: {oid: 1.9.1, id: 0x41, length: 4}}}
- {description: Cyan, type: toner, color: cyan, level: {octets: {oid: 1.9.1, id: 0x82, length: 4}}}
";

    fn sources() -> Vec<SupplySource> {
        serde_yaml::from_str(RECORDS).unwrap()
    }

    fn mib(records: &[u8]) -> Mib {
        let mut mib = Mib::default();
        mib.insert("1.9.1".parse().unwrap(), Value::octets(records));
        mib
    }

    fn row(index: &str, kind: &'static str, description: &str, level: i64) -> Supply {
        Supply {
            index: index.into(),
            description: Some(description.into()),
            supply_type: Some(Label::name(kind)),
            class: None,
            color: None,
            unit: None,
            level: Some(level),
            level_state: Some(crate::reading::mib::level_state(level)),
            max: Some(-2),
            percent: None,
            private: None,
        }
    }

    #[test]
    fn a_level_goes_to_the_row_of_its_colour_and_type() {
        let mib = mib(&[0x6f, 1, 4, 0, 0, 0x13, 0x88, 0x41, 1, 1, 3, 0x82, 1, 4, 0, 0, 0, 30, 0xff]);
        let mut rows = vec![
            row("1.1", "tonerCartridge", "Black Toner Cartridge", -3),
            row("1.2", "toner", "Cyan Toner Cartridge", -3),
            row("1.3", "opc", "Drum Unit", -3),
            row("1.4", "toner", "Yellow Toner Cartridge", -3),
        ];
        for source in sources() {
            source.complete(&mib, &mut rows);
        }
        let percents: Vec<_> = rows.iter().map(|row| row.percent).collect();
        // A record of another length is the part's state, not its level.
        assert_eq!(percents, [Some(50.0), Some(30.0), None, None]);
        let mut two = vec![row("1.1", "toner", "Black", -3), row("1.2", "toner", "Black", -3)];
        for source in sources() {
            source.complete(&mib, &mut two);
        }
        assert!(two.iter().all(|row| row.percent.is_none()), "nobody knows which one it is");
    }

    #[test]
    fn without_a_table_each_supply_is_there_once() {
        let both = mib(&[0x70, 1, 4, 0, 0, 0x03, 0xe8, 0x82, 1, 4, 0, 0, 0, 30, 0xff]);
        let found = SupplySource::read_all(&sources(), &both);
        let found: Vec<_> = found.iter().map(|own| (own.index.as_str(), own.percent)).collect();
        assert_eq!(found, [("private.2", Some(10.0))]);
    }
}
