//! Times for people: how long ago, with the exact time in UTC behind it.

use jiff::Timestamp;

/// A time on a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct When {
    pub(super) rfc3339: String,
    pub(super) full: String,
    pub(super) relative: String,
}

impl When {
    /// A time as seen from `now`.
    pub(super) fn new(at: Timestamp, now: Timestamp) -> Self {
        Self {
            rfc3339: at.to_string(),
            full: at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            relative: relative(at, now),
        }
    }
}

fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second() - at.as_second();
    let (length, past) = (seconds.abs(), seconds >= 0);
    let text = match length {
        0..=4 => return "just now".to_owned(),
        5..=5_183_999 => span(length),
        _ => return at.strftime("%Y-%m-%d").to_string(),
    };
    if past { format!("{text} ago") } else { format!("in {text}") }
}

/// A duration in a suitable unit.
pub(super) fn span(seconds: i64) -> String {
    match seconds {
        ..=89 => format!("{seconds} s"),
        90..=5_399 => format!("{} min", (seconds + 30) / 60),
        5_400..=129_599 => format!("{} h", (seconds + 1_800) / 3_600),
        129_600..=63_071_999 => format!("{} days", (seconds + 43_200) / 86_400),
        _ => format!("{} years", (seconds + 15_778_800) / 31_557_600),
    }
}

/// A number with separators of thousands.
pub(super) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_like_speech() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let table = [
            ("2026-11-22T11:59:58Z", "just now"),
            ("2026-11-22T11:59:15Z", "45 s ago"),
            ("2026-11-22T11:57:00Z", "3 min ago"),
            ("2026-11-22T12:57:00Z", "in 57 min"),
            ("2026-11-22T02:00:00Z", "10 h ago"),
            ("2026-11-19T12:00:00Z", "3 days ago"),
            ("2026-01-19T12:00:00Z", "2026-01-19"),
        ];
        for (at, expected) in table {
            assert_eq!(relative(at.parse().unwrap(), now), expected);
        }
    }

    #[test]
    fn thousands_are_set_apart() {
        let table = [(0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567")];
        for (number, expected) in table {
            assert_eq!(grouped(number), expected);
        }
    }
}
