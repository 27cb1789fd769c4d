//! The two lanes of reports.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The two lanes; `urgent` is sent before `bulk`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Calls.
    Urgent,
    /// Everything else.
    Bulk,
}

impl Lane {
    /// Both lanes, in the order of sending.
    pub const ALL: [Self; 2] = [Self::Urgent, Self::Bulk];

    /// Name in paths and stores.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::Bulk => "bulk",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that is not a lane.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no lane with that name: expected urgent or bulk")]
pub struct NoSuchLane;

impl FromStr for Lane {
    type Err = NoSuchLane;

    fn from_str(text: &str) -> Result<Self, NoSuchLane> {
        Self::ALL.into_iter().find(|lane| lane.name() == text).ok_or(NoSuchLane)
    }
}

/// One value per lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lanes<T> {
    /// The value of the urgent lane.
    pub urgent: T,
    /// The value of the bulk lane.
    pub bulk: T,
}

impl<T> Lanes<T> {
    /// The value of a lane.
    pub fn of(&self, lane: Lane) -> &T {
        match lane {
            Lane::Urgent => &self.urgent,
            Lane::Bulk => &self.bulk,
        }
    }

    /// The value of a lane, mutable.
    pub fn of_mut(&mut self, lane: Lane) -> &mut T {
        match lane {
            Lane::Urgent => &mut self.urgent,
            Lane::Bulk => &mut self.bulk,
        }
    }
}
