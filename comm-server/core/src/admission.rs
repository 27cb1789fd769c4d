//! Admission control under overload: urgent requests are admitted first, and rejected ones get a time to retry.
//!
//! The retries are spread over the time that it takes to serve the rejected requests, so that they don't cause a
//! second peak.

/// Load above which readings and meters are rejected, 0 to 1.
const BULK_ABOVE: f64 = 0.5;

/// Load above which polls are also rejected.
const POLLS_ABOVE: f64 = 0.75;

/// The shortest time to retry, seconds.
const PAUSE_MIN_S: u32 = 5;

/// The longest time to retry, seconds.
const PAUSE_MAX_S: u32 = 900;

/// Length of the window in which served and rejected requests are counted, seconds.
pub const WINDOW_S: u32 = 10;

/// The purpose of a request, by urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestClass {
    /// It reports a call or the response to a command.
    Urgent,
    /// It polls.
    Poll,
    /// It reports meters and readings.
    Bulk,
}

/// The server's load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// How full the queue of pending changes is, 0 to 1.
    pub queue_fill: f64,
    /// Requests served in the last window.
    pub served: u32,
    /// Requests rejected in it.
    pub refused: u32,
}

/// Admits a request, or returns the seconds after which to retry. `jitter` is uniformly random.
///
/// # Errors
/// The seconds.
pub fn admit(load: Load, class: RequestClass, jitter: u32) -> Result<(), u32> {
    let above = match class {
        RequestClass::Urgent => return Ok(()),
        RequestClass::Poll => POLLS_ABOVE,
        RequestClass::Bulk => BULK_ABOVE,
    };
    if load.queue_fill < above { Ok(()) } else { Err(pause_s(load, jitter)) }
}

/// Seconds after which a rejected client may retry.
#[must_use]
pub fn pause_s(load: Load, jitter: u32) -> u32 {
    // As many windows as it takes to serve once more as many as were refused in one.
    let windows = u64::from(load.refused) / u64::from(load.served.max(1)) + 1;
    let spread = windows.saturating_mul(u64::from(WINDOW_S)).min(u64::from(PAUSE_MAX_S - PAUSE_MIN_S));
    let part = (u64::from(jitter) * (spread + 1)) >> 32;
    PAUSE_MIN_S + u32::try_from(part).unwrap_or(PAUSE_MAX_S - PAUSE_MIN_S)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn load(queue_fill: f64) -> Load {
        Load { queue_fill, served: 10, refused: 0 }
    }

    #[test]
    fn what_is_urgent_is_always_let_in_and_bulk_is_refused_first() {
        let table = [
            (0.0, [true, true, true]),
            (0.49, [true, true, true]),
            (0.5, [true, true, false]),
            (0.74, [true, true, false]),
            (0.75, [true, false, false]),
            (1.0, [true, false, false]),
        ];
        for (queue_fill, expected) in table {
            let admitted = [RequestClass::Urgent, RequestClass::Poll, RequestClass::Bulk]
                .map(|w| admit(load(queue_fill), w, 0).is_ok());
            assert_eq!(admitted, expected, "{queue_fill}");
        }
    }

    #[test]
    fn the_more_are_refused_the_longer_they_are_spread() {
        let last = |served, refused| pause_s(Load { queue_fill: 1.0, served, refused }, u32::MAX);
        assert_eq!([last(100, 0), last(100, 100), last(100, 1000), last(0, 5)], [15, 25, 115, 65]);
        assert_eq!(last(1, 1_000_000), PAUSE_MAX_S);
        assert_eq!(pause_s(load(1.0), 0), PAUSE_MIN_S);
    }

    proptest! {
        #[test]
        fn pauses_stay_in_their_bounds(served: u32, refused: u32, jitter: u32) {
            let pause = pause_s(Load { queue_fill: 1.0, served, refused }, jitter);
            prop_assert!((PAUSE_MIN_S..=PAUSE_MAX_S).contains(&pause));
        }
    }
}
