//! Devices: what is known of each, and when a reading must be reported.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use wire::ids::{DeviceId, InvalidId};
use wire::reading::{Identity, Label, Reading};
use wire::report::{CallKind, InformationReason, device_id};

use crate::access::Access;
use crate::calls::CallState;
use crate::firmware::DeviceView;

pub use last_reading::LastReading;
pub use recognition::{AddressRole, Finding, FindingKind, Recognition, Sighting, recognise};

mod last_reading;
mod recognition;

/// Minimum time between two reports of changes of a device, unless the server waits for one.
const CHANGE_PAUSE: SignedDuration = SignedDuration::from_secs(60);

/// A known device; stored in the spool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceRecord {
    /// Its id.
    pub device: DeviceId,
    /// Where it was read, `ADDR:PORT`.
    pub address: std::net::SocketAddr,
    /// The last full reading.
    pub reading: LastReading,
    /// When it last responded to any request.
    pub answered_at: Timestamp,
    /// Its open calls, and the history that calls are derived from.
    #[serde(default)]
    pub calls: CallState,
    /// What was last reported, and when.
    #[serde(default)]
    pub reported: Option<Reported>,
    /// When a call last opened or ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called_at: Option<Timestamp>,
    /// The access that worked, and the agent's quirks.
    #[serde(default)]
    pub access: Option<Access>,
    /// Findings about its identity.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Noted>,
}

/// A finding, and when it was first made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// When it was first made.
    pub at: Timestamp,
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
}

/// Maximum number of findings of a device.
const FINDINGS: usize = 8;

impl DeviceRecord {
    /// Whether a call was made after the last report: its reader needs the current reading.
    #[must_use]
    pub(crate) fn owes_reading(&self) -> bool {
        self.reported.as_ref().zip(self.called_at).is_some_and(|(reported, called)| called >= reported.at)
    }

    /// Why a reading must be reported, if it must. `whole` is whether everything was read.
    #[must_use]
    pub(crate) fn report_trigger(
        &self,
        reading: &Reading,
        whole: bool,
        now: Timestamp,
    ) -> Option<ReportTrigger> {
        let Some(reported) = &self.reported else {
            return Some(ReportTrigger { reason: InformationReason::Found, at_once: false });
        };
        let pause = now.duration_since(reported.at);
        // A clock that was set back must not suppress reports indefinitely.
        let rested = pause >= CHANGE_PAUSE || pause < SignedDuration::ZERO;
        // An identity changes rarely: after a firmware update, the operator waits for it.
        let at_once = self.owes_reading() || (whole && reported.identity != reading.identity);
        ((rested || at_once) && reported.differs(&Reported::of(reading, now), whole))
            .then_some(ReportTrigger { reason: InformationReason::Changed, at_once })
    }

    /// Whether no call reports it as offline.
    #[must_use]
    pub fn is_online(&self) -> bool {
        !self.calls.has_open(CallKind::DeviceOffline)
    }

    /// The view of a firmware update on the device.
    #[must_use]
    pub fn view(&self) -> DeviceView<'_> {
        DeviceView {
            answers: self.is_online() && self.calls.answers(),
            status: self.reading.status(),
            version: self.reading.identity().firmware_version(),
        }
    }

    /// Adds a finding. Returns whether it is new.
    pub(crate) fn note(&mut self, finding: Finding, at: Timestamp) -> bool {
        if self.findings.iter().any(|noted| noted.finding == finding) {
            return false;
        }
        // A finding of the same kind replaces the former one.
        self.findings.retain(|noted| noted.finding.kind != finding.kind);
        self.findings.push(Noted { at, finding });
        self.findings.truncate(FINDINGS);
        true
    }
}

/// Why a reading must be reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReportTrigger {
    /// The reason in the report.
    pub reason: InformationReason,
    /// Whether it is sent before the next poll.
    pub at_once: bool,
}

/// The parts of a reading that are compared to find changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reported {
    /// When it was reported.
    pub at: Timestamp,
    identity: Identity,
    address: String,
    device_status: Option<Label>,
    errors: Vec<String>,
    supplies: Vec<(String, Option<i64>)>,
    alerts: Vec<(Option<i64>, Option<i64>)>,
}

impl Reported {
    /// Idle, printing and warming up are one state here: they change with every job.
    #[must_use]
    pub fn of(reading: &Reading, at: Timestamp) -> Self {
        let mut errors: Vec<String> =
            reading.status.detected_errors.iter().map(ToString::to_string).collect();
        errors.sort();
        let mut alerts: Vec<_> = reading.alerts.iter().map(|alert| (alert.group, alert.code)).collect();
        alerts.sort_unstable();
        alerts.dedup();
        Self {
            at,
            identity: reading.identity.clone(),
            address: reading.address.clone(),
            device_status: reading.status.device.clone(),
            errors,
            supplies: reading
                .supplies
                .iter()
                .map(|s| (s.index.clone(), s.percent.map(whole_points)))
                .collect(),
            alerts,
        }
    }

