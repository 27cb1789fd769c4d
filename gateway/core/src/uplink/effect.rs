//! What the uplink's state machine requires of its shell.

use std::time::Duration;

use wire::command::{Command, Response};
use wire::ids::{CommandId, SpoolId};
use wire::report::{Lane, Lanes};

use super::error::{ExchangeError, RequestError};

/// The part of a poll that describes the spool; the shell adds the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollRequest {
    /// The epoch that the sequence numbers belong to.
    pub spool: SpoolId,
    /// Number of the last report made in each lane; 0 for none.
    pub made: Lanes<u64>,
    /// Why nothing can be stored at present, shortened to the limit of a poll's text.
    pub storage_problem: Option<String>,
    /// Whether another request will follow within the minute, so that the connection is kept.
    pub soon: bool,
}

/// A request, and the event that is its result. At most one is in flight; a new one replaces one without a result.
#[derive(Debug)]
pub enum Request {
    /// Poll; [`super::Event::Polled`].
    Poll(PollRequest),
    /// Send the oldest numbered reports of a lane; [`super::Event::BatchSent`].
    SendBatch {
        /// The lane.
        lane: Lane,
        /// Maximum bytes of the batch; a single report may exceed it.
        byte_limit: usize,
        /// As in [`PollRequest::soon`].
        soon: bool,
    },
    /// Record that the server has stored everything of a lane up to `number`; [`super::Event::Acknowledged`].
    Acknowledge {
        /// The lane.
        lane: Lane,
        /// The sequence number.
        number: u64,
        /// Last number of the batch that the server responded to and has compared; `None` for a poll or a rejected
        /// batch.
        last: Option<u64>,
    },
    /// The server will never accept a report: replace it by a loss; [`super::Event::Quarantined`].
    Quarantine {
        /// The lane.
        lane: Lane,
        /// The report's sequence number.
        seq: u64,
        /// The reason.
        reason: String,
    },
    /// Send a response to a command; [`super::Event::ResponseSent`].
    SendResponse {
        /// The command.
        command: CommandId,
        /// The response.
        response: Response,
        /// As in [`PollRequest::soon`].
        soon: bool,
    },
    /// Pass commands to the site; [`super::Event::CommandsStored`] when they are durable.
    Deliver(Vec<Command>),
}

/// The next action of the shell.
#[derive(Debug)]
pub enum Effect {
    /// Perform a request.
    Request(Request),
    /// The sequence numbers show that the gateway or the server has lost reports: report everything that is open
    /// again.
    ReportAgain,
    /// The server has stored a response, or will never accept it.
    ResponseDone {
        /// The command.
        command: CommandId,
        /// The response.
        response: Response,
        /// Why the server will never accept it.
        rejected: Option<RequestError>,
    },
    /// An exchange ended.
    Ended(Result<(), ExchangeFailure>),
}

/// An exchange that failed.
#[derive(Debug)]
pub struct ExchangeFailure {
    /// The cause.
    pub error: ExchangeError,
    /// Failures since the last success.
    pub failures: u32,
    /// Time until the next attempt.
    pub wait: Duration,
}
