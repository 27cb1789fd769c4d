//! The parameters of a session with one agent, and the errors of an exchange.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use snmp::{EngineCache, Retry};

use super::credentials::Credentials;
use super::usm_error::UsmError;

/// The pause before the first retry; it doubles.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Longest pause before a retry.
const BACK_OFF_MAX: Duration = Duration::from_secs(2);

/// The random part of a pause, so that retries to many devices don't synchronise.
const JITTER: f64 = 0.25;

/// Why an exchange ended with neither a response nor a timeout.
#[derive(Debug)]
pub(super) enum ExchangeError {
    /// This host could not send, for this reason.
    Send(String),
    /// The device rejects the user.
    Denied(UsmError),
}

/// The parameters of a session with one agent.
#[derive(Debug, Clone)]
pub(super) struct SessionParams {
    pub(super) address: SocketAddr,
    pub(super) credentials: Credentials,
    pub(super) context: Option<Arc<str>>,
    pub(super) timeout: Duration,
    pub(super) retries: u32,
    /// Its SNMPv3 engine, as far as known.
    pub(super) engine: Arc<EngineCache>,
    /// Packets sent in all attempts.
    pub(super) sent: Arc<AtomicU32>,
}

impl SessionParams {
    /// Whether the id of its SNMPv3 engine is known.
    pub(super) fn knows_engine(&self) -> bool {
        self.engine.get(&self.address).is_some()
    }

    /// Whether a device that timed out may still be on: an SNMPv3 device first responds to engine discovery.
    pub(super) fn may_be_there(&self) -> bool {
        match self.credentials {
            Credentials::V1(_) | Credentials::V2c(_) => true,
            Credentials::V3(_) => self.knows_engine(),
        }
    }
}

/// The pauses between retries.
pub(super) fn retry(retries: u32) -> Result<Retry, String> {
    let pauses = Retry::exponential(retries).initial_delay(BACK_OFF).max_delay(BACK_OFF_MAX).jitter(JITTER);
    pauses.build().map_err(|error| error.to_string())
}
