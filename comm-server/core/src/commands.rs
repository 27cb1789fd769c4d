//! The life cycle of a command: queued, delivered, accepted, running, done / failed / expired.
//!
//! It is delivered again with each poll until the gateway responds; the gateway executes it once.
//!
//! ```
//! use platen_comm_server_core::commands::{CommandEvent::{Deliver, Expire, Respond}, CommandState};
//! use wire::command::ResponseState;
//!
//! let expired = CommandState::Queued.after(Deliver).after(Expire);
//! assert_eq!(expired, CommandState::Expired);
//! // The response was late: what the gateway did replaces the expiry, and no later event changes it.
//! let done = expired.after(Respond(ResponseState::Done));
//! assert_eq!(done.after(Respond(ResponseState::Failed)), CommandState::Done);
//! ```

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use wire::command::{Order, ResponseState};

/// The state of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandState {
    /// It waits for the gateway's next poll.
    Queued,
    /// It was in the response to a poll; whether the gateway received it is not known.
    Delivered,
    /// It is durable on the gateway.
    Accepted,
    /// It is being executed.
    Running,
    /// It is done. Final.
    Done,
    /// It failed. Final.
    Failed,
    /// It expired before it began.
    Expired,
}

/// An unknown state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a state of a command: expected one of {}", CommandState::ALL.map(CommandState::name).join(", "))]
pub struct NoSuchState {
    given: String,
}

/// An event of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommandEvent {
    /// It is included in the response to a poll.
    Deliver,
    /// The gateway responded.
    Respond(ResponseState),
    /// Its expiry time has passed.
    Expire,
}

impl CommandState {
    /// All states.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Delivered,
        Self::Accepted,
        Self::Running,
        Self::Done,
        Self::Failed,
        Self::Expired,
    ];

    /// Name in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Delivered => "delivered",
            Self::Accepted => "accepted",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }

    /// Whether it is included in the next response to a poll.
    #[must_use]
    pub const fn is_delivered_with_polls(self) -> bool {
        matches!(self, Self::Queued | Self::Delivered)
    }

    /// Whether it has no final response yet.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Delivered | Self::Accepted | Self::Running)
    }

    /// Whether the expiry ends it. A command that is already running continues.
    #[must_use]
    pub fn may_expire(self) -> bool {
        self.after(CommandEvent::Expire) != self
    }

    /// The state after an event. Events may be late, duplicate or out of order: an event that can't follow changes
    /// nothing. The first final response is kept; a final response that arrives after the expiry replaces the state
    /// `expired`.
    #[must_use]
    pub const fn after(self, event: CommandEvent) -> Self {
        use CommandEvent::{Deliver, Expire, Respond};
        match (self, event) {
            (Self::Queued, Deliver) => Self::Delivered,
            (Self::Queued | Self::Delivered | Self::Expired, Respond(ResponseState::Accepted)) => {
                Self::Accepted
            }
            (
                Self::Queued | Self::Delivered | Self::Accepted | Self::Expired,
                Respond(ResponseState::Running),
            ) => Self::Running,
            (
                Self::Queued | Self::Delivered | Self::Accepted | Self::Running | Self::Expired,
                Respond(ResponseState::Done),
            ) => Self::Done,
            (
                Self::Queued | Self::Delivered | Self::Accepted | Self::Running | Self::Expired,
                Respond(ResponseState::Failed),
            ) => Self::Failed,
            (Self::Queued | Self::Delivered | Self::Accepted, Expire) => Self::Expired,
            (state, Deliver | Respond(_) | Expire) => state,
        }
    }
}

impl fmt::Display for CommandState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for CommandState {
    type Err = NoSuchState;

    fn from_str(text: &str) -> Result<Self, NoSuchState> {
        let given = || NoSuchState { given: text.chars().take(40).collect() };
        Self::ALL.into_iter().find(|state| state.name() == text).ok_or_else(given)
    }
}

/// The expiry of a command that is ordered now: long enough for a gateway that is switched off over a weekend. A
/// firmware update expires a week after its date.
#[must_use]
pub fn expires_at(order: &Order, now: Timestamp) -> Timestamp {
    let (from, days) = match order {
        Order::CounterRequest { .. } => (now, 1),
        Order::StatusSense { .. } | Order::Diagnostics | Order::Discovery => (now, 3),
        Order::FirmwareUpdate(update) => (update.not_before.max(now), 7),
        Order::FirmwareCancel { .. } => (now, 30),
    };
    from.checked_add(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::CommandState::{Accepted, Delivered, Done, Expired, Failed, Queued, Running};
    use super::*;

    /// Every state with every event: deliver, accepted, running, done, failed, expire.
    #[test]
    fn every_transition_is_decided() {
        let table = [
            (Queued, [Delivered, Accepted, Running, Done, Failed, Expired]),
            (Delivered, [Delivered, Accepted, Running, Done, Failed, Expired]),
            (Accepted, [Accepted, Accepted, Running, Done, Failed, Expired]),
            (Running, [Running, Running, Running, Done, Failed, Running]),
            (Done, [Done; 6]),
            (Failed, [Failed; 6]),
            (Expired, [Expired, Accepted, Running, Done, Failed, Expired]),
        ];
        assert_eq!(table.map(|row| row.0), CommandState::ALL);
        let events = [
            CommandEvent::Deliver,
            CommandEvent::Respond(ResponseState::Accepted),
            CommandEvent::Respond(ResponseState::Running),
            CommandEvent::Respond(ResponseState::Done),
            CommandEvent::Respond(ResponseState::Failed),
            CommandEvent::Expire,
        ];
        for (state, expected) in table {
            assert_eq!(events.map(|event| state.after(event)), expected, "{state}");
            for event in events {
                let once = state.after(event);
                assert_eq!(once.after(event), once, "{event:?} twice changes {state} again");
            }
        }
    }

    #[test]
    fn names_are_read_back() {
        for state in CommandState::ALL {
            assert_eq!(state.name().parse(), Ok(state));
        }
        assert!("answered".parse::<CommandState>().is_err());
    }

    #[test]
    fn what_is_open_is_what_may_still_change_without_an_error() {
        let open = CommandState::ALL
            .map(|state| (state.is_open(), state.is_delivered_with_polls(), state.may_expire()));
        let expected = [
            (true, true, true),
            (true, true, true),
            (true, false, true),
            (true, false, false),
            (false, false, false),
            (false, false, false),
            (false, false, false),
        ];
        assert_eq!(open, expected);
    }

    #[test]
    fn a_firmware_update_expires_a_week_after_its_date() {
        let now = Timestamp::UNIX_EPOCH;
        let date = now + SignedDuration::from_hours(48);
        let update = wire::command::FirmwareUpdate {
            rollout: "01980000-0000-7000-8000-000000000001".parse().unwrap(),
            target: String::new(),
            version: String::new(),
            devices: Vec::new(),
            not_before: date,
        };
        assert_eq!(expires_at(&Order::FirmwareUpdate(update), now), date + SignedDuration::from_hours(168));
        assert_eq!(expires_at(&Order::Discovery, Timestamp::MAX), Timestamp::MAX);
    }
}
