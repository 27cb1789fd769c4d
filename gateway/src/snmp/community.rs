//! Requests with a community: SNMP v1 and v2c.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gateway_core::message::{self, CommunityVersion, Envelope, Malformed};
use gateway_core::reading::{ErrorStatus, Request, Response};
use secrecy::{ExposeSecret, SecretString};
use snmp::Retry;

use super::session::ExchangeError;
use super::socket::Mailbox;

/// The largest request, octets: it fits into one Ethernet frame.
const REQUEST_OCTETS: usize = 1_472;

/// The agent of one device.
#[derive(Debug)]
pub(super) struct CommunityAgent {
    mailbox: Mailbox,
    version: CommunityVersion,
    community: SecretString,
    timeout: Duration,
    retry: Retry,
    sent: Arc<AtomicU32>,
    before_first: i32,
    id: i32,
    rejected: Option<Malformed>,
}

impl CommunityAgent {
    /// Sends nothing yet. Packets are counted in `sent`.
    pub(super) fn new(
        mailbox: Mailbox,
        (version, community): (CommunityVersion, SecretString),
        timeout: Duration,
        retry: Retry,
        sent: Arc<AtomicU32>,
    ) -> Self {
        // Unpredictable for anyone who doesn't see the requests, and far enough from the maximum that it never
        // becomes negative.
        let before_first = i32::from_ne_bytes(rand::random()) & 0x3fff_ffff;
        let (id, rejected) = (before_first, None);
        Self { mailbox, version, community, timeout, retry, sent, before_first, id, rejected }
    }

    /// Sends a request with at most this number of retries. A timeout is a response, too.
    pub(super) async fn exchange(
        &mut self,
        request: &Request,
        retries: u32,
    ) -> Result<Response, ExchangeError> {
        self.id += 1;
        let datagram = message::encode(self.envelope(), request);
        if datagram.len() > REQUEST_OCTETS {
            return Ok(Response::Error(ErrorStatus::TooBig));
        }
        let retries = retries.min(self.retry.retries());
        for attempt in 0..=retries {
            self.sent.fetch_add(1, Ordering::Relaxed);
            self.mailbox.send(&datagram).await.map_err(|error| ExchangeError::Send(error.to_string()))?;
            let last = attempt == retries;
            // A late response is accepted during the pause, too.
            let pause = if last { Duration::ZERO } else { self.retry.compute_delay(attempt) };
            if let Ok(answer) = tokio::time::timeout(self.timeout + pause, self.answer()).await {
                return Ok(answer);
            }
        }
        Ok(Response::Timeout)
    }

    /// Why the first rejected response was rejected.
    pub(super) fn rejected(&self) -> Option<String> {
        self.rejected.as_ref().map(ToString::to_string)
    }

    fn envelope(&self) -> Envelope<'_> {
        Envelope { version: self.version, community: self.community.expose_secret().as_bytes(), id: self.id }
    }

    /// Waits for the response to the last request.
    async fn answer(&mut self) -> Response {
        loop {
            let datagram = self.mailbox.receive().await;
            match message::decode(&datagram, self.envelope()) {
                Ok(answer) => return answer,
                // A late response to an earlier request.
                Err(Malformed::Id { id }) if (self.before_first + 1..self.id).contains(&id) => {}
                Err(problem) => {
                    self.rejected.get_or_insert(problem);
                }
            }
        }
    }
}
