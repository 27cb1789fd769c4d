//! Discovery: finds the devices of networks by a rate-limited sweep, and by announcements.

pub(crate) mod announcements;
mod config;

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use gateway_core::reading::CompletedReading;
use gateway_core::search::{Estimate, Sweep};
use tokio::time::Instant;
use wire::reading::Reading;

use crate::snmp::{Candidates, ReadError, ReadScope, Reader, Target};

pub use config::DiscoveryConfig;

/// A sweep that falls behind its rate catches up by at most this time: the limit exists to prevent bursts.
const CATCH_UP: Duration = Duration::from_millis(50);

/// What to search.
#[derive(Debug, Clone)]
pub struct Search {
    /// The networks.
    pub sweep: Sweep,
    /// Addresses to probe first because they announced themselves.
    pub announced: Vec<SocketAddr>,
    /// The credentials for the probes.
    pub credentials: Candidates,
    /// Addresses of the sweep to skip: they were probed before.
    pub skip: usize,
}

impl Search {
    /// The number of packets and the duration.
    #[must_use]
    pub(crate) fn estimate(&self, pace: Pace) -> Estimate {
        let tries = |address| u32::try_from(self.credentials.at(address).len()).unwrap_or(u32::MAX);
        self.sweep.estimate(pace.packets_per_s, pace.retries, pace.timeout, tries)
    }
}

/// The pace of a sweep.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Time to wait for a response.
    pub timeout: Duration,
    /// Further rounds to addresses that didn't respond.
    pub retries: u32,
    /// Addresses that are probed at the same time.
    pub concurrency: usize,
    /// Packets per second, on average.
    pub packets_per_s: u32,
}

/// Progress of a sweep.
#[derive(Debug)]
pub enum Found {
    /// An address is done without a response.
    Nothing(SocketAddr),
    /// An address didn't respond, and is probed again later.
    Again(SocketAddr),
    /// A printer responded and was read.
    Device(SocketAddr, Box<Reading>),
    /// A host responded but can't be read, or isn't a printer, for this reason.
    Other(SocketAddr, String),
}

/// Searches; `on_address` is called for each address, in the order of completion.
///
/// Each address is probed with one packet per credential. Those that don't respond are probed again after all others.
pub async fn discover(
    reader: &Reader,
    search: &Search,
    pace: Pace,
    on_address: &mut (dyn FnMut(Found) + Send),
) {
    let announced = search.announced.iter().copied();
    let swept = search.sweep.targets().skip(search.skip).map(|(_, address)| address);
    let first = announced.chain(swept.filter(|address| !search.announced.contains(address)));
    let mut silent = round(reader, search, pace, &mut first.into_iter(), pace.retries > 0, on_address).await;
    for left in (0..pace.retries).rev() {
        let again = std::mem::take(&mut silent);
        silent = round(reader, search, pace, &mut again.into_iter(), left > 0, on_address).await;
    }
}

/// Probes each address once. Returns those that didn't respond, if they are to be probed `again`.
async fn round(
    reader: &Reader,
    search: &Search,
    pace: Pace,
    addresses: &mut (dyn Iterator<Item = SocketAddr> + Send),
    again: bool,
    on_address: &mut (dyn FnMut(Found) + Send),
) -> Vec<SocketAddr> {
    let gap = Duration::from_secs(1) / pace.packets_per_s.max(1);
    let (mut asked, mut silent) = (FuturesUnordered::new(), Vec::new());
    let mut next_at = Instant::now();
    let mut next = addresses.next();
    loop {
        let may_begin = next.is_some() && asked.len() < pace.concurrency.max(1);
        tokio::select! {
            () = tokio::time::sleep_until(next_at), if may_begin => {
                if let Some(address) = next.take() {
                    let credentials = search.credentials.clone();
                    let target = Target { address, credentials, timeout: pace.timeout, retries: 0 };
                    asked.push(ask(reader, target, pace.retries));
                }
                next = addresses.next();
                let latest = Instant::now().checked_sub(CATCH_UP).unwrap_or(next_at);
                next_at = next_at.max(latest) + gap;
            }
            Some((found, packets)) = asked.next(), if !asked.is_empty() => {
                // The first packet was counted when it was sent.
                next_at += gap * packets.saturating_sub(1);
                if let (Found::Nothing(address), true) = (&found, again) {
                    silent.push(*address);
                    on_address(Found::Again(*address));
                } else {
                    on_address(found);
                }
            }
            else => return silent,
        }
    }
}

/// Probes one address, and reads it if it responds. Also returns the number of packets.
async fn ask(reader: &Reader, mut target: Target, retries: u32) -> (Found, u32) {
    let address = target.address;
    let packets = match reader.read(&target, ReadScope::Presence).await {
        Ok(answer) => answer.requests,
        Err(ReadError::NoAnswer { attempts, .. }) => return (Found::Nothing(address), attempts),
        Err(error) => return (Found::Other(address, error.to_string()), 1),
    };
    target.retries = retries;
    match reader.read_completed(&target, ReadScope::Full).await {
        Ok(CompletedReading { reading, printer, .. }) => {
            let packets = packets.saturating_add(reading.requests);
            if printer {
                return (Found::Device(address, Box::new(reading)), packets);
            }
            let descr = reading.identity.sys_descr.unwrap_or_default();
            (Found::Other(address, format!("not a printer: {descr}")), packets)
        }
        Err(error) => (Found::Other(address, error.to_string()), packets),
    }
}
