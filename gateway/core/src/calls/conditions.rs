//! The conditions that one reading shows, from which calls open and end.

use wire::reading::SERVICE_REQUESTED;
use wire::report::CallKind;

use super::alarms::{is_alarm, is_critical};
use super::condition::{Condition, Observation, Verdict};
use super::facts::{is_warming_up, truncate};
use super::grounds::{Ground, Grounds};
use super::supplies;

/// `PrtAlertCodeTC` of open covers: coverOpen, interlockOpen, doorOpen.
const COVER_OPEN: [i64; 3] = [3, 5, 501];

/// `PrtAlertCodeTC`: jam.
const JAM: i64 = 8;

/// All conditions of a reading; one that is absent does not hold.
pub(super) fn conditions(observed: &Observation<'_>) -> Vec<Condition> {
    let device = [
        (CallKind::ServiceCall, service_call(observed)),
        (CallKind::Jam, has(observed, "jammed", &[JAM], "paper is jammed")),
        (CallKind::CoverOpen, has(observed, "doorOpen", &COVER_OPEN, "a cover is open")),
    ];
    let mut seen: Vec<Condition> =
        device.into_iter().filter_map(|(call, shown)| of_the_device(observed, call, shown)).collect();
    seen.extend(supplies::conditions(observed));
    seen
}

/// A condition of the whole device. If the reading doesn't show it, its verdict is unknown, unless everything was
/// read that its open call is based on.
fn of_the_device(
    observed: &Observation<'_>,
    call: CallKind,
    shown: Option<(String, Grounds)>,
) -> Option<Condition> {
    if let Some((detail, grounds)) = shown {
        let (subject, verdict) = (String::new(), Verdict::Holds);
        return Some(Condition { call, subject, verdict, detail, grounds });
    }
    let open = observed.open_call(call, "")?;
    // An earlier version didn't store the grounds.
    let any = Grounds::of([(Ground::Row, true), (Ground::Bit, true)]);
    let grounds = if open.grounds.is_empty() { &any } else { &open.grounds };
    // A device that was just switched on may not report its faults yet.
    let unknown = is_warming_up(observed.reading) || !grounds.were_read(observed.coverage);
    unknown.then(|| Condition::unknown(call, ""))
}

/// The service code in a text: by the vendor's patterns, else `SC542`.
fn code(observed: &Observation<'_>, text: &str) -> Option<String> {
    let vendors = observed.codes.iter().find_map(|pattern| pattern.first(text));
    vendors.map(|code| truncate(&code)).or_else(|| service_code(text))
}

/// The text and grounds of a service call, if the device reports one.
fn service_call(observed: &Observation<'_>) -> Option<(String, Grounds)> {
    let reading = observed.reading;
    let row = reading
        .alerts
        .iter()
        .find(|alert| is_critical(alert) && alert.training.as_ref().is_some_and(|t| t.is("fieldService")));
    let bit = observed.has_bit(SERVICE_REQUESTED);
    let line = reading.status.console.iter().find(|line| code(observed, line).is_some());
    let grounds =
        Grounds::of([(Ground::Row, row.is_some()), (Ground::Bit, bit), (Ground::Console, line.is_some())]);
    if grounds.is_empty() {
        return None;
    }
    let described = || reading.alerts.iter().filter_map(|alert| alert.description.as_deref());
    let coded = line.map(String::as_str).or_else(|| described().find(|text| code(observed, text).is_some()));
    if let Some(code) = coded.and_then(|text| code(observed, text)) {
        return Some((code, grounds));
    }
    let text = row.and_then(|alert| alert.description.clone()).filter(|text| !text.trim().is_empty());
    let text = text.or_else(|| reading.status.console.iter().find(|l| !l.trim().is_empty()).cloned());
    Some((truncate(text.as_deref().unwrap_or("the device requests service")), grounds))
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

fn has(observed: &Observation<'_>, bit: &str, codes: &[i64], words: &str) -> Option<(String, Grounds)> {
    let mut alarms = observed.reading.alerts.iter().filter(|alert| is_alarm(alert));
    let row = alarms.find(|alert| alert.code.is_some_and(|code| codes.contains(&code)));
    let text = row.and_then(|alert| alert.description.as_deref()).filter(|text| !text.trim().is_empty());
    let grounds = Grounds::of([(Ground::Row, row.is_some()), (Ground::Bit, observed.has_bit(bit))]);
    (!grounds.is_empty()).then(|| (truncate(text.unwrap_or(words)), grounds))
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
