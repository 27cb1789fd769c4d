//! The poll schedule: how often a device is read, and with which scope. A device without changes is read with a
//! smaller scope, a sleeping one less often, and one that is offline with growing pauses. Never more often than
//! configured.

use std::time::Duration;

use crate::backoff;
use crate::calls::{CallState, POWER_SAVER};
use crate::reading::{ChangeFingerprint, ReadScope};
use wire::reading::{Label, Reading};

/// A change check reads no supply levels: the status is read at least this often.
const STATUS_AT_LEAST: Duration = Duration::from_secs(900);

/// Readings without a change after which the interval grows.
const QUIET_READS_BEFORE_BACKOFF: u32 = 10;

/// Longest pause between two reads of a device that doesn't respond.
const SILENT_MAX: Duration = Duration::from_secs(900);

/// The configured intervals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SensingRules {
    /// Interval for a device that is in use.
    pub status: Duration,
    /// Interval for a device without changes for a long time.
    pub idle: Duration,
    /// Interval for a device that sleeps.
    pub asleep: Duration,
    /// Timeouts in a row after which a device is offline.
    pub offline_after: u32,
    /// Retries of a request.
    pub retries: u32,
    /// Divisor of every interval, for demonstrations.
    pub speedup: f64,
}

/// The recent history of one device, from which its next read is scheduled; not stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PollSchedule {
    quiet: u32,
    silent: u32,
    asleep: bool,
    calm: bool,
    closer: bool,
    blind: bool,
    since_status: Duration,
    fingerprint: Option<ChangeFingerprint>,
}

impl PollSchedule {
    /// The scope of the next read, unless a full one is due.
    #[must_use]
    pub fn scope(&self, rules: &SensingRules) -> ReadScope {
        let fresh = self.since_status + self.wait(rules) <= scaled(rules, STATUS_AT_LEAST);
        if self.calm && !self.closer && !self.blind && fresh && self.silent == 0 {
            ReadScope::ChangeCheck
        } else {
            ReadScope::Status
        }
    }

    /// The time until the next read.
    #[must_use]
    pub fn wait(&self, rules: &SensingRules) -> Duration {
        let wait = if self.silent > 0 {
            let beyond = self.silent.saturating_sub(rules.offline_after.max(1));
            backoff(rules.status, SILENT_MAX, beyond.saturating_add(1))
        } else if self.asleep {
            rules.asleep
        } else {
            let slack = self.quiet.saturating_sub(QUIET_READS_BEFORE_BACKOFF).min(64);
            rules.status.saturating_add(rules.status.saturating_mul(slack) / 4).min(rules.idle)
        };
        scaled(rules, wait.max(rules.status))
    }

    /// Retries of a request: none while the device is offline, where one packet is enough to find it again.
    #[must_use]
    pub const fn retries(&self, rules: &SensingRules) -> u32 {
        if self.silent >= rules.offline_after { 0 } else { rules.retries }
    }

    /// A change check had a response. Returns whether anything changed.
    #[must_use]
    pub fn on_change_check(&mut self, rules: &SensingRules, fingerprint: Option<ChangeFingerprint>) -> bool {
        self.since_status += self.wait(rules);
        self.silent = 0;
        let Some(fingerprint) = fingerprint else {
            // The device lacks the objects of a change check: read its status from now on.
            (self.blind, self.closer) = (true, true);
            return true;
        };
        // Without a fingerprint to compare with, anything may have changed since the last reading.
        let news = self.fingerprint.as_ref().is_none_or(|before| fingerprint.differs(before));
        self.closer |= news;
        self.fingerprint = Some(fingerprint);
        self.quiet = if news { 0 } else { self.quiet.saturating_add(1) };
        news
    }

    /// The status was read, with the fingerprint of the same response; `news` is whether anything changed.
    pub fn on_reading(
        &mut self,
        reading: &Reading,
        fingerprint: Option<ChangeFingerprint>,
        calls: &CallState,
        news: bool,
    ) {
        let busy = reading.status.printer.as_ref().is_some_and(|p| p.is("printing") || p.is("warmup"));
        self.silent = 0;
        self.since_status = Duration::ZERO;
        self.fingerprint = fingerprint;
        self.calm = calls.allows_change_check();
        // While a call is open, the interval is the configured one, even if the device sleeps.
        self.asleep = self.calm && is_asleep(reading);
        self.closer = false;
        self.quiet = if news || busy || !self.calm { 0 } else { self.quiet.saturating_add(1) };
    }

