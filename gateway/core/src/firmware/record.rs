//! What is stored of an update: the order, the state of the image, and the state of each device.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use wire::command::FirmwareUpdate;
use wire::ids::{CommandId, DeviceId};
use wire::report::WaitReason;

use super::wait::Reported;

/// One gateway's part of a roll-out; stored in the spool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// The command that ordered it.
    pub command: CommandId,
    /// The order.
    pub order: FirmwareUpdate,
    /// When the command was delivered.
    pub received_at: Timestamp,
    /// The state of the image.
    pub image: Image,
    /// The devices.
    pub devices: Vec<DeviceUpdate>,
    /// Whether the command has its final response.
    #[serde(default)]
    pub answered: bool,
    /// What was last reported about the staging.
    #[serde(default)]
    pub reported: Reported,
}

/// The state of the image on the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Image {
    /// It will be staged.
    Wanted {
        /// Attempts so far.
        attempts: u32,
        /// The earliest time of the next attempt.
        not_before: Timestamp,
        /// Why the last attempt failed.
        #[serde(default)]
        detail: String,
    },
    /// It is being staged. After a restart of the program, staging begins again.
    Staging {
        /// Attempts, this one included.
        attempts: u32,
        /// The part that was downloaded, percent, in steps.
        #[serde(default)]
        percent: u8,
    },
    /// It is on the gateway's disk, and its digest is verified.
    Staged {
        /// SHA-256, lower-case hexadecimal, as in the signed metadata; the shell names the file by it.
        sha256: String,
        /// Bytes.
        length: u64,
    },
    /// It could not be staged.
    Failed {
        /// The reason.
        detail: String,
    },
}

/// One device of an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceUpdate {
    /// The device.
    pub device: DeviceId,
    /// Its state.
    pub state: DeviceState,
    /// The text for operators.
    #[serde(default)]
    pub detail: String,
    /// The version before the push.
    #[serde(default)]
    pub version_before: Option<String>,
    /// Pushes of which at least one octet may have reached the device.
    #[serde(default)]
    pub pushes: u32,
    /// Attempts without a connection since the image was staged.
    #[serde(default)]
    pub tries: u32,
    /// The earliest time of the next attempt.
    #[serde(default)]
    pub retry_at: Option<Timestamp>,
    /// What the device waits for until then.
    #[serde(default)]
    pub retry_for: Option<WaitReason>,
    /// The panel's text before the push.
    #[serde(default)]
    pub panel_before: String,
    /// The panel's latest text after the push that differs from the one before.
    #[serde(default)]
    pub panel: String,
    /// What was last reported about its wait.
    #[serde(default)]
    pub reported: Reported,
}

/// The state of a device in an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DeviceState {
    /// It waits for the image, the date, or until it is idle.
    Waiting,
    /// The image is being pushed. Stored before the first octet is sent.
    Pushing {
        /// When the push began.
        since: Timestamp,
    },
    /// The device restarts.
    Restarting {
        /// When the push ended.
        since: Timestamp,
        /// The time of the next read.
        #[serde(rename = "look_at")]
        next_read: Timestamp,
        /// Whether a read has timed out since the push.
        was_down: bool,
        /// Readings that showed the old version since a read timed out.
        old_reads: u32,
        /// Whether the image is known to be pushed completely; `false` after a restart of the gateway during the
        /// push.
        pushed: bool,
    },
    /// The device shows the new version.
    Verified,
    /// It failed.
    Failed,
    /// It was cancelled before the push.
    Cancelled,
}

impl DeviceState {
    pub(super) const fn is_final(&self) -> bool {
        matches!(self, Self::Verified | Self::Failed | Self::Cancelled)
    }

    pub(super) const fn is_under_way(&self) -> bool {
        matches!(self, Self::Pushing { .. } | Self::Restarting { .. })
    }
}

/// A device after a push.
pub(super) const fn restarting(since: Timestamp, next_read: Timestamp, pushed: bool) -> DeviceState {
    DeviceState::Restarting { since, next_read, was_down: false, old_reads: 0, pushed }
}
