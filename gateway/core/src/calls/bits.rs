//! The error bits `lowToner` and `noToner`. A device sets one for any toner or ink and doesn't state which.
//!
//! A bit is ignored if every consumed toner or ink shows a level, or if a row or level already explains it. If
//! exactly one supply shows no level, the bit is attributed to that one, else to the device.

use wire::report::CallKind;

use super::condition::Observation;
use super::grounds::Ground;
use super::judged::{END_HYSTERESIS, Judged};
use super::rows::{Stage, SupplyRow, only};

/// What a bit is attributed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// The supply at this position in the reading.
    Place(usize),
    /// The device: any of its supplies.
    Device,
}

/// What the two bits are attributed to; `None` for a bit that is not set or adds no information.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bits {
    pub(super) near: Option<Target>,
    pub(super) end: Option<Target>,
}

impl Bits {
    pub(super) fn of(observed: &Observation<'_>, judged: &[Judged<'_>], rows: &[SupplyRow<'_>]) -> Self {
        let all = All { observed, judged, rows };
        Self { near: all.near(), end: all.end() }
    }
}

struct All<'a> {
    observed: &'a Observation<'a>,
    judged: &'a [Judged<'a>],
    rows: &'a [SupplyRow<'a>],
}

impl All<'_> {
    fn colorants(&self) -> impl Iterator<Item = (usize, &Judged<'_>)> {
        self.judged.iter().enumerate().filter(|(_, own)| own.colors)
    }

    fn without_level(&self) -> impl Iterator<Item = (usize, &Judged<'_>)> {
        self.colorants().filter(|(_, own)| !own.shown)
    }

    /// Whether the supply table is incomplete: the bit may be about a row that was not read.
    fn is_cut(&self) -> bool {
        !self.observed.coverage.supplies
    }

    /// Whether an alert row about toner or ink matches no supply.
    fn unplaced(&self, stage: Stage) -> bool {
        self.rows.iter().any(|row| row.colors && row.stage == stage && row.place.is_none())
    }

    /// What the bit was attributed to when it opened its call.
    fn same_as_before(&self, call: CallKind) -> Option<Target> {
        let by_bit = |subject: &str| {
            self.observed.open_call(call, subject).is_some_and(|open| open.grounds.has(Ground::Bit))
        };
        let supply = self.without_level().find(|(_, own)| by_bit(&own.supply.index));
        let device = self.is_cut() && by_bit("");
        supply.map(|(at, _)| Target::Place(at)).or_else(|| device.then_some(Target::Device))
    }

    fn near(&self) -> Option<Target> {
        if !self.observed.has_bit("lowToner") {
            return None;
        }
        let same = self.same_as_before(CallKind::SupplyNearEnd);
        // At the end of a supply, devices set both bits.
        if same.is_some() || self.is_cut() || self.observed.has_bit("noToner") {
            return same;
        }
        let explains = |own: &Judged<'_>| own.near.shows() || own.end.shows();
        let explaining: Vec<&Judged<'_>> =
            self.colorants().map(|(_, own)| own).filter(|own| explains(own)).collect();
        if self.unplaced(Stage::Near) || self.unplaced(Stage::End) {
            return None;
        }
        if !explaining.is_empty() {
            return self.news(&explaining);
        }
        self.one_or_device()
    }

    /// Another toner or ink is already near its end, so the bit may be about that one. It is about a supply without a
    /// level if the bit appeared while the others didn't change, or if that supply lost its level together with it.
    fn news(&self, explaining: &[&Judged<'_>]) -> Option<Target> {
        let unchanged = |own: &&Judged<'_>| {
            let open = self.observed.open_call(CallKind::SupplyNearEnd, &own.supply.index);
            open.is_some() && own.memory.is_some_and(|memory| memory.percent == own.percent)
        };
        if self.observed.was_low == Some(false) && explaining.iter().all(unchanged) {
            return only(self.without_level()).map(|(at, _)| Target::Place(at));
        }
        let lost =
            |own: &Judged<'_>| own.memory.is_some_and(|memory| memory.percent.is_some() && !memory.silent);
        only(self.without_level().filter(|(_, own)| lost(own))).map(|(at, _)| Target::Place(at))
    }

    fn end(&self) -> Option<Target> {
        if !self.observed.has_bit("noToner") {
            return None;
        }
        let same = self.same_as_before(CallKind::SupplyEnd);
        let explained = || self.colorants().any(|(_, own)| own.end.shows()) || self.unplaced(Stage::End);
        if same.is_some() || self.is_cut() || explained() {
            return same;
        }
        let near =
            |own: &Judged<'_>| self.observed.open_call(CallKind::SupplyNearEnd, &own.supply.index).is_some();
        let nearly_empty = |own: &Judged<'_>| own.percent.is_some_and(|percent| percent <= END_HYSTERESIS);
        let suspect = only(self.without_level().filter(|(_, own)| near(own)))
            .or_else(|| only(self.colorants().filter(|(_, own)| nearly_empty(own))));
        suspect.map(|(at, _)| Target::Place(at)).or_else(|| self.one_or_device()).or_else(|| self.lowest())
    }

    /// If all show a level: the lowest one that is near its end. A full supply is not at its end, whatever the bit
    /// says.
    fn lowest(&self) -> Option<Target> {
        let near = self.colorants().filter(|(_, own)| own.near.shows());
        let levels = near.filter_map(|(at, own)| Some((own.percent?, at)));
        levels.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, at)| Target::Place(at))
    }

    fn one_or_device(&self) -> Option<Target> {
        let mut silent = self.without_level();
        match (silent.next(), silent.next()) {
            (Some((at, _)), None) => Some(Target::Place(at)),
            (Some(_), Some(_)) => Some(Target::Device),
            (None, _) => self.colorants().next().is_none().then_some(Target::Device),
        }
    }
}
