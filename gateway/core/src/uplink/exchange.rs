//! One exchange with the server: the order of its requests.
//!
//! Urgent reports are sent first. Bulk reports are sent with a poll, and before the final response of the command
//! that produced them. In a lane that is not confirmed, new reports get a number only after a poll. Then responses
//! are sent, then the poll.

use std::time::Duration;

use wire::command::{Command, Response};
use wire::ids::{CommandId, SpoolId};
use wire::limits::BATCH_BYTES;
use wire::report::Lane;

/// Maximum bytes of a batch. It is small, because a batch is in memory several times while it is sent.
const BATCH: usize = BATCH_BYTES / 4;

/// Maximum number of consecutive gaps before an exchange fails.
pub(super) const GAPS_MAX: u32 = 4;

/// A lane whose reports are being sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sending {
    pub(super) lane: Lane,
    pub(super) byte_limit: usize,
    /// Rejections because of a gap, or because the server doesn't know the epoch.
    pub(super) gaps: u32,
}

impl Sending {
    const fn begin(lane: Lane) -> Self {
        Self { lane, byte_limit: BATCH, gaps: 0 }
    }
}

/// A step of an exchange.
#[derive(Debug)]
pub(super) enum Step {
    /// Send a lane until no numbered report is left.
    Send(Sending),
    /// Send bulk reports, if this exchange includes them.
    SendBulk,
    /// Poll if a lane needs the server's confirmation, then send the lane.
    Confirm,
    Poll,
    Acknowledge {
        lane: Lane,
        number: u64,
        last: Option<u64>,
    },
    Quarantine {
        lane: Lane,
        seq: u64,
        reason: String,
    },
    /// Report everything open again, if an acknowledgement began a new epoch.
    ReportAgain,
    /// End the exchange with an error: the server has less than was sent.
    Disagree(Lane),
    Deliver(Vec<Command>),
    /// Send all responses that are due.
    Respond,
    SendResponse(CommandId, Response),
    /// Poll, if this exchange must and has not polled yet.
    LastPoll,
}

/// The result for which an exchange waits.
#[derive(Debug)]
pub(super) enum Awaits {
    Poll { spool: SpoolId, refuses: bool },
    Batch(Sending),
    Acknowledge,
    Quarantine,
    Response(CommandId, Response),
    Commands { until: Duration },
}

#[derive(Debug)]
pub(super) struct Exchange {
    /// Whether a poll is due.
    pub(super) polls: bool,
    /// Whether the site wants bulk reports to be sent.
    pub(super) bulk: bool,
    /// Whether the site wants a poll.
    pub(super) poll: bool,
    /// Whether the exchange includes bulk reports; decided after the urgent ones are sent.
    pub(super) sends_bulk: bool,
    pub(super) polled: bool,
    /// Whether the exchange consists of a poll only, because nothing can be stored.
    pub(super) heartbeat: bool,
    /// Whether an acknowledgement began a new epoch.
    pub(super) mismatch: bool,
    pub(super) awaits: Option<Awaits>,
    /// The remaining steps; the next one is last.
    steps: Vec<Step>,
}

impl Exchange {
    pub(super) fn begin(polls: bool, bulk: bool, poll: bool) -> Self {
        let mut exchange = Self {
            polls,
            bulk,
            poll,
            sends_bulk: false,
            polled: false,
            heartbeat: false,
            mismatch: false,
            awaits: None,
            steps: Vec::new(),
        };
        let urgent = Step::Send(Sending::begin(Lane::Urgent));
        exchange.first([urgent, Step::SendBulk, Step::Confirm, Step::Respond, Step::LastPoll]);
        exchange
    }

    /// Adds steps before all others, in this order.
    pub(super) fn first(&mut self, steps: impl IntoIterator<Item = Step, IntoIter: DoubleEndedIterator>) {
        self.steps.extend(steps.into_iter().rev());
    }

    pub(super) fn next(&mut self) -> Option<Step> {
        self.steps.pop()
    }

    /// Limits the exchange to a poll, because nothing can be stored.
    pub(super) fn only_poll(&mut self) {
        self.heartbeat = true;
        self.awaits = None;
        self.steps = vec![Step::Poll];
    }

    /// Adds the sending of bulk reports as the next step, if this exchange includes them.
    pub(super) fn send_bulk(&mut self, wanted: bool) {
        self.sends_bulk = self.polls || self.bulk || wanted;
        if self.sends_bulk {
            self.first([Step::Send(Sending::begin(Lane::Bulk))]);
        }
    }

    /// Adds a poll, then the sending of the reports that have a number after it.
    pub(super) fn confirm(&mut self) {
        let bulk = self.sends_bulk.then(|| Step::Send(Sending::begin(Lane::Bulk)));
        self.first(bulk);
        self.first([Step::Poll, Step::Send(Sending::begin(Lane::Urgent))]);
    }
}
