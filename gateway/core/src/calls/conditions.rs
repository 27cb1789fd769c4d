//! What holds at a device, as one reading shows it: the conditions behind the calls that stay open.

use std::collections::BTreeMap;

use wire::reading::{Alert, Reading, SERVICE_REQUESTED};
use wire::report::CallKind;

use super::grounds::{Ground, Grounds};
use super::levels::SupplyMemory;
use super::{CallRules, OpenCall, supplies};
use crate::reading::Coverage;
use crate::reading::profiles::Pattern;

/// Alert codes that tell of an open cover (RFC 3805 §, `PrtAlertCodeTC`: coverOpen, interlockOpen, doorOpen).
const COVER_OPEN: [i64; 3] = [3, 5, 501];

/// `jam`.
const JAM: i64 = 8;

/// What is looked at, and what is known.
pub(super) struct Look<'a> {
    pub(super) rules: &'a CallRules,
    /// What the vendor's service codes look like.
    pub(super) codes: &'a [Pattern],
    pub(super) reading: &'a Reading,
    /// What of the device was read to its end.
    pub(super) coverage: Coverage,
    pub(super) open: &'a [OpenCall],
    pub(super) supplies: &'a BTreeMap<String, SupplyMemory>,
    /// Whether `lowToner` was set at the look before, where that is known.
    pub(super) was_low: Option<bool>,
}

impl Look<'_> {
    pub(super) fn is_open(&self, call: CallKind, subject: &str) -> bool {
        self.open_call(call, subject).is_some()
    }

    pub(super) fn open_call(&self, call: CallKind, subject: &str) -> Option<&OpenCall> {
        self.open.iter().find(|open| open.call == call && open.subject == subject)
    }

    pub(super) fn has_bit(&self, bit: &str) -> bool {
        self.reading.status.detected_errors.iter().any(|error| error == bit)
    }

    /// The service code in a text: what the vendor's profile says, else `SC542`.
    fn code(&self, text: &str) -> Option<String> {
        let vendors = self.codes.iter().find_map(|pattern| pattern.first(text));
        vendors.map(|code| clip(&code)).or_else(|| service_code(text))
    }
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It does.
    Holds,
    /// It doesn't, once so many looks in a row say so.
    Over {
        /// So many.
        looks: u8,
    },
    /// The reading doesn't tell.
    Unknown,
}

/// A condition, and whether it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) call: CallKind,
    pub(super) subject: String,
    pub(super) verdict: Verdict,
    pub(super) detail: String,
    /// What shows that it holds.
    pub(super) grounds: Grounds,
}

impl Condition {
    pub(super) fn unknown(call: CallKind, subject: &str) -> Self {
        let (subject, detail) = (subject.to_owned(), String::new());
        Self { call, subject, verdict: Verdict::Unknown, detail, grounds: Grounds::default() }
    }
}

/// What the reading shows; what is not among it does not hold.
pub(super) fn conditions(look: &Look<'_>) -> Vec<Condition> {
    let device = [
        (CallKind::ServiceCall, service_call(look)),
        (CallKind::Jam, has(look, "jammed", &[JAM], "paper is jammed")),
        (CallKind::CoverOpen, has(look, "doorOpen", &COVER_OPEN, "a cover is open")),
    ];
    let mut seen: Vec<Condition> =
        device.into_iter().filter_map(|(call, shown)| of_the_device(look, call, shown)).collect();
    seen.extend(supplies::conditions(look));
    seen
}

/// A condition of the whole device: it holds where it is shown, and isn't known to be over where that was not read on
/// which its call stands.
fn of_the_device(look: &Look<'_>, call: CallKind, shown: Option<(String, Grounds)>) -> Option<Condition> {
    if let Some((detail, grounds)) = shown {
        let (subject, verdict) = (String::new(), Verdict::Holds);
        return Some(Condition { call, subject, verdict, detail, grounds });
    }
    let open = look.open_call(call, "")?;
    // An earlier version didn't remember on what a call stands.
    let any = Grounds::of([(Ground::Row, true), (Ground::Bit, true)]);
    let grounds = if open.grounds.is_empty() { &any } else { &open.grounds };
    // A device that has just been switched on has not yet said what is wrong with it.
    let unknown = supplies::is_warming_up(look.reading) || !grounds.were_read(look.coverage);
    unknown.then(|| Condition::unknown(call, ""))
}

