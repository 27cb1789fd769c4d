//! Traps: each is a hint to read a device soon, and nothing more, since anyone can send one. Traps from unknown
//! addresses are ignored, and a flood of traps causes no more reads than a single one.
//!
//! Times are durations since the program began, from a monotonic clock.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// The limits on reads that traps cause.
#[derive(Debug, Clone, Copy)]
pub struct TrapRules {
    /// Traps of one device that are accepted at once.
    pub burst: u32,
    /// After a burst, one more trap is accepted per this period.
    pub refill: Duration,
    /// The pause between a trap and the read: the device needs it to update its tables.
    pub settle: Duration,
    /// Minimum time between two reads of one device that traps cause.
    pub gap: Duration,
}

impl Default for TrapRules {
    fn default() -> Self {
        Self {
            burst: 20,
            refill: Duration::from_secs(3),
            settle: Duration::from_millis(500),
            gap: Duration::from_secs(10),
        }
    }
}

/// What follows from a trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Read the device after this time.
    Read(Duration),
    /// A read that covers this trap is already scheduled.
    Planned,
    /// The device sent too many: ignored.
    TooMany,
    /// No known device has this address: ignored.
    UnknownSender,
}

impl Verdict {
    /// Name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read(_) => "look",
            Self::Planned => "planned",
            Self::TooMany => "too_many",
            Self::UnknownSender => "stranger",
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Source {
    /// Traps that are still accepted.
    left: u32,
    refilled: Duration,
    /// When the last read that a trap caused is due, or was.
    read_at: Option<Duration>,
}

/// Limits the reads that traps cause. Holds one entry per known address.
#[derive(Debug)]
pub struct TrapRateLimiter {
    rules: TrapRules,
    sources: BTreeMap<IpAddr, Option<Source>>,
}

impl TrapRateLimiter {
    /// No address is known yet.
    #[must_use]
    pub const fn new(rules: TrapRules) -> Self {
        Self { rules, sources: BTreeMap::new() }
    }

    /// Replaces the set of known addresses.
    pub fn know(&mut self, addresses: &BTreeSet<IpAddr>) {
        self.sources.retain(|address, _| addresses.contains(address));
        for address in addresses {
            self.sources.entry(*address).or_default();
        }
    }

    /// A trap was received from an address.
    pub fn on_trap(&mut self, from: IpAddr, now: Duration) -> Verdict {
        let rules = self.rules;
        let Some(source) = self.sources.get_mut(&from.to_canonical()) else { return Verdict::UnknownSender };
        let source = source.get_or_insert(Source { left: rules.burst, refilled: now, read_at: None });
        source.refill(&rules, now);
        if source.left == 0 {
            return Verdict::TooMany;
        }
        source.left -= 1;
        let soonest = now + rules.settle;
        match source.read_at {
            // The read must be at least `settle` after this trap, too.
            Some(read) if soonest <= read => Verdict::Planned,
            before => {
                let read = before.map_or(soonest, |before| soonest.max(before + rules.gap));
                source.read_at = Some(read);
                Verdict::Read(read.saturating_sub(now))
            }
        }
    }
}

impl Source {
    fn refill(&mut self, rules: &TrapRules, now: Duration) {
        let refill = rules.refill.max(Duration::from_millis(1));
        let passed = now.saturating_sub(self.refilled).as_millis() / refill.as_millis().max(1);
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        if self.left.saturating_add(passed) >= rules.burst {
            (self.left, self.refilled) = (rules.burst, now);
        } else {
            self.left += passed;
            self.refilled += refill * passed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn device() -> IpAddr {
        "192.0.2.7".parse().unwrap()
    }

    fn gate() -> TrapRateLimiter {
        let mut gate = TrapRateLimiter::new(TrapRules::default());
        gate.know(&BTreeSet::from([device()]));
        gate
    }

    #[test]
    fn traps_cause_few_reads() {
        let mut gate = gate();
        for (at, expected) in [
            (0, Verdict::Read(ms(500))),
            (1, Verdict::Read(ms(10_499))),
            (2, Verdict::Planned),
            (9_000, Verdict::Planned),
            (10_400, Verdict::Read(ms(10_100))),
            (60_000, Verdict::Read(ms(500))),
        ] {
            assert_eq!(gate.on_trap(device(), ms(at)), expected, "{at}");
        }
    }

    #[test]
    fn strangers_and_floods_are_ignored() {
        let mut gate = gate();
        assert_eq!(gate.on_trap("192.0.2.8".parse().unwrap(), ms(0)), Verdict::UnknownSender);
        assert_eq!(gate.on_trap("::ffff:192.0.2.7".parse().unwrap(), ms(0)), Verdict::Read(ms(500)));
        let taken = (0..1_000).filter(|_| gate.on_trap(device(), ms(1)) != Verdict::TooMany).count();
        assert_eq!(taken, 19);
        assert_eq!(gate.on_trap(device(), ms(3_000)), Verdict::Planned, "one more after three seconds");
        assert_eq!(gate.on_trap(device(), ms(3_001)), Verdict::TooMany);
        gate.know(&BTreeSet::new());
        assert_eq!(gate.on_trap(device(), ms(9_000)), Verdict::UnknownSender);
        assert!(gate.sources.is_empty());
    }

    proptest! {
        #[test]
        fn reads_are_never_nearer_than_the_gap(waits in prop::collection::vec(0_u64..20_000, 1..200)) {
            let (mut gate, mut now, mut last) = (gate(), Duration::ZERO, None);
            for wait in waits {
                now += ms(wait);
                if let Verdict::Read(after) = gate.on_trap(device(), now) {
                    let look = now + after;
                    prop_assert!(after >= ms(500) && after <= ms(10_500));
                    prop_assert!(last.is_none_or(|last| look >= last + ms(10_000)));
                    last = Some(look);
                }
            }
        }
    }
}
