//! SNMP: performs the requests of [`gateway_core::reading`] over one shared socket per address family.

mod agent;
mod cache;
mod community;
pub mod credentials;
pub(crate) mod des_salt;
mod session;
mod socket;
mod sockets;
mod transport;
mod usm;
mod usm_error;
mod visit;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::access::Access;
use gateway_core::reading::profiles::Profiles;
use gateway_core::reading::{CompletedReading, Request, Response};
use wire::reading::Reading;

pub use credentials::{Candidates, Credentials};
pub use gateway_core::access::SNMP_PORT;
pub use gateway_core::reading::ReadScope;

use cache::AgentCache;
use sockets::Sockets;
use visit::Visit;

/// Maximum duration of one read.
pub(crate) const READING_TIME: Duration = Duration::from_secs(120);

/// A device to read.
#[derive(Debug, Clone)]
pub struct Target {
    /// The address of its agent.
    pub address: SocketAddr,
    /// The credentials; those for its address are tried in order.
    pub credentials: Candidates,
    /// The time to wait for one response.
    pub timeout: Duration,
    /// Retries of a request.
    pub retries: u32,
}

/// Why a device could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No response: the device is off, or the community is wrong, to which SNMP v1 and v2c don't respond.
    #[error("{address}: no response to {request} within {waited_ms} ms ({attempts} packets)")]
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
    /// The device responds and rejects an SNMPv3 user.
    #[error("{address}: {request} rejected for credentials {credentials:?}: {problem}")]
    Refused {
        /// The device.
        address: SocketAddr,
        /// The request.
        request: String,
        /// Name of the credentials.
        credentials: String,
        /// The cause.
        problem: String,
    },
    /// The response is not valid SNMP.
    #[error("{address}: the response to {request} is malformed: {problem}")]
    Malformed {
        /// The device.
        address: SocketAddr,
        /// The request.
        request: String,
        /// What was found and expected.
        problem: String,
    },
    /// This host could not send.
    #[error("{address}: {request} could not be sent: {problem}")]
    Unreachable {
        /// The device.
        address: SocketAddr,
        /// The request.
        request: String,
        /// The cause.
        problem: String,
    },
    /// The device responds, but so slowly that the read was abandoned.
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
    /// Whether there was no response: the device may be off.
    #[must_use]
    pub const fn is_silence(&self) -> bool {
        matches!(self, Self::NoAnswer { .. } | Self::Unreachable { .. })
    }
}

/// Why the sockets could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("the SNMP socket can't be opened: {0}")]
pub struct TransportError(pub(crate) String);

/// A request and its response, for display.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The request.
    pub request: Request,
    /// The response.
    pub answer: Response,
    /// How long it took, retries included.
    pub took: Duration,
}

/// Reads devices, as many at once as the caller wants; cheap to clone.
#[derive(Clone)]
pub struct Reader {
    profiles: Arc<Profiles>,
    sockets: Arc<Sockets>,
    cache: Arc<AgentCache>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens the IPv4 socket. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The socket can't be opened.
    pub async fn new(profiles: Arc<Profiles>) -> Result<Self, TransportError> {
        Ok(Self { profiles, sockets: Arc::new(Sockets::open().await?), cache: Arc::default() })
    }

    /// Reads one device.
    ///
    /// # Errors
    /// The device doesn't respond, its response is not valid SNMP, or this host can't send.
    pub async fn read(&self, target: &Target, scope: ReadScope) -> Result<Reading, ReadError> {
        Ok(self.read_completed(target, scope).await?.reading)
    }

    /// Reads one device; the result includes fingerprint and coverage.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) async fn read_completed(
        &self,
        target: &Target,
        scope: ReadScope,
    ) -> Result<CompletedReading, ReadError> {
        Visit::new(self, target, scope, false).read(&mut |_| ()).await
    }

    /// Reads one device, passes each exchange to `watch`, and records the sources of values.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) async fn read_watched(
        &self,
        target: &Target,
        scope: ReadScope,
        watch: &mut (dyn FnMut(&Exchange) + Send),
    ) -> Result<CompletedReading, ReadError> {
        Visit::new(self, target, scope, true).read(watch).await
    }

    /// The access that last worked at an address.
    #[must_use]
    pub fn access(&self, address: SocketAddr) -> Option<Access> {
        self.cache.memory(address).map(|memory| memory.access)
    }

    /// Inserts an access that was stored elsewhere.
    pub fn remember(&self, address: SocketAddr, access: Access) {
        self.cache.remember(address, access);
    }
}
