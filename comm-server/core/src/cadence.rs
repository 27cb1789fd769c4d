//! When a gateway polls next: regularly, or each minute while it has an open service call.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A gateway counts as not polling if its last poll is older than this many times its interval ...
pub const SILENT_INTERVALS: i64 = 2;

/// ... plus this time, milliseconds.
pub const SILENT_SLACK_MS: i64 = 60_000;

/// Whether a gateway has not polled for too long. `last` is the time of its last poll, or when it was first seen;
/// `next_poll_s` is the interval of its last response.
#[must_use]
pub fn is_silent(last: Timestamp, next_poll_s: i64, now: Timestamp) -> bool {
    let patience_ms = next_poll_s.saturating_mul(1000 * SILENT_INTERVALS).saturating_add(SILENT_SLACK_MS);
    last.as_millisecond().saturating_add(patience_ms) < now.as_millisecond()
}

/// The longest time between two polls, seconds: a day.
const LONGEST_S: u32 = 86_400;

/// The polling intervals, seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cadence {
    /// Interval while no service call is open.
    pub regular_s: u32,
    /// Interval while a service call is open.
    pub service_call_s: u32,
}

impl Default for Cadence {
    fn default() -> Self {
        Self { regular_s: 3600, service_call_s: 60 }
    }
}

/// An invalid cadence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cadence.{name} is {given}: expected 1 to {LONGEST_S} seconds, service_call_s at most regular_s")]
pub struct InvalidCadence {
    name: &'static str,
    given: u32,
}

impl Cadence {
    /// Validates the intervals.
    ///
    /// # Errors
    /// An interval is 0 or longer than a day, or the one for service calls is longer than the regular one.
    pub const fn check(self) -> Result<(), InvalidCadence> {
        if self.regular_s == 0 || self.regular_s > LONGEST_S {
            return Err(InvalidCadence { name: "regular_s", given: self.regular_s });
        }
        if self.service_call_s == 0 || self.service_call_s > self.regular_s {
            return Err(InvalidCadence { name: "service_call_s", given: self.service_call_s });
        }
        Ok(())
    }

    /// The cadence with the regular interval `regular_s`, if given.
    #[must_use]
    pub const fn with_regular(self, regular_s: Option<u32>) -> Self {
        match regular_s {
            Some(regular_s) if regular_s < self.service_call_s => {
                Self { regular_s, service_call_s: regular_s }
            }
            Some(regular_s) => Self { regular_s, ..self },
            None => self,
        }
    }

    /// Seconds until the next poll of a gateway with this number of open service calls.
    #[must_use]
    pub const fn next_poll_s(self, open_service_calls: u64) -> u32 {
        if open_service_calls == 0 { self.regular_s } else { self.service_call_s }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_service_call_makes_it_a_minute() {
        let cadence = Cadence::default();
        assert_eq!([0, 1, 9].map(|open| cadence.next_poll_s(open)), [3600, 60, 60]);
    }

    #[test]
    fn a_gateway_with_an_interval_of_its_own_polls_never_slower_for_a_service_call() {
        let of = |own| {
            let cadence = Cadence { regular_s: 3600, service_call_s: 90 }.with_regular(own);
            [0, 1].map(|open| cadence.next_poll_s(open))
        };
        assert_eq!([of(None), of(Some(600)), of(Some(60))], [[3600, 90], [600, 90], [60, 60]]);
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let check = |regular_s, service_call_s| Cadence { regular_s, service_call_s }.check().is_ok();
        assert!(check(3600, 60) && check(1, 1) && check(86_400, 86_400));
        assert!(!check(0, 0) && !check(60, 61) && !check(60, 0) && !check(86_401, 60));
    }
}
