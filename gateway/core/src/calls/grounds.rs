//! Grounds: why a call is open. A call ends when its grounds are gone from what was read, and stays open while they
//! can't be seen.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::reading::Coverage;

/// One reason for an open call.
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

/// All grounds that were seen since the call opened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Grounds(BTreeSet<Ground>);

impl Grounds {
    /// The grounds whose flag is set.
    pub(super) fn of<const N: usize>(grounds: [(Ground, bool); N]) -> Self {
        Self(grounds.into_iter().filter_map(|(ground, there)| there.then_some(ground)).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn has(&self, ground: Ground) -> bool {
        self.0.contains(&ground)
    }

    /// Whether a level may be among them. An earlier version didn't store grounds.
    pub(super) fn may_be_a_level(&self) -> bool {
        self.is_empty() || self.has(Ground::Level)
    }

    pub(super) fn extend(&mut self, more: &Self) {
        self.0.extend(&more.0);
    }

    /// Whether the reading covers every place where these grounds would appear. A level that isn't shown has no such
    /// place.
    pub(super) fn were_read(&self, coverage: Coverage) -> bool {
        self.0.iter().all(|ground| match ground {
            Ground::Row => coverage.alerts,
            Ground::Level => false,
            Ground::Bit => coverage.errors,
            Ground::Console => coverage.console,
        })
    }

    /// The grounds that the device states itself: all but a level.
    pub(super) fn confirmed(&self) -> Self {
        Self(self.0.iter().copied().filter(|ground| *ground != Ground::Level).collect())
    }
}
