//! Multicast DNS: addresses in this network that announce themselves as printers. An announcement is a hint which
//! address to probe, never a device by itself.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use mdns_sd::{Receiver, ServiceDaemon, ServiceEvent};

/// How long responses are collected: hosts respond within two seconds, and the query is repeated after one.
pub(crate) const LISTEN: Duration = Duration::from_secs(4);

/// The services of printers: IPP, LPD, raw printing.
const SERVICES: [&str; 3] = ["_ipp._tcp.local.", "_printer._tcp.local.", "_pdl-datastream._tcp.local."];

/// Maximum number of addresses: any host of the network can announce any number.
const ADDRESSES: usize = 4096;

/// Why multicast DNS can't be used.
#[derive(Debug, thiserror::Error)]
#[error("multicast DNS can't be used: {0}")]
pub(crate) struct AnnouncementsError(#[from] mdns_sd::Error);

/// Queries the services, and collects responses for `time`.
///
/// # Errors
/// The socket can't be opened.
pub(crate) async fn listen(time: Duration) -> Result<BTreeSet<IpAddr>, AnnouncementsError> {
    let daemon = ServiceDaemon::new()?;
    let browsed: Result<Vec<_>, _> = SERVICES.iter().map(|service| daemon.browse(service)).collect();
    let mut addresses = BTreeSet::new();
    let heard = match browsed {
        Ok(receivers) => {
            let hearing = hear(&receivers, &mut addresses);
            // There is no end of responses other than the timeout.
            tokio::time::timeout(time, hearing).await.ok();
            Ok(())
        }
        Err(error) => Err(error),
    };
    // The daemon's thread ends on its own; there is no need to wait for it.
    if let Err(error) = daemon.shutdown() {
        tracing::debug!(error = %error, "multicast DNS can't be stopped");
    }
    heard?;
    Ok(addresses)
}

async fn hear(receivers: &[Receiver<ServiceEvent>], addresses: &mut BTreeSet<IpAddr>) {
    let mut events: FuturesUnordered<_> = receivers.iter().map(next).collect();
    while let Some((receiver, event)) = events.next().await {
        let Some(event) = event else { continue };
        if let ServiceEvent::ServiceResolved(service) = event {
            let found = service.get_addresses().iter().map(mdns_sd::ScopedIp::to_ip_addr);
            addresses.extend(found.take(ADDRESSES.saturating_sub(addresses.len())));
        }
        events.push(next(receiver));
    }
}

async fn next(receiver: &Receiver<ServiceEvent>) -> (&Receiver<ServiceEvent>, Option<ServiceEvent>) {
    (receiver, receiver.recv_async().await.ok())
}
