//! Rate limits of enrollment: by address for the first one, by gateway afterwards.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};

use comm_server_core::enrollment::LockOut;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use jiff::Timestamp;
use wire::network::Network;

use super::answer::Refused;

/// First enrollments from one network in a minute: a workshop that prepares many gateways.
const FIRST_PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).expect("it is not zero");

/// Renewals of one gateway in an hour: two months lie between them when all is well.
const RENEWALS_PER_HOUR: NonZeroU32 = NonZeroU32::new(12).expect("it is not zero");

/// Keys of a limiter after which those without recent requests are forgotten.
const KEYS: usize = 10_000;

/// Recent requests.
#[derive(Debug)]
pub(super) struct Limits {
    lock_out: Mutex<LockOut>,
    first: DefaultKeyedRateLimiter<Network>,
    renewals: DefaultKeyedRateLimiter<String>,
}

impl Limits {
    pub(super) fn new() -> Self {
        Self {
            lock_out: Mutex::default(),
            first: RateLimiter::keyed(Quota::per_minute(FIRST_PER_MINUTE)),
            renewals: RateLimiter::keyed(Quota::per_hour(RENEWALS_PER_HOUR)),
        }
    }

    /// Whether an address may try a token now.
    pub(super) fn first(&self, address: IpAddr, now: Timestamp) -> Result<(), Refused> {
        if let Some(until) = self.lock_out().until(address, now) {
            return Err(Refused::Locked { until, now });
        }
        if self.first.len() > KEYS {
            self.first.retain_recent();
        }
        self.first.check_key(&Network::of(address)).map_err(|_| Refused::TooMany)
    }

    /// Records a wrong token.
    pub(super) fn wrong(&self, address: IpAddr, now: Timestamp) {
        if self.lock_out().wrong(address, now) {
            metrics::counter!("platen_comm_enrollment_lock_outs_total").increment(1);
            tracing::warn!(peer.address = %address, "too many wrong enrollment tokens: the address is locked out");
        }
    }

    /// Records a valid token.
    pub(super) fn right(&self, address: IpAddr) {
        self.lock_out().right(address);
    }

    /// Whether a gateway may renew now.
    pub(super) fn renewal(&self, gateway: &str) -> Result<(), Refused> {
        if self.renewals.len() > KEYS {
            self.renewals.retain_recent();
        }
        self.renewals.check_key(&gateway.to_owned()).map_err(|_| Refused::TooMany)
    }

    fn lock_out(&self) -> MutexGuard<'_, LockOut> {
        self.lock_out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_one_ipv6_network_share_their_first_enrollments() {
        let (limits, now) = (Limits::new(), Timestamp::UNIX_EPOCH);
        let from = |host: u32| limits.first(format!("2001:db8:1:2::{host:x}").parse().unwrap(), now);
        assert!((1..=60).all(|host| from(host).is_ok()));
        assert!(matches!(from(61), Err(Refused::TooMany)));
        assert!(limits.first("2001:db8:1:3::1".parse().unwrap(), now).is_ok());
    }
}
