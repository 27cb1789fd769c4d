//! Addresses that announce themselves by multicast DNS. An announcement is a hint which address to probe, never a
//! device by itself.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::sweep::Sweep;

/// What happens with announced addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Announced {
    /// Addresses to probe by SNMP, with the position of their network.
    pub ask: Vec<(usize, SocketAddr)>,
    /// Ignored: in no configured network, or excluded.
    pub passed_over: Vec<IpAddr>,
}

/// Maximum number of announced addresses: any host of the network can announce any number.
const ANNOUNCED: usize = 4096;

/// Selects the announced addresses to probe: only those of a configured network, so that a host on the network can't
/// make the gateway send its community elsewhere.
#[must_use]
pub fn judge(known: &Sweep, announced: &BTreeSet<IpAddr>) -> Announced {
    let mut decided = Announced::default();
    for ip in announced.iter().take(ANNOUNCED) {
        let ports: BTreeSet<u16> = known.parts.iter().map(|part| part.port).collect();
        let addresses = ports.into_iter().map(|port| SocketAddr::new(*ip, port));
        let own: Vec<_> = addresses
            .filter(|address| !known.leaves_out(*address))
            .filter_map(|address| Some((known.owner(address)?, address)))
            .collect();
        if own.is_empty() {
            decided.passed_over.push(*ip);
        }
        decided.ask.extend(own);
    }
    decided
}

#[cfg(test)]
mod tests {
    use super::super::sweep::Part;
    use super::*;

    #[test]
    fn only_addresses_of_configured_networks_are_probed() {
        let part = |span: &str, port| Part { span: span.parse().unwrap(), port, swept: false };
        let known = Sweep {
            parts: vec![part("10.0.0.0/8", 161), part("10.0.7.0/24", 161), part("10.0.7.0/24", 1161)],
            exclude: vec!["10.0.9.0/24".parse().unwrap()],
        };
        let announced = ["10.0.7.5", "10.0.9.1", "192.0.2.1", "fe80::1", "10.1.1.1"];
        let decided = judge(&known, &announced.iter().map(|a| a.parse().unwrap()).collect());
        let asked: Vec<_> = decided.ask.iter().map(|(at, address)| format!("{at} {address}")).collect();
        assert_eq!(asked, ["1 10.0.7.5:161", "2 10.0.7.5:1161", "0 10.1.1.1:161"]);
        assert_eq!(decided.passed_over.len(), 3);
    }
}
