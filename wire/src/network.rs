//! The network of a peer's address, which counts as one client for limits per client.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Network {
    /// One IPv4 address (/32).
    V4(Ipv4Addr),
    /// An IPv6 subnet (/64): one host can use all addresses of it.
    V6([u16; 4]),
    /// An IPv6 site (/48): what a provider commonly delegates to one customer (RFC 6177 §2).
    V6Site([u16; 3]),
}

impl Network {
    /// The /32 or /64 of an address; an IPv4-mapped IPv6 address counts as IPv4.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }

    /// The /48 around an IPv6 subnet.
    #[must_use]
    pub fn site(self) -> Option<Self> {
        match self {
            Self::V6([a, b, c, _]) => Some(Self::V6Site([a, b, c])),
            Self::V4(_) | Self::V6Site(_) => None,
        }
    }
}

/// `192.0.2.1`, `2001:db8:1:2::/64`.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::V4(address) => address.fmt(f),
            Self::V6([a, b, c, d]) => write!(f, "{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)),
            Self::V6Site([a, b, c]) => write!(f, "{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_belong_to_networks() {
        let of = |text: &str| Network::of(text.parse().unwrap());
        assert_eq!(of("192.0.2.1").to_string(), "192.0.2.1");
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_eq!(of("2001:db8:1:2:3:4:5:6").to_string(), "2001:db8:1:2::/64");
        assert_eq!(of("2001:db8:1:2::1").site().unwrap().to_string(), "2001:db8:1::/48");
        assert_eq!(of("2001:db8:1:2::1").site(), of("2001:db8:1:3::1").site());
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("192.0.2.1").site(), None);
    }
}
