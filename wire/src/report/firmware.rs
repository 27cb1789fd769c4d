//! Steps of a firmware update, and what a device waits for.
//!
//! The data of a step are part of its type: *verified* contains the version that was read back from the device, so
//! that a report without it can't be created or parsed.

use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{DeviceId, RolloutId};

/// A step of a firmware update, or the reason why the next step waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "OnTheWire", into = "OnTheWire")]
pub struct FirmwareState {
    /// The roll-out.
    pub rollout: RolloutId,
    /// The device; absent if the report is about the whole gateway (staging).
    pub device: Option<DeviceId>,
    /// The step, or the wait.
    pub progress: FirmwareProgress,
    /// When it was reached.
    pub at: Timestamp,
    /// The version before the push.
    pub version_before: Option<String>,
    /// The text for operators: the reason of a failure, the bytes staged, the number of attempts. Maximum
    /// [`crate::limits::FIRMWARE_DETAIL_CHARS`] characters.
    pub detail: String,
    /// The text of the device's panel, if it explains the state. Maximum [`crate::limits::FIRMWARE_PANEL_CHARS`]
    /// characters.
    pub panel: String,
}

/// A step with its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirmwareProgress {
    /// No new step: the reason why the next step waits. Every later report about the same device supersedes it.
    Waiting(WaitReason),
    /// The image is staged on the gateway, digest and signature verified.
    Staged,
    /// The image was pushed to the device.
    Pushed,
    /// The device shows the new version. Final.
    Verified {
        /// The version, as read back from the device.
        version: String,
    },
    /// It failed. Final.
    Failed {
        /// The version that the device shows, if it was read.
        version: Option<String>,
    },
    /// It was cancelled before it was pushed. Final.
    Cancelled,
}

impl FirmwareProgress {
    /// The step without its data.
    #[must_use]
    pub const fn step(&self) -> FirmwareStep {
        match self {
            Self::Waiting(_) => FirmwareStep::Waiting,
            Self::Staged => FirmwareStep::Staged,
            Self::Pushed => FirmwareStep::Pushed,
            Self::Verified { .. } => FirmwareStep::Verified,
            Self::Failed { .. } => FirmwareStep::Failed,
            Self::Cancelled => FirmwareStep::Cancelled,
        }
    }

    /// [`FirmwareProgress::version`], mutable, to be truncated.
    pub(super) fn version_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Verified { version } => Some(version),
            Self::Failed { version } => version.as_mut(),
            Self::Waiting(_) | Self::Staged | Self::Pushed | Self::Cancelled => None,
        }
    }

    /// The version that was read back from the device.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        match self {
            Self::Verified { version } => Some(version),
            Self::Failed { version } => version.as_deref(),
            Self::Waiting(_) | Self::Staged | Self::Pushed | Self::Cancelled => None,
        }
    }
}

/// Steps of a firmware update, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirmwareStep {
    /// No step: the reason why the next step waits.
    Waiting,
    /// The image is staged on the gateway, digest and signature verified.
    Staged,
    /// The image was pushed to the device.
    Pushed,
    /// The device shows the new version. Final.
    Verified,
    /// It failed; `detail` has the reason. Final.
    Failed,
    /// It was cancelled before it was pushed. Final.
    Cancelled,
}

impl FirmwareStep {
    /// Name on the wire and in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Staged => "staged",
            Self::Pushed => "pushed",
            Self::Verified => "verified",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What a device of a roll-out waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// The roll-out's date.
    Date,
    /// The gateway's next poll, which delivers the command; used only by the server.
    Poll,
    /// The image, which is being staged.
    Staging,
    /// Another device of the gateway, which is being updated.
    Turn,
    /// A response: the device is off, or not reachable.
    NoAnswer,
    /// The device was set offline at its panel.
    Offline,
    /// The device prints, warms up or does something else.
    Busy,
    /// The device requests service.
    ServiceCall,
    /// Paper is jammed.
    Jam,
    /// A cover or door is open.
    CoverOpen,
    /// The device refused the connection for the push; it is retried.
    NoConnection,
    /// The image was pushed; the device installs it and restarts.
    Restarting,
    /// The global server's confirmation that the image is still published.
    Confirmation,
    /// A reason that is unknown to this version.
    #[serde(other)]
    Other,
}

