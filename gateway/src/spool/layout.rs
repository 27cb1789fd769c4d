//! Keys and values of the single sled tree. A key is a letter for the kind and the id; values are JSON, compressed if
//! large.

use std::collections::BTreeMap;

use gateway_core::commands::CommandRecord;
use gateway_core::firmware::Update;
use gateway_core::inventory::DeviceRecord;
use gateway_core::mail_queue::QueuedMail;
use gateway_core::outbox::LaneState;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;
use wire::codec::{self, Encoded};
use wire::ids::{CommandId, DeviceId, RolloutId, SpoolId};
use wire::limits::BATCH_BYTES;
use wire::report::{Lane, Lanes, Report};

use super::error::SpoolError;

/// The first octet of a value.
const PLAIN: u8 = 0;
const COMPRESSED: u8 = 1;

/// Key of a record.
#[derive(Debug, Clone, Copy)]
pub(super) enum Key<'a> {
    /// The spool's own state.
    Epoch,
    /// A report, by lane and position.
    Report(Lane, u64),
    /// A device.
    Device(&'a DeviceId),
    /// A command.
    Command(CommandId),
    /// A firmware update.
    Update(RolloutId),
    /// A mail.
    Mail(Uuid),
    /// When a job was last done.
    Schedule(&'a str),
}

impl Key<'_> {
    pub(super) fn bytes(self) -> Vec<u8> {
        let with = |head: &[u8], id: &[u8]| [head, id].concat();
        match self {
            Self::Epoch => b"l".to_vec(),
            Self::Report(lane, place) => with(report_prefix(lane), &place.to_be_bytes()),
            Self::Device(device) => with(b"d", device.as_str().as_bytes()),
            Self::Command(command) => with(b"c", command.0.as_bytes()),
            Self::Update(rollout) => with(b"f", rollout.0.as_bytes()),
            Self::Mail(id) => with(b"m", id.as_bytes()),
            Self::Schedule(what) => with(b"s", what.as_bytes()),
        }
    }
}

/// The prefix of the keys of a lane's reports.
pub(super) const fn report_prefix(lane: Lane) -> &'static [u8] {
    match lane {
        Lane::Urgent => b"ou",
        Lane::Bulk => b"ob",
    }
}

/// The lane and position in a report's key.
pub(super) fn report_key(key: &[u8]) -> Option<(Lane, u64)> {
    let lane = Lane::ALL.into_iter().find(|lane| key.starts_with(report_prefix(*lane)))?;
    let place = key.get(2..).and_then(|rest| <[u8; 8]>::try_from(rest).ok())?;
    Some((lane, u64::from_be_bytes(place)))
}

/// The spool's own state, written in every batch that changes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Epoch {
    pub(super) id: SpoolId,
    pub(super) lanes: Lanes<LaneState>,
    /// Incremented with each batch: shows after a failure whether the batch is on the disk.
    pub(super) batch: u64,
}

impl Epoch {
    pub(super) fn begin() -> Self {
        Self { id: SpoolId(Uuid::now_v7()), lanes: Lanes::default(), batch: 0 }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredReport {
    pub(super) at: Timestamp,
    pub(super) report: Box<RawValue>,
}

pub(super) fn encode_report(at: Timestamp, report: &Report) -> Result<Vec<u8>, SpoolError> {
    let failed = |problem: String| SpoolError::Record { key: "report".to_owned(), problem };
    let report = serde_json::value::to_raw_value(&report.within_limits())
        .map_err(|error| failed(error.to_string()))?;
    pack(&StoredReport { at, report }).map_err(failed)
}

pub(super) fn encode<T: Serialize>(key: &Key<'_>, value: &T) -> Result<Vec<u8>, SpoolError> {
    pack(value).map_err(|problem| SpoolError::Record { key: format!("{key:?}"), problem })
}

fn pack<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    let Encoded { bytes, compressed } = codec::encode(value).map_err(|error| error.to_string())?;
    let mut value = Vec::with_capacity(bytes.len() + 1);
    value.push(if compressed { COMPRESSED } else { PLAIN });
    value.extend(bytes);
    Ok(value)
}

pub(super) fn decode<T: DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<T, SpoolError> {
    let failed = |problem: String| SpoolError::Record {
        key: String::from_utf8_lossy(key).chars().take(100).collect(),
        problem,
    };
    let (head, body) = value.split_first().ok_or_else(|| failed("it is empty".to_owned()))?;
    let encoding = match *head {
        PLAIN => None,
        COMPRESSED => Some(codec::ZSTD),
        other => return Err(failed(format!("its first byte is {other}, expected 0 or 1"))),
    };
    codec::decode(body, encoding, BATCH_BYTES).map_err(|error| failed(error.to_string()))
}

/// What was loaded when the spool was opened.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    /// Devices.
    pub devices: BTreeMap<DeviceId, DeviceRecord>,
    /// Commands.
    pub commands: BTreeMap<CommandId, CommandRecord>,
    /// Firmware updates.
    pub updates: BTreeMap<RolloutId, Update>,
    /// Mails to send.
    pub mails: BTreeMap<Uuid, QueuedMail>,
    /// When each job was last done.
    pub schedule: BTreeMap<String, Timestamp>,
    /// Damage of the store, for people; empty if there was none.
    pub damage: String,
}

impl Restored {
    /// Loads a record that is not a report. An unreadable one is logged and skipped: it is a single device or command,
    /// and must not block the others.
    pub(super) fn take(&mut self, key: &[u8], value: &[u8]) {
        let taken = match key.split_first() {
            Some((b'd', _)) => {
                decode(key, value).map(|r: DeviceRecord| drop(self.devices.insert(r.device.clone(), r)))
            }
            Some((b'c', _)) => decode(key, value).map(|r: CommandRecord| drop(self.commands.insert(r.id, r))),
            Some((b'f', _)) => {
                decode(key, value).map(|r: Update| drop(self.updates.insert(r.order.rollout, r)))
            }
            Some((b'm', _)) => decode(key, value).map(|r: QueuedMail| drop(self.mails.insert(r.id, r))),
            Some((b's', name)) => {
                let name = String::from_utf8_lossy(name).into_owned();
                decode(key, value).map(|at: Timestamp| self.schedule.extend([(name, at)]))
            }
            _ => Ok(()),
        };
        if let Err(error) = taken {
            tracing::error!(error = %error, "spool record skipped");
        }
    }
}
