//! Texts for numbers, times and states.

use gateway_core::calls::Marking;
use jiff::Timestamp;
use wire::report::CallKind;

/// The colour of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// Nothing to do.
    Good,
    /// Action is needed soon.
    Warn,
    /// Action is needed now.
    Bad,
    /// Neutral.
    Quiet,
}

impl Tone {
    /// CSS class.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Quiet => "quiet",
        }
    }
}

/// A time, for people and for machines.
pub(super) struct Moment {
    /// `5 min ago`, `in 2 h`.
    pub(super) relative: String,
    /// `2026-11-22 03:28:21 UTC`.
    pub(super) absolute: String,
    /// RFC 3339.
    pub(super) machine: String,
}

impl Moment {
    pub(super) fn new(at: Timestamp, now: Timestamp) -> Self {
        let seconds = at.as_second() - now.as_second();
        let span = span(seconds.unsigned_abs());
        let relative = match seconds {
            -1..=1 => "now".to_owned(),
            2.. => format!("in {span}"),
            ..=-2 => format!("{span} ago"),
        };
        let absolute = at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
        Self { relative, absolute, machine: at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string() }
    }
}

/// `45 s`, `12 min`, `3 h`, `2 days`.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..=89 => format!("{seconds} s"),
        90..=5399 => format!("{} min", (seconds + 30) / 60),
        5400..=129_599 => format!("{} h", (seconds + 1800) / 3600),
        _ => format!("{} days", (seconds + 43_200) / 86_400),
    }
}

/// `every hour`, `every minute`, `every 5 min`.
pub(super) fn cadence(interval_s: u32) -> String {
    match interval_s {
        3600 => "every hour".to_owned(),
        60 => "every minute".to_owned(),
        1 => "every second".to_owned(),
        other => format!("every {}", span(other.into())),
    }
}

/// `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `512 bytes`, `12 KiB`, `256 MiB`.
pub(crate) fn bytes(number: u64) -> String {
    match number {
        0..1024 => format!("{number} bytes"),
        1024..1_048_576 => format!("{} KiB", number / 1024),
        1_048_576..1_073_741_824 => format!("{} MiB", number / 1_048_576),
        _ => format!("{} GiB", number / 1_073_741_824),
    }
}

/// Name of an open call and its tone.
pub(super) const fn call(kind: CallKind) -> (&'static str, Tone) {
    match kind {
        CallKind::ServiceCall => ("Service call", Tone::Bad),
        CallKind::Jam => ("Paper jam", Tone::Bad),
        CallKind::CoverOpen => ("Cover open", Tone::Warn),
        CallKind::SupplyNearEnd => ("Supply near end", Tone::Warn),
        CallKind::SupplyEnd => ("Supply end", Tone::Bad),
        CallKind::SupplyReplaced => ("Supply replaced", Tone::Quiet),
        CallKind::DeviceOffline => ("Device offline", Tone::Bad),
        CallKind::CounterRegression => ("Counter fell", Tone::Warn),
    }
}

/// The text and tone of a bit of `hrPrinterDetectedErrorState`; an unknown bit keeps its name. The names of bits say
/// "toner" where the device may use ink.
pub(super) fn detected_error(name: &str, marking: Marking) -> (String, Tone) {
    let (words, tone) = match name {
        "lowPaper" => ("Low paper", Tone::Warn),
        "noPaper" => ("No paper", Tone::Bad),
        "lowToner" => return (format!("Low {}", marking.words()), Tone::Warn),
        "noToner" => return (format!("No {}", marking.words()), Tone::Bad),
        "doorOpen" => ("Cover open", Tone::Bad),
        "jammed" => ("Paper jam", Tone::Bad),
        "offline" => ("Set offline", Tone::Warn),
        "serviceRequested" => ("Service call", Tone::Bad),
        "inputTrayMissing" => ("Tray missing", Tone::Warn),
        "outputTrayMissing" => ("Output tray missing", Tone::Warn),
        "markerSupplyMissing" => ("Supply missing", Tone::Bad),
        "outputNearFull" => ("Output nearly full", Tone::Warn),
        "outputFull" => ("Output full", Tone::Bad),
        "inputTrayEmpty" => ("Tray empty", Tone::Warn),
        "overduePreventMaint" => ("Maintenance overdue", Tone::Warn),
        other => return (other.to_owned(), Tone::Warn),
    };
    (words.to_owned(), tone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bit_speaks_of_what_the_device_prints_with() {
        let words = |bit, marking| detected_error(bit, marking).0;
        assert_eq!(words("lowToner", Marking::Ink), "Low ink");
        assert_eq!(words("noToner", Marking::Toner), "No toner");
        assert_eq!(words("noToner", Marking::Either), "No toner or ink");
        assert_eq!(words("jammed", Marking::Ink), "Paper jam");
    }

    #[test]
    fn times_and_numbers_read_well() {
        let now: Timestamp = "2026-11-22T03:00:00Z".parse().unwrap();
        let relative = |text: &str| Moment::new(text.parse().unwrap(), now).relative;
        assert_eq!(relative("2026-11-22T03:00:00Z"), "now");
        assert_eq!(relative("2026-11-22T02:59:15Z"), "45 s ago");
        assert_eq!(relative("2026-11-22T03:58:40Z"), "in 59 min");
        assert_eq!(relative("2026-11-20T03:00:00Z"), "2 days ago");
        assert_eq!(relative("1900-01-01T00:00:00Z"), "46346 days ago");
        assert_eq!((cadence(3600).as_str(), cadence(60).as_str()), ("every hour", "every minute"));
        assert_eq!(cadence(900), "every 15 min");
        let grouped: Vec<String> = [0, 999, 1000, 1_234_567].into_iter().map(grouped).collect();
        assert_eq!(grouped, ["0", "999", "1,000", "1,234,567"]);
        assert_eq!((bytes(3).as_str(), bytes(268_435_456).as_str()), ("3 bytes", "256 MiB"));
    }
}
