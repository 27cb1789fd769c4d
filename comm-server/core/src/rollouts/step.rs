//! The step of a device, and its change by each event.
//!
//! A device's own reports take precedence over what is derived from the end of a command: a reported final step is
//! never overwritten by a command's summary, whichever arrives first.

use std::borrow::Cow;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use wire::report::{FirmwareProgress, FirmwareState, FirmwareStep};

/// The step of a device in a roll-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceStep {
    /// No step was reported.
    Pending,
    /// The image is at its gateway.
    Staged,
    /// The image was pushed to it.
    Pushed,
    /// It shows the new version.
    Verified,
    /// It failed.
    Failed,
    /// It was cancelled before the push.
    Cancelled,
}

/// An unknown step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a step of a roll-out: expected one of {}", DeviceStep::ALL.map(DeviceStep::name).join(", "))]
pub struct NoSuchStep {
    given: String,
}

impl DeviceStep {
    /// All steps.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Staged, Self::Pushed, Self::Verified, Self::Failed, Self::Cancelled];

    /// Name in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Staged => "staged",
            Self::Pushed => "pushed",
            Self::Verified => "verified",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether no further step is expected.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Verified | Self::Failed | Self::Cancelled)
    }
}

impl FromStr for DeviceStep {
    type Err = NoSuchStep;

    fn from_str(text: &str) -> Result<Self, NoSuchStep> {
        let given = || NoSuchStep { given: text.chars().take(40).collect() };
        Self::ALL.into_iter().find(|step| step.name() == text).ok_or_else(given)
    }
}

/// The step of a device, and whether it is presumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Standing {
    /// Its step.
    pub step: DeviceStep,
    /// Whether the step is derived from the state of the gateway's command or staging: the device's own report, which
    /// may arrive later, replaces it.
    pub presumed: bool,
}

/// An event of a device in a roll-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepEvent {
    /// A report about the device.
    Device(FirmwareStep),
    /// A report about the whole gateway.
    Gateway(FirmwareStep),
    /// The gateway's command failed or expired.
    CommandEnded,
    /// An operator cancelled the roll-out.
    CancelOrdered,
}

impl Standing {
    /// The standing after an event. A device that shows the new version is done, whatever was presumed before. A push
    /// that was reported is not hidden by a cancellation. Otherwise steps only advance.
    #[must_use]
    pub fn after(self, event: StepEvent) -> Self {
        use DeviceStep::{Cancelled, Failed, Pending, Pushed, Staged, Verified};
        let known = |step| Self { step, presumed: false };
        match event {
            StepEvent::Device(report) => match (self.step, report) {
                (_, FirmwareStep::Waiting)
                | (Verified, _)
                | (Staged | Pushed | Failed | Cancelled, FirmwareStep::Staged)
                | (Failed, FirmwareStep::Pushed)
                | (Pushed, FirmwareStep::Cancelled) => self,
                (_, FirmwareStep::Verified) => known(Verified),
                (Pending, FirmwareStep::Staged) => known(Staged),
                (Pending | Staged | Pushed | Cancelled, FirmwareStep::Pushed) => known(Pushed),
                (Pending | Staged | Pushed | Failed | Cancelled, FirmwareStep::Failed) => known(Failed),
                (Pending | Staged | Cancelled, FirmwareStep::Cancelled) => known(Cancelled),
                (Failed, FirmwareStep::Cancelled) => {
                    if self.presumed {
                        known(Cancelled)
                    } else {
                        self
                    }
                }
            },
            StepEvent::Gateway(report) => match (self.step, report) {
                (Pending, FirmwareStep::Staged) => known(Staged),
                (Pending | Staged | Pushed, FirmwareStep::Failed) => Self { step: Failed, presumed: true },
                (Pending | Staged, FirmwareStep::Cancelled) => known(Cancelled),
                (
                    _,
                    FirmwareStep::Waiting
                    | FirmwareStep::Staged
                    | FirmwareStep::Pushed
                    | FirmwareStep::Verified
                    | FirmwareStep::Failed
                    | FirmwareStep::Cancelled,
                ) => self,
            },
            StepEvent::CommandEnded => match self.step {
                Pending | Staged | Pushed => Self { step: Failed, presumed: true },
                Verified | Failed | Cancelled => self,
            },
            StepEvent::CancelOrdered => match self.step {
                Pending | Staged => known(Cancelled),
                Pushed | Verified | Failed | Cancelled => self,
            },
        }
    }
}