/// A text that is not a reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no such reason to wait: expected one of {}", WaitReason::ALL.map(WaitReason::name).join(", "))]
pub struct NoSuchReason;

impl WaitReason {
    /// All reasons.
    pub const ALL: [Self; 14] = [
        Self::Date,
        Self::Poll,
        Self::Staging,
        Self::Turn,
        Self::NoAnswer,
        Self::Offline,
        Self::Busy,
        Self::ServiceCall,
        Self::Jam,
        Self::CoverOpen,
        Self::NoConnection,
        Self::Restarting,
        Self::Confirmation,
        Self::Other,
    ];

    /// Name on the wire and in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Poll => "poll",
            Self::Staging => "staging",
            Self::Turn => "turn",
            Self::NoAnswer => "no_answer",
            Self::Offline => "offline",
            Self::Busy => "busy",
            Self::ServiceCall => "service_call",
            Self::Jam => "jam",
            Self::CoverOpen => "cover_open",
            Self::NoConnection => "no_connection",
            Self::Restarting => "restarting",
            Self::Confirmation => "confirmation",
            Self::Other => "other",
        }
    }

    /// The text for operators.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Date => "waits for its date",
            Self::Poll => "waits for the gateway's next poll, which delivers the command",
            Self::Staging => "waits for the image, which is being staged",
            Self::Turn => "waits for its turn: a gateway updates one device at a time",
            Self::NoAnswer => "waits: the device does not respond",
            Self::Offline => "waits: the device was set offline at its panel",
            Self::Busy => "waits: the device is busy",
            Self::ServiceCall => "waits: service call",
            Self::Jam => "waits: paper jam",
            Self::CoverOpen => "waits: a cover is open",
            Self::NoConnection => "waits: no connection for the push, will be retried",
            Self::Restarting => "restarting",
            Self::Confirmation => {
                "waits: the global server does not confirm that the image is still published"
            }
            Self::Other => "waits",
        }
    }
}

impl FromStr for WaitReason {
    type Err = NoSuchReason;

    fn from_str(text: &str) -> Result<Self, NoSuchReason> {
        Self::ALL.into_iter().find(|reason| reason.name() == text).ok_or(NoSuchReason)
    }
}

/// A step without the data that it requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFirmwareState {
    /// Verified without a version.
    #[error(
        "step is \"verified\" without version_now: expected the version that was read back from the device"
    )]
    NoVersion,
    /// Verified without a device.
    #[error("step is \"verified\" without device: expected the device whose version was read")]
    NoDevice,
    /// Waiting without a reason.
    #[error("step is \"waiting\" without waiting_for: expected the reason")]
    NoReason,
}

/// The fields in JSON. Fields that were added after the first version are optional.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OnTheWire {
    rollout: RolloutId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device: Option<DeviceId>,
    step: FirmwareStep,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waiting_for: Option<WaitReason>,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version_before: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version_now: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    detail: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    panel: String,
}

impl TryFrom<OnTheWire> for FirmwareState {
    type Error = InvalidFirmwareState;

    fn try_from(raw: OnTheWire) -> Result<Self, InvalidFirmwareState> {
        let progress = match raw.step {
            FirmwareStep::Waiting => {
                FirmwareProgress::Waiting(raw.waiting_for.ok_or(InvalidFirmwareState::NoReason)?)
            }
            FirmwareStep::Staged => FirmwareProgress::Staged,
            FirmwareStep::Pushed => FirmwareProgress::Pushed,
            FirmwareStep::Verified => {
                if raw.device.is_none() {
                    return Err(InvalidFirmwareState::NoDevice);
                }
                let version = raw.version_now.filter(|version| !version.trim().is_empty());
                FirmwareProgress::Verified { version: version.ok_or(InvalidFirmwareState::NoVersion)? }
            }
            FirmwareStep::Failed => FirmwareProgress::Failed { version: raw.version_now },
            FirmwareStep::Cancelled => FirmwareProgress::Cancelled,
        };
        Ok(Self {
            rollout: raw.rollout,
            device: raw.device,
            progress,
            at: raw.at,
            version_before: raw.version_before,
            detail: raw.detail,
            panel: raw.panel,
        })
    }
}

