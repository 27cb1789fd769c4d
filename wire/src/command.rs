//! Commands: what the communication server asks of a gateway.
//!
//! Life cycle: queued, delivered, accepted, running, done / failed / expired. A command is delivered again with
//! each poll until the gateway answers it, and executed once.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::codec::{self, CodecError};
use crate::ids::{CommandId, DeviceId, RolloutId};

/// A command as it is delivered; its body is parsed apart, so that a kind which an older gateway doesn't know is
/// answered `failed` and hides no other.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Command {
    /// Its id.
    pub id: CommandId,
    /// Not to be begun after this.
    pub expires_at: Timestamp,
    /// An [`Order`] as JSON.
    pub order: Box<RawValue>,
}

impl Command {
    /// Wraps an order.
    ///
    /// # Errors
    /// The order can't be serialised.
    pub fn new(id: CommandId, expires_at: Timestamp, order: &Order) -> Result<Self, CodecError> {
        let order = serde_json::value::to_raw_value(order).map_err(CodecError::Encode)?;
        Ok(Self { id, expires_at, order })
    }

    /// Parses the order.
    ///
    /// # Errors
    /// The order is of a kind or shape that this version doesn't know.
    pub fn parse(&self) -> Result<Order, CodecError> {
        codec::from_json(self.order.get().as_bytes())
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Order {
    /// Read the meters of these devices, or of all where the list is absent, and report a counter set of each. A
    /// device that is off answers as soon as it is back.
    CounterRequest {
        /// The devices.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        devices: Option<Vec<DeviceId>>,
    },
    /// Read these devices, or all, and report the whole readings now.
    StatusSense {
        /// The devices.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        devices: Option<Vec<DeviceId>>,
    },
    /// Report how the gateway itself is: the result is in the response.
    Diagnostics,
    /// Search the configured networks for devices.
    Discovery,
    /// Stage an image and push it to these devices.
    FirmwareUpdate(FirmwareUpdate),
    /// Stop what isn't yet pushed of a roll-out.
    FirmwareCancel {
        /// The roll-out.
        rollout: RolloutId,
    },
}

impl Order {
    /// Name on the wire and in the store.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CounterRequest { .. } => "counter_request",
            Self::StatusSense { .. } => "status_sense",
            Self::Diagnostics => "diagnostics",
            Self::Discovery => "discovery",
            Self::FirmwareUpdate(_) => "firmware_update",
            Self::FirmwareCancel { .. } => "firmware_cancel",
        }
    }
}

/// Stage an image and push it to devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirmwareUpdate {
    /// The roll-out that it is part of.
    pub rollout: RolloutId,
    /// Name of the target in the global server's metadata ([`crate::metadata::target_name`]); digest and length come from
    /// the signed metadata, never from here.
    pub target: String,
    /// Version that the devices show afterwards.
    pub version: String,
    /// The devices.
    pub devices: Vec<DeviceId>,
    /// Push not before this; staging may begin at once.
    pub not_before: Timestamp,
}

/// A gateway's answer to a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// How far it is.
    pub state: ResponseState,
    /// When.
    pub at: Timestamp,
    /// What a person should read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What the order gives besides reports ([`Order::Diagnostics`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<serde_json::Value>,
}

/// How far a command is at the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseState {
    /// It is on the gateway's disk and needs no further delivery.
    Accepted,
    /// It is being carried out.
    Running,
    /// It is done. Final.
    Done,
    /// It failed. Final.
    Failed,
}

impl ResponseState {
    /// Name on the wire and in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// Answer to a response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandResponseAck {
    /// Seconds until the next poll.
    pub next_poll_s: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_of_an_unknown_kind_hides_no_other() {
        let json = r#"[{"id":"01980000-0000-7000-8000-000000000001","expires_at":"2030-01-01T00:00:00Z",
            "order":{"kind":"make_coffee"}},{"id":"01980000-0000-7000-8000-000000000002",
            "expires_at":"2030-01-01T00:00:00Z","order":{"kind":"discovery"}}]"#;
        let commands: Vec<Command> = serde_json::from_str(json).unwrap();
        let error = commands[0].parse().unwrap_err().to_string();
        assert!(error.contains("make_coffee"), "{error}");
        assert_eq!(commands[1].parse().unwrap(), Order::Discovery);
    }
}
