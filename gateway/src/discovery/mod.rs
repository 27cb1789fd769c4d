//! Discovery: finds the devices of networks by a paced sweep, and `platen-gateway discover`.

mod command;

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use gateway_core::device_reading::is_printer;
use ipnet::IpNet;
use tokio::time::Instant;
use wire::reading::Reading;

use crate::snmp::{Candidates, ReadError, Reader, Scope, Target};

pub use command::{DiscoverArgs, command};

/// Addresses of one sweep.
pub const ADDRESSES: u128 = 1 << 20;

/// A network to sweep.
#[derive(Debug, Clone)]
pub struct Network {
    /// Addresses.
    pub cidr: IpNet,
    /// Port of the agents.
    pub port: u16,
    /// With what they are asked.
    pub credentials: Candidates,
}

impl Network {
    /// How many addresses it has.
    #[must_use]
    pub fn addresses(&self) -> u128 {
        let bits = u32::from(self.cidr.max_prefix_len() - self.cidr.prefix_len());
        let all = 1_u128.checked_shl(bits).unwrap_or(u128::MAX);
        // Network and broadcast address aren't devices.
        if matches!(self.cidr, IpNet::V4(_)) && bits > 1 { all - 2 } else { all }
    }
}

/// How a sweep goes.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Time for an answer.
    pub timeout: Duration,
    /// Repetitions of a probe.
    pub retries: u32,
    /// Addresses asked at once.
    pub concurrency: usize,
    /// Addresses begun in a second.
    pub packets_per_s: u32,
}

/// What a sweep tells while it goes.
#[derive(Debug)]
pub enum Found {
    /// An address is done, and nothing answered there.
    Nothing(SocketAddr),
    /// A printer answered and was read.
    Device(SocketAddr, Box<Reading>),
    /// Something answered and could not be read, or isn't a printer; why.
    Other(SocketAddr, String),
}

/// Sweeps the networks; `on_address` is called once for each address, in the order of completion.
///
/// At most [`ADDRESSES`] are asked.
pub async fn discover(
    reader: &Reader,
    networks: &[Network],
    pace: Pace,
    on_address: &mut (dyn FnMut(Found) + Send),
) {
    let gap = Duration::from_secs(1) / pace.packets_per_s.max(1);
    let limit = usize::try_from(ADDRESSES).unwrap_or(usize::MAX);
    let mut targets = networks.iter().flat_map(|network| network.targets(pace)).take(limit);
    let mut asked = FuturesUnordered::new();
    let mut next_at = Instant::now();
    let mut next = targets.next();
    loop {
        let may_begin = next.is_some() && asked.len() < pace.concurrency.max(1);
        tokio::select! {
            () = tokio::time::sleep_until(next_at), if may_begin => {
                if let Some(target) = next.take() {
                    asked.push(ask(reader, target));
                }
                next = targets.next();
                next_at += gap;
            }
            Some(found) = asked.next(), if !asked.is_empty() => on_address(found),
            else => return,
        }
    }
}

impl Network {
    fn targets(&self, pace: Pace) -> impl Iterator<Item = Target> {
        self.cidr.hosts().map(move |ip| Target {
            address: SocketAddr::new(ip, self.port),
            credentials: self.credentials.clone(),
            timeout: pace.timeout,
            retries: pace.retries,
        })
    }
}

async fn ask(reader: &Reader, target: Target) -> Found {
    let address = target.address;
    match reader.read(&target, Scope::Whole).await {
        Ok(reading) if is_printer(&reading) => Found::Device(address, Box::new(reading)),
        Ok(reading) => {
            let descr = reading.identity.sys_descr.unwrap_or_default();
            Found::Other(address, format!("not a printer: {descr}"))
        }
        Err(ReadError::NoAnswer { .. }) => Found::Nothing(address),
        Err(error) => Found::Other(address, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_knows_its_size() {
        let size = |cidr: &str| {
            let credentials = crate::snmp::Credentials::V2c("public".into()).into();
            Network { cidr: cidr.parse().unwrap(), port: 161, credentials }.addresses()
        };
        assert_eq!(size("127.20.0.0/28"), 14);
        assert_eq!(size("127.20.0.1/32"), 1);
        assert_eq!(size("127.20.0.0/31"), 2);
        assert_eq!(size("2001:db8::/64"), 1 << 64);
        assert_eq!(size("::/0"), u128::MAX);
    }
}