/// Why the device asks for a service engineer, if it does.
fn service_call(look: &Look<'_>) -> Option<(String, Grounds)> {
    let reading = look.reading;
    let row = reading
        .alerts
        .iter()
        .find(|alert| is_critical(alert) && alert.training.as_ref().is_some_and(|t| t.is("fieldService")));
    let bit = look.has_bit(SERVICE_REQUESTED);
    let line = reading.status.console.iter().find(|line| look.code(line).is_some());
    let grounds =
        Grounds::of([(Ground::Row, row.is_some()), (Ground::Bit, bit), (Ground::Console, line.is_some())]);
    if grounds.is_empty() {
        return None;
    }
    let described = || reading.alerts.iter().filter_map(|alert| alert.description.as_deref());
    let coded = line.map(String::as_str).or_else(|| described().find(|text| look.code(text).is_some()));
    if let Some(code) = coded.and_then(|text| look.code(text)) {
        return Some((code, grounds));
    }
    let text = row.and_then(|alert| alert.description.clone()).filter(|text| !text.trim().is_empty());
    let text = text.or_else(|| reading.status.console.iter().find(|l| !l.trim().is_empty()).cloned());
    Some((clip(text.as_deref().unwrap_or("the device asks for service")), grounds))
}

/// The service code in a text, with its sub-code: `SC542`, `SC670-01`.
fn service_code(text: &str) -> Option<String> {
    let upper = text.to_ascii_uppercase();
    upper.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').find_map(|word| {
        let rest = word.strip_prefix("SC")?.trim_start_matches('-');
        let digits = rest.chars().take_while(char::is_ascii_digit).count();
        let whole = rest.chars().all(|c| c.is_ascii_digit() || c == '-');
        ((3..=5).contains(&digits) && whole && rest.len() <= 10)
            .then(|| format!("SC{}", rest.trim_end_matches('-')))
    })
}

fn has(look: &Look<'_>, bit: &str, codes: &[i64], words: &str) -> Option<(String, Grounds)> {
    let mut alarms = look.reading.alerts.iter().filter(|alert| is_alarm(alert));
    let row = alarms.find(|alert| alert.code.is_some_and(|code| codes.contains(&code)));
    let text = row.and_then(|alert| alert.description.as_deref()).filter(|text| !text.trim().is_empty());
    let grounds = Grounds::of([(Ground::Row, row.is_some()), (Ground::Bit, look.has_bit(bit))]);
    (!grounds.is_empty()).then(|| (clip(text.unwrap_or(words)), grounds))
}

/// Whether a row is more than a remark.
pub(super) fn is_alarm(alert: &Alert) -> bool {
    let named = |name| alert.severity.as_ref().is_some_and(|severity| severity.is(name));
    (named("critical") || named("warning") || named("warningBinaryChangeEvent")) && !is_remark(alert)
}

/// What devices put into the alert table only to say that nothing is wrong.
const REMARKS: [&str; 10] = [
    "sleep",
    "sleeping",
    "idle",
    "ready",
    "standby",
    "energy saver",
    "power save",
    "power saver",
    "power saving",
    "warming up",
];

/// `PrtAlertCodeTC` of the same, in every language: coverClosed, interlockClosed, subunitClosed, subunitPowerSaver,
/// subunitWarmingUp, doorClosed, powerUp, printerReadyToPrint.
const REMARK_CODES: [i64; 8] = [4, 6, 19, POWER_SAVER, 24, 502, 503, 507];

/// `PrtAlertCodeTC`: subunitPowerSaver.
pub(crate) const POWER_SAVER: i64 = 23;

/// Whether a row says that nothing is wrong, whatever its severity: `Sleep mode`, `Ready.`
fn is_remark(alert: &Alert) -> bool {
    if alert.code.is_some_and(|code| REMARK_CODES.contains(&code)) {
        return true;
    }
    let Some(text) = alert.description.as_deref() else { return false };
    let plain = text.to_lowercase();
    let plain = plain.trim_matches(|c: char| !c.is_alphanumeric());
    let plain = ["mode", "mode on", "to print", "to copy"]
        .iter()
        .fold(plain, |text, end| text.strip_suffix(end).unwrap_or(text));
    REMARKS.contains(&plain.trim().trim_end_matches("..."))
}

fn is_critical(alert: &Alert) -> bool {
    alert.severity.as_ref().is_some_and(|severity| severity.is("critical")) && !is_remark(alert)
}

/// A text for people, of bounded length.
pub(super) fn clip(text: &str) -> String {
    text.trim().chars().take(160).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_code_is_found_and_nothing_else() {
        for (text, code) in [
            ("SC542", Some("SC542")),
            ("Functional problem: SC670-01.", Some("SC670-01")),
            ("sc-542 call service", Some("SC542")),
            ("Scanner ready", None),
            ("SC12", None),
            ("DISC542", None),
            ("SC542x", None),
            ("", None),
        ] {
            assert_eq!(service_code(text).as_deref(), code, "{text}");
        }
    }
}
