//! Supplies and trays as bars in their own colours.

use wire::ids::{DeviceId, GatewayId};
use wire::reading::{Label, LevelState, Supply, Tray};

use crate::store::SupplyCall;

/// The note on receptacles, whose level has no defined meaning.
const RECEPTACLE: &str = "Space left or used, depending on the maker";

/// Maximum number of bars of a device in the fleet.
const MINIS: usize = 4;

/// A bar with its text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bar {
    pub(super) description: String,
    pub(super) media: String,
    /// Class of its colour.
    pub(super) ink: &'static str,
    /// Width of the bar, percent; `None` if the level is unknown.
    pub(super) width: Option<String>,
    pub(super) level: String,
    pub(super) long_level: String,
    /// A note on how to read the level; usually "".
    pub(super) note: &'static str,
    /// Whether an open call is about it.
    pub(super) low: bool,
}

/// The open calls about a device's supplies. A supply is highlighted only by them, because the gateway has evaluated
/// alerts and earlier levels. Fleet, badge and bar therefore agree.
#[derive(Debug, Default)]
pub(super) struct Alarms<'a>(Vec<&'a SupplyCall>);

impl<'a> Alarms<'a> {
    /// The calls of one device.
    pub(super) fn of(calls: &'a [SupplyCall], gateway: &GatewayId, device: &DeviceId) -> Self {
        Self(calls.iter().filter(|call| call.gateway == *gateway && call.device == *device).collect())
    }

    /// Whether a supply is near its end, or at it.
    fn about(&self, index: &str) -> Option<Alarm> {
        let own = || self.0.iter().filter(|call| !index.is_empty() && call.subject == index);
        let near = own().next().map(|_| Alarm::NearEnd);
        own().any(|call| call.is_end).then_some(Alarm::End).or(near)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alarm {
    NearEnd,
    End,
}

/// All supplies, the colourants first.
pub(super) fn supplies(supplies: &[Supply], alarms: &Alarms<'_>) -> Vec<Bar> {
    let mut bars: Vec<Bar> = supplies.iter().map(|one| supply(one, alarms.about(&one.index))).collect();
    bars.sort_by_key(|bar| order(bar.ink));
    bars
}

/// The supplies in the fleet: colorants, and others that are low.
pub(super) fn minis(all: &[Supply], alarms: &Alarms<'_>) -> Vec<Bar> {
    let mut bars = supplies(all, alarms);
    bars.retain(|bar| bar.ink != "other" || bar.low);
    bars.truncate(MINIS + usize::from(bars.iter().any(|bar| bar.ink == "other")));
    bars
}

fn order(ink: &str) -> usize {
    ["black", "cyan", "magenta", "yellow"].iter().position(|own| *own == ink).unwrap_or(MINIS)
}

fn supply(supply: &Supply, alarm: Option<Alarm>) -> Bar {
    let fills = supply.class.as_ref().is_some_and(|class| class.is("receptacleThatIsFilled"));
    let name = supply.supply_type.as_ref().map(words).unwrap_or_default();
    let description = supply.description.clone().filter(|text| !text.trim().is_empty());
    let percent = supply.percent.filter(|percent| percent.is_finite()).map(|p| p.clamp(0.0, 100.0));
    // RFC 3805 says that a receptacle's level is the space left in it, and makers differ: only a call knows.
    let (level, note) = match (fills, alarm, percent) {
        (true, Some(Alarm::End), _) => ("full".to_owned(), ""),
        (true, Some(Alarm::NearEnd), _) => ("almost full".to_owned(), ""),
        (true, None, Some(percent)) => (format!("reports {percent:.0} %"), RECEPTACLE),
        (true, None, None) | (false, _, _) => (level(percent, supply.level_state), ""),
    };
    Bar {
        description: description.unwrap_or_else(|| if name.is_empty() { "Supply".to_owned() } else { name }),
        media: String::new(),
        ink: ink(supply),
        width: percent.filter(|_| !fills).map(|p| format!("{p:.1}")),
        long_level: level.clone(),
        level,
        note,
        low: alarm.is_some(),
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

/// The colour of a colourant; a drum or a waste box has none.
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
        note: "",
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

    fn of(json: &str, alarm: Option<Alarm>) -> Bar {
        supply(&serde_json::from_str(json).unwrap(), alarm)
    }

    #[test]
    fn a_bar_shows_only_what_is_known() {
        let toner = of(r#"{"index":"1.1","type":"toner","color":"cyan","percent":9.4}"#, None);
        assert_eq!((toner.ink, toner.level.as_str()), ("cyan", "9 %"));
        let some = r#"{"index":"1.1","type":"toner","color":"black","level_state":"someRemaining"}"#;
        let some = of(some, None);
        assert_eq!((some.width, some.level.as_str(), some.low), (None, "some left", false));
        let drum = of(r#"{"index":"1.3","type":"opc","color":"black","percent":50}"#, None);
        assert_eq!(drum.ink, "other");
    }

    #[test]
    fn a_receptacle_is_full_only_with_a_call() {
        let waste = r#"{"index":"1.2","type":"wasteToner","class":"receptacleThatIsFilled","percent":92}"#;
        let table = [
            (None, "reports 92 %", RECEPTACLE, false),
            (Some(Alarm::NearEnd), "almost full", "", true),
            (Some(Alarm::End), "full", "", true),
        ];
        for (alarm, level, note, low) in table {
            let bar = of(waste, alarm);
            assert_eq!((bar.level.as_str(), bar.note, bar.low, bar.width), (level, note, low, None));
            assert_eq!((bar.ink, bar.description.as_str()), ("other", "Waste toner"));
        }
    }

    #[test]
    fn only_an_open_call_marks_a_supply() {
        let call = |device: &str, subject: &str, is_end| SupplyCall {
            gateway: "gw-1".parse().unwrap(),
            device: device.parse().unwrap(),
            subject: subject.to_owned(),
            is_end,
        };
        let calls = [
            call("a:1", "1.1", false),
            call("a:1", "1.2", false),
            call("a:1", "1.2", true),
            call("a:2", "1.3", true),
            call("a:1", "", true),
        ];
        let own = Alarms::of(&calls, &"gw-1".parse().unwrap(), &"a:1".parse().unwrap());
        let table = [("1.1", Some(Alarm::NearEnd)), ("1.2", Some(Alarm::End)), ("1.3", None), ("", None)];
        for (index, expected) in table {
            assert_eq!(own.about(index), expected, "{index}");
        }
        // A level alone, however low, is nothing but a level: tile, badge and bar agree.
        let empty: Supply =
            serde_json::from_str(r#"{"index":"1.3","type":"toner","color":"black","percent":1}"#).unwrap();
        assert!(!supplies(std::slice::from_ref(&empty), &own)[0].low);
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
