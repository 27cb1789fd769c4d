//! Commands from the communication server to a gateway.
//!
//! Life cycle: queued, delivered, accepted, running, done / failed / expired. A command is delivered again with each
//! poll until the gateway responds to it, and executed once.
//!
//! An unknown field may restrict what the order allows. A gateway therefore executes a command only if it knows every
//! field of the command and of its order: [`Command::parse`] rejects it otherwise, and the gateway responds with
//! `failed`. The other commands of the poll are not affected.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::codec::{self, CodecError};
use crate::ids::{CommandId, DeviceId, RolloutId};

/// A command as it is delivered. Its order is parsed separately, so that the response to an unsupported one is
/// `failed` and the others are not affected.
#[derive(Debug, Clone, Serialize)]
pub struct Command {
    /// Its id.
    pub id: CommandId,
    /// The latest time to begin it.
    pub expires_at: Timestamp,
    /// An [`Order`] as JSON.
    pub order: Box<RawValue>,
    /// The first unknown field, if there was one.
    #[serde(skip)]
    unknown_field: Option<String>,
}

impl Command {
    /// Wraps an order.
    ///
    /// # Errors
    /// The order can't be serialised.
    pub fn new(id: CommandId, expires_at: Timestamp, order: &Order) -> Result<Self, CodecError> {
        let order = serde_json::value::to_raw_value(order).map_err(CodecError::Encode)?;
        Ok(Self::from_stored(id, expires_at, order))
    }

    /// Wraps an order that is already JSON.
    #[must_use]
    pub const fn from_stored(id: CommandId, expires_at: Timestamp, order: Box<RawValue>) -> Self {
        Self { id, expires_at, order, unknown_field: None }
    }

    /// Parses the order.
    ///
    /// # Errors
    /// This version does not support the order: its kind, or a field of it or of the command, is unknown; the error
    /// names the kind or field.
    pub fn parse(&self) -> Result<Order, CodecError> {
        if let Some(field) = &self.unknown_field {
            return Err(CodecError::Json {
                path: ".".to_owned(),
                problem: format!("unknown field `{field}`"),
            });
        }
        codec::from_json(self.order.get().as_bytes())
    }
}

/// Stores the name of an unknown field instead of failing: an error would reject the whole poll response.
impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Command;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a command")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Command, A::Error> {
                let (mut id, mut expires_at, mut order, mut unknown_field) = (None, None, None, None);
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "id" => id = Some(map.next_value()?),
                        "expires_at" => expires_at = Some(map.next_value()?),
                        "order" => order = Some(map.next_value()?),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            unknown_field.get_or_insert(name);
                        }
                    }
                }
                Ok(Command {
                    id: id.ok_or_else(|| A::Error::missing_field("id"))?,
                    expires_at: expires_at.ok_or_else(|| A::Error::missing_field("expires_at"))?,
                    order: order.ok_or_else(|| A::Error::missing_field("order"))?,
                    unknown_field,
                })
            }
        }

        deserializer.deserialize_struct("Command", &["id", "expires_at", "order"], Fields)
    }
}

/// An order. Unknown fields are rejected at every level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// Read the meters of these devices, or of all if the list is absent, and report a counter set of each. A device
    /// that doesn't respond is read as soon as it responds again.
    CounterRequest {
        /// The devices.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        devices: Option<Vec<DeviceId>>,
    },
    /// Read these devices, or all, and report the full readings now.
    StatusSense {
        /// The devices.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        devices: Option<Vec<DeviceId>>,
    },
    /// Report the gateway's status in the response.
    #[serde(deserialize_with = "no_fields")]
    Diagnostics,
    /// Search the configured networks for devices.
    #[serde(deserialize_with = "no_fields")]
    Discovery,
    /// Stage an image and push it to these devices.
    FirmwareUpdate(FirmwareUpdate),
    /// Cancel the devices of a roll-out that were not pushed to.
    FirmwareCancel {
        /// The roll-out.
        rollout: RolloutId,
    },
}

/// For a variant without fields: serde accepts any field there, whatever `deny_unknown_fields` says.
fn no_fields<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct NoFields {}

    NoFields::deserialize(deserializer).map(|NoFields {}| ())
}

impl Order {
    /// The kind, without the parameters.
    #[must_use]
    pub(crate) const fn kind(&self) -> OrderKind {
        match self {
            Self::CounterRequest { .. } => OrderKind::CounterRequest,
            Self::StatusSense { .. } => OrderKind::StatusSense,
            Self::Diagnostics => OrderKind::Diagnostics,
            Self::Discovery => OrderKind::Discovery,
            Self::FirmwareUpdate(_) => OrderKind::FirmwareUpdate,
            Self::FirmwareCancel { .. } => OrderKind::FirmwareCancel,
        }
    }

    /// Name on the wire and in the store.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.kind().name()
    }
}

