//! What holds at a device, as one reading shows it: the conditions behind the calls that stay open.

use wire::reading::{Alert, Reading, SERVICE_REQUESTED};
use wire::report::CallKind;

use super::supplies::{self, Supplies};
use super::{CallRules, OpenCall};

/// Alert codes that tell of an open cover (RFC 3805 §, `PrtAlertCodeTC`: coverOpen, interlockOpen, doorOpen).
const COVER_OPEN: [i64; 3] = [3, 5, 501];

/// `jam`.
const JAM: i64 = 8;

/// A condition, and whether it holds; `None` where the reading doesn't tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) call: CallKind,
    pub(super) subject: String,
    pub(super) holds: Option<bool>,
    pub(super) detail: String,
}

impl Condition {
    fn holding(call: CallKind, detail: String) -> Self {
        Self { call, subject: String::new(), holds: Some(true), detail }
    }
}

/// What the reading shows; what is not among it does not hold.
pub(super) fn conditions(rules: &CallRules, reading: &Reading, open: &[OpenCall]) -> Vec<Condition> {
    let mut seen = Vec::new();
    if let Some(detail) = service_call(reading) {
        seen.push(Condition::holding(CallKind::ServiceCall, detail));
    }
    if let Some(detail) = has(reading, "jammed", &[JAM], "paper is jammed") {
        seen.push(Condition::holding(CallKind::Jam, detail));
    }
    if let Some(detail) = has(reading, "doorOpen", &COVER_OPEN, "a cover is open") {
        seen.push(Condition::holding(CallKind::CoverOpen, detail));
    }
    seen.extend(supplies::conditions(&Supplies { rules, reading, open }));
    seen
}

/// Why the device asks for a service engineer, if it does.
fn service_call(reading: &Reading) -> Option<String> {
    let row = reading
        .alerts
        .iter()
        .find(|alert| is_critical(alert) && alert.training.as_ref().is_some_and(|t| t.is("fieldService")));
    let bit = reading.status.detected_errors.iter().any(|e| e == SERVICE_REQUESTED);
    let line = reading.status.console.iter().find(|line| service_code(line).is_some());
    if row.is_none() && !bit && line.is_none() {
        return None;
    }
    let described = || reading.alerts.iter().filter_map(|alert| alert.description.as_deref());
    let coded = line.map(String::as_str).or_else(|| described().find(|text| service_code(text).is_some()));
    if let Some(code) = coded.and_then(service_code) {
        return Some(code);
    }
    let text = row.and_then(|alert| alert.description.clone()).filter(|text| !text.trim().is_empty());
    let text = text.or_else(|| reading.status.console.iter().find(|l| !l.trim().is_empty()).cloned());
    Some(clip(text.as_deref().unwrap_or("the device asks for service")))
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

fn has(reading: &Reading, bit: &str, codes: &[i64], words: &str) -> Option<String> {
    let row = reading
        .alerts
        .iter()
        .find(|alert| is_alarm(alert) && alert.code.is_some_and(|code| codes.contains(&code)));
    let text = row.and_then(|alert| alert.description.as_deref()).filter(|text| !text.trim().is_empty());
    let bit = reading.status.detected_errors.iter().any(|error| error == bit);
    (bit || row.is_some()).then(|| clip(text.unwrap_or(words)))
}

/// Whether a row is more than a remark.
pub(super) fn is_alarm(alert: &Alert) -> bool {
    let named = |name| alert.severity.as_ref().is_some_and(|severity| severity.is(name));
    named("critical") || named("warning") || named("warningBinaryChangeEvent")
}

fn is_critical(alert: &Alert) -> bool {
    alert.severity.as_ref().is_some_and(|severity| severity.is("critical"))
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
