//! What happens at a site.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use wire::command::{Command, Response};
use wire::ids::{CommandId, DeviceId, RolloutId};
use wire::reading::Reading;

use super::searches::SearchEnd;
use crate::access::Access;
use crate::firmware::PushFailure;
use crate::reading::{CompletedReading, ReadScope};

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A read ended.
    ReadCompleted {
        /// Where.
        address: SocketAddr,
        /// What was asked for.
        scope: ReadScope,
        /// With what the device answered.
        access: Option<Access>,
        /// The reading, or why there is none.
        result: Result<Box<CompletedReading>, ReadFailure>,
    },
    /// A search found a device.
    Found {
        /// Where.
        address: SocketAddr,
        /// With what it answered.
        access: Option<Access>,
        /// What it shows.
        reading: Box<Reading>,
    },
    /// A search ended.
    SearchEnded(SearchEnd),
    /// The DNS gave the address of a configured name.
    Resolved(SocketAddr),
    /// Commands came with a poll.
    CommandsDelivered(Vec<Command>),
    /// The server has stored this response.
    ResponseStored(CommandId, Response),
    /// The status that a diagnostics command asked for, as JSON; `None` where it can't be encoded.
    Diagnosed(CommandId, Option<serde_json::Value>),
    /// The server's sequence numbers show that one side has lost reports.
    SequenceMismatch,
    /// An image was staged, or not.
    Staged(RolloutId, Result<StagedImage, StagingFailure>),
    /// Bytes of an image that are here, and bytes in all.
    StagingProgress(RolloutId, u64, u64),
    /// A push ended.
    PushEnded(RolloutId, DeviceId, Result<(), PushFailure>),
    /// A trap came from an address: read the devices there after this time.
    TrapReceived(IpAddr, Duration),
    /// A job of the schedule is due.
    Due(Job),
}

/// Why a device was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadFailure {
    /// It did not respond: it may be off.
    NoResponse,
    /// It responded and can't be read; the text says why.
    Unreadable(String),
}

/// An image on the gateway's disk, its digest checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedImage {
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub length: u64,
}

/// An image that was not staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagingFailure {
    /// What a person should read.
    pub why: String,
    /// Whether a retry can help.
    pub retry: bool,
}

/// A job that recurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Search the networks.
    Search,
    /// Read every device in full.
    Readings,
    /// Forget what is no longer needed.
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
