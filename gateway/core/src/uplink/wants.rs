//! What must be sent before the next poll.

use std::collections::BTreeMap;
use std::time::Duration;

use wire::command::{Response, ResponseState};
use wire::ids::CommandId;

/// Delay of a response that isn't final, so that a short command needs only one response.
const RESPONSE_HOLD: Duration = Duration::from_secs(3);

/// What must be sent before the next poll.
#[derive(Debug, Default)]
pub(super) struct Wants {
    pub(super) urgent: bool,
    pub(super) bulk: bool,
    pub(super) poll: bool,
    /// Responses that the server doesn't have, with the time to send each.
    responses: BTreeMap<CommandId, (Response, Duration)>,
}

impl Wants {
    /// The initial state; `urgent` is whether an earlier run left urgent reports.
    pub(super) fn begin(urgent: bool) -> Self {
        Self { urgent, ..Self::default() }
    }

    /// Adds a response to a command, which replaces an older one.
    pub(super) fn respond(&mut self, command: CommandId, response: Response, now: Duration) {
        let due = if is_final(&response) { now } else { now + RESPONSE_HOLD };
        self.responses.insert(command, (response, due));
    }

    /// Removes a response that was sent, unless a newer one replaced it meanwhile.
    pub(super) fn on_sent(&mut self, command: CommandId, response: &Response) {
        if self.responses.get(&command).is_some_and(|(waiting, _)| waiting == response) {
            self.responses.remove(&command);
        }
    }

    /// Responses that are due.
    pub(super) fn due_responses(&self, now: Duration) -> Vec<(CommandId, Response)> {
        let due = self.responses.iter().filter(|(_, (_, due))| *due <= now);
        due.map(|(command, (response, _))| (*command, response.clone())).collect()
    }

    /// Whether the server doesn't have the final response to some command.
    pub(super) fn ends_a_command(&self) -> bool {
        self.responses.values().any(|(response, _)| is_final(response))
    }

    /// When something must be sent; zero for at once, `None` for nothing.
    pub(super) fn due(&self) -> Option<Duration> {
        if self.urgent || self.bulk || self.poll {
            return Some(Duration::ZERO);
        }
        self.responses.values().map(|(_, due)| *due).min()
    }
}

const fn is_final(response: &Response) -> bool {
    matches!(response.state, ResponseState::Done | ResponseState::Failed)
}