/// The kind of an order, without its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderKind {
    /// [`Order::CounterRequest`].
    CounterRequest,
    /// [`Order::StatusSense`].
    StatusSense,
    /// [`Order::Diagnostics`].
    Diagnostics,
    /// [`Order::Discovery`].
    Discovery,
    /// [`Order::FirmwareUpdate`].
    FirmwareUpdate,
    /// [`Order::FirmwareCancel`].
    FirmwareCancel,
}

impl OrderKind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::CounterRequest,
        Self::StatusSense,
        Self::Diagnostics,
        Self::Discovery,
        Self::FirmwareUpdate,
        Self::FirmwareCancel,
    ];

    /// Name on the wire and in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CounterRequest => "counter_request",
            Self::StatusSense => "status_sense",
            Self::Diagnostics => "diagnostics",
            Self::Discovery => "discovery",
            Self::FirmwareUpdate => "firmware_update",
            Self::FirmwareCancel => "firmware_cancel",
        }
    }
}

impl fmt::Display for OrderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for OrderKind {
    type Err = NoSuchOrder;

    fn from_str(text: &str) -> Result<Self, NoSuchOrder> {
        let given = || NoSuchOrder { given: text.chars().take(40).collect() };
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(given)
    }
}

/// An unknown kind of order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a kind of command: expected one of {}", OrderKind::ALL.map(OrderKind::name).join(", "))]
pub struct NoSuchOrder {
    given: String,
}

/// Stage an image and push it to devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirmwareUpdate {
    /// The roll-out that it is part of.
    pub rollout: RolloutId,
    /// Name of the target in the global server's metadata ([`crate::image::target_name`]); digest and length come from
    /// the signed metadata, never from here.
    pub target: String,
    /// The version that the devices have afterwards.
    pub version: String,
    /// The devices.
    pub devices: Vec<DeviceId>,
    /// The earliest time to push; staging may begin at once.
    pub not_before: Timestamp,
}

/// A gateway's response to a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// The state of the command.
    pub state: ResponseState,
    /// When it reached this state.
    pub at: Timestamp,
    /// The text for operators.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The result besides reports ([`Order::Diagnostics`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<serde_json::Value>,
}

/// The state of a command on the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseState {
    /// It is durable on the gateway. It is not delivered again.
    Accepted,
    /// It is being executed.
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

/// The response to a response.
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

    /// Each order as JSON, and a command around it.
    fn orders() -> [serde_json::Value; 6] {
        let rollout = "01980000-0000-7000-8000-000000000009";
        [
            serde_json::json!({"kind": "counter_request", "devices": ["a:1"]}),
            serde_json::json!({"kind": "status_sense"}),
            serde_json::json!({"kind": "diagnostics"}),
            serde_json::json!({"kind": "discovery"}),
            serde_json::json!({"kind": "firmware_update", "rollout": rollout, "target": "a/b/c", "version": "2",
                "devices": ["a:1"], "not_before": "2030-01-01T00:00:00Z"}),
            serde_json::json!({"kind": "firmware_cancel", "rollout": rollout}),
        ]
    }

    fn command(order: &serde_json::Value) -> serde_json::Value {
        serde_json::json!({"id": "01980000-0000-7000-8000-000000000001", "expires_at": "2030-01-01T00:00:00Z",
            "order": order})
    }

    fn parse(command: serde_json::Value) -> Result<Order, String> {
        let command: Command = serde_json::from_value(command).map_err(|error| error.to_string())?;
        command.parse().map_err(|error| error.to_string())
    }

    #[test]
    fn kinds_have_the_names_of_their_orders() {
        for kind in OrderKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        for order in [
            Order::CounterRequest { devices: None },
            Order::StatusSense { devices: None },
            Order::Diagnostics,
            Order::Discovery,
            Order::FirmwareCancel { rollout: "01980000-0000-7000-8000-000000000001".parse().unwrap() },
        ] {
            assert_eq!(order.kind().name(), order.name());
        }
        assert!("reboot".parse::<OrderKind>().is_err());
    }

    #[test]
    fn an_unknown_field_in_an_order_or_its_command_rejects_that_command_only() {
        for order in orders() {
            let known = parse(command(&order)).unwrap();
            assert_eq!(known.name(), order["kind"]);
            let mut limited = order.clone();
            limited["only_at_night"] = true.into();
            let error = parse(command(&limited)).unwrap_err();
            assert!(error.contains("unknown field `only_at_night`"), "{error}");
            let mut around = command(&order);
            around["needs_approval"] = serde_json::json!({"by": ["a", "b"]});
            let error = parse(around).unwrap_err();
            assert!(error.contains("unknown field `needs_approval`"), "{error}");
        }
        let json = serde_json::json!([command(&orders()[2]), {"id": 1}]);
        assert!(serde_json::from_value::<Vec<Command>>(json).is_err());
    }
}
