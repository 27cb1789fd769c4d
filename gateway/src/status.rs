//! How the gateway is: what `/status` answers on the local port, the local page shows and `platen-gateway status` prints.
//!
//! It never holds a community string, a key or a password.

use gateway_core::firmware::{DeviceState, Image};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use wire::command::ResponseState;
use wire::ids::{CommandId, DeviceId, RolloutId, SpoolId};
use wire::reading::{Label, LevelState};
use wire::report::{CallKind, Lanes, WaitReason};

/// How the gateway is, at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The gateway's id.
    pub gateway: String,
    /// Version of the program.
    pub version: String,
    /// Name of the site, where configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The moment.
    pub at: Timestamp,
    /// Seconds since the program began.
    pub uptime_s: u64,
    /// The link to the communication server.
    pub link: LinkStatus,
    /// The gateway's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateStatus>,
    /// The spool.
    pub spool: SpoolStatus,
    /// Reports of each lane.
    pub lanes: Lanes<LaneStatus>,
    /// Devices, by id.
    pub devices: Vec<DeviceStatus>,
    /// Calls that are open, oldest first.
    pub open_calls: Vec<OpenCallStatus>,
    /// Commands of late, newest first.
    pub commands: Vec<CommandStatus>,
    /// Firmware updates, newest first.
    pub firmware: Vec<FirmwareStatus>,
    /// Mails that wait to be sent.
    pub mails_waiting: u64,
}

/// The link to the communication server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkStatus {
    /// Where the communication server is.
    pub url: String,
    /// The last poll that was answered.
    pub last_poll: Option<Timestamp>,
    /// When the next one is due.
    pub next_poll: Option<Timestamp>,
    /// Seconds between polls, as the server said last.
    pub interval_s: Option<u32>,
    /// Why the last attempt failed; absent when it didn't.
    pub last_error: Option<String>,
    /// Attempts that failed since the last answer.
    pub failures: u32,
}

/// The gateway's certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateStatus {
    /// When it ends.
    pub not_after: Timestamp,
    /// How it is.
    pub state: CertificateState,
    /// When it will be renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_at: Option<Timestamp>,
    /// Why the last attempt to renew it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// How a certificate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateState {
    /// Good.
    Valid,
    /// It is time to renew it.
    Due,
    /// Less than a fifth of its life is left, and renewing it failed.
    Ending,
    /// It ended.
    Expired,
}

/// The spool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoolStatus {
    /// The spool's life; the nil id before the first poll of a new one.
    pub id: SpoolId,
    /// Bytes of the reports that wait.
    pub waiting_bytes: u64,
    /// Bytes on the disk.
    pub disk_bytes: u64,
    /// Limit of what waits, bytes.
    pub limit_bytes: u64,
    /// Why nothing can be stored at present; absent when all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Reports of a lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneStatus {
    /// Number of the last report made.
    pub made: u64,
    /// Number of the last report that is on the server's disk.
    pub acknowledged: u64,
    /// Reports that wait.
    pub waiting: u64,
}

/// A device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceStatus {
    /// Its id.
    pub device: DeviceId,
    /// Where it answers.
    pub address: String,
    /// Vendor, as its profile names it.
    pub vendor: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Firmware version.
    pub firmware: Option<String>,
    /// Whether it answers.
    pub online: bool,
    /// The last reading.
    pub read_at: Timestamp,
    /// `hrPrinterStatus`.
    pub printer: Option<Label>,
    /// Bits of `hrPrinterDetectedErrorState`.
    pub detected_errors: Vec<String>,
    /// Lines of the console.
    pub console: Vec<String>,
    /// All pages.
    pub total: Option<u64>,
    /// Supplies.
    pub supplies: Vec<SupplyStatus>,
    /// What is odd about who it is: it moved, its card was swapped, another has its serial number, ...
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A supply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SupplyStatus {
    /// Its row, as a call about it names it.
    #[serde(default)]
    pub index: String,
    /// Whether it is filled, like a waste box: makers differ on what its level counts.
    #[serde(default)]
    pub is_receptacle: bool,
    /// Description, else colour and type.
    pub name: String,
    /// `prtMarkerSuppliesType`: `toner`, `inkCartridge`, `wasteToner`, ...
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub supply_type: Option<Label>,
    /// Colour, where it has one.
    pub color: Option<String>,
    /// Percent left, where known.
    pub percent: Option<f64>,
    /// What the level is.
    pub level_state: Option<LevelState>,
}

