//! On what a call stands. It is over when that is gone from what was read, and stays open while it can't be seen.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::reading::Coverage;

/// What showed that a call holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ground {
    /// A row of `prtAlertTable`.
    Row,
    /// A supply's level.
    Level,
    /// A bit of `hrPrinterDetectedErrorState`.
    Bit,
    /// A line of the console.
    Console,
}

/// All that showed that a call holds since it was raised.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Grounds(BTreeSet<Ground>);

impl Grounds {
    /// Those of these that are there.
    pub(super) fn of<const N: usize>(grounds: [(Ground, bool); N]) -> Self {
        Self(grounds.into_iter().filter_map(|(ground, there)| there.then_some(ground)).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn has(&self, ground: Ground) -> bool {
        self.0.contains(&ground)
    }

    /// Whether a level may be among them. An earlier version didn't remember on what a call stands.
    pub(super) fn may_be_a_level(&self) -> bool {
        self.is_empty() || self.has(Ground::Level)
    }

    pub(super) fn extend(&mut self, more: &Self) {
        self.0.extend(&more.0);
    }

    /// Whether a look that saw none of them has read all places where they would be. A level that isn't shown is
    /// nowhere.
    pub(super) fn were_read(&self, coverage: Coverage) -> bool {
        self.0.iter().all(|ground| match ground {
            Ground::Row => coverage.alerts,
            Ground::Level => false,
            Ground::Bit => coverage.errors,
            Ground::Console => coverage.console,
        })
    }

    /// Those by which the device itself says so: all but a level.
    pub(super) fn confirmed(&self) -> Self {
        Self(self.0.iter().copied().filter(|ground| *ground != Ground::Level).collect())
    }
}
