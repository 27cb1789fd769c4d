//! Limits on enrollment attempts: an address that presents wrong tokens is locked out for a while. Pure, with bounded
//! memory.

use std::collections::HashMap;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use wire::network::Network;

/// Wrong tokens from one address before it is locked out.
pub(crate) const WRONG_TRIES: u32 = 5;

/// Duration of the lock-out, and time after which failed attempts are forgotten.
pub(crate) const LOCKED: SignedDuration = SignedDuration::from_mins(15);

/// Maximum number of addresses that are remembered.
const ADDRESSES: usize = 20_000;

#[derive(Debug, Clone, Copy)]
struct Tries {
    wrong: u32,
    last: Timestamp,
}

/// Failed attempts by address; an IPv6 /64 counts as one.
#[derive(Debug, Default)]
pub struct LockOut {
    tries: HashMap<Network, Tries>,
}

impl LockOut {
    /// Until when an address is locked out; `None` if it may try.
    #[must_use]
    pub fn until(&self, address: IpAddr, now: Timestamp) -> Option<Timestamp> {
        let tries = self.tries.get(&Network::of(address)).filter(|tries| tries.wrong >= WRONG_TRIES)?;
        Some(tries.last + LOCKED).filter(|until| now < *until)
    }

    /// Records a wrong token; returns whether that locks the address out.
    pub fn wrong(&mut self, address: IpAddr, now: Timestamp) -> bool {
        let address = Network::of(address);
        if self.tries.len() >= ADDRESSES && !self.tries.contains_key(&address) {
            self.tries.retain(|_, tries| now < tries.last + LOCKED);
            if self.tries.len() >= ADDRESSES
                && let Some(oldest) = self.tries.iter().min_by_key(|(_, tries)| tries.last).map(|(a, _)| *a)
            {
                self.tries.remove(&oldest);
            }
        }
        let tries = self.tries.entry(address).or_insert(Tries { wrong: 0, last: now });
        if now >= tries.last + LOCKED {
            tries.wrong = 0;
        }
        tries.wrong = tries.wrong.saturating_add(1);
        tries.last = now;
        tries.wrong == WRONG_TRIES
    }

    /// Records a valid token: earlier failures of the address are forgotten.
    pub fn right(&mut self, address: IpAddr) {
        self.tries.remove(&Network::of(address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn five_wrong_tries_lock_an_address_for_a_quarter_of_an_hour() {
        let mut lock_out = LockOut::default();
        for second in 0..4 {
            assert!(!lock_out.wrong(ip("192.0.2.1"), at(second)));
            assert_eq!(lock_out.until(ip("192.0.2.1"), at(second)), None);
        }
        assert!(lock_out.wrong(ip("192.0.2.1"), at(4)));
        assert_eq!(lock_out.until(ip("192.0.2.1"), at(5)), Some(at(904)));
        assert_eq!(lock_out.until(ip("::ffff:192.0.2.1"), at(5)), Some(at(904)));
        assert_eq!(lock_out.until(ip("192.0.2.2"), at(5)), None);
        assert_eq!(lock_out.until(ip("192.0.2.1"), at(904)), None);
        assert!(!lock_out.wrong(ip("192.0.2.1"), at(905)), "it starts again");
    }

    #[test]
    fn a_good_token_forgives_and_a_network_counts_as_one() {
        let mut lock_out = LockOut::default();
        for host in 1..=4 {
            lock_out.wrong(ip(&format!("2001:db8:1:2::{host}")), at(0));
        }
        lock_out.right(ip("2001:db8:1:2::9"));
        assert!(!lock_out.wrong(ip("2001:db8:1:2::1"), at(1)));
        for host in 1..=4 {
            lock_out.wrong(ip(&format!("2001:db8:1:2::{host}")), at(1));
        }
        assert!(lock_out.until(ip("2001:db8:1:2::ff"), at(2)).is_some());
        assert!(lock_out.until(ip("2001:db8:1:3::1"), at(2)).is_none());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut lock_out = LockOut::default();
        for n in 0..u32::try_from(ADDRESSES).unwrap() + 50 {
            lock_out.wrong(IpAddr::V4(n.into()), at(i64::from(n) / 1000));
        }
        assert_eq!(lock_out.tries.len(), ADDRESSES);
    }
}