    /// Something may have changed: the next read is not a change check.
    pub(crate) const fn skip_change_check(&mut self) {
        self.closer = true;
    }

    /// Whether the last read timed out.
    #[must_use]
    pub(crate) const fn is_silent(&self) -> bool {
        self.silent > 0
    }

    /// A read timed out.
    pub fn on_silence(&mut self) {
        self.silent = self.silent.saturating_add(1);
        self.quiet = 0;
        self.fingerprint = None;
    }
}

fn scaled(rules: &SensingRules, wait: Duration) -> Duration {
    wait.div_f64(if rules.speedup.is_finite() { rules.speedup.max(1.0) } else { 1.0 })
}

/// `PrtAlertCodeTC`: markerFuserUnderTemperature. Kyocera devices have such rows while they sleep.
const FUSER_UNDER_TEMPERATURE: i64 = 1001;

/// Whether a device sleeps. An alert code shows it, independent of the language; or the standby state of RFC 3805
/// §2.2.13.2 (running, printer other, no error); or a cold fuser while it is idle; or an English text.
#[must_use]
pub(crate) fn is_asleep(reading: &Reading) -> bool {
    let status = &reading.status;
    let is = |label: &Option<Label>, name| label.as_ref().is_some_and(|label| label.is(name));
    let busy = is(&status.printer, "printing") || is(&status.printer, "warmup");
    let quiet = !busy && status.detected_errors.is_empty();
    let standby = is(&status.device, "running") && is(&status.printer, "other") && quiet;
    let has = |code| reading.alerts.iter().any(|alert| alert.code == Some(code));
    let coded = (!busy && has(POWER_SAVER)) || (quiet && has(FUSER_UNDER_TEMPERATURE));
    let rows = reading.alerts.iter().filter_map(|alert| alert.description.as_deref());
    let mut said = status.console.iter().map(String::as_str).chain(rows);
    standby || coded || said.any(says_sleep)
}

