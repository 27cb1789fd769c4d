//! Whether a replica of the database is fresh enough to be read.
//!
//! The positions of the primary and of the replica in the log are queried periodically. A replica that has reached a
//! position contains everything that was committed when the primary was there. This needs no clock of another
//! machine, and an idle primary doesn't make the replica look old. Times are milliseconds on one monotonic clock.

use std::collections::VecDeque;

/// Maximum number of stored positions of the primary that the replica hasn't reached.
const REMEMBERED: usize = 256;

/// The known state of a replica.
#[derive(Debug, Clone, Default)]
pub struct Following {
    /// The primary's positions with their times, oldest first; all beyond the replica's position.
    ahead: VecDeque<(u64, i64)>,
    current_at_ms: Option<u64>,
}

impl Following {
    /// Records that the primary was at `position` when it was queried at `at_ms`.
    pub fn primary(&mut self, at_ms: u64, position: i64) {
        if self.ahead.len() == REMEMBERED {
            // Of a replica that is so far behind, the oldest is awaited first: those in the middle say least.
            self.ahead.remove(REMEMBERED / 2);
        }
        self.ahead.push_back((at_ms, position));
    }

    /// Records that the replica has reached `position`.
    pub fn replayed(&mut self, position: i64) {
        while let Some((at_ms, _)) = self.ahead.front().copied().filter(|&(_, ahead)| ahead <= position) {
            self.ahead.pop_front();
            self.current_at_ms = Some(at_ms);
        }
    }

    /// Records that the replica can't be queried: its state is unknown until the next query.
    pub fn lost(&mut self) {
        *self = Self::default();
    }

    /// The maximum age of the replica's data, milliseconds; `None` if unknown.
    #[must_use]
    pub fn age_ms(&self, now_ms: u64) -> Option<u64> {
        self.current_at_ms.map(|at_ms| now_ms.saturating_sub(at_ms))
    }

    /// Whether none of its data is older than `behind_ms`.
    #[must_use]
    pub fn serves(&self, now_ms: u64, behind_ms: u64) -> bool {
        self.age_ms(now_ms).is_some_and(|age| age <= behind_ms)
    }
}

/// Whether a user who changed something at `changed_ms` must read from the primary at `now_ms`. Both are wall-clock
/// times, possibly of two servers, whose clocks may differ by `slack_ms`.
#[must_use]
pub const fn sees_own_change(changed_ms: i64, now_ms: i64, behind_ms: i64, slack_ms: i64) -> bool {
    now_ms.saturating_sub(changed_ms) <= behind_ms.saturating_add(slack_ms)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_idle_primary_does_not_make_a_replica_old() {
        let mut following = Following::default();
        assert!(!following.serves(0, 5000));
        for second in 0..100 {
            following.primary(second * 1000, 77);
            following.replayed(77);
            assert_eq!(following.age_ms(second * 1000 + 10), Some(10));
        }
    }

    #[test]
    fn one_that_stands_still_ages_and_one_that_is_lost_is_unknown() {
        let mut following = Following::default();
        following.primary(1000, 10);
        following.replayed(10);
        following.primary(2000, 20);
        following.replayed(15);
        assert_eq!(following.age_ms(7000), Some(6000));
        assert!(following.serves(6000, 5000) && !following.serves(6001, 5000));
        following.replayed(20);
        assert_eq!(following.age_ms(7000), Some(5000));
        following.lost();
        assert_eq!(following.age_ms(7000), None);
    }

    #[test]
    fn who_changed_something_sees_the_primary_until_the_replica_has_it() {
        assert!(sees_own_change(1000, 1000, 5000, 2000));
        assert!(sees_own_change(1000, 8000, 5000, 2000));
        assert!(!sees_own_change(1000, 8001, 5000, 2000));
        assert!(sees_own_change(3000, 1000, 5000, 2000), "another server's clock is ahead");
        assert!(!sees_own_change(0, 1_700_000_000_000, 5000, 2000), "never changed anything");
    }

    proptest! {
        /// Whichever positions are dropped, a replica is never considered fresher than it is.
        #[test]
        fn it_is_never_held_to_be_fresher_than_it_is(
            steps in prop::collection::vec((1_u64..2000, 0_i64..50, 0_i64..50), 1..600)
        ) {
            let (mut following, mut history) = (Following::default(), Vec::new());
            let (mut now, mut primary, mut replica) = (0, 0, 0);
            for (wait, written, replayed) in steps {
                now += wait;
                primary += written;
                replica = primary.min(replica + replayed);
                history.push((now, primary));
                following.primary(now, primary);
                following.replayed(replica);
                let truly = history.iter().rev().find(|&&(_, position)| position <= replica).map(|&(at, _)| now - at);
                if let Some(age) = following.age_ms(now) {
                    prop_assert!(age >= truly.expect("it came to a position that was asked"));
                }
            }
        }
    }
}