    /// Whether a newer reading differs; `whole` is whether everything was read. A status reading lacks parts of a
    /// full one.
    #[must_use]
    pub(crate) fn differs(&self, newer: &Self, whole: bool) -> bool {
        let identity = whole && (self.identity != newer.identity || self.address != newer.address);
        let supplies = (whole || !newer.supplies.is_empty()) && self.supplies != newer.supplies;
        identity
            || supplies
            || self.device_status != newer.device_status
            || self.errors != newer.errors
            || self.alerts != newer.alerts
    }
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to 0..=100 before")]
fn whole_points(percent: f64) -> i64 {
    if percent.is_finite() { percent.clamp(0.0, 100.0).round() as i64 } else { 0 }
}

/// The id of the device that a reading shows.
///
/// # Errors
/// Nothing in the reading is usable as an id.
pub(crate) fn identify(reading: &Reading) -> Result<DeviceId, InvalidId> {
    let identity = &reading.identity;
    device_id(
        identity.vendor.as_deref(),
        identity.serial.as_deref(),
        identity.mac.as_deref(),
        &reading.address,
    )
}

/// Whether an id was made without a serial number, and is replaced once there is one.
#[must_use]
pub(crate) fn is_provisional_id(device: &DeviceId) -> bool {
    let id = device.as_str();
    id.starts_with("addr:") || id.starts_with("mac:")
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A reading with nothing but a model.
    pub(crate) fn reading() -> Reading {
        Reading {
            address: "10.0.0.1".into(),
            read_at: Timestamp::UNIX_EPOCH,
            took_ms: 0,
            requests: 1,
            identity: Identity { model: Some("M".into()), ..Identity::default() },
            status: wire::reading::Status::default(),
            counters: [].into(),
            counter_unit: None,
            evidence: [].into(),
            marker_life: None,
            supplies: vec![],
            trays: vec![],
            covers: vec![],
            alerts: vec![],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;
    use wire::reading::{LevelState, Status, Supply};

    fn reading(errors: &'static str, printer: &'static str, percent: f64) -> Reading {
        Reading {
            status: Status {
                device: Some(Label::name("running")),
                printer: Some(Label::name(printer)),
                detected_errors: if errors.is_empty() { vec![] } else { vec![Cow::Borrowed(errors)] },
                console: vec![],
            },
            supplies: vec![Supply {
                index: "1.1".into(),
                description: None,
                supply_type: None,
                class: None,
                color: None,
                unit: None,
                level: Some(1),
                level_state: Some(LevelState::Units),
                max: Some(100),
                percent: Some(percent),
                private: None,
            }],
            ..testing::reading()
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn record(reported: Option<Reported>, called_at: Option<Timestamp>) -> DeviceRecord {
        DeviceRecord {
            device: "a:1".parse().unwrap(),
            address: "127.0.0.1:161".parse().unwrap(),
            reading: LastReading::of(&testing::reading()),
            answered_at: at(0),
            calls: CallState::default(),
            reported,
            called_at,
            access: None,
            findings: vec![],
        }
    }

    const CHANGED: Option<ReportTrigger> =
        Some(ReportTrigger { reason: InformationReason::Changed, at_once: false });
    const AT_ONCE: Option<ReportTrigger> =
        Some(ReportTrigger { reason: InformationReason::Changed, at_once: true });

    #[test]
    fn changes_that_matter_are_reported_once_a_minute() {
        let first = reading("", "idle", 50.2);
        let found = record(None, None).report_trigger(&first, true, at(0));
        assert_eq!(found, Some(ReportTrigger { reason: InformationReason::Found, at_once: false }));
        let record = record(Some(Reported::of(&first, at(0))), None);
        for (newer, seconds, expected) in [
            (reading("", "printing", 50.4), 100, None),
            (reading("", "idle", 49.0), 100, CHANGED),
            (reading("", "idle", 49.0), 30, None),
            (reading("jammed", "idle", 50.0), 100, CHANGED),
            (reading("jammed", "idle", 50.0), -100_000, CHANGED),
        ] {
            assert_eq!(record.report_trigger(&newer, true, at(seconds)), expected, "{newer:?}");
        }
        let mut part = first.clone();
        part.identity = Identity::default();
        part.supplies.clear();
        assert_eq!(record.report_trigger(&part, false, at(100)), None);
        assert_eq!(record.report_trigger(&part, true, at(10)), AT_ONCE, "another identity");
    }

    #[test]
    fn a_call_takes_the_reading_along() {
        let first = reading("", "idle", 50.0);
        for (called, percent, expected) in [
            (Some(at(31)), 9.0, AT_ONCE),
            (Some(at(30)), 9.0, AT_ONCE),
            (Some(at(29)), 9.0, None),
            (Some(at(31)), 50.0, None),
            (None, 9.0, None),
        ] {
            let record = record(Some(Reported::of(&first, at(30))), called);
            let newer = reading("", "idle", percent);
            assert_eq!(record.report_trigger(&newer, true, at(32)), expected, "{called:?} {percent}");
        }
    }
}
