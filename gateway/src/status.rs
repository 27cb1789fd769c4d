//! The gateway's status, as `/status` on the local port returns it, the local page shows it and `platen-gateway
//! status` prints it.
//!
//! It never contains a community string, a key or a password.

use gateway_core::firmware::{DeviceState, Image};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use wire::command::ResponseState;
use wire::ids::{CommandId, DeviceId, RolloutId, SpoolId};
use wire::reading::{Label, LevelState};
use wire::report::{CallKind, Lanes, WaitReason};

/// The status at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// The gateway's id.
    pub gateway: String,
    /// The program's version.
    pub version: String,
    /// The site's name, if configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The time of this status.
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
    /// Open calls, the oldest first.
    pub open_calls: Vec<OpenCallStatus>,
    /// Recent commands, the newest first.
    pub commands: Vec<CommandStatus>,
    /// Firmware updates, the newest first.
    pub firmware: Vec<FirmwareStatus>,
    /// The number of mails to send.
    pub mails_waiting: u64,
}

/// The link to the communication server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LinkStatus {
    /// The communication server's URL.
    pub url: String,
    /// The last poll that had a response.
    pub last_poll: Option<Timestamp>,
    /// When the next one is due.
    pub next_poll: Option<Timestamp>,
    /// Seconds between polls, as last received from the server.
    pub interval_s: Option<u32>,
    /// Why the last attempt failed; absent if it succeeded.
    pub last_error: Option<String>,
    /// Failed attempts since the last response.
    pub failures: u32,
}

/// The gateway's certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CertificateStatus {
    /// When it expires.
    pub not_after: Timestamp,
    /// Its state.
    pub state: CertificateState,
    /// When it will be renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_at: Option<Timestamp>,
    /// Why the last attempt to renew it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CertificateState {
    /// Valid.
    Valid,
    /// It is due to be renewed.
    Due,
    /// Less than a fifth of its lifetime is left, and renewals failed.
    Ending,
    /// It has expired.
    Expired,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SpoolStatus {
    /// The spool's epoch; the nil id before the first poll of a new one.
    pub id: SpoolId,
    /// Bytes of reports that are not acknowledged.
    pub waiting_bytes: u64,
    /// Bytes on the disk.
    pub disk_bytes: u64,
    /// The maximum of `waiting_bytes`.
    pub limit_bytes: u64,
    /// Why nothing can be stored at present; absent if it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The reports of a lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LaneStatus {
    /// Sequence number of the last report.
    pub made: u64,
    /// Sequence number of the last report that the server has stored.
    pub acknowledged: u64,
    /// Reports that are not acknowledged.
    pub waiting: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeviceStatus {
    /// Its id.
    pub device: DeviceId,
    /// Its primary address.
    pub address: String,
    /// The vendor, by the name of its profile.
    pub vendor: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Firmware version.
    pub firmware: Option<String>,
    /// Whether it is online.
    pub online: bool,
    /// When it was last read.
    pub read_at: Timestamp,
    /// `hrPrinterStatus`.
    pub printer: Option<Label>,
    /// Bits of `hrPrinterDetectedErrorState`.
    pub detected_errors: Vec<String>,
    /// Lines of the console.
    pub console: Vec<String>,
    /// The total of its pages.
    pub total: Option<u64>,
    /// Supplies.
    pub supplies: Vec<SupplyStatus>,
    /// Findings about its identity: it moved, its network card was swapped, another device has its serial number, ...
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SupplyStatus {
    /// Its row, to which the subject of a call refers.
    #[serde(default)]
    pub index: String,
    /// Whether it is filled by use, such as a waste toner box. Makers disagree on what its level counts.
    #[serde(default)]
    pub is_receptacle: bool,
    /// Description, else colour and type.
    pub name: String,
    /// `prtMarkerSuppliesType`: `toner`, `inkCartridge`, `wasteToner`, ...
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub supply_type: Option<Label>,
    /// Its colour, if it has one.
    pub color: Option<String>,
    /// Remaining level, if known.
    pub percent: Option<f64>,
    /// What the level is.
    pub level_state: Option<LevelState>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenCallStatus {
    /// The device.
    pub device: DeviceId,
    /// The kind of call.
    pub call: CallKind,
    /// The part of the device.
    pub subject: String,
    /// The text for operators.
    pub detail: String,
    /// When a reading first showed it.
    pub since: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CommandStatus {
    /// Its id.
    pub command: CommandId,
    /// The kind of the order; `unknown` if this version doesn't know it.
    pub order: String,
    /// Its state.
    pub state: ResponseState,
    /// The text for operators.
    pub detail: String,
    /// When it was delivered.
    pub received_at: Timestamp,
    /// Devices that it still waits for.
    pub waits_for: usize,
}

/// A firmware update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FirmwareStatus {
    /// The roll-out.
    pub rollout: RolloutId,
    /// The target's name in the metadata.
    pub target: String,
    /// The version that the devices have afterwards.
    pub version: String,
    /// When pushing may begin.
    pub not_before: Timestamp,
    /// The state of the image.
    pub image: ImageState,
    /// Progress of the staging, or why the last attempt failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image_detail: String,
    /// The devices, with the step of each.
    pub devices: Vec<FirmwareDeviceStatus>,
}

/// The state of an image on the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ImageState {
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
    pub(crate) const fn name(self) -> &'static str {
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
pub(crate) enum DeviceStep {
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
    pub(crate) const fn name(self) -> &'static str {
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
pub(crate) struct FirmwareDeviceStatus {
    /// The device.
    pub device: DeviceId,
    /// Its state.
    pub state: DeviceStep,
    /// What it waits for, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<WaitReason>,
    /// The text for operators: what it waits for, or the result, with the panel's text.
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
