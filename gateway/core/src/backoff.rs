//! The one exponential back-off: every pause before a retry is computed here.

use std::time::Duration;

/// Doublings beyond which no pause grows: `first * 2^31` exceeds every maximum in use.
const DOUBLINGS_MAX: u32 = 31;

/// The pause after the `n`th failure in a row, counted from 1: `first`, doubled with each further failure, at most `max`.
#[must_use]
pub fn backoff(first: Duration, max: Duration, n: u32) -> Duration {
    let doublings = n.saturating_sub(1).min(DOUBLINGS_MAX);
    first.saturating_mul(1 << doublings).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_pause_doubles_up_to_its_maximum() {
        let s = Duration::from_secs;
        let pauses: Vec<u64> = (0..8).map(|n| backoff(s(5), s(60), n).as_secs()).collect();
        assert_eq!(pauses, [5, 5, 10, 20, 40, 60, 60, 60]);
        assert_eq!(backoff(s(90), s(60), 1), s(60));
        assert_eq!(backoff(Duration::MAX, Duration::MAX, u32::MAX), Duration::MAX);
    }

    proptest! {
        #[test]
        fn a_pause_never_shrinks_with_more_failures(first in 0_u64..1_000_000, max in 0_u64..1_000_000, n in any::<u32>()) {
            let (first, max) = (Duration::from_millis(first), Duration::from_millis(max));
            let pause = backoff(first, max, n);
            prop_assert!(pause <= max && pause >= first.min(max));
            prop_assert!(backoff(first, max, n.saturating_add(1)) >= pause);
        }
    }
}
