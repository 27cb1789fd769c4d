//! Firmware roll-outs: which devices, how far each is, and how far the whole is.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use wire::limits::COMMAND_DEVICES;
use wire::model::same_model;
use wire::report::FirmwareStep;

/// How far a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceStep {
    /// Nothing was heard.
    Pending,
    /// What the gateway reported last.
    Reported(FirmwareStep),
}

/// A step or a state that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a roll-out has no {given:?}")]
pub struct NoSuchStep {
    given: String,
}

impl DeviceStep {
    const ALL: [Self; 6] = [
        Self::Pending,
        Self::Reported(FirmwareStep::Staged),
        Self::Reported(FirmwareStep::Pushed),
        Self::Reported(FirmwareStep::Verified),
        Self::Reported(FirmwareStep::Failed),
        Self::Reported(FirmwareStep::Cancelled),
    ];

    /// Name in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Reported(step) => step.name(),
        }
    }

    /// Whether nothing more is awaited.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Reported(FirmwareStep::Verified | FirmwareStep::Failed | FirmwareStep::Cancelled)
        )
    }

    /// The step after a report. A device that shows the new version is done, whatever was believed before; a push
    /// that came before its cancellation is not hidden by it; else steps only go forward.
    #[must_use]
    pub fn after(self, report: FirmwareStep) -> Self {
        use FirmwareStep::{Cancelled, Failed, Pushed, Staged, Verified};
        let Self::Reported(now) = self else { return Self::Reported(report) };
        let next = match (now, report) {
            (Verified, _) | (_, Verified) => Verified,
            (Failed, _) => Failed,
            (Cancelled, Staged | Cancelled) => Cancelled,
            (Cancelled, Pushed) => Pushed,
            (Staged | Pushed | Cancelled, Failed) => Failed,
            (Staged, Cancelled) => Cancelled,
            (Pushed, Staged | Pushed | Cancelled) | (Staged, Pushed) => Pushed,
            (Staged, Staged) => Staged,
        };
        Self::Reported(next)
    }
}

impl FromStr for DeviceStep {
    type Err = NoSuchStep;

    fn from_str(text: &str) -> Result<Self, NoSuchStep> {
        let given = || NoSuchStep { given: text.chars().take(40).collect() };
        Self::ALL.into_iter().find(|step| step.name() == text).ok_or_else(given)
    }
}

/// How far a roll-out is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RolloutState {
    /// Its date is to come.
    Scheduled,
    /// Some device isn't at its end.
    Running,
    /// Every device shows the new version.
    Done,
    /// Every device is at its end, and some failed.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl RolloutState {
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

impl fmt::Display for RolloutState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How many devices are at which step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Not at their end.
    pub open: u64,
    /// Of those, the ones of which nothing was heard.
    pub pending: u64,
    /// Show the new version.
    pub verified: u64,
    /// Failed.
    pub failed: u64,
    /// Cancelled.
    pub cancelled: u64,
}

impl Progress {
    /// Counts devices that are at a step.
    pub const fn count(&mut self, step: DeviceStep, devices: u64) {
        match step {
            DeviceStep::Pending => {
                self.open += devices;
                self.pending += devices;
            }
            DeviceStep::Reported(FirmwareStep::Staged | FirmwareStep::Pushed) => self.open += devices,
            DeviceStep::Reported(FirmwareStep::Verified) => self.verified += devices,
            DeviceStep::Reported(FirmwareStep::Failed) => self.failed += devices,
            DeviceStep::Reported(FirmwareStep::Cancelled) => self.cancelled += devices,
        }
    }

    /// All devices.
    #[must_use]
    pub const fn devices(&self) -> u64 {
        self.open + self.verified + self.failed + self.cancelled
    }

