//! The gateway's handle on the uplink: events for it, facts for the poll, and the state of the link.

use std::sync::{Mutex, MutexGuard, PoisonError};

use gateway_core::uplink::Event;
use tokio::sync::Notify;
use wire::command::Response;
use wire::ids::CommandId;

use crate::status::LinkStatus;

/// The part of a poll that describes the devices.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Facts {
    /// Number of known devices.
    pub devices: u32,
    /// Number of devices that are offline.
    pub devices_offline: u32,
}

/// A handle on the uplink for the rest of the gateway.
#[derive(Debug, Default)]
pub(crate) struct UplinkHandle {
    pub(super) wake: Notify,
    state: Mutex<LinkState>,
}

#[derive(Debug, Default)]
pub(super) struct LinkState {
    /// Events that the uplink has not taken yet.
    pub(super) events: Vec<Event>,
    pub(super) facts: Facts,
    pub(super) status: LinkStatus,
}

impl UplinkHandle {
    pub(super) fn lock(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notifies the uplink of an urgent report, which is sent at once.
    pub(crate) fn urgent_made(&self) {
        self.send(Event::UrgentMade);
    }

    /// Notifies the uplink of the reading that belongs to a call, which is sent at once.
    pub(crate) fn reading_made(&self) {
        self.send(Event::ReadingMade);
    }

    /// Notifies the uplink of the end of a command: its reports are sent at once, then a poll.
    pub(crate) fn command_done(&self) {
        self.send(Event::CommandDone);
    }

    /// Sends a response to a command; a newer response replaces an older one.
    pub(crate) fn respond(&self, command: CommandId, response: Response) {
        self.send(Event::ResponseMade(command, response));
    }

    fn send(&self, event: Event) {
        self.lock().events.push(event);
        self.wake.notify_one();
    }

    /// Sets the facts for the next poll.
    pub(crate) fn set_facts(&self, facts: Facts) {
        self.lock().facts = facts;
    }

    /// The state of the link.
    #[must_use]
    pub(crate) fn status(&self) -> LinkStatus {
        self.lock().status.clone()
    }
}
