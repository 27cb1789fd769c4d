//! Facts of one reading that need no history: a supply's name and level, and whether the device warms up.

use wire::reading::{LevelState, Reading, Supply};

use super::colorants::is_receptacle;

/// Whether the device warms up: its levels can't be trusted then.
pub(super) fn is_warming_up(reading: &Reading) -> bool {
    reading.status.printer.as_ref().is_some_and(|printer| printer.is("warmup"))
}

/// The supply's name for operators.
#[must_use]
pub fn name(supply: &Supply) -> String {
    let described = supply.description.as_deref().map(str::trim).filter(|text| !text.is_empty());
    described.map_or_else(|| plain_name(supply), str::to_owned)
}

/// The name, with the colour if the description doesn't contain it: `TK-5430Y (yellow toner)`.
pub(super) fn name_with_color(supply: &Supply) -> String {
    let name = name(supply);
    let color = supply.color.as_deref().map(str::trim).unwrap_or_default();
    let said = name.to_lowercase().contains(&color.to_lowercase());
    let none = ["other", "unknown", "none"].contains(&color);
    if said || none || !color.chars().all(char::is_alphabetic) {
        return name;
    }
    format!("{name} ({})", plain_name(supply))
}

fn plain_name(supply: &Supply) -> String {
    let kind = match &supply.supply_type {
        Some(kind) if kind.is("inkCartridge") => "ink".to_owned(),
        Some(kind) if kind.is("tonerCartridge") => "toner".to_owned(),
        Some(kind) => kind.to_string(),
        None => "supply".to_owned(),
    };
    supply.color.as_deref().map_or_else(|| kind.clone(), |color| format!("{color} {kind}"))
}

pub(super) fn level_percent(supply: &Supply) -> Option<f64> {
    let filled = is_receptacle(supply);
    let units = supply.level_state.is_none_or(|state| state == LevelState::Units);
    supply.percent.filter(|percent| !filled && units && percent.is_finite())
}

/// A text for operators, at most 160 characters.
pub(super) fn truncate(text: &str) -> String {
    text.trim().chars().take(160).collect()
}