    /// How far the whole is.
    #[must_use]
    pub fn state(&self, not_before: Timestamp, now: Timestamp) -> RolloutState {
        if self.open > 0 {
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

/// A device that may be updated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its gateway.
    pub gateway: String,
    /// Its id.
    pub device: String,
    /// Vendor's short name.
    pub vendor: String,
    /// Model as it says it.
    pub model: String,
    /// Firmware version that it shows.
    pub version: String,
}

/// The devices of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The gateway.
    pub gateway: String,
    /// Its devices, at most [`COMMAND_DEVICES`].
    pub devices: Vec<Candidate>,
}

/// Chooses the devices of a vendor's model that don't show the version yet, and shares them out to commands.
#[must_use]
pub fn share_out(candidates: Vec<Candidate>, vendor: &str, model: &str, version: &str) -> Vec<Share> {
    let mut by_gateway: BTreeMap<String, Vec<Candidate>> = BTreeMap::new();
    for candidate in candidates {
        let own =
            candidate.vendor.eq_ignore_ascii_case(vendor) && same_model(vendor, &candidate.model, model);
        if own && candidate.version.trim() != version.trim() {
            by_gateway.entry(candidate.gateway.clone()).or_default().push(candidate);
        }
    }
    let mut shares = Vec::new();
    for (gateway, devices) in by_gateway {
        for devices in devices.chunks(COMMAND_DEVICES) {
            shares.push(Share { gateway: gateway.clone(), devices: devices.to_vec() });
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    const STEPS: [FirmwareStep; 5] = [
        FirmwareStep::Staged,
        FirmwareStep::Pushed,
        FirmwareStep::Verified,
        FirmwareStep::Failed,
        FirmwareStep::Cancelled,
    ];

    #[test]
    fn every_step_after_every_report_is_decided() {
        let table = [
            ("pending", ["staged", "pushed", "verified", "failed", "cancelled"]),
            ("staged", ["staged", "pushed", "verified", "failed", "cancelled"]),
            ("pushed", ["pushed", "pushed", "verified", "failed", "pushed"]),
            ("verified", ["verified"; 5]),
            ("failed", ["failed", "failed", "verified", "failed", "failed"]),
            ("cancelled", ["cancelled", "pushed", "verified", "failed", "cancelled"]),
        ];
        assert_eq!(table.map(|row| row.0), DeviceStep::ALL.map(DeviceStep::name));
        for (from, expected) in table {
            let from: DeviceStep = from.parse().unwrap();
            assert_eq!(STEPS.map(|report| from.after(report).name()), expected, "{from:?}");
        }
    }

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

    #[test]
    fn only_devices_of_the_model_that_lack_the_version_are_shared_out() {
        let candidate = |gateway: &str, device: &str, model: &str, version: &str| Candidate {
            gateway: gateway.to_owned(),
            device: device.to_owned(),
            vendor: "ricoh".to_owned(),
            model: model.to_owned(),
            version: version.to_owned(),
        };
        let candidates = vec![
            candidate("g2", "d1", "IM C3000", "1.0"),
            candidate("g1", "d2", "IM-C3000", "1.0"),
            candidate("g1", "d3", "IM C3000", "2.0"),
            candidate("g1", "d4", "IM C4500", "1.0"),
            candidate("g3", "d5", "RICOH IM C3000 Series", "1.0"),
        ];
        let shares = share_out(candidates, "Ricoh", "IM C3000", "2.0");
        let names: Vec<_> =
            shares.iter().map(|s| (s.gateway.as_str(), s.devices[0].device.as_str())).collect();
        assert_eq!(names, [("g1", "d2"), ("g2", "d1"), ("g3", "d5")]);
        assert!(shares.iter().all(|s| s.devices.len() == 1));
    }

    #[test]
    fn no_command_names_more_devices_than_the_wire_allows() {
        let many = (0..COMMAND_DEVICES + 1).map(|n| Candidate {
            gateway: "g".to_owned(),
            device: n.to_string(),
            vendor: "v".to_owned(),
            model: "m".to_owned(),
            version: String::new(),
        });
        let shares = share_out(many.collect(), "v", "m", "1");
        assert_eq!(shares.iter().map(|s| s.devices.len()).collect::<Vec<_>>(), [COMMAND_DEVICES, 1]);
    }
}