/// The step that a report means in a roll-out of version `ordered`: *verified* with another version is a failure.
#[must_use]
pub fn checked<'a>(state: &'a FirmwareState, ordered: &str) -> Cow<'a, FirmwareState> {
    match &state.progress {
        FirmwareProgress::Verified { version } if version.trim() != ordered.trim() => {
            let read: String = version.chars().take(100).collect();
            let detail = format!("reported as verified with version {read}, but {ordered} was ordered");
            let progress = FirmwareProgress::Failed { version: Some(version.clone()) };
            Cow::Owned(FirmwareState { progress, detail, ..state.clone() })
        }
        FirmwareProgress::Waiting(_)
        | FirmwareProgress::Staged
        | FirmwareProgress::Pushed
        | FirmwareProgress::Verified { .. }
        | FirmwareProgress::Failed { .. }
        | FirmwareProgress::Cancelled => Cow::Borrowed(state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::subsequence;

    const REPORTS: [FirmwareStep; 6] = [
        FirmwareStep::Waiting,
        FirmwareStep::Staged,
        FirmwareStep::Pushed,
        FirmwareStep::Verified,
        FirmwareStep::Failed,
        FirmwareStep::Cancelled,
    ];

    fn name(standing: Standing) -> String {
        format!("{}{}", standing.step.name(), if standing.presumed { "?" } else { "" })
    }

    #[test]
    fn every_standing_after_every_event_is_decided() {
        let standings = DeviceStep::ALL.map(|step| Standing { step, presumed: false });
        let presumed = Standing { step: DeviceStep::Failed, presumed: true };
        // Own reports: waiting, staged, pushed, verified, failed, cancelled. The gateway's: the same. Command, cancel.
        let table = [
            "pending staged pushed verified failed cancelled \
             pending staged pending pending failed? cancelled failed? cancelled",
            "staged staged pushed verified failed cancelled \
             staged staged staged staged failed? cancelled failed? cancelled",
            "pushed pushed pushed verified failed pushed \
             pushed pushed pushed pushed failed? pushed failed? pushed",
            "verified verified verified verified verified verified \
             verified verified verified verified verified verified verified verified",
            "failed failed failed verified failed failed \
             failed failed failed failed failed failed failed failed",
            "cancelled cancelled pushed verified failed cancelled \
             cancelled cancelled cancelled cancelled cancelled cancelled cancelled cancelled",
            "failed? failed? failed? verified failed cancelled \
             failed? failed? failed? failed? failed? failed? failed? failed?",
        ];
        for (from, expected) in standings.into_iter().chain([presumed]).zip(table) {
            let events = REPORTS.map(StepEvent::Device).into_iter().chain(REPORTS.map(StepEvent::Gateway));
            let events = events.chain([StepEvent::CommandEnded, StepEvent::CancelOrdered]);
            let after: Vec<String> = events.map(|event| name(from.after(event))).collect();
            let expected: Vec<&str> = expected.split_whitespace().collect();
            assert_eq!(after, expected, "{}", name(from));
        }
    }

    fn history() -> impl Strategy<Value = Vec<FirmwareStep>> {
        use FirmwareStep::{Cancelled, Failed, Pushed, Staged, Verified, Waiting};
        prop::sample::select(vec![
            vec![Staged, Waiting, Cancelled],
            vec![Cancelled],
            vec![Staged, Waiting, Pushed, Waiting, Verified],
            vec![Staged, Pushed, Waiting, Failed],
            vec![Waiting, Failed],
            vec![Verified],
        ])
    }

    proptest! {
        /// In whichever order a command's end, a cancellation and a device's own reports arrive: if the reports end
        /// with a final step, the device has that step.
        #[test]
        fn a_reported_end_stands_in_any_order_of_events(
            reports in history(),
            orders in subsequence(vec![StepEvent::CommandEnded, StepEvent::CancelOrdered, StepEvent::CommandEnded], 0..=3),
            places in prop::collection::vec(0_usize..8, 3),
        ) {
            let mut events: Vec<StepEvent> = reports.iter().copied().map(StepEvent::Device).collect();
            for (event, place) in orders.into_iter().zip(places) {
                events.insert(place.min(events.len()), event);
            }
            let end = events.iter().fold(Standing { step: DeviceStep::Pending, presumed: false }, |standing, event| standing.after(*event));
            prop_assert_eq!(end.step.name(), reports.last().unwrap().name(), "{:?}", events);
            prop_assert!(!end.presumed);
            prop_assert_eq!(end.after(StepEvent::CommandEnded), end);
        }
    }

    #[test]
    fn verified_with_another_version_counts_as_failed() {
        let state = |version: &str| FirmwareState {
            rollout: "01980000-0000-7000-8000-000000000001".parse().unwrap(),
            device: Some("a:1".parse().unwrap()),
            progress: FirmwareProgress::Verified { version: version.to_owned() },
            at: jiff::Timestamp::UNIX_EPOCH,
            version_before: None,
            detail: String::new(),
            panel: String::new(),
        };
        assert_eq!(checked(&state("2.0 "), "2.0").progress.step(), FirmwareStep::Verified);
        let wrong = state("1.9");
        let wrong = checked(&wrong, "2.0");
        assert_eq!(wrong.progress, FirmwareProgress::Failed { version: Some("1.9".to_owned()) });
        assert!(wrong.detail.contains("1.9") && wrong.detail.contains("2.0"), "{}", wrong.detail);
    }
}
