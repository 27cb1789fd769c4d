//! The parameters of a session with one agent, and how an exchange fails.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use snmp::{EngineCache, Retry};

use super::credentials::Credentials;
use super::usm_error::UsmError;

/// First pause before a repetition; it doubles.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Longest pause before a repetition.
const BACK_OFF_MAX: Duration = Duration::from_secs(2);

/// Part of a pause that is random, so that devices aren't asked in step.
const JITTER: f64 = 0.25;

/// Why there is neither an answer nor silence.
#[derive(Debug)]
pub(super) enum ExchangeError {
    /// This machine could not send; why.
    Send(String),
    /// The device refuses the user.
    Denied(UsmError),
}

/// How one agent is asked.
#[derive(Debug, Clone)]
pub(super) struct SessionParams {
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

impl SessionParams {
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
