//! The configured location of a device: an address or a DNS name, with a port.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::snmp::{Candidates, SNMP_PORT};

/// The configured location of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DeviceAddress {
    /// A fixed address.
    Address(SocketAddr),
    /// A DNS name, which is resolved again from time to time.
    Named {
        /// The name.
        host: String,
        /// The port.
        port: u16,
    },
}

/// A device that is configured by its DNS name.
#[derive(Debug, Clone)]
pub(crate) struct NamedDevice {
    /// The name.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Its credentials, if it has its own.
    pub credentials: Option<Candidates>,
}

/// A text that is neither an address nor a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not valid: expected ADDR, ADDR:PORT, NAME or NAME:PORT")]
pub(crate) struct InvalidAddress(String);

impl DeviceAddress {
    /// The address, if it is a fixed one.
    #[must_use]
    pub(crate) const fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::Named { .. } => None,
        }
    }

    /// The current address: for a name, the first one that DNS returns.
    ///
    /// # Errors
    /// The name has no address; a text for people.
    pub(crate) async fn resolve(&self) -> Result<SocketAddr, String> {
        match self {
            Self::Address(address) => Ok(*address),
            Self::Named { host, port } => {
                let found = tokio::net::lookup_host((host.as_str(), *port)).await;
                let mut found = found.map_err(|error| format!("{host}: no address by DNS: {error}"))?;
                found.next().ok_or_else(|| format!("{host}: no address by DNS"))
            }
        }
    }
}

impl FromStr for DeviceAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let text = text.trim();
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self::Address(SocketAddr::new(ip, SNMP_PORT)));
        }
        let wrong = || InvalidAddress(text.chars().take(80).collect());
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
            None => (text, SNMP_PORT),
        };
        // A name (RFC 1123 §2.1). A name of digits only is a mistyped address.
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
                && !label.starts_with('-')
        };
        let named = host.len() <= 253
            && host.trim_end_matches('.').split('.').all(label)
            && host.chars().any(|c| c.is_ascii_alphabetic());
        if named && port > 0 { Ok(Self::Named { host: host.to_owned(), port }) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_address_or_a_name() {
        let named = |host: &str, port| DeviceAddress::Named { host: host.into(), port };
        for (text, place) in [
            ("192.0.2.7", DeviceAddress::Address("192.0.2.7:161".parse().unwrap())),
            ("[2001:db8::7]:1161", DeviceAddress::Address("[2001:db8::7]:1161".parse().unwrap())),
            ("mfp-3.customer.example", named("mfp-3.customer.example", 161)),
            ("printer:1161", named("printer", 1161)),
        ] {
            assert_eq!(text.parse(), Ok(place), "{text}");
        }
        for bad in ["", "192.0.2.700", "a b", "printer:x", "printer:0", "-x", "a..b", "10.0.0.0/24"] {
            assert!(bad.parse::<DeviceAddress>().is_err(), "{bad}");
        }
    }
}
