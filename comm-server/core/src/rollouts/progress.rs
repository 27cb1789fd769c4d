//! The state of a whole roll-out: always derived from its devices.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::Serialize;

use super::step::DeviceStep;

/// The state of a roll-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RolloutState {
    /// Its date is in the future.
    Scheduled,
    /// Some device is not at a final step.
    Running,
    /// Every device shows the new version.
    Done,
    /// Every device is at a final step, and some failed.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl RolloutState {
    /// All states.
    pub const ALL: [Self; 5] = [Self::Scheduled, Self::Running, Self::Done, Self::Failed, Self::Cancelled];

    /// Whether some device is not at a final step: the roll-out can be cancelled, and no other one may include its
    /// devices.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Scheduled | Self::Running)
    }

    /// Name in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl FromStr for RolloutState {
    type Err = NoSuchRolloutState;

    fn from_str(text: &str) -> Result<Self, NoSuchRolloutState> {
        let given = || NoSuchRolloutState { given: text.chars().take(40).collect() };
        Self::ALL.into_iter().find(|state| state.name() == text).ok_or_else(given)
    }
}

/// An unknown state of a roll-out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a state of a roll-out: expected one of {}", RolloutState::ALL.map(RolloutState::name).join(", "))]
pub struct NoSuchRolloutState {
    given: String,
}

impl fmt::Display for RolloutState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The number of devices at each step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// No step was reported.
    pub pending: u64,
    /// The image is at their gateway.
    pub staged: u64,
    /// The image was pushed to them.
    pub pushed: u64,
    /// They show the new version.
    pub verified: u64,
    /// They failed.
    pub failed: u64,
    /// They were cancelled.
    pub cancelled: u64,
}

impl Progress {
    /// Adds devices that are at a step.
    pub const fn count(&mut self, step: DeviceStep, devices: u64) {
        match step {
            DeviceStep::Pending => self.pending += devices,
            DeviceStep::Staged => self.staged += devices,
            DeviceStep::Pushed => self.pushed += devices,
            DeviceStep::Verified => self.verified += devices,
            DeviceStep::Failed => self.failed += devices,
            DeviceStep::Cancelled => self.cancelled += devices,
        }
    }

    /// The number of devices that are not at a final step.
    #[must_use]
    pub const fn open(&self) -> u64 {
        self.pending + self.staged + self.pushed
    }

    /// The number of all devices.
    #[must_use]
    pub const fn devices(&self) -> u64 {
        self.open() + self.verified + self.failed + self.cancelled
    }

    /// The state of the whole.
    #[must_use]
    pub fn state(&self, not_before: Timestamp, now: Timestamp) -> RolloutState {
        if self.open() > 0 {
            let began = self.pending < self.devices() || now >= not_before;
            return if began { RolloutState::Running } else { RolloutState::Scheduled };
        }
        match (self.failed, self.cancelled) {
            (0, 0) => RolloutState::Done,
            (0, _) => RolloutState::Cancelled,
            (_, _) => RolloutState::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn the_whole_follows_from_its_devices() {
        let date = Timestamp::UNIX_EPOCH;
        let (before, after) = (date - SignedDuration::from_secs(1), date);
        let cases = [
            (vec!["pending", "pending"], before, "scheduled"),
            (vec!["pending", "pending"], after, "running"),
            (vec!["pending", "staged"], before, "running"),
            (vec!["verified", "pushed"], after, "running"),
            (vec!["verified", "verified"], before, "done"),
            (vec!["verified", "failed"], after, "failed"),
            (vec!["cancelled", "failed"], after, "failed"),
            (vec!["verified", "cancelled"], after, "cancelled"),
        ];
        for (steps, now, expected) in cases {
            let mut progress = Progress::default();
            for step in &steps {
                progress.count(step.parse().unwrap(), 1);
            }
            assert_eq!(progress.state(date, now).name(), expected, "{steps:?}");
            assert_eq!(progress.devices(), 2);
        }
    }
}
