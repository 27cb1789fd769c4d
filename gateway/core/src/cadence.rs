//! When to poll next: at the time that the server's last response gave, or later after a failure, spread over the
//! gateways.
//!
//! Times are durations since the program began, from a monotonic clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::backoff;

/// Interval until the server has given one, seconds.
const FIRST_INTERVAL_S: u32 = 3600;

/// Bounds of the interval that the server may give, seconds.
const INTERVAL_BOUNDS_S: (u32, u32) = (5, 86_400);

/// Time over which gateways that start together, such as after a power failure, spread their first polls.
const START_SPREAD: Duration = Duration::from_secs(30);

/// First pause after a failure, doubled with each.
const BACK_OFF_FIRST: Duration = Duration::from_secs(5);

/// Longest pause after a failure.
const BACK_OFF_MAX: Duration = Duration::from_secs(900);

/// Minimum pause after a failure, when intervals are shortened.
const BACK_OFF_LEAST: Duration = Duration::from_millis(200);

/// Minimum pause after a failure, before intervals are shortened.
const BACK_OFF_MIN: Duration = Duration::from_secs(1);

/// Maximum of a delay that a server requests (`Retry-After`).
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// When to poll.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cadence {
    next: Duration,
    interval_s: u32,
    failures: u32,
    speedup: f64,
}

impl Cadence {
    /// Schedules the first poll within the half minute after `now`, at the fraction `phase` (0 to 1) of it. `speedup`
    /// divides every wait.
    #[must_use]
    pub(crate) fn start(now: Duration, phase: f64, speedup: f64) -> Self {
        let speedup = if speedup.is_finite() { speedup.max(1.0) } else { 1.0 };
        let mut cadence = Self { next: now, interval_s: FIRST_INTERVAL_S, failures: 0, speedup };
        cadence.next = now + cadence.wait(START_SPREAD.mul_f64(fraction(phase)));
        cadence
    }

    /// The server responded to a poll with the time until the next one.
    pub(crate) fn on_poll(&mut self, now: Duration, next_poll_s: u32) {
        self.interval_s = next_poll_s.clamp(INTERVAL_BOUNDS_S.0, INTERVAL_BOUNDS_S.1);
        self.failures = 0;
        self.next = now + self.wait(Duration::from_secs(u64::from(self.interval_s)));
    }

    /// The server responded to another request with the time until the next poll. That can bring the next poll forward
    /// and never postpones it: otherwise a gateway that reports all day would never receive a command.
    pub(crate) fn on_answer(&mut self, now: Duration, next_poll_s: u32) {
        let (before, failed) = (self.next, self.failures > 0);
        self.on_poll(now, next_poll_s);
        if !failed {
            self.next = self.next.min(before);
        }
    }

    /// The server didn't respond, or requested a delay. `jitter` is from 0 to 1.
    pub(crate) fn on_failure(&mut self, now: Duration, retry_after: Option<Duration>, jitter: f64) {
        self.failures = self.failures.saturating_add(1);
        let jitter = fraction(jitter);
        let pause = match retry_after {
            Some(after) => after.min(RETRY_AFTER_MAX).mul_f64(1.0 + jitter / 2.0),
            None => self.back_off().mul_f64(jitter),
        };
        self.next = now + self.wait(pause.max(BACK_OFF_MIN)).max(BACK_OFF_LEAST);
    }

    fn back_off(&self) -> Duration {
        let interval = Duration::from_secs(u64::from(self.interval_s)).max(BACK_OFF_FIRST);
        backoff(BACK_OFF_FIRST, BACK_OFF_MAX.min(interval), self.failures)
    }

    fn wait(&self, wait: Duration) -> Duration {
        wait.div_f64(self.speedup)
    }

    /// When the next poll is due.
    #[must_use]
    pub const fn next(&self) -> Duration {
        self.next
    }

    /// The earliest time of the next request: at once, unless the last one failed.
    #[must_use]
    pub(crate) const fn may_call_at(&self) -> Duration {
        if self.failures > 0 { self.next } else { Duration::ZERO }
    }

    /// Seconds between polls, as last received from the server.
    #[must_use]
    pub const fn interval_s(&self) -> u32 {
        self.interval_s
    }

    /// Failures since the last response.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }
}

fn fraction(given: f64) -> f64 {
    if given.is_finite() { given.clamp(0.0, 1.0) } else { 0.5 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_server_decides_and_silence_backs_off() {
        let mut cadence = Cadence::start(s(0), 0.5, 1.0);
        assert_eq!(cadence.next(), s(15));
        cadence.on_poll(s(15), 3600);
        assert_eq!(cadence.next(), s(3615));
        cadence.on_answer(s(16), 3600);
        assert_eq!(cadence.next(), s(3615), "reports put no poll off");
        cadence.on_answer(s(20), 60);
        assert_eq!((cadence.next(), cadence.may_call_at()), (s(80), s(0)));
        let pauses: Vec<u64> = (0..8)
            .map(|_| {
                cadence.on_failure(s(100), None, 1.0);
                (cadence.next() - s(100)).as_secs()
            })
            .collect();
        assert_eq!(pauses, [5, 10, 20, 40, 60, 60, 60, 60]);
        assert_eq!(cadence.may_call_at(), s(160));
        cadence.on_failure(s(100), Some(s(30)), 1.0);
        assert_eq!(cadence.next(), s(145));
        cadence.on_poll(s(100), 0);
        assert_eq!((cadence.next(), cadence.failures()), (s(105), 0));
    }

    #[test]
    fn a_demonstration_divides_the_waits_only() {
        let mut cadence = Cadence::start(s(0), 0.0, 60.0);
        cadence.on_poll(s(0), 3600);
        assert_eq!((cadence.next(), cadence.interval_s()), (s(60), 3600));
        cadence.on_poll(s(0), 60);
        assert_eq!(cadence.next(), s(1));
    }

    proptest! {
        #[test]
        fn a_pause_is_never_empty_and_never_endless(
            failures in 1_u32..40, jitter in -1.0_f64..2.0, after in prop::option::of(0_u64..100_000), next in any::<u32>(),
        ) {
            let mut cadence = Cadence::start(s(0), jitter, 1.0);
            cadence.on_poll(s(0), next);
            for _ in 0..failures {
                cadence.on_failure(s(10), after.map(s), jitter);
                prop_assert!(cadence.next() >= s(11) && cadence.next() <= s(10 + 5400));
            }
        }
    }
}
