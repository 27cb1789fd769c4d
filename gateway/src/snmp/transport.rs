//! One device's view of the SNMPv3 socket: counts the packets sent, and keeps the reason of a rejected response.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use snmp::message::V3Message;
use snmp::v3::classify_report;
use snmp::{Candidate, DecodeConfig, Error, ReceiveLimits, RequestRegistration, Transport, UdpHandle};

use super::usm_error::UsmError;

/// Octets of a rejected response that an error shows.
const SHOWN_OCTETS: usize = 16;

/// What was observed on the socket.
#[derive(Debug, Default)]
pub(super) struct Tally {
    sent: Arc<AtomicU32>,
    rejected: Mutex<Option<String>>,
    denied: Mutex<Option<UsmError>>,
}

impl Tally {
    /// Why the first rejected response was rejected.
    pub(super) fn rejected(&self) -> Option<String> {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why the device rejected the user, from an unauthenticated report: without a shared key there can't be another.
    pub(super) fn denied(&self) -> Option<UsmError> {
        self.denied.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn deny(&self, usm_error: UsmError) {
        *self.denied.lock().unwrap_or_else(PoisonError::into_inner) = Some(usm_error);
    }

    fn reject(&self, octets: &[u8]) {
        let mut rejected = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        rejected.get_or_insert_with(|| {
            let shown = hex::encode(octets.get(..SHOWN_OCTETS).unwrap_or(octets));
            format!(
                "{} octets ({shown}...) that can't be decoded: expected an SNMP GetResponse",
                octets.len()
            )
        });
    }
}

/// A handle with a tally.
#[derive(Clone)]
pub(super) struct Tallied {
    handle: UdpHandle,
    tally: Arc<Tally>,
}

impl Tallied {
    /// Packets are counted in `sent`.
    pub(super) fn new(handle: UdpHandle, sent: Arc<AtomicU32>) -> (Self, Arc<Tally>) {
        let tally = Arc::new(Tally { sent, ..Tally::default() });
        (Self { handle, tally: Arc::clone(&tally) }, tally)
    }
}

impl Transport for Tallied {
    async fn send(&self, data: &[u8]) -> snmp::Result<()> {
        self.tally.sent.fetch_add(1, Ordering::Relaxed);
        self.handle.send(data).await
    }

    async fn request_with<T, F>(
        &self,
        data: &[u8],
        registration: RequestRegistration,
        mut validate: F,
    ) -> snmp::Result<T>
    where
        T: Send,
        F: FnMut(Bytes, SocketAddr) -> snmp::Result<Candidate<T>> + Send,
    {
        self.tally.sent.fetch_add(1, Ordering::Relaxed);
        let tally = Arc::clone(&self.tally);
        let watched = move |octets: Bytes, source| {
            let candidate = validate(octets.clone(), source)?;
            if matches!(candidate, Candidate::Reject) {
                if let Some(usm_error) = report(&octets) {
                    tally.deny(usm_error);
                    return Err(Error::Auth { target: source }.boxed());
                }
                tally.reject(&octets);
            }
            Ok(candidate)
        };
        self.handle.request_with(data, registration, watched).await
    }

    fn peer_addr(&self) -> SocketAddr {
        self.handle.peer_addr()
    }

    fn local_addr(&self) -> SocketAddr {
        self.handle.local_addr()
    }

    fn is_reliable(&self) -> bool {
        self.handle.is_reliable()
    }

    fn receive_limits(&self) -> ReceiveLimits {
        self.handle.receive_limits()
    }

    fn send_capacity(&self) -> usize {
        self.handle.send_capacity()
    }
}

/// The error in an unauthenticated SNMPv3 report, if it is final for this user. The library ignores such reports,
/// since anyone on the path can forge them. The only consequence here is that a request ends as rejected instead of
/// as timed out.
fn report(octets: &Bytes) -> Option<UsmError> {
    let message = V3Message::decode(octets.clone(), DecodeConfig::DEFAULT).ok()?.value;
    UsmError::of(&classify_report(message.pdu()?).ok()?)
}
