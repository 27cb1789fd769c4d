//! One device's agent: a request goes out, an answer of the core comes back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use gateway_core::message::CommunityVersion;
use gateway_core::reading::{Request, Response};
use snmp::{EngineCache, Retry};

use super::community::CommunityAgent;
use super::credentials::Credentials;
use super::denial::Denial;
use super::sockets::Sockets;
use super::usm::UsmAgent;

/// First pause before a repetition; it doubles.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Longest pause before a repetition.
const BACK_OFF_MAX: Duration = Duration::from_secs(2);

/// Part of a pause that is random, so that devices aren't asked in step.
const JITTER: f64 = 0.25;

/// Why there is neither an answer nor silence.
#[derive(Debug)]
pub(super) enum Failure {
    /// This machine could not send; why.
    Send(String),
    /// The device refuses the user.
    Denied(Denial),
}

/// How one agent is asked.
#[derive(Debug, Clone)]
pub(super) struct Way {
    pub(super) address: SocketAddr,
    pub(super) credentials: Credentials,
    pub(super) context: Option<Arc<str>>,
    pub(super) timeout: Duration,
    pub(super) retries: u32,
    /// What is known of its SNMPv3 engine.
    pub(super) engine: Arc<EngineCache>,
    /// Packets sent, counted over all that is tried.
    pub(super) sent: Arc<AtomicU32>,
}

impl Way {
    /// Whether its SNMPv3 engine has told its id.
    pub(super) fn knows_engine(&self) -> bool {
        self.engine.get(&self.address).is_some()
    }

    /// Whether who is silent may only be silent to what was asked: an SNMPv3 engine tells its id before.
    pub(super) fn may_be_there(&self) -> bool {
        match self.credentials {
            Credentials::V1(_) | Credentials::V2c(_) => true,
            Credentials::V3(_) => self.knows_engine(),
        }
    }
}

/// The pauses between repetitions.
pub(super) fn retry(retries: u32) -> Result<Retry, String> {
    let pauses = Retry::exponential(retries).initial_delay(BACK_OFF).max_delay(BACK_OFF_MAX).jitter(JITTER);
    pauses.build().map_err(|error| error.to_string())
}

/// Something that answers requests.
pub(super) enum SnmpAgent {
    /// SNMP v1 and v2c.
    Community(CommunityAgent),
    /// SNMP v3.
    Usm(Box<UsmAgent>),
}

impl SnmpAgent {
    /// Prepares; nothing is sent.
    pub(super) async fn new(sockets: &Sockets, way: &Way) -> Result<Self, String> {
        let (version, community) = match &way.credentials {
            Credentials::V1(community) => (CommunityVersion::V1, community),
            Credentials::V2c(community) => (CommunityVersion::V2c, community),
            Credentials::V3(user) => {
                let handle = sockets.handle(way.address).await.map_err(|error| error.to_string())?;
                return Ok(Self::Usm(Box::new(UsmAgent::new(handle, user, way)?)));
            }
        };
        let mailbox = sockets.mailbox(way.address).await.map_err(|error| error.to_string())?;
        let community = super::credentials::within(community, way.context.as_deref());
        let (retry, sent) = (retry(way.retries)?, Arc::clone(&way.sent));
        let agent = CommunityAgent::new(mailbox, (version, community), way.timeout, retry, sent);
        Ok(Self::Community(agent))
    }

    /// Sends a request, repeats it at most so often, and gives the answer: silence is one. The library repeats by itself
    /// what goes to a user.
    pub(super) async fn exchange(&mut self, request: &Request, retries: u32) -> Result<Response, Failure> {
        match self {
            Self::Community(agent) => agent.exchange(request, retries).await,
            Self::Usm(agent) => agent.exchange(request).await,
        }
    }

    /// What was wrong with the first answer that was refused.
    pub(super) fn rejected(&self) -> Option<String> {
        match self {
            Self::Community(agent) => agent.rejected(),
            Self::Usm(agent) => agent.rejected(),
        }
    }
}
