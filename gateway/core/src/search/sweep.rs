//! A sweep: the addresses of several networks, each once, without the excluded ones.

use std::net::SocketAddr;
use std::time::Duration;

use super::span::Span;

/// Maximum number of addresses of one sweep.
pub const ADDRESSES: u128 = 1 << 20;

/// One network of a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its addresses.
    pub span: Span,
    /// Port of the agents.
    pub port: u16,
    /// Whether it is swept; if not, only addresses that announce themselves are probed.
    pub swept: bool,
}

/// Networks to sweep.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sweep {
    /// The networks.
    pub parts: Vec<Part>,
    /// Addresses that are excluded from all networks.
    pub exclude: Vec<Span>,
}

/// The minimum duration of a sweep in which nothing responds, which is the longest case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Addresses to probe.
    pub addresses: u64,
    /// Packets if no address responds.
    pub packets: u64,
    /// Time for them.
    pub time: Duration,
}

impl Sweep {
    /// The number of addresses of all networks that are swept, excluded ones included.
    #[must_use]
    pub fn size(&self) -> u128 {
        self.parts.iter().filter(|part| part.swept).fold(0, |sum, part| sum.saturating_add(part.span.size()))
    }

    /// Whether an address is left out.
    #[must_use]
    pub(crate) fn leaves_out(&self, address: SocketAddr) -> bool {
        self.exclude.iter().any(|span| span.contains(&address.ip()))
    }

    /// The addresses to probe, with the position of their network in `parts`; at most [`ADDRESSES`]. An address in
    /// two networks is probed once, as the narrower one says.
    pub fn targets(&self) -> impl Iterator<Item = (usize, SocketAddr)> {
        let limit = usize::try_from(ADDRESSES).unwrap_or(usize::MAX);
        let swept = self.parts.iter().enumerate().filter(|(_, part)| part.swept);
        let all = swept
            .flat_map(|(at, part)| part.span.addresses().map(move |ip| (at, SocketAddr::new(ip, part.port))));
        all.filter(|(at, address)| !self.leaves_out(*address) && self.owner(*address) == Some(*at))
            .take(limit)
    }

    /// The network of an address: the narrowest, the first of equal ones.
    #[must_use]
    pub(crate) fn owner(&self, address: SocketAddr) -> Option<usize> {
        let holds = |part: &Part| part.port == address.port() && part.span.contains(&address.ip());
        let own = self.parts.iter().enumerate().filter(|(_, part)| holds(part));
        own.min_by_key(|(_, part)| part.span.size()).map(|(at, _)| at)
    }

    /// How long it takes at this rate. Each address is probed in `1 + retries` rounds, with one packet per credential
    /// in each.
    #[must_use]
    pub fn estimate(
        &self,
        packets_per_s: u32,
        retries: u32,
        timeout: Duration,
        credentials: impl Fn(SocketAddr) -> u32,
    ) -> Estimate {
        let count = |(addresses, packets): (u64, u64), (_, address)| {
            (addresses + 1, packets.saturating_add(credentials(address).into()))
        };
        let (addresses, packets) = self.targets().fold((0, 0), count);
        let packets = packets.saturating_mul(u64::from(retries) + 1);
        let seconds = packets / u64::from(packets_per_s.max(1));
        let waits = timeout.saturating_mul(retries.saturating_add(1));
        let time = if addresses == 0 { Duration::ZERO } else { Duration::from_secs(seconds) + waits };
        Estimate { addresses, packets, time }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sweep(parts: &[(&str, u16)], exclude: &[&str]) -> Sweep {
        Sweep {
            parts: parts
                .iter()
                .map(|(span, port)| Part { span: span.parse().unwrap(), port: *port, swept: true })
                .collect(),
            exclude: exclude.iter().map(|span| span.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn every_address_is_probed_once_with_the_narrowest_network() {
        let both = sweep(
            &[("10.0.0.0/28", 161), ("10.0.0.4-10.0.0.6", 161), ("10.0.0.5", 1161)],
            &["10.0.0.1", "10.0.0.9-10.0.0.12"],
        );
        let targets: Vec<_> = both.targets().map(|(at, address)| format!("{at} {address}")).collect();
        let expected = [
            "0 10.0.0.2:161",
            "0 10.0.0.3:161",
            "0 10.0.0.7:161",
            "0 10.0.0.8:161",
            "0 10.0.0.13:161",
            "0 10.0.0.14:161",
            "1 10.0.0.4:161",
            "1 10.0.0.5:161",
            "1 10.0.0.6:161",
            "2 10.0.0.5:1161",
        ];
        assert_eq!(targets, expected);
        let estimate = both.estimate(5, 1, Duration::from_secs(2), |_| 1);
        assert_eq!((estimate.addresses, estimate.packets, estimate.time.as_secs()), (10, 20, 8));
        assert_eq!(sweep(&[], &[]).estimate(0, 9, Duration::from_secs(1), |_| 1).time, Duration::ZERO);
        assert_eq!(sweep(&[("::/0", 161)], &[]).size(), u128::MAX);
    }

    proptest! {
        #[test]
        fn no_address_comes_twice_and_none_that_is_left_out(
            nets in prop::collection::vec((any::<u16>(), 20_u8..=32), 1..5),
            out in prop::collection::vec((any::<u16>(), 20_u8..=32), 0..3),
        ) {
            let span = |(low, prefix): (u16, u8)| -> Span {
                format!("10.0.{}.{}/{prefix}", low >> 8, low & 255).parse().unwrap()
            };
            let sweep = Sweep {
                parts: nets.into_iter().map(|net| Part { span: span(net), port: 161, swept: true }).collect(),
                exclude: out.into_iter().map(span).collect(),
            };
            let asked: Vec<SocketAddr> = sweep.targets().map(|(_, address)| address).collect();
            let unique: std::collections::BTreeSet<_> = asked.iter().copied().collect();
            prop_assert_eq!(unique.len(), asked.len());
            let wanted: std::collections::BTreeSet<_> = sweep.parts.iter().flat_map(|part| part.span.addresses())
                .filter(|ip| !sweep.exclude.iter().any(|span| span.contains(ip)))
                .map(|ip| SocketAddr::new(ip, 161)).collect();
            prop_assert_eq!(unique, wanted);
        }
    }
}
