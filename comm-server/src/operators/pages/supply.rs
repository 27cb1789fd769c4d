//! Supplies and trays as bars in their own colours.

use wire::reading::{Label, LevelState, Supply, Tray};

/// Below this a supply is marked as low, percent.
const LOW_PERCENT: f64 = 10.0;

/// A waste box is marked when it is fuller than this, percent.
const FULL_PERCENT: f64 = 90.0;

/// Bars of a device in the overview.
const MINIS: usize = 4;

/// A bar with its text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bar {
    pub(super) description: String,
    pub(super) media: String,
    /// Class of its colour.
    pub(super) ink: &'static str,
    /// Percent of the width; none where no level is known.
    pub(super) width: Option<String>,
    pub(super) level: String,
    pub(super) long_level: String,
    pub(super) low: bool,
}

/// All supplies, the colourants first.
pub(super) fn supplies(supplies: &[Supply]) -> Vec<Bar> {
    let mut bars: Vec<Bar> = supplies.iter().map(supply).collect();
    bars.sort_by_key(|bar| order(bar.ink));
    bars
}

/// What the overview shows: colourants, and what else is low.
pub(super) fn minis(all: &[Supply]) -> Vec<Bar> {
    let mut bars = supplies(all);
    bars.retain(|bar| bar.ink != "other" || bar.low);
    bars.truncate(MINIS + usize::from(bars.iter().any(|bar| bar.ink == "other")));
    bars
}

fn order(ink: &str) -> usize {
    ["black", "cyan", "magenta", "yellow"].iter().position(|own| *own == ink).unwrap_or(MINIS)
}

fn supply(supply: &Supply) -> Bar {
    let fills = supply.class.as_ref().is_some_and(|class| class.is("receptacleThatIsFilled"));
    let name = supply.supply_type.as_ref().map(words).unwrap_or_default();
    let description = supply.description.clone().filter(|text| !text.trim().is_empty());
    let percent = supply.percent.filter(|percent| percent.is_finite()).map(|p| p.clamp(0.0, 100.0));
    let low = percent.is_some_and(|p| if fills { p >= FULL_PERCENT } else { p <= LOW_PERCENT });
    let level = level(percent, supply.level_state);
    let long_level = match (percent, fills) {
        (Some(_), true) => format!("{level} full"),
        (Some(_) | None, _) => level.clone(),
    };
    Bar {
        description: description.unwrap_or_else(|| if name.is_empty() { "Supply".to_owned() } else { name }),
        media: String::new(),
        ink: ink(supply),
        width: percent.map(|p| format!("{p:.1}")),
        level,
        long_level,
        low,
    }
}

fn level(percent: Option<f64>, state: Option<LevelState>) -> String {
    match (percent, state) {
        (Some(percent), _) => format!("{percent:.0} %"),
        (None, Some(LevelState::SomeRemaining)) => "some left".to_owned(),
        (None, Some(LevelState::Other)) => "no limit".to_owned(),
        (None, Some(LevelState::Units | LevelState::Unknown) | None) => "unknown".to_owned(),
    }
}

/// Only what colours paper has a colour: a drum or a waste box hasn't.
fn ink(supply: &Supply) -> &'static str {
    let is_colorant = supply.supply_type.as_ref().is_none_or(|kind| {
        ["toner", "ink", "inkCartridge", "inkRibbon", "tonerCartridge", "solidWax", "ribbonWax"]
            .iter()
            .any(|name| kind.is(name))
    });
    let color = supply.color.as_deref().unwrap_or_default().to_ascii_lowercase();
    match (is_colorant, color.as_str()) {
        (true, "black") => "black",
        (true, "cyan") => "cyan",
        (true, "magenta") => "magenta",
        (true, "yellow") => "yellow",
        (_, _) => "other",
    }
}

/// All trays.
pub(super) fn trays(trays: &[Tray]) -> Vec<Bar> {
    trays.iter().map(tray).collect()
}

fn tray(tray: &Tray) -> Bar {
    let sheets = tray.unit.as_ref().is_none_or(|unit| unit.is("sheets"));
    let unit = if sheets { "sheets".to_owned() } else { tray.unit.as_ref().map(words).unwrap_or_default() };
    let (level, max) = (tray.level.filter(|level| *level >= 0), tray.max.filter(|max| *max > 0));
    let permille = level.zip(max).map(|(level, max)| (level.saturating_mul(1000) / max).clamp(0, 1000));
    let long_level = match (level, max, tray.level_state) {
        (Some(0), _, _) => "empty".to_owned(),
        (Some(level), Some(max), _) => format!("{level} of {max} {unit}"),
        (Some(level), None, _) => format!("{level} {unit}"),
        (None, _, Some(LevelState::SomeRemaining)) => "some left".to_owned(),
        (None, _, _) => "unknown".to_owned(),
    };
    Bar {
        description: tray.name.clone().unwrap_or_else(|| format!("Tray {}", tray.index)),
        media: tray.media.clone().unwrap_or_default(),
        ink: "paper",
        width: permille.map(|permille| format!("{}.{}", permille / 10, permille % 10)),
        level: String::new(),
        long_level,
        low: level == Some(0),
    }
}

/// `wasteToner` as `Waste toner`.
pub(super) fn words(label: &Label) -> String {
    let mut text = String::new();
    for c in label.to_string().chars() {
        if text.is_empty() {
            text.extend(c.to_uppercase());
        } else if c.is_ascii_uppercase() {
            text.push(' ');
            text.push(c.to_ascii_lowercase());
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Bar {
        supply(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_bar_says_what_is_known_and_no_more() {
        let toner = of(r#"{"index":"1.1","type":"toner","color":"cyan","percent":9.4}"#);
        assert_eq!((toner.ink, toner.level.as_str(), toner.low), ("cyan", "9 %", true));
        let some = of(r#"{"index":"1.1","type":"toner","color":"black","level_state":"someRemaining"}"#);
        assert_eq!((some.width, some.level.as_str(), some.low), (None, "some left", false));
        let waste =
            of(r#"{"index":"1.2","type":"wasteToner","class":"receptacleThatIsFilled","percent":93}"#);
        assert_eq!((waste.long_level.as_str(), waste.low, waste.ink), ("93 % full", true, "other"));
        assert_eq!(waste.description, "Waste toner");
        let drum = of(r#"{"index":"1.3","type":"opc","color":"black","percent":50}"#);
        assert_eq!(drum.ink, "other");
    }

    #[test]
    fn a_tray_counts_sheets() {
        let of = |json: &str| tray(&serde_json::from_str(json).unwrap());
        let half = of(r#"{"index":"1.1","name":"Tray 1","level":250,"max":550}"#);
        assert_eq!((half.long_level.as_str(), half.width.as_deref()), ("250 of 550 sheets", Some("45.4")));
        assert!(of(r#"{"index":"1.1","level":0,"max":550}"#).low);
        assert_eq!(of(r#"{"index":"1.2","level":-3,"level_state":"someRemaining"}"#).long_level, "some left");
    }
}
