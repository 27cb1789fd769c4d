//! Calls: conditions of a device that open and end.

use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::DeviceId;

/// A call that opened or ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The device.
    pub device: DeviceId,
    /// The kind of call.
    pub call: CallKind,
    /// Whether it opened or ended.
    pub edge: Edge,
    /// The part of the device, by which the end of a call is matched with its beginning: the index of a supply or
    /// alert, or "".
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// The text for operators: `SC542`, `Black Toner 9 %`.
    pub detail: String,
    /// When the gateway read it.
    pub seen_at: Timestamp,
}

/// Kinds of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// The device requests service; its end is the SC reset.
    ServiceCall,
    /// Paper is jammed.
    Jam,
    /// A cover or door is open.
    CoverOpen,
    /// A supply is near its end.
    SupplyNearEnd,
    /// A supply is at its end.
    SupplyEnd,
    /// A supply was replaced; has no end.
    SupplyReplaced,
    /// The device is offline; it ends when the device is back.
    DeviceOffline,
    /// A counter fell; has no end.
    CounterRegression,
}

impl CallKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::ServiceCall,
        Self::Jam,
        Self::CoverOpen,
        Self::SupplyNearEnd,
        Self::SupplyEnd,
        Self::SupplyReplaced,
        Self::DeviceOffline,
        Self::CounterRegression,
    ];

    /// Name on the wire and in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ServiceCall => "service_call",
            Self::Jam => "jam",
            Self::CoverOpen => "cover_open",
            Self::SupplyNearEnd => "supply_near_end",
            Self::SupplyEnd => "supply_end",
            Self::SupplyReplaced => "supply_replaced",
            Self::DeviceOffline => "device_offline",
            Self::CounterRegression => "counter_regression",
        }
    }

    /// The title of an open call, for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::ServiceCall => "Service call",
            Self::Jam => "Paper jam",
            Self::CoverOpen => "Cover open",
            Self::SupplyNearEnd => "Supply near end",
            Self::SupplyEnd => "Supply end",
            Self::SupplyReplaced => "Supply replaced",
            Self::DeviceOffline => "Device offline",
            Self::CounterRegression => "Counter fell",
        }
    }

    /// Whether the call stays open until it ends.
    #[must_use]
    pub const fn stays_open(self) -> bool {
        !matches!(self, Self::SupplyReplaced | Self::CounterRegression)
    }
}

impl FromStr for CallKind {
    type Err = InvalidCallKind;

    fn from_str(text: &str) -> Result<Self, InvalidCallKind> {
        serde_json::from_value(text.into()).map_err(|_| InvalidCallKind)
    }
}

/// A text that is not a kind of call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no such kind of call: expected one of {}", CallKind::ALL.map(CallKind::name).join(", "))]
pub struct InvalidCallKind;

/// Whether a call opened or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edge {
    /// It opened.
    Raised,
    /// It ended.
    Cleared,
}

impl Call {
    /// The title of this edge, for people: the end of a service call is an SC reset.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        match (self.call, self.edge) {
            (CallKind::ServiceCall, Edge::Cleared) => "SC reset",
            (CallKind::Jam, Edge::Cleared) => "Paper jam cleared",
            (CallKind::CoverOpen, Edge::Cleared) => "Cover closed",
            (CallKind::SupplyNearEnd, Edge::Cleared) => "Supply no longer near end",
            (CallKind::SupplyEnd, Edge::Cleared) => "Supply no longer at end",
            (CallKind::DeviceOffline, Edge::Cleared) => "Device back",
            (kind @ (CallKind::SupplyReplaced | CallKind::CounterRegression), Edge::Cleared)
            | (kind, Edge::Raised) => kind.title(),
        }
    }
}
