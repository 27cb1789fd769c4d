//! Reports, each of which must be counted exactly once.
//!
//! A gateway numbers the reports of each lane without gaps, from 1. A report exists only after it is durable in the
//! gateway's spool; the server stores a batch and advances the acknowledged sequence number in one transaction.

mod batch;
mod call;
mod firmware;
mod lane;

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{CommandId, DeviceId, InvalidId};
use crate::limits::{DETAIL_BYTES, PANEL_BYTES, SUBJECT_BYTES, VERSION_BYTES};
use crate::reading::{Counter, Evidence, Label, Reading};
use crate::text::clipped;

pub use batch::{Batch, BatchResponse, Envelope, Quarantined};
pub use call::{Call, CallKind, Edge, InvalidCallKind};
pub use firmware::{
    FirmwareProgress, FirmwareState, FirmwareStep, InvalidFirmwareState, NoSuchReason, WaitReason,
};
pub use lane::{Lane, Lanes, NoSuchLane};

/// A report of a gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Report {
    /// A call opened or ended.
    Call(Call),
    /// Meters of a device.
    CounterSet(CounterSet),
    /// A full reading of a device.
    DeviceInformation(Box<DeviceInformation>),
    /// A step of a firmware update.
    FirmwareState(FirmwareState),
    /// Reports were evicted or lost.
    Loss(Loss),
}

/// A text in a report that exceeds its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} has {bytes} bytes: expected at most {limit}")]
pub struct TooLong {
    /// Name of the field.
    pub field: &'static str,
    /// Its length, bytes.
    pub bytes: usize,
    /// Its limit, bytes.
    pub limit: usize,
}

impl Report {
    /// The kind of [`Report::Call`].
    pub const CALL: &'static str = "call";

    /// Its kind, as on the wire.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Call(_) => Self::CALL,
            Self::CounterSet(_) => "counter_set",
            Self::DeviceInformation(_) => "device_information",
            Self::FirmwareState(_) => "firmware_state",
            Self::Loss(_) => "loss",
        }
    }

    /// The texts with a limit: name, text, limit in bytes.
    fn limited(&mut self) -> Vec<(&'static str, &mut String, usize)> {
        match self {
            Self::Call(Call { subject, detail, .. }) => {
                vec![("subject", subject, SUBJECT_BYTES), ("detail", detail, DETAIL_BYTES)]
            }
            Self::FirmwareState(FirmwareState { version_before, progress, detail, panel, .. }) => {
                let before = version_before.as_mut().map(|text| ("version_before", text, VERSION_BYTES));
                let now = progress.version_mut().map(|text| ("version_now", text, VERSION_BYTES));
                let texts = [("detail", detail, DETAIL_BYTES), ("panel", panel, PANEL_BYTES)];
                before.into_iter().chain(now).chain(texts).collect()
            }
            Self::Loss(Loss { detail, .. }) => vec![("detail", detail, DETAIL_BYTES)],
            Self::CounterSet(_) | Self::DeviceInformation(_) => Vec::new(),
        }
    }

    /// The report with every text truncated to its limit at a character boundary, as a gateway stores and sends it.
    #[must_use]
    pub fn within_limits(&self) -> Cow<'_, Self> {
        match self {
            Self::CounterSet(_) | Self::DeviceInformation(_) => Cow::Borrowed(self),
            Self::Call(_) | Self::FirmwareState(_) | Self::Loss(_) => {
                let mut short = self.clone();
                for (_, text, limit) in short.limited() {
                    let end = clipped(text, limit).len();
                    text.truncate(end);
                }
                Cow::Owned(short)
            }
        }
    }

    /// Checks the limits of all texts, as a server does on receipt.
    ///
    /// # Errors
    /// A text exceeds its limit; the first one.
    pub fn check_lengths(&mut self) -> Result<(), TooLong> {
        match self.limited().into_iter().find(|(_, text, limit)| text.len() > *limit) {
            Some((field, text, limit)) => Err(TooLong { field, bytes: text.len(), limit }),
            None => Ok(()),
        }
    }

    /// The lane of the report.
    #[must_use]
    pub const fn lane(&self) -> Lane {
        match self {
            Self::Call(_) | Self::Loss(_) => Lane::Urgent,
            Self::CounterSet(_) | Self::DeviceInformation(_) | Self::FirmwareState(_) => Lane::Bulk,
        }
    }

    /// The device it is about.
    #[must_use]
    pub const fn device(&self) -> Option<&DeviceId> {
        match self {
            Self::Call(call) => Some(&call.device),
            Self::CounterSet(set) => Some(&set.device),
            Self::DeviceInformation(information) => Some(&information.device),
            Self::FirmwareState(state) => state.device.as_ref(),
            Self::Loss(_) => None,
        }
    }
}

