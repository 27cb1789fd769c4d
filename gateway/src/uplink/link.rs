//! How the rest of the gateway reaches the uplink: events in, facts for the poll, and the state of the link.

use std::sync::{Mutex, MutexGuard, PoisonError};

use gateway_core::uplink::Event;
use tokio::sync::Notify;
use wire::command::Response;
use wire::ids::CommandId;

use crate::status::LinkStatus;

/// What a poll says of the gateway.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Facts {
    /// Devices known.
    pub devices: u32,
    /// Devices that do not answer.
    pub devices_offline: u32,
}

/// The rest of the gateway's handle on the uplink.
#[derive(Debug, Default)]
pub(crate) struct UplinkHandle {
    pub(super) wake: Notify,
    state: Mutex<LinkState>,
}

#[derive(Debug, Default)]
pub(super) struct LinkState {
    /// What happened since the uplink took it last.
    pub(super) events: Vec<Event>,
    pub(super) facts: Facts,
    pub(super) status: LinkStatus,
}

impl UplinkHandle {
    pub(super) fn lock(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An urgent report was made: send it now.
    pub(crate) fn urgent_made(&self) {
        self.send(Event::UrgentMade);
    }

    /// The reading that belongs to a call was made: send it now.
    pub(crate) fn reading_made(&self) {
        self.send(Event::ReadingMade);
    }

    /// A command has ended: send what it produced now, then poll.
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

    /// What the next poll says.
    pub(crate) fn set_facts(&self, facts: Facts) {
        self.lock().facts = facts;
    }

    /// How the link is.
    #[must_use]
    pub(crate) fn status(&self) -> LinkStatus {
        self.lock().status.clone()
    }
}
