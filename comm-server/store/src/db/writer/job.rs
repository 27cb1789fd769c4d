//! The jobs of the writers.

use comm_server_core::cadence::Cadence;
use comm_server_core::tenancy::TenantId;
use jiff::Timestamp;
use wire::ids::GatewayId;
use wire::poll::{Poll, PollResponse};

/// The gateway that a change is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct GatewayKey {
    /// Its tenant.
    pub(crate) tenant: TenantId,
    /// The gateway.
    pub(crate) gateway: GatewayId,
}

/// Priorities under load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// Calls, changes of operators and responses to commands.
    Urgent,
    /// Meters and readings.
    Regular,
}

/// A gateway's poll, with the data that its response depends on.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Its tenant.
    pub tenant: TenantId,
    /// Its name, from its certificate.
    pub gateway: GatewayId,
    /// Poll intervals.
    pub cadence: Cadence,
    /// When the request was received.
    pub now: Timestamp,
}

impl Caller {
    /// The gateway, whose changes are executed in order.
    pub(crate) fn key(&self) -> GatewayKey {
        GatewayKey { tenant: self.tenant.clone(), gateway: self.gateway.clone() }
    }
}

/// A poll to be handled.
#[derive(Debug, Clone)]
pub(crate) struct PollRequest {
    pub(crate) caller: Caller,
    pub(crate) poll: Poll,
    /// A random number, evenly distributed.
    pub(crate) random: u32,
}

/// The result of a poll.
#[derive(Debug, Clone)]
pub struct PollOutcome {
    /// The response; what it acknowledges is committed.
    pub answer: PollResponse,
    /// Whether the gateway was unknown before.
    pub registered: bool,
}
