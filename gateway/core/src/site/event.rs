//! The events of a site.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use wire::command::{Command, Response};
use wire::ids::{CommandId, DeviceId, RolloutId};
use wire::reading::Reading;

use super::searches::SearchEnd;
use crate::access::Access;
use crate::firmware::PushFailure;
use crate::reading::{CompletedReading, ReadScope};

/// An event.
#[derive(Debug)]
pub enum Event {
    /// A read ended.
    ReadCompleted {
        /// The address.
        address: SocketAddr,
        /// The scope that was requested.
        scope: ReadScope,
        /// The credential that worked, if any.
        access: Option<Access>,
        /// The reading, or the reason why there is none.
        result: Result<Box<CompletedReading>, ReadFailure>,
    },
    /// A search found a device.
    Found {
        /// Its address.
        address: SocketAddr,
        /// The credential that worked, if any.
        access: Option<Access>,
        /// The reading.
        reading: Box<Reading>,
    },
    /// A search ended.
    SearchEnded(SearchEnd),
    /// A configured name was resolved.
    Resolved(SocketAddr),
    /// A poll delivered commands.
    CommandsDelivered(Vec<Command>),
    /// The server has stored this response.
    ResponseStored(CommandId, Response),
    /// The status for a diagnostics command, as JSON; `None` if it can't be encoded.
    Diagnosed(CommandId, Option<serde_json::Value>),
    /// The server's sequence numbers show that one side has lost reports.
    SequenceMismatch,
    /// An image was staged, or staging failed.
    Staged(RolloutId, Result<StagedImage, StagingFailure>),
    /// Progress of staging: octets downloaded so far, and octets in total.
    StagingProgress(RolloutId, u64, u64),
    /// A push ended.
    PushEnded(RolloutId, DeviceId, Result<(), PushFailure>),
    /// A trap was received from an address: read the devices there after this time.
    TrapReceived(IpAddr, Duration),
    /// A recurring job is due.
    Due(Job),
}

/// Why a device was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadFailure {
    /// No response: it may be off.
    NoResponse,
    /// It responded but can't be read, for this reason.
    Unreadable(String),
}

/// An image on the gateway's disk with a verified digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedImage {
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub length: u64,
}

/// Why an image was not staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagingFailure {
    /// The text for operators.
    pub why: String,
    /// Whether a retry can help.
    pub retry: bool,
}

/// A recurring job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Search the networks.
    Search,
    /// Read every device in full.
    Readings,
    /// Remove what is no longer needed.
    Upkeep,
}

impl Job {
    /// Name in the spool.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Readings => "readings",
            Self::Upkeep => "upkeep",
        }
    }
}
