//! When the meters of a gateway are requested: daily, at a random time of day, one request at a time.

use jiff::{SignedDuration, Timestamp};

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// The decision about a gateway whose meters may be due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeterDecision {
    /// They are not due yet.
    Wait,
    /// Request them now, and again at this time.
    Ask {
        /// The next time.
        next: Timestamp,
    },
    /// An earlier request has no response yet: send none, and decide again at this time.
    Skip {
        /// The next time.
        next: Timestamp,
    },
}

/// Decides. `jitter` is uniformly random.
#[must_use]
pub fn decide(due: Option<Timestamp>, outstanding: bool, now: Timestamp, jitter: u32) -> MeterDecision {
    if due.is_some_and(|due| due > now) {
        return MeterDecision::Wait;
    }
    let next = next_due(now, jitter);
    if outstanding { MeterDecision::Skip { next } } else { MeterDecision::Ask { next } }
}

/// A random time of the following day, UTC.
#[must_use]
pub(crate) fn next_due(now: Timestamp, jitter: u32) -> Timestamp {
    let today = now.as_millisecond().div_euclid(DAY_MS) * DAY_MS;
    let of_day = i64::from(jitter) * DAY_MS / (i64::from(u32::MAX) + 1);
    Timestamp::from_millisecond(today.saturating_add(DAY_MS).saturating_add(of_day))
        .or_else(|_| now.checked_add(SignedDuration::from_hours(24)))
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn meters_are_requested_when_due_and_never_twice() {
        let now = time("2026-03-01T10:00:00Z");
        let next = time("2026-03-02T12:00:00Z");
        let half = 1 << 31;
        let cases = [
            (None, false, MeterDecision::Ask { next }),
            (None, true, MeterDecision::Skip { next }),
            (Some("2026-03-01T10:00:01Z"), false, MeterDecision::Wait),
            (Some("2026-03-01T10:00:01Z"), true, MeterDecision::Wait),
            (Some("2026-03-01T10:00:00Z"), false, MeterDecision::Ask { next }),
            (Some("2026-02-01T00:00:00Z"), false, MeterDecision::Ask { next }),
            (Some("2026-02-01T00:00:00Z"), true, MeterDecision::Skip { next }),
        ];
        for (due, outstanding, expected) in cases {
            assert_eq!(decide(due.map(time), outstanding, now, half), expected, "{due:?} {outstanding}");
        }
    }

    proptest! {
        #[test]
        fn the_next_time_is_tomorrow(ms in -4_000_000_000_000_i64..4_000_000_000_000, jitter: u32) {
            let now = Timestamp::from_millisecond(ms).unwrap();
            let next = next_due(now, jitter).as_millisecond();
            prop_assert_eq!(next.div_euclid(DAY_MS), ms.div_euclid(DAY_MS) + 1);
        }
    }
}