impl From<FirmwareState> for OnTheWire {
    fn from(state: FirmwareState) -> Self {
        let waiting_for = match state.progress {
            FirmwareProgress::Waiting(reason) => Some(reason),
            FirmwareProgress::Staged
            | FirmwareProgress::Pushed
            | FirmwareProgress::Verified { .. }
            | FirmwareProgress::Failed { .. }
            | FirmwareProgress::Cancelled => None,
        };
        Self {
            rollout: state.rollout,
            device: state.device,
            step: state.progress.step(),
            waiting_for,
            at: state.at,
            version_before: state.version_before,
            version_now: state.progress.version().map(str::to_owned),
            detail: state.detail,
            panel: state.panel,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;

    fn parsed(members: &str) -> Result<FirmwareState, String> {
        let json = format!(
            r#"{{"kind":"firmware_state","rollout":"01980000-0000-7000-8000-000000000001",
                "at":"2026-01-01T00:00:00Z",{members}}}"#
        );
        match serde_json::from_str(&json) {
            Ok(Report::FirmwareState(state)) => Ok(state),
            Ok(other) => Err(format!("{other:?}")),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn verified_without_the_version_that_was_read_is_no_report() {
        for lacking in [
            r#""step":"verified","device":"a:1""#,
            r#""step":"verified","device":"a:1","version_now":"  ""#,
            r#""step":"verified","version_now":"2.0""#,
            r#""step":"waiting","device":"a:1""#,
            r#""step":"verified","device":"a:1","version_now":"2.0","verion":"2.0""#,
        ] {
            let error = parsed(lacking).unwrap_err();
            assert!(error.contains("expected"), "{lacking}: {error}");
        }
    }

    #[test]
    fn a_former_gateways_reports_are_understood() {
        let verified = parsed(r#""step":"verified","device":"a:1","version_before":"1","version_now":"2.0""#);
        assert_eq!(verified.unwrap().progress, FirmwareProgress::Verified { version: "2.0".into() });
        let failed = parsed(r#""step":"failed","device":"a:1","detail":"broke""#).unwrap();
        assert_eq!((failed.progress.version(), failed.panel.as_str()), (None, ""));
        assert_eq!(
            parsed(r#""step":"staged","detail":"9 bytes""#).unwrap().progress,
            FirmwareProgress::Staged
        );
    }

    #[test]
    fn every_state_is_written_and_read_back() {
        let waiting = WaitReason::ALL.map(FirmwareProgress::Waiting);
        let steps = [
            FirmwareProgress::Staged,
            FirmwareProgress::Pushed,
            FirmwareProgress::Verified { version: "2.0".into() },
            FirmwareProgress::Failed { version: Some("1.0".into()) },
            FirmwareProgress::Cancelled,
        ];
        for progress in waiting.into_iter().chain(steps) {
            let state = FirmwareState {
                progress,
                panel: "Ready".into(),
                ..parsed(r#""step":"pushed","device":"a:1""#).unwrap()
            };
            let json = serde_json::to_string(&Report::FirmwareState(state.clone())).unwrap();
            assert_eq!(
                serde_json::from_str::<Report>(&json).unwrap(),
                Report::FirmwareState(state),
                "{json}"
            );
        }
        let later = parsed(r#""step":"waiting","device":"a:1","waiting_for":"moonlight""#).unwrap();
        assert_eq!(later.progress, FirmwareProgress::Waiting(WaitReason::Other));
        for reason in WaitReason::ALL {
            assert_eq!(reason.name().parse(), Ok(reason));
        }
    }
}
