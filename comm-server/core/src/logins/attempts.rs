//! Whether a password may be verified.

use jiff::{SignedDuration, Timestamp};
use wire::network::Network;

/// Failures from one source that lock the account for that source.
const SOURCE_FAILURES: u32 = 5;

/// Duration of that lock-out.
const LOCKED: SignedDuration = SignedDuration::from_mins(15);

/// Failures from all networks that lock an account for unknown browsers.
const ACCOUNT_FAILURES: u32 = 50;

/// Time after which one such failure is forgotten.
const ACCOUNT_RECOVERY: SignedDuration = SignedDuration::from_mins(5);

/// Age at which failures are forgotten.
pub const FORGOTTEN: SignedDuration = SignedDuration::from_hours(24);

/// The origin of a login attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A network, from an unknown browser.
    Network(Network),
    /// A browser that logged in to this account before, by the identifier in its signed cookie.
    Device(String),
}

impl Source {
    /// The key under which failures of the whole account are stored.
    pub const ACCOUNT: &str = "";

    /// The key under which failures are stored; never [`Self::ACCOUNT`].
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Network(network) => format!("network {network}"),
            Self::Device(id) => format!("device {id}"),
        }
    }

    /// Whether failures of this source count for the whole account, and whether the account's limit applies to it.
    #[must_use]
    pub const fn counts_for_account(&self) -> bool {
        match self {
            Self::Network(_) => true,
            Self::Device(_) => false,
        }
    }
}

/// Failed attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failures {
    /// Their number.
    pub count: u32,
    /// The latest one.
    pub last: Timestamp,
}

/// The password must not be verified now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Locked;

/// Checks whether a password may be verified, given the failures from this source and of the whole account.
///
/// # Errors
/// The source or the account is locked.
pub fn may_try(
    source: &Source,
    own: Option<Failures>,
    account: Option<Failures>,
    now: Timestamp,
) -> Result<(), Locked> {
    let is_locked = own.is_some_and(|own| own.count >= SOURCE_FAILURES && now < own.last + LOCKED);
    let is_full =
        source.counts_for_account() && account.is_some_and(|account| left(account, now) >= ACCOUNT_FAILURES);
    if is_locked || is_full { Err(Locked) } else { Ok(()) }
}

/// The failures from a source after one more.
#[must_use]
pub fn failed(own: Option<Failures>, now: Timestamp) -> Failures {
    let before = own.filter(|own| own.count < SOURCE_FAILURES && now < own.last + FORGOTTEN);
    Failures { count: before.map_or(1, |own| own.count + 1), last: now }
}

/// The failures of the whole account after one more.
#[must_use]
pub fn account_failed(account: Option<Failures>, now: Timestamp) -> Failures {
    Failures { count: account.map_or(0, |account| left(account, now)).saturating_add(1), last: now }
}

/// The failures of an account that are not forgotten yet.
fn left(account: Failures, now: Timestamp) -> u32 {
    let quiet = now.duration_since(account.last).as_secs().max(0) / ACCOUNT_RECOVERY.as_secs();
    account.count.saturating_sub(u32::try_from(quiet).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn network(host: u8) -> Source {
        Source::Network(Network::of([192, 0, 2, host].into()))
    }

    fn device(name: &str) -> Source {
        Source::Device(name.to_owned())
    }

    /// An account under attack.
    #[derive(Default)]
    struct Account(HashMap<String, Failures>);

    impl Account {
        fn of(&self, key: &str) -> Option<Failures> {
            self.0.get(key).copied()
        }

        /// Tries a wrong password; returns whether the attempt was allowed.
        fn guess(&mut self, source: &Source, now: Timestamp) -> bool {
            let (own, account) = (self.of(&source.key()), self.of(Source::ACCOUNT));
            if may_try(source, own, account, now).is_err() {
                return false;
            }
            self.0.insert(source.key(), failed(own, now));
            if source.counts_for_account() {
                self.0.insert(Source::ACCOUNT.to_owned(), account_failed(account, now));
            }
            true
        }

        fn may_try(&self, source: &Source, now: Timestamp) -> bool {
            may_try(source, self.of(&source.key()), self.of(Source::ACCOUNT), now).is_ok()
        }
    }

    #[test]
    fn five_failures_lock_the_account_for_their_network_only() {
        let mut account = Account::default();
        for second in 0..5 {
            assert!(account.guess(&network(1), at(second)));
        }
        assert!(!account.may_try(&network(1), at(5)) && !account.may_try(&network(1), at(903)));
        assert!(account.may_try(&network(2), at(5)), "nobody locks others out");
        assert!(account.may_try(&device("a"), at(5)));
        assert!(account.may_try(&network(1), at(904)));
        assert!(
            account.guess(&network(1), at(904)) && account.may_try(&network(1), at(905)),
            "it begins again"
        );
    }

    #[test]
    fn guesses_from_many_networks_meet_a_slow_limit_that_known_browsers_do_not() {
        let mut account = Account::default();
        let guessed = (0..200).filter(|host| account.guess(&network(*host), at(0))).count();
        assert_eq!(guessed, 50);
        assert!(!account.may_try(&network(201), at(299)));
        assert!(account.may_try(&device("a"), at(1)), "who logged in here before");
        // Afterwards one for each five minutes.
        assert!(account.guess(&network(201), at(300)) && !account.may_try(&network(202), at(300)));
        for second in 301..306 {
            assert!(account.guess(&device("a"), at(second)));
        }
        assert!(!account.may_try(&device("a"), at(306)), "a stolen cookie has five tries");
        assert!(account.may_try(&device("b"), at(306)));
    }

    #[test]
    fn old_failures_are_forgotten() {
        let four = Failures { count: 4, last: at(0) };
        assert_eq!(failed(Some(four), at(1)).count, 5);
        assert_eq!(failed(Some(four), at(FORGOTTEN.as_secs())).count, 1);
        assert_eq!(account_failed(Some(four), at(600)).count, 3);
        assert_eq!(account_failed(Some(four), at(-600)).count, 5, "a clock that went back forgets nothing");
    }

    proptest! {
        #[test]
        fn nobody_guesses_faster_than_the_limits(
            guesses in prop::collection::vec((0_u8..40, 0_i64..120), 1..400)
        ) {
            let mut account = Account::default();
            let (mut now, mut tried, mut of_source) = (0, 0_i64, HashMap::<u8, Vec<i64>>::new());
            for (host, later) in guesses {
                now += later;
                if account.guess(&network(host), at(now)) {
                    tried += 1;
                    of_source.entry(host).or_default().push(now);
                }
            }
            prop_assert!(tried <= 50 + now / 300 + 1);
            for times in of_source.values() {
                // Never six within the time of a lock.
                prop_assert!(times.windows(6).all(|six| six[5] - six[0] >= LOCKED.as_secs()));
            }
        }
    }
}