/// A call that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCallStatus {
    /// The device.
    pub device: DeviceId,
    /// What it is.
    pub call: CallKind,
    /// Which part of the device.
    pub subject: String,
    /// What a person should read.
    pub detail: String,
    /// When it was seen first.
    pub since: Timestamp,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandStatus {
    /// Its id.
    pub command: CommandId,
    /// Kind of the order; `unknown` where this version doesn't know it.
    pub order: String,
    /// Its state.
    pub state: ResponseState,
    /// What a person should read.
    pub detail: String,
    /// When it came.
    pub received_at: Timestamp,
    /// Devices that it still waits for.
    pub waits_for: usize,
}

/// A firmware update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirmwareStatus {
    /// The roll-out.
    pub rollout: RolloutId,
    /// Name of the target.
    pub target: String,
    /// Version that the devices show afterwards.
    pub version: String,
    /// Push not before this.
    pub not_before: Timestamp,
    /// The state of the image.
    pub image: ImageState,
    /// How much of it is here, or why the last attempt to stage it failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image_detail: String,
    /// Devices and how far each is.
    pub devices: Vec<FirmwareDeviceStatus>,
}

/// The state of an image on the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageState {
    /// It is being downloaded, or will be.
    Staging,
    /// It is on the disk, verified.
    Staged,
    /// It could not be staged.
    Failed,
}

impl ImageState {
    /// Name in the status.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Staging => "staging",
            Self::Staged => "staged",
            Self::Failed => "failed",
        }
    }
}

impl From<&Image> for ImageState {
    fn from(image: &Image) -> Self {
        match image {
            Image::Wanted { .. } | Image::Staging { .. } => Self::Staging,
            Image::Staged { .. } => Self::Staged,
            Image::Failed { .. } => Self::Failed,
        }
    }
}

/// The state of a device in a firmware update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceStep {
    /// It waits for the image, the date, or until it is idle.
    Waiting,
    /// The image is being pushed.
    Pushing,
    /// It restarts with the image.
    Rebooting,
    /// It shows the new version.
    Verified,
    /// It failed.
    Failed,
    /// It was cancelled before the push.
    Cancelled,
}

impl DeviceStep {
    /// Name in the status.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Pushing => "pushing",
            Self::Rebooting => "rebooting",
            Self::Verified => "verified",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl From<&DeviceState> for DeviceStep {
    fn from(state: &DeviceState) -> Self {
        match state {
            DeviceState::Waiting => Self::Waiting,
            DeviceState::Pushing { .. } => Self::Pushing,
            DeviceState::Restarting { .. } => Self::Rebooting,
            DeviceState::Verified => Self::Verified,
            DeviceState::Failed => Self::Failed,
            DeviceState::Cancelled => Self::Cancelled,
        }
    }
}

/// A device of a firmware update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirmwareDeviceStatus {
    /// The device.
    pub device: DeviceId,
    /// Its state.
    pub state: DeviceStep,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<WaitReason>,
    /// What a person should read: what it waits for, or what came of it, with what its panel showed.
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_has_one_name_in_json_and_in_text() {
        let steps = [
            DeviceStep::Waiting,
            DeviceStep::Pushing,
            DeviceStep::Rebooting,
            DeviceStep::Verified,
            DeviceStep::Failed,
            DeviceStep::Cancelled,
        ];
        for step in steps {
            assert_eq!(serde_json::to_value(step).unwrap(), step.name());
        }
        for image in [ImageState::Staging, ImageState::Staged, ImageState::Failed] {
            assert_eq!(serde_json::to_value(image).unwrap(), image.name());
        }
    }
}