/// Meters of a device, with their evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CounterSet {
    /// The device.
    pub device: DeviceId,
    /// When they were read.
    pub read_at: Timestamp,
    /// The command that requested them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandId>,
    /// What `total` counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Label>,
    /// The counters.
    pub counters: BTreeMap<Counter, u64>,
    /// The source of each counter.
    pub evidence: BTreeMap<Counter, Evidence>,
}

/// A full reading of a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceInformation {
    /// The device.
    pub device: DeviceId,
    /// Why it is reported.
    pub reason: InformationReason,
    /// The command that requested it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandId>,
    /// The reading.
    pub reading: Reading,
}

/// Why a reading is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InformationReason {
    /// The device is new to the gateway.
    Found,
    /// Identity, status or a supply changed.
    Changed,
    /// A status sense requested it.
    Requested,
}

/// Reports that were evicted or lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// The lane.
    pub lane: Lane,
    /// Number of reports.
    pub reports: u64,
    /// The text for operators.
    pub detail: String,
}

/// A device's id: from vendor and serial number, otherwise from the hardware address, otherwise from the address.
///
/// # Errors
/// None of them is usable as an id.
pub fn device_id(
    vendor: Option<&str>,
    serial: Option<&str>,
    mac: Option<&str>,
    address: &str,
) -> Result<DeviceId, InvalidId> {
    let clean = |text: &str| -> String {
        text.chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '/'))
            .take(64)
            .collect()
    };
    let serial = serial.map(clean).filter(|s| s.chars().any(|c| !matches!(c, '0' | '-' | '.' | '_' | '/')));
    match (serial, mac) {
        (Some(serial), _) => format!("{}:{serial}", clean(vendor.unwrap_or("device"))).parse(),
        (None, Some(mac)) => format!("mac:{}", clean(mac).to_ascii_lowercase()).parse(),
        (None, None) => format!("addr:{}", clean(address)).parse(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    #[test]
    fn a_device_is_known_by_serial_then_mac_then_address() {
        let id = |vendor, serial, mac| device_id(vendor, serial, mac, "127.0.0.9").unwrap().to_string();
        assert_eq!(id(Some("ricoh"), Some(" E1 7\0"), Some("00:26:73:aa")), "ricoh:E17");
        assert_eq!(id(Some("ricoh"), Some("0000"), Some("00:26:73:AA")), "mac:002673aa");
        assert_eq!(id(None, None, None), "addr:127.0.0.9");
    }

    #[test]
    fn texts_have_limits_of_their_own_and_are_cut_between_characters() {
        let call = |subject: &str, detail: String| {
            Report::Call(Call {
                device: "ricoh:E1".parse().unwrap(),
                call: CallKind::Jam,
                edge: Edge::Raised,
                subject: subject.to_owned(),
                detail,
                seen_at: Timestamp::UNIX_EPOCH,
            })
        };
        assert_eq!(call(&"x".repeat(SUBJECT_BYTES), "é".repeat(DETAIL_BYTES / 2)).check_lengths(), Ok(()));
        let mut long = call("1.1", format!("x{}", "é".repeat(DETAIL_BYTES / 2)));
        let said = long.check_lengths().unwrap_err().to_string();
        assert_eq!(said, "detail has 2049 bytes: expected at most 2048");
        let short = long.within_limits().into_owned();
        assert_eq!(short, call("1.1", format!("x{}", "é".repeat(DETAIL_BYTES / 2 - 1))));
        let said = call(&"x".repeat(129), String::new()).check_lengths().unwrap_err();
        assert_eq!((said.field, said.bytes, said.limit), ("subject", 129, 128));
    }

    #[test]
    fn an_unknown_field_is_named_with_its_path() {
        let report = r#"{"kind":"counter_set","device":"a:1","read_at":"2026-01-01T00:00:00Z",
            "counters":{"total":"x"},"evidence":{}}"#;
        let envelope = Envelope {
            seq: 1,
            at: Timestamp::UNIX_EPOCH,
            report: RawValue::from_string(report.to_owned()).unwrap(),
        };
        let error = envelope.parse().unwrap_err().to_string();
        assert!(error.contains("invalid type: string \"x\""), "{error}");
        let report = report.replace("\"x\"", "1").replace("\"evidence\"", "\"evidenz\"");
        let envelope = Envelope { report: RawValue::from_string(report).unwrap(), ..envelope };
        let error = envelope.parse().unwrap_err().to_string();
        assert!(error.contains("evidenz"), "{error}");
    }
}
