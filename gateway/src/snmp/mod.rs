//! SNMP: carries out the requests of [`gateway_core::device_reading`] over one shared socket for each address family.

mod agent;
mod diagnosis;
mod sockets;
mod transport;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway_core::device_reading::{Answer, Circumstances, DeviceReading, Finished, Request};
use gateway_core::profiles::Profiles;
use secrecy::SecretString;
use wire::reading::Reading;

pub use gateway_core::device_reading::Scope;

use agent::{Agent, Failure, SnmpAgent};
use sockets::Sockets;

/// Time for one device, whatever it does.
pub const READING_TIME: Duration = Duration::from_secs(120);

/// Port of an agent where none is given.
pub const SNMP_PORT: u16 = 161;

/// With what a device is asked.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// SNMP v1 with a community.
    V1(SecretString),
    /// SNMP v2c with a community.
    V2c(SecretString),
}

/// A device to be read.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where its agent listens.
    pub address: SocketAddr,
    /// With what it is asked.
    pub credentials: Credentials,
    /// Time for one answer.
    pub timeout: Duration,
    /// How often a request is repeated.
    pub retries: u32,
}

/// Why a device could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Nothing answered: the device is off, or the community is wrong.
    #[error("{address}: no answer to {request} within {waited_ms} ms ({attempts} packets)")]
    NoAnswer {
        /// The device.
        address: SocketAddr,
        /// The request.
        request: String,
        /// Time since the reading began, milliseconds.
        waited_ms: u64,
        /// Packets sent to the device.
        attempts: u32,
    },
    /// Something answered, and not with what SNMP allows.
    #[error("{address}: the answer to {request} is malformed: {problem}")]
    Malformed {
        /// The device.
        address: SocketAddr,
        /// The request.
        request: String,
        /// What was wrong and what was expected.
        problem: String,
    },
    /// This machine could not send.
    #[error("{address}: {request} could not be sent: {problem}")]
    Unreachable {
        /// The device.
        address: SocketAddr,
        /// The request.
        request: String,
        /// Why.
        problem: String,
    },
    /// It answers, and so slowly that the whole reading would take too long.
    #[error("{address}: too slow: {requests} packets took more than {limit_s} s")]
    TooSlow {
        /// The device.
        address: SocketAddr,
        /// Packets sent to the device.
        requests: u32,
        /// The limit, seconds.
        limit_s: u64,
    },
}

impl ReadError {
    /// Whether nothing came back: the device may be off.
    #[must_use]
    pub const fn is_silence(&self) -> bool {
        matches!(self, Self::NoAnswer { .. } | Self::Unreachable { .. })
    }
}

/// The sockets could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("the SNMP socket can't be opened: {0}")]
pub struct TransportError(pub(crate) String);

/// A request and what came back, for people.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The request.
    pub request: Request,
    /// The answer.
    pub answer: Answer,
    /// How long it took, repetitions included.
    pub took: Duration,
}

/// Reads devices, as many at once as the caller asks; cheap to clone.
#[derive(Clone)]
pub struct Reader {
    profiles: Arc<Profiles>,
    sockets: Arc<Sockets>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens the IPv4 socket; must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The socket can't be opened.
    pub async fn new(profiles: Arc<Profiles>) -> Result<Self, TransportError> {
        Ok(Self { profiles, sockets: Arc::new(Sockets::open().await?) })
    }

    /// The profiles that readings are made with.
    #[must_use]
    pub fn profiles(&self) -> &Profiles {
        &self.profiles
    }

    /// Reads one device.
    ///
    /// # Errors
    /// No answer, an answer that isn't SNMP, or this machine can't send.
    pub async fn read(&self, target: &Target, scope: Scope) -> Result<Reading, ReadError> {
        Ok(self.read_watched(target, scope, &mut |_| ()).await?.reading)
    }

    /// Reads one device and tells of each request.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_watched(
        &self,
        target: &Target,
        scope: Scope,
        watch: &mut (dyn FnMut(&Exchange) + Send),
    ) -> Result<Finished, ReadError> {
        let begun = Instant::now();
        let strangers = self.sockets.strangers();
        let agent = match SnmpAgent::new(&self.sockets, target).await {
            Ok(agent) => agent,
            Err(problem) => {
                let request = "the first request".to_owned();
                return Err(ReadError::Unreachable { address: target.address, request, problem });
            }
        };
        let bulk = !matches!(target.credentials, Credentials::V1(_));
        let mut reading = DeviceReading::new(Arc::clone(&self.profiles), scope, bulk);
        while let Some(request) = reading.next_request() {
            let asked = Instant::now();
            let left = READING_TIME.saturating_sub(begun.elapsed());
            let answer = match tokio::time::timeout(left, agent.exchange(&request)).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(Failure(problem))) => {
                    let (address, request) = (target.address, request.to_string());
                    return Err(ReadError::Unreachable { address, request, problem });
                }
                Err(_) => {
                    let (address, requests) = (target.address, agent.sent());
                    return Err(ReadError::TooSlow { address, requests, limit_s: READING_TIME.as_secs() });
                }
            };
            let exchange = Exchange { request, answer, took: asked.elapsed() };
            watch(&exchange);
            if !reading.absorb(exchange.answer) {
                return Err(self.silent(target, &agent, &exchange.request, begun, strangers).await);
            }
        }
        Ok(reading.finish(Circumstances {
            address: address_text(target.address),
            read_at: jiff::Timestamp::now(),
            took_ms: millis(begun.elapsed()),
            requests: agent.sent(),
        }))
    }

    /// No usable answer came: tells a device that sends rubbish from one that sends nothing.
    async fn silent(
        &self,
        target: &Target,
        agent: &SnmpAgent,
        request: &Request,
        begun: Instant,
        strangers: u64,
    ) -> ReadError {
        let (address, waited_ms) = (target.address, millis(begun.elapsed()));
        let request = request.to_string();
        let problem = match agent.rejected() {
            Some(problem) => Some(problem),
            // Only when the socket saw a datagram that fits no request is it worth asking whether it was this device's.
            None if self.sockets.strangers() > strangers => diagnosis::ask(target).await,
            None => None,
        };
        match problem {
            Some(problem) => ReadError::Malformed { address, request, problem },
            None => ReadError::NoAnswer { address, request, waited_ms, attempts: agent.sent() },
        }
    }
}

/// Address as readings carry it: without the port where it is SNMP's own.
#[must_use]
pub fn address_text(address: SocketAddr) -> String {
    if address.port() == SNMP_PORT { address.ip().to_string() } else { address.to_string() }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
