//! Colorants: toner and ink. The error bits `lowToner` and `noToner` are about these only.

use wire::reading::{Label, Reading, Supply};

const TONER: [&str; 2] = ["toner", "tonerCartridge"];

const INK: [&str; 5] = ["ink", "inkCartridge", "inkRibbon", "solidWax", "ribbonWax"];

/// Types that carry no information.
const UNTYPED: [&str; 2] = ["other", "unknown"];

/// Whether the supply is of one of these types.
fn is_of(supply: &Supply, types: &[&str]) -> bool {
    supply.supply_type.as_ref().is_some_and(|own| types.iter().any(|name| own.is(name)))
}

/// Whether its type carries no information.
pub(super) fn is_untyped(supply: &Supply) -> bool {
    let numbered = |own: &Label| matches!(own, Label::Number(_));
    supply.supply_type.as_ref().is_none_or(|own| numbered(own) || UNTYPED.iter().any(|name| own.is(name)))
}

/// Whether it is filled by use, such as a waste toner box.
pub(super) fn is_receptacle(supply: &Supply) -> bool {
    let waste = ["wasteToner", "wasteInk", "wasteWax", "wasteWater"];
    supply.class.as_ref().is_some_and(|class| class.is("receptacleThatIsFilled")) || is_of(supply, &waste)
}

/// Whether its type is a colorant and it is consumed.
pub(super) fn is_typed_colorant(supply: &Supply) -> bool {
    (is_of(supply, &TONER) || is_of(supply, &INK)) && !is_receptacle(supply)
}

/// What a device prints with, as its supplies show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marking {
    /// Toner.
    Toner,
    /// Ink.
    Ink,
    /// Both, or unknown.
    Either,
}

impl Marking {
    /// What a device with supplies of these types prints with.
    #[must_use]
    pub fn of<'a>(types: impl Iterator<Item = &'a Label> + Clone) -> Self {
        let has = |names: &[&str]| types.clone().any(|own| names.iter().any(|name| own.is(name)));
        match (has(&TONER) || has(&["wasteToner"]), has(&INK) || has(&["wasteInk"])) {
            (true, false) => Self::Toner,
            (false, true) => Self::Ink,
            (true, true) | (false, false) => Self::Either,
        }
    }

    /// The text for operators.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Toner => "toner",
            Self::Ink => "ink",
            Self::Either => "toner or ink",
        }
    }
}

/// Whether each supply of a reading is a consumed toner or ink, in order. If no supply has such a type, those whose
/// type carries no information count.
pub(super) fn colorants(reading: &Reading) -> Vec<bool> {
    let typed: Vec<bool> = reading.supplies.iter().map(is_typed_colorant).collect();
    if typed.contains(&true) {
        return typed;
    }
    reading.supplies.iter().map(|supply| is_untyped(supply) && !is_receptacle(supply)).collect()
}
