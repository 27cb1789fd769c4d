//! What the rest of the gateway wants of the uplink, and what it may know of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use wire::command::{Response, ResponseState};
use wire::ids::CommandId;

use crate::status::LinkStatus;

/// An answer that isn't final waits so long: a short command is then answered once, when it is done.
const HOLD: Duration = Duration::from_secs(3);

/// What a poll says of the gateway.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts {
    /// Devices known.
    pub devices: u32,
    /// Devices that do not answer.
    pub devices_offline: u32,
}

/// What the rest of the gateway tells the uplink, and what it shows.
#[derive(Debug, Default)]
pub struct UplinkHandle {
    pub(super) wake: Notify,
    state: Mutex<LinkState>,
}

#[derive(Debug, Default)]
pub(super) struct LinkState {
    pub(super) urgent: bool,
    pub(super) bulk: bool,
    pub(super) poll: bool,
    pub(super) responses: BTreeMap<CommandId, (Response, Option<Instant>)>,
    pub(super) facts: Facts,
    pub(super) status: LinkStatus,
}

impl UplinkHandle {
    pub(super) fn lock(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An urgent report was made: send it now.
    pub fn urgent_made(&self) {
        self.lock().urgent = true;
        self.wake.notify_one();
    }

    /// The reading that belongs to a call was made: send it now.
    pub fn reading_made(&self) {
        self.lock().bulk = true;
        self.wake.notify_one();
    }

    /// A command was carried out: send what it gave now, then poll.
    pub fn command_done(&self) {
        let mut state = self.lock();
        state.bulk = true;
        state.poll = true;
        drop(state);
        self.wake.notify_one();
    }

    /// A command is to be answered; a newer answer takes an older one's place.
    pub fn respond(&self, command: CommandId, response: Response) {
        let is_final = matches!(response.state, ResponseState::Done | ResponseState::Failed);
        let due = (!is_final).then(|| Instant::now() + HOLD);
        self.lock().responses.insert(command, (response, due));
        self.wake.notify_one();
    }

    /// What the next poll says.
    pub fn set_facts(&self, facts: Facts) {
        self.lock().facts = facts;
    }

    /// How the link is.
    #[must_use]
    pub fn status(&self) -> LinkStatus {
        self.lock().status.clone()
    }

    /// When the server is to be called for something else than the poll: now, later, or not at all.
    pub(super) fn wanted(&self) -> Option<Instant> {
        let state = self.lock();
        if state.urgent || state.bulk || state.poll {
            return Some(Instant::now());
        }
        state.responses.values().map(|(_, due)| due.unwrap_or_else(Instant::now)).min()
    }
}
