//! Errors of receiving on a UDP socket: how often they are logged, and how long the receiver pauses after each. A
//! socket that fails continuously must neither fill the log nor spin.
//!
//! Times are durations since the program began, from a monotonic clock.

use std::time::Duration;

use crate::backoff;

/// At most one error is logged within this period.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The pause after the first error in a row; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

const MAX_PAUSE: Duration = Duration::from_secs(1);

/// The receive errors of one socket.
#[derive(Debug, Default)]
pub struct ReceiveErrors {
    in_a_row: u32,
    logged_at: Option<Duration>,
    suppressed: u64,
}

/// What the receiver does after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reaction {
    /// Log this error, with the number of errors since the last logged one; `None`: don't log it.
    pub log_suppressed: Option<u64>,
    /// The pause before the next receive.
    pub pause: Duration,
}

impl ReceiveErrors {
    /// A receive failed.
    pub fn on_error(&mut self, now: Duration) -> Reaction {
        self.in_a_row = self.in_a_row.saturating_add(1);
        let pause = backoff(FIRST_PAUSE, MAX_PAUSE, self.in_a_row);
        if self.logged_at.is_some_and(|at| now.saturating_sub(at) < LOG_INTERVAL) {
            self.suppressed = self.suppressed.saturating_add(1);
            return Reaction { log_suppressed: None, pause };
        }
        self.logged_at = Some(now);
        Reaction { log_suppressed: Some(std::mem::take(&mut self.suppressed)), pause }
    }

    /// A datagram was received: the next error is the first in a row again. The rate of log lines stays bounded.
    pub const fn on_datagram(&mut self) {
        self.in_a_row = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn one_error_a_minute_is_logged_with_the_number_of_the_others() {
        let mut errors = ReceiveErrors::default();
        for (at, log_suppressed, pause) in [
            (0, Some(0), 10),
            (10, None, 20),
            (30, None, 40),
            (59_999, None, 80),
            (60_000, Some(3), 160),
            (60_001, None, 320),
            (60_002, None, 640),
            (60_003, None, 1_000),
            (120_000, Some(3), 1_000),
        ] {
            assert_eq!(errors.on_error(ms(at)), Reaction { log_suppressed, pause: ms(pause) }, "{at}");
        }
    }

    #[test]
    fn a_datagram_ends_the_back_off_and_not_the_limit_on_log_lines() {
        let mut errors = ReceiveErrors::default();
        for _ in 0..5 {
            errors.on_error(ms(0));
        }
        errors.on_datagram();
        assert_eq!(errors.on_error(ms(1)), Reaction { log_suppressed: None, pause: ms(10) });
    }

    proptest! {
        #[test]
        fn every_error_is_logged_or_counted(steps in prop::collection::vec((0_u64..30_000, any::<bool>()), 1..200)) {
            let (mut errors, mut now, mut lines, mut counted) = (ReceiveErrors::default(), 0, 0_u64, 0);
            for (wait, datagram) in &steps {
                now += wait;
                if *datagram {
                    errors.on_datagram();
                }
                if let Some(suppressed) = errors.on_error(ms(now)).log_suppressed {
                    lines += 1;
                    counted += suppressed;
                }
            }
            prop_assert!(lines <= now / 60_000 + 1);
            prop_assert_eq!(lines + counted + errors.suppressed, steps.len() as u64);
        }
    }
}
