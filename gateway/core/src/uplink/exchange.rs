//! One exchange with the server: the order of its requests.
//!
//! Urgent reports go first. Bulk reports go with a poll, and before the final response of the command that produced them.
//! A lane that is not confirmed needs a poll before anything new in it gets a number. Responses follow, then the poll.

use std::time::Duration;

use wire::command::{Command, Response};
use wire::ids::{CommandId, SpoolId};
use wire::limits::BATCH_BYTES;
use wire::report::Lane;

/// Maximum bytes of a batch: it is in memory several times while it is sent.
const BATCH: usize = BATCH_BYTES / 4;

/// Maximum number of gaps in a row before an exchange fails.
pub(super) const GAPS_MAX: u32 = 4;

/// A lane that is being sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sending {
    pub(super) lane: Lane,
    pub(super) byte_limit: usize,
    /// Requests that showed a gap, or that the server doesn't know the epoch.
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
    /// Sends a lane until nothing numbered is left.
    Send(Sending),
    /// Sends bulk reports, if this exchange does.
    SendBulk,
    /// Polls where a lane gets no numbers before, and sends it then.
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
    /// Everything open is reported again, if an acknowledgement began an epoch.
    ReportAgain,
    /// Ends the exchange: the server has less than it was sent.
    Disagree(Lane),
    Deliver(Vec<Command>),
    /// Sends all responses that are due.
    Respond,
    SendResponse(CommandId, Response),
    /// Polls where the exchange has to, and has not.
    LastPoll,
}

/// The result that an exchange waits for.
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
    /// Whether its poll is due.
    pub(super) polls: bool,
    /// Whether the site wants bulk reports to be sent.
    pub(super) bulk: bool,
    /// Whether the site wants a poll.
    pub(super) poll: bool,
    /// Whether it sends bulk reports; decided after the urgent ones.
    pub(super) sends_bulk: bool,
    pub(super) polled: bool,
    /// Whether it is a poll alone, as nothing can be stored.
    pub(super) heartbeat: bool,
    /// Whether an acknowledgement began an epoch.
    pub(super) mismatch: bool,
    pub(super) awaits: Option<Awaits>,
    /// What is left, the next last.
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

    /// Takes these steps before all others, in this order.
    pub(super) fn first(&mut self, steps: impl IntoIterator<Item = Step, IntoIter: DoubleEndedIterator>) {
        self.steps.extend(steps.into_iter().rev());
    }

    pub(super) fn next(&mut self) -> Option<Step> {
        self.steps.pop()
    }

    /// Nothing can be stored: polls and does nothing else.
    pub(super) fn only_poll(&mut self) {
        self.heartbeat = true;
        self.awaits = None;
        self.steps = vec![Step::Poll];
    }

    /// Sends bulk reports next, if this exchange does.
    pub(super) fn send_bulk(&mut self, wanted: bool) {
        self.sends_bulk = self.polls || self.bulk || wanted;
        if self.sends_bulk {
            self.first([Step::Send(Sending::begin(Lane::Bulk))]);
        }
    }

    /// Polls, then sends what has a number now.
    pub(super) fn confirm(&mut self) {
        let bulk = self.sends_bulk.then(|| Step::Send(Sending::begin(Lane::Bulk)));
        self.first(bulk);
        self.first([Step::Poll, Step::Send(Sending::begin(Lane::Urgent))]);
    }
}
