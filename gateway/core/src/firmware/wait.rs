//! What a device waits for, and how often that is reported.
//!
//! A reason is reported when it changes: the first time at once, then with growing pauses. A device that alternates
//! between two reasons thus adds a bounded number of reports to the spool of an offline gateway.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use wire::limits::{FIRMWARE_DETAIL_CHARS, FIRMWARE_PANEL_CHARS};
use wire::reading::Status;
use wire::report::WaitReason;
use wire::text::without_hidden;

/// Longest pause between two reports.
const REPORT_PAUSE_MAX: SignedDuration = SignedDuration::from_hours(1);

/// What a device waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The reason.
    pub reason: WaitReason,
    /// An addition to the reason, for operators.
    #[serde(default)]
    pub detail: String,
    /// The text of the device's panel.
    #[serde(default)]
    pub panel: String,
}

impl Wait {
    /// The texts are truncated to the limits of the wire.
    pub(super) fn new(reason: WaitReason, detail: &str, panel: &str) -> Self {
        Self {
            reason,
            detail: without_hidden(detail, FIRMWARE_DETAIL_CHARS),
            panel: without_hidden(panel, FIRMWARE_PANEL_CHARS),
        }
    }

    /// The text for operators.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = self.reason.text().to_owned();
        if !self.detail.is_empty() {
            text = format!("{text} ({})", self.detail);
        }
        if !self.panel.is_empty() {
            text = format!("{text}; its panel shows: {}", self.panel);
        }
        text
    }
}

/// The wait that was last reported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    wait: Option<Wait>,
    at: Option<Timestamp>,
    times: u32,
}

impl Reported {
    /// Whether `wait` must be reported now; if so, it counts as reported. The date is known to the server, and
    /// waiting for a turn is reported only if it replaces another reason: otherwise a roll-out of 10,000 devices
    /// would begin with 10,000 reports.
    pub(super) fn take(&mut self, wait: &Wait, now: Timestamp, pause: SignedDuration) -> bool {
        let by_itself = matches!(wait.reason, WaitReason::Date | WaitReason::Turn);
        if self.wait.as_ref() == Some(wait) || self.wait.is_none() && by_itself {
            return false;
        }
        let pause = super::pause(pause, REPORT_PAUSE_MAX.max(pause), self.times);
        if self.at.is_some_and(|at| now.duration_since(at) < pause) {
            return false;
        }
        *self = Self { wait: Some(wait.clone()), at: Some(now), times: self.times.saturating_add(1) };
        true
    }
}

/// What prevents a push to a device that responds; `None` if it is ready.
pub(super) fn in_the_way(status: &Status) -> Option<Wait> {
    let panel = panel(status);
    let reason = |reason| Some(Wait::new(reason, "", &panel));
    let has = |bit: &str| status.detected_errors.iter().any(|error| error == bit);
    // Errors that prevent a push, the most severe first.
    if has("serviceRequested") {
        return reason(WaitReason::ServiceCall);
    }
    if has("jammed") {
        return reason(WaitReason::Jam);
    }
    if has("doorOpen") {
        return reason(WaitReason::CoverOpen);
    }
    if has("offline") {
        return reason(WaitReason::Offline);
    }
    let printer = status.printer.as_ref()?;
    if printer.is("idle") || printer.is("other") {
        return None;
    }
    Some(Wait::new(WaitReason::Busy, &printer.to_string(), &panel))
}

/// The lines of a device's panel as one text.
pub(super) fn panel(status: &Status) -> String {
    let lines: Vec<&str> =
        status.console.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    without_hidden(&lines.join(" / "), FIRMWARE_PANEL_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::borrow::Cow;
    use wire::reading::Label;

    const PAUSE: SignedDuration = SignedDuration::from_secs(60);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn what_is_in_the_way_is_named_with_the_panels_text() {
        let status = |printer: &'static str, errors: &[&'static str]| Status {
            printer: Some(Label::name(printer)),
            detected_errors: errors.iter().map(|error| Cow::Borrowed(*error)).collect(),
            console: vec![" C7990 ".into(), String::new(), "Call service".into()],
            ..Status::default()
        };
        let table = [
            (status("idle", &[]), None),
            (status("other", &["lowToner"]), None),
            (status("printing", &[]), Some("waits: the device is busy (printing)")),
            (status("other", &["jammed", "serviceRequested"]), Some("waits: service call")),
            (status("idle", &["doorOpen", "jammed"]), Some("waits: paper jam")),
            (status("idle", &["doorOpen"]), Some("waits: a cover is open")),
            (status("idle", &["offline"]), Some("waits: the device was set offline at its panel")),
        ];
        for (status, expected) in table {
            let found = in_the_way(&status).map(|wait| wait.text());
            let expected = expected.map(|text| format!("{text}; its panel shows: C7990 / Call service"));
            assert_eq!(found, expected, "{status:?}");
        }
    }

    #[test]
    fn a_reason_is_reported_when_it_changes_and_ever_less_often() {
        let busy = Wait::new(WaitReason::Busy, "printing", "");
        let jam = Wait::new(WaitReason::Jam, "", "A1");
        let turn = Wait::new(WaitReason::Turn, "", "");
        let mut reported = Reported::default();
        assert!(!reported.take(&turn, at(0), PAUSE), "nothing was reported that it could supersede");
        assert!(reported.take(&busy, at(0), PAUSE));
        assert!(!reported.take(&busy, at(9999), PAUSE));
        assert!(!reported.take(&jam, at(59), PAUSE));
        assert!(reported.take(&jam, at(60), PAUSE));
        assert!(!reported.take(&turn, at(179), PAUSE));
        assert!(reported.take(&turn, at(180), PAUSE));
    }

    proptest! {
        /// Whatever a device alternates between, two weeks of waiting produce at most one report an hour and a few at
        /// the start.
        #[test]
        fn two_weeks_of_any_alternation_are_bounded(changes in prop::collection::vec((1_i64..5000, 0_usize..3), 1..400)) {
            let waits = [WaitReason::Busy, WaitReason::Jam, WaitReason::Turn].map(|reason| Wait::new(reason, "", ""));
            let (mut reported, mut now, mut reports) = (Reported::default(), 0, 0_i64);
            for (after, which) in changes {
                now += after;
                reports += i64::from(reported.take(&waits[which], at(now), PAUSE));
            }
            prop_assert!(reports <= 7 + now / 3600, "{reports} reports in {now} s");
        }
    }
}
