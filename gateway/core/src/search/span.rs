//! Address ranges as configured: `192.0.2.0/24`, `192.0.2.10-192.0.2.99`, `192.0.2.7`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;
use serde::Deserialize;

/// A contiguous range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Span {
    given: Given,
    first: IpAddr,
    last: IpAddr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    Network(IpNet),
    Range,
    Single,
}

/// A text that is not a range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not valid: {expected}")]
pub struct InvalidSpan {
    given: String,
    expected: &'static str,
}

impl Span {
    /// The number of addresses, without the network and broadcast addresses of an IPv4 network.
    #[must_use]
    pub fn size(&self) -> u128 {
        number(self.last).saturating_sub(number(self.first)).saturating_add(1)
    }

    /// Whether the address is one of them.
    #[must_use]
    pub fn contains(&self, address: &IpAddr) -> bool {
        let within = address.is_ipv4() == self.first.is_ipv4();
        within && (number(self.first)..=number(self.last)).contains(&number(*address))
    }

    /// The networks that cover it exactly.
    #[must_use]
    pub fn networks(&self) -> Vec<IpNet> {
        match (self.given, self.first, self.last) {
            (Given::Network(net), ..) => vec![net],
            (_, IpAddr::V4(first), IpAddr::V4(last)) => {
                ipnet::Ipv4Subnets::new(first, last, 0).map(IpNet::V4).collect()
            }
            (_, IpAddr::V6(first), IpAddr::V6(last)) => {
                ipnet::Ipv6Subnets::new(first, last, 0).map(IpNet::V6).collect()
            }
            (_, first, _) => vec![first.into()],
        }
    }

    /// The addresses in ascending order.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> + use<> {
        let v4 = self.first.is_ipv4();
        (number(self.first)..=number(self.last)).filter_map(move |number| address(number, v4))
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn address(number: u128, v4: bool) -> Option<IpAddr> {
    if v4 {
        return u32::try_from(number).ok().map(|bits| Ipv4Addr::from_bits(bits).into());
    }
    Some(Ipv6Addr::from_bits(number).into())
}

impl From<IpNet> for Span {
    fn from(net: IpNet) -> Self {
        let (first, last) = (net.network(), net.broadcast());
        let given = Given::Network(net);
        match net {
            // The network and broadcast addresses are never devices.
            IpNet::V4(v4) if v4.prefix_len() < 31 => {
                let within = |by: i8, of: IpAddr| address(number(of).wrapping_add_signed(by.into()), true);
                let (first, last) = (within(1, first).unwrap_or(first), within(-1, last).unwrap_or(last));
                Self { given, first, last }
            }
            IpNet::V4(_) | IpNet::V6(_) => Self { given, first, last },
        }
    }
}

impl FromStr for Span {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, InvalidSpan> {
        let text = text.trim();
        let wrong = |expected| InvalidSpan { given: text.chars().take(80).collect(), expected };
        if let Ok(net) = text.parse::<IpNet>() {
            return Ok(net.into());
        }
        if let Ok(single) = text.parse::<IpAddr>() {
            return Ok(Self { given: Given::Single, first: single, last: single });
        }
        let expected =
            "expected a network, a range or an address, like 192.0.2.0/24, 192.0.2.10-192.0.2.99, 192.0.2.7";
        let (first, last) = text.split_once('-').ok_or_else(|| wrong(expected))?;
        let end = |text: &str| text.trim().parse::<IpAddr>().map_err(|_| wrong(expected));
        let (first, last) = (end(first)?, end(last)?);
        if first.is_ipv4() != last.is_ipv4() || number(first) > number(last) {
            return Err(wrong("a range goes from its lowest to its highest address, both of one family"));
        }
        Ok(Self { given: Given::Range, first, last })
    }
}

impl TryFrom<String> for Span {
    type Error = InvalidSpan;

    fn try_from(text: String) -> Result<Self, InvalidSpan> {
        text.parse()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.given {
            Given::Network(net) => write!(f, "{net}"),
            Given::Range => write!(f, "{}-{}", self.first, self.last),
            Given::Single => write!(f, "{}", self.first),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_knows_its_size_and_its_ends() {
        for (text, size, first, last) in [
            ("127.20.0.0/28", 14, "127.20.0.1", "127.20.0.14"),
            ("127.20.0.1/32", 1, "127.20.0.1", "127.20.0.1"),
            ("127.20.0.0/31", 2, "127.20.0.0", "127.20.0.1"),
            ("127.20.0.7", 1, "127.20.0.7", "127.20.0.7"),
            ("10.0.0.250-10.0.1.5", 12, "10.0.0.250", "10.0.1.5"),
            ("2001:db8::/64", 1 << 64, "2001:db8::", "2001:db8::ffff:ffff:ffff:ffff"),
            ("0.0.0.0/0", (1 << 32) - 2, "0.0.0.1", "255.255.255.254"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.size(), span.to_string().as_str()), (size, text));
            assert!(
                span.contains(&first.parse().unwrap()) && span.contains(&last.parse().unwrap()),
                "{text}"
            );
            assert_eq!(span.addresses().next().unwrap().to_string(), first);
        }
        assert_eq!("::/0".parse::<Span>().unwrap().size(), u128::MAX);
        let range: Span = "10.0.0.250-10.0.1.5".parse().unwrap();
        assert_eq!(range.addresses().count(), 12);
        let networks: Vec<String> = range.networks().iter().map(ToString::to_string).collect();
        assert_eq!(networks, ["10.0.0.250/31", "10.0.0.252/30", "10.0.1.0/30", "10.0.1.4/31"]);
        assert!(!range.contains(&"10.0.1.6".parse().unwrap()) && !range.contains(&"::a".parse().unwrap()));
    }

    #[test]
    fn what_names_no_addresses_is_refused() {
        for bad in ["", "printer", "10.0.0.9-10.0.0.1", "10.0.0.1-::1", "10.0.0.0/33", "10.0.0.1-"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }
}
