//! Supplies in a profile, for devices without `prtMarkerSuppliesTable`.

use serde::Deserialize;
use wire::reading::{Label, LevelState, Supply};

use super::counter::CounterSource;
use crate::device_reading::Mib;

/// A supply whose level is in a private object.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupplySource {
    /// For people.
    pub description: String,
    /// Label of `PrtMarkerSuppliesTypeTC`.
    #[serde(rename = "type")]
    pub supply_type: String,
    /// Colour, where it has one.
    #[serde(default)]
    pub color: Option<String>,
    /// The level.
    pub level: CounterSource,
    /// What a full one has.
    #[serde(default = "hundred")]
    pub max: u32,
}

const fn hundred() -> u32 {
    100
}

impl SupplySource {
    /// The supply, if the device has it; `index` is made up, as there is no row.
    #[must_use]
    pub fn read(&self, mib: &Mib, index: String) -> Option<Supply> {
        let level =
            i64::try_from(self.level.read(mib)?.0).ok().filter(|level| *level <= i64::from(self.max))?;
        Some(Supply {
            index,
            description: Some(self.description.clone()),
            supply_type: Some(Label::Name(self.supply_type.clone().into())),
            class: None,
            color: self.color.clone(),
            unit: None,
            level: Some(level),
            level_state: Some(LevelState::Units),
            max: Some(i64::from(self.max)),
            percent: crate::device_reading::percent(level, i64::from(self.max)),
        })
    }
}
