//! The poll: the gateway sends its state; the response has commands and the time of the next poll.

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
    /// The epoch of the spool that the sequence numbers belong to.
    pub spool: SpoolId,
    /// Sequence number of the last report in each lane; 0 for none.
    pub made: Lanes<u64>,
    /// Number of known devices.
    pub devices: u32,
    /// Number of devices that are offline.
    pub devices_offline: u32,
    /// Seconds since the program began.
    pub uptime_s: u64,
    /// Why the gateway can't store anything at present, usually because its disk is full; a text for operators. Until
    /// then, no report is made and no command accepted. Absent if it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_problem: Option<String>,
}

/// The response to a poll.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PollResponse {
    /// Seconds until the next poll: by default 3600, or 60 while a service call is open.
    pub next_poll_s: u32,
    /// Sequence number of the last report in each lane that the server has stored.
    pub acknowledged: Lanes<u64>,
    /// Commands without a final response, oldest first.
    #[serde(default)]
    pub commands: Vec<Command>,
}
