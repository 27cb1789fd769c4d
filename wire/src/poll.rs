//! The poll: the gateway says how it is, the server answers with commands and with the next time to call.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::ids::SpoolId;
use crate::report::Lanes;

/// A gateway's poll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poll {
    /// The gateway's clock.
    pub at: Timestamp,
    /// Version of the gateway's program.
    pub version: String,
    /// The life of the spool that the sequences belong to.
    pub spool: SpoolId,
    /// Number of the last report made in each lane; 0 for none.
    pub made: Lanes<u64>,
    /// Devices known.
    pub devices: u32,
    /// Devices that do not answer.
    pub devices_offline: u32,
    /// Seconds since the program began.
    pub uptime_s: u64,
    /// Why the gateway can store nothing at present, as a person reads it: its disk is full, most of the time. Until it
    /// can, no report is made and no command accepted; absent while all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_problem: Option<String>,
}

/// The server's answer to a poll.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PollResponse {
    /// Seconds until the next poll: 3600, or 60 while a service call is open.
    pub next_poll_s: u32,
    /// Number of the last report of each lane that is on the server's disk.
    pub acknowledged: Lanes<u64>,
    /// Commands not yet answered, oldest first.
    #[serde(default)]
    pub commands: Vec<Command>,
}
