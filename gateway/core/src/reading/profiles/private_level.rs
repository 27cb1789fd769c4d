//! A level from a vendor's object, and the row of the standard table that it belongs to.

use wire::reading::{Label, PrivateLevel, Supply};

use crate::reading::mib::{level_state, percent};

/// States of `prtMarkerSuppliesLevel` that may hide a number: some remains, or unknown.
const HIDING: [i64; 2] = [-3, -2];

/// Types of colorants; makers don't distinguish them strictly.
const COLORANTS: [&str; 5] = ["toner", "tonerCartridge", "ink", "inkCartridge", "inkRibbon"];

/// Colours that identify a supply.
const COLORS: [&str; 4] = ["black", "cyan", "magenta", "yellow"];

/// A level that was read.
pub(super) struct Found {
    /// Its object.
    pub(super) oid: String,
    pub(super) level: i64,
    /// The level of a full supply.
    pub(super) max: u32,
}

impl Found {
    /// Sets the level of a supply whose state hides a number, unless the state contradicts it: "some remains" is not
    /// 0, and a level above the maximum is invalid.
    pub(super) fn put_into(self, supply: &mut Supply) {
        let max = i64::from(self.max);
        let hidden = supply.level.is_some_and(|level| HIDING.contains(&level));
        let receptacle = supply.class.as_ref().is_some_and(|class| class.is("receptacleThatIsFilled"));
        if !hidden || receptacle || !(1..=max).contains(&self.level) {
            return;
        }
        supply.private =
            Some(PrivateLevel { oid: self.oid, standard_level: supply.level, standard_max: supply.max });
        supply.unit = (self.max == 100).then(|| Label::name("percent"));
        supply.level = Some(self.level);
        supply.level_state = Some(level_state(self.level));
        supply.max = Some(max);
        supply.percent = percent(self.level, max);
    }
}

/// The colour of a supply, from its colorant, else from its name.
pub(super) fn color<'a>(color: Option<&str>, name: Option<&str>) -> Option<&'a str> {
    let among = |text: &str| {
        let text = text.to_lowercase();
        let mut found = COLORS.into_iter().filter(|color| text.contains(color));
        // A name with two colours has none.
        found.next().filter(|_| found.next().is_none())
    };
    color.and_then(among).or_else(|| name.and_then(among))
}

/// Whether two types are of the same kind.
pub(super) fn is_alike(one: &str, other: &Label) -> bool {
    let colorant = |label: &str| COLORANTS.contains(&label);
    let Label::Name(other) = other else { return false };
    one == other || (colorant(one) && colorant(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(level: Option<i64>, class: &'static str) -> Supply {
        Supply {
            index: "1.1".into(),
            description: None,
            supply_type: None,
            class: Some(Label::name(class)),
            color: None,
            unit: None,
            level,
            level_state: level.map(level_state),
            max: Some(-2),
            percent: None,
            private: None,
        }
    }

    #[test]
    fn only_a_hidden_number_is_taken_and_both_are_kept() {
        let consumed = "supplyThatIsConsumed";
        let cases = [
            (-3, 40, consumed, Some(40.0)),
            (-2, 100, consumed, Some(100.0)),
            (-3, 1, consumed, Some(1.0)),
            (-3, 0, consumed, None),
            (-2, 0, consumed, None),
            (-3, 101, consumed, None),
            (-3, -100, consumed, None),
            (-1, 40, consumed, None),
            (0, 40, consumed, None),
            (7, 40, consumed, None),
            (-3, 40, "receptacleThatIsFilled", None),
        ];
        for (standard, level, class, percent) in cases {
            let mut supply = row(Some(standard), class);
            Found { oid: "1.9.5".into(), level, max: 100 }.put_into(&mut supply);
            assert_eq!(supply.percent, percent, "{standard} {level} {class}");
            let kept = supply.private.and_then(|private| private.standard_level);
            assert_eq!(kept, percent.map(|_| standard), "{standard} {level}");
        }
    }

    #[test]
    fn a_colour_is_the_colorants_or_else_the_names() {
        assert_eq!(color(Some("Cyan"), Some("Black Toner")), Some("cyan"));
        assert_eq!(color(None, Some("Magenta Toner Cartridge")), Some("magenta"));
        assert_eq!(color(Some("other"), Some("Drum")), None);
        assert_eq!(color(None, Some("Cyan/Magenta head")), None);
        assert!(is_alike("toner", &Label::name("inkCartridge")) && !is_alike("toner", &Label::name("opc")));
    }
}