/// Whether a text is about sleep.
fn says_sleep(text: &str) -> bool {
    let text = text.to_lowercase();
    ["sleep", "power save", "power-save", "energy sav", "low power", "standby"]
        .iter()
        .any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::testing;
    use proptest::prelude::*;

    const RULES: SensingRules = SensingRules {
        status: Duration::from_secs(60),
        idle: Duration::from_secs(180),
        asleep: Duration::from_secs(300),
        offline_after: 3,
        retries: 2,
        speedup: 1.0,
    };

    fn reading(printer: &'static str) -> Reading {
        let mut reading = testing::reading();
        reading.status.device = Some(Label::name("running"));
        reading.status.printer = Some(Label::name(printer));
        reading
    }

    fn wait(schedule: &PollSchedule) -> u64 {
        schedule.wait(&RULES).as_secs()
    }

    #[test]
    fn an_idle_device_is_read_less_often_and_a_busy_one_as_configured() {
        let (mut schedule, calls) = (PollSchedule::default(), CallState::default());
        let fingerprint = |value| Some(ChangeFingerprint::of_numbers(&[value]));
        assert_eq!((schedule.scope(&RULES), wait(&schedule)), (ReadScope::Status, 60));
        schedule.on_reading(&reading("idle"), fingerprint(7), &calls, false);
        assert_eq!(schedule.scope(&RULES), ReadScope::ChangeCheck);
        for _ in 0..30 {
            assert!(!schedule.on_change_check(&RULES, fingerprint(7)));
        }
        assert_eq!((schedule.scope(&RULES), wait(&schedule)), (ReadScope::Status, 180));
        schedule.on_reading(&reading("idle"), fingerprint(7), &calls, false);
        assert_eq!(schedule.scope(&RULES), ReadScope::ChangeCheck);
        assert!(schedule.on_change_check(&RULES, fingerprint(8)), "a change is looked at");
        assert_eq!(wait(&schedule), 60);
        schedule.on_reading(&reading("printing"), fingerprint(8), &calls, true);
        assert_eq!(wait(&schedule), 60);
        assert!(schedule.on_change_check(&RULES, None) && schedule.scope(&RULES) == ReadScope::Status);
    }

    #[test]
    fn nothing_escapes_between_a_reading_and_the_first_change_check() {
        let fingerprint = |value| Some(ChangeFingerprint::of_numbers(&[value]));
        for (with_reading, at_check, news) in [(7, 7, false), (7, 8, true)] {
            let mut schedule = PollSchedule::default();
            schedule.on_reading(&reading("idle"), fingerprint(with_reading), &CallState::default(), false);
            assert_eq!(schedule.on_change_check(&RULES, fingerprint(at_check)), news);
        }
        let mut schedule = PollSchedule::default();
        schedule.on_reading(&reading("idle"), None, &CallState::default(), false);
        assert!(schedule.on_change_check(&RULES, fingerprint(7)), "nothing to compare with");
    }

    #[test]
    fn a_sleeping_device_is_let_sleep() {
        for (mut asleep, text) in
            [(reading("other"), ""), (reading("idle"), "Sleep Mode"), (reading("idle"), "Energy Saver")]
        {
            asleep.status.console = vec![text.to_owned()];
            let mut schedule = PollSchedule::default();
            schedule.on_reading(&asleep, None, &CallState::default(), false);
            assert_eq!((schedule.scope(&RULES), wait(&schedule)), (ReadScope::ChangeCheck, 300), "{text}");
        }
        let mut jammed = reading("other");
        jammed.status.detected_errors.push("jammed".into());
        assert!(!is_asleep(&jammed) && !is_asleep(&reading("idle")));
    }

    #[test]
    fn sleep_is_known_in_every_language() {
        let row = |code: i64, text: &str| wire::reading::Alert {
            index: "1.1".into(),
            severity: Some(Label::name("other")),
            training: Some(Label::name("noInterventionRequired")),
            group: Some(5),
            group_name: None,
            group_index: Some(-1),
            location: None,
            code: Some(code),
            code_name: None,
            description: Some(text.into()),
        };
        for (printer, code, text, asleep) in [
            ("idle", 23, "Sleep mode on", true),
            ("idle", 23, "Bereitschafts-\nmodus ein", true),
            ("idle", 23, "Mode \u{e9}conomie d'\u{e9}nergie", true),
            ("other", 23, "", true),
            ("idle", 1001, "", true),
            ("printing", 23, "Bereitschafts-\nmodus ein", false),
            ("warmup", 1001, "", false),
            ("idle", 507, "Bereit", false),
        ] {
            let mut seen = reading(printer);
            seen.alerts = vec![row(code, text)];
            let mut schedule = PollSchedule::default();
            schedule.on_reading(&seen, None, &CallState::default(), false);
            assert_eq!(wait(&schedule), if asleep { 300 } else { 60 }, "{printer} {code} {text}");
        }
    }

    #[test]
    fn the_packets_to_a_device_that_times_out_decay() {
        let mut schedule = PollSchedule::default();
        let mut cost = Vec::new();
        for _ in 0..14 {
            let packets = schedule.retries(&RULES) + 1;
            schedule.on_silence();
            cost.push((packets, wait(&schedule)));
        }
        let (packets, waits): (Vec<u32>, Vec<u64>) = cost.into_iter().unzip();
        assert_eq!(packets, [3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
        assert_eq!(waits, [60, 60, 60, 120, 240, 480, 900, 900, 900, 900, 900, 900, 900, 900]);
        schedule.on_reading(&reading("idle"), None, &CallState::default(), true);
        assert_eq!((wait(&schedule), schedule.retries(&RULES)), (60, 2));
    }

    proptest! {
        #[test]
        fn never_more_often_than_configured_and_never_forgotten(
            steps in prop::collection::vec(0_u8..6, 0..80), status in 1_u64..100_000, idle in 1_u64..100_000, asleep in 1_u64..100_000,
        ) {
            let s = Duration::from_secs;
            let rules = SensingRules { status: s(status), idle: s(idle), asleep: s(asleep), ..RULES };
            let mut schedule = PollSchedule::default();
            for step in steps {
                match step {
                    0 => schedule.on_silence(),
                    1 => schedule.on_reading(&reading("other"), None, &CallState::default(), false),
                    2 => schedule.on_reading(&reading("printing"), None, &CallState::default(), true),
                    _ => { let _news = schedule.on_change_check(&rules, Some(ChangeFingerprint::of_numbers(&[step.into()]))); }
                }
                let longest = s(status.max(idle).max(asleep).max(900));
                prop_assert!(schedule.wait(&rules) >= s(status) && schedule.wait(&rules) <= longest);
            }
        }
    }
}
