//! When a certificate is renewed, and whether the new one may replace the old one: decisions. File operations:
//! [`files`].

pub mod files;

use jiff::Timestamp;

use crate::identity::Identity;
use crate::leaf_facts::Role;
use crate::spiffe::SpiffeId;
use crate::tls::{self, PeerRejection};

/// Part of the lifetime, after two thirds of it, over which renewals are spread: one twentieth.
const SPREAD: f64 = 0.05;

/// What to do about our own certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing before this time.
    Wait {
        /// When to renew.
        until: Timestamp,
    },
    /// Renew, and retry until it succeeds.
    Renew,
    /// Renew, and raise the alarm: less than a fifth of the lifetime is left.
    Alarm {
        /// When the certificate ends.
        not_after: Timestamp,
    },
    /// It has expired: a new enrollment is required.
    Expired {
        /// When it ended.
        not_after: Timestamp,
    },
}

/// Decides by the certificate's lifetime: at two thirds of it, and later by `jitter` (0 to 1, drawn once per
/// certificate), so that gateways that were enrolled together don't renew at the same time.
#[must_use]
pub fn due(not_before: Timestamp, not_after: Timestamp, now: Timestamp, jitter: f64) -> Due {
    if now > not_after {
        return Due::Expired { not_after };
    }
    let lifetime = (not_after.as_second() - not_before.as_second()).max(0);
    if not_after.as_second() - now.as_second() < lifetime / 5 {
        return Due::Alarm { not_after };
    }
    let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.0 };
    let spread =
        std::time::Duration::try_from_secs_f64(as_f64(lifetime) * SPREAD * jitter).unwrap_or_default();
    let two_thirds = std::time::Duration::from_secs((lifetime / 3 * 2).unsigned_abs());
    // The end itself where the sum is beyond all time.
    let until = not_before.checked_add(two_thirds).and_then(|at| at.checked_add(spread)).unwrap_or(not_after);
    if now < until { Due::Wait { until } } else { Due::Renew }
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a lifetime, for a fraction of it")]
const fn as_f64(seconds: i64) -> f64 {
    seconds as f64
}

/// Why a new certificate must not replace the old one.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProofError {
    /// Our own verifier rejects it.
    #[error("our own verifier rejects the new certificate")]
    Rejected(#[source] PeerRejection),
    /// It names another party.
    #[error("the new certificate is for {got}: expected {expected}")]
    OtherName {
        /// The own identity.
        expected: SpiffeId,
        /// The identity in the certificate.
        got: SpiffeId,
    },
    /// It does not expire later than the old one.
    #[error("the new certificate ends at {new} (Unix seconds), no later than the old one, {old}")]
    NoLonger {
        /// The old one's end.
        old: i64,
        /// The new one's end.
        new: i64,
    },
}

/// Verifies a new identity with our own verifier, as its peers will. `old` is the identity that it replaces; at the
/// first enrollment only the name is known. That the key fits was checked when the identity was loaded.
///
/// # Errors
/// The new identity must not replace the old one.
pub fn prove(
    new: &Identity,
    expected: &SpiffeId,
    old: Option<&Identity>,
    now: Timestamp,
) -> Result<(), ProofError> {
    if new.id() != expected {
        return Err(ProofError::OtherName { expected: expected.clone(), got: new.id().clone() });
    }
    let kind = expected.party.kind();
    let roles: &[Role] = if kind.is_server() { &[Role::Client, Role::Server] } else { &[Role::Client] };
    for role in roles {
        tls::explain(new.trust(), new.chain(), *role, &[kind], now.as_second())
            .map_err(ProofError::Rejected)?;
    }
    match old.map(Identity::not_after) {
        Some(old) if new.not_after() <= old => Err(ProofError::NoLonger { old, new: new.not_after() }),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn ninety_days_renew_on_day_sixty_and_alarm_on_day_seventy_two() {
        let not_after = at(90 * DAY);
        let wait = |hours: i64| Due::Wait { until: at(hours * 3_600) };
        for (now, jitter, expected) in [
            (at(0), 0.0, wait(1440)),
            (at(-DAY), 0.0, wait(1440)),
            (at(0), 1.0, wait(1548)),
            (at(60 * DAY - 1), 0.0, wait(1440)),
            (at(60 * DAY), 0.0, Due::Renew),
            (at(60 * DAY), 0.5, wait(1494)),
            (at(65 * DAY), 1.0, Due::Renew),
            (at(72 * DAY), 0.0, Due::Renew),
            (at(72 * DAY + 1), 0.0, Due::Alarm { not_after }),
            (at(90 * DAY), 1.0, Due::Alarm { not_after }),
            (at(90 * DAY + 1), 0.0, Due::Expired { not_after }),
            (at(0), f64::NAN, wait(1440)),
            (at(0), f64::INFINITY, wait(1440)),
            (at(0), 7.0, wait(1548)),
        ] {
            assert_eq!(due(at(0), not_after, now, jitter), expected, "{now} {jitter}");
        }
    }

    proptest::proptest! {
        #[test]
        fn it_is_never_late(begin in -1_000_000_000_i64..4_000_000_000, life in 0_i64..1_000_000_000, part in 0_i64..100, jitter: f64) {
            let (from, until) = (at(begin), at(begin + life));
            let now = at(begin + life / 100 * part);
            match due(from, until, now, jitter) {
                Due::Wait { until: when } => {
                    proptest::prop_assert!(now < when && when <= until);
                    proptest::prop_assert!((when.as_second() - begin) * 100 <= life * 72);
                }
                Due::Renew | Due::Alarm { .. } => proptest::prop_assert!(part * 3 >= 198 || life < 300),
                Due::Expired { .. } => proptest::prop_assert!(false, "not yet"),
            }
        }
    }
}
