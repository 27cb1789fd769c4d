//! The state machine of the uplink: takes events and returns one effect at a time.

use std::collections::VecDeque;
use std::time::Duration;

use wire::ids::SpoolId;
use wire::report::{Lane, Lanes};

use super::effect::{Effect, ExchangeFailure, PollRequest, Request};
use super::error::{ExchangeError, StorageError};
use super::event::{Event, Storage};
use super::exchange::{Awaits, Exchange, GAPS_MAX, Sending, Step};
use super::wants::Wants;
use crate::cadence::Cadence;

/// Time limit for storing the commands of a poll; after it, the next poll delivers them again.
const STORE_TIMEOUT: Duration = Duration::from_secs(60);

/// Maximum characters of the text about the spool in a poll.
const PROBLEM_CHARS: usize = 300;

/// Minimum time between two polls that report a change of the disk, for a disk that fills and empties in turn.
const REFUSALS_APART: Duration = Duration::from_secs(10);

/// Time within which the reading that belongs to a call is sent.
const CALL_FOLLOWED: Duration = Duration::from_secs(60);

/// The poll interval during a service call, seconds.
const SERVICE_CALL_S: u32 = 60;

/// The uplink of a gateway.
#[derive(Debug)]
pub struct Uplink {
    pub(super) cadence: Cadence,
    storage: Storage,
    pub(super) wants: Wants,
    /// Whether an exchange was begun. Before the first one, nothing is sent without its poll.
    started: bool,
    pub(super) exchange: Option<Exchange>,
    /// Effects without a result, which precede the next request.
    pub(super) effects: VecDeque<Effect>,
    /// When urgent reports were last sent.
    urgent_at: Option<Duration>,
    /// The epoch in the last poll.
    pub(super) introduced: Option<SpoolId>,
    /// Whether the last poll reported that nothing can be stored.
    pub(super) refusal_told: bool,
    /// When that last changed.
    pub(super) refusal_changed: Option<Duration>,
    pub(super) now: Duration,
    jitter: f64,
}

impl Uplink {
    /// Creates an uplink whose first poll is due within half a minute, at the fraction `phase` (0 to 1) of it.
    /// `speedup` divides all waits. Urgent reports that an earlier run left in the spool are sent with the first
    /// exchange.
    #[must_use]
    pub fn new(storage: Storage, now: Duration, phase: f64, speedup: f64) -> Self {
        let wants = Wants::begin(storage.lanes.urgent.waiting() > 0);
        Self {
            cadence: Cadence::start(now, phase, speedup),
            storage,
            wants,
            started: false,
            exchange: None,
            effects: VecDeque::new(),
            urgent_at: None,
            introduced: None,
            refusal_told: false,
            refusal_changed: None,
            now,
            jitter: phase,
        }
    }

    /// The schedule of polls.
    #[must_use]
    pub const fn cadence(&self) -> &Cadence {
        &self.cadence
    }

    /// Handles an event. `jitter` (0 to 1) is random, different for each call.
    pub fn handle(&mut self, event: Event, now: Duration, jitter: f64) {
        (self.now, self.jitter) = (now, jitter);
        match event {
            Event::Storage(storage) => self.storage = storage,
            Event::UrgentMade => self.wants.urgent = true,
            Event::ReadingMade => self.wants.bulk = true,
            Event::CommandDone => (self.wants.bulk, self.wants.poll) = (true, true),
            Event::ResponseMade(command, response) => self.wants.respond(command, response, now),
            result @ (Event::Polled(_)
            | Event::BatchSent(_)
            | Event::Acknowledged(_)
            | Event::Quarantined
            | Event::ResponseSent(_)
            | Event::CommandsStored
            | Event::CommandsDropped
            | Event::StorageFailed(_)) => self.on_result(result),
        }
    }

    /// The next effect; `None` until the next event or [`Uplink::poll_timeout`]. `jitter` as in [`Uplink::handle`].
    pub fn poll_effect(&mut self, now: Duration, jitter: f64) -> Option<Effect> {
        (self.now, self.jitter) = (now, jitter);
        self.give_up_delivery();
        loop {
            if let Some(effect) = self.effects.pop_front() {
                return Some(effect);
            }
            let Some(exchange) = &mut self.exchange else {
                if self.due() > now {
                    return None;
                }
                self.begin();
                continue;
            };
            if exchange.awaits.is_some() {
                return None;
            }
            if !exchange.heartbeat
                && let Some(problem) = self.storage.problem.clone()
            {
                self.fail(StorageError { refuses: true, problem }.into());
                continue;
            }
            let Some(step) = exchange.next() else {
                self.exchange = None;
                return Some(Effect::Ended(Ok(())));
            };
            match self.take(step) {
                Ok(Some(effect)) => return Some(effect),
                Ok(None) => {}
                Err(error) => self.fail(error),
            }
        }
    }

    /// The latest time to call [`Uplink::poll_effect`]; `None` while a request is in flight.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        match &self.exchange {
            None => Some(self.due()),
            Some(Exchange { awaits: Some(Awaits::Commands { until }), .. }) => Some(*until),
            Some(_) => None,
        }
    }

    /// When the next exchange begins. Waiting reports don't make the first one begin earlier.
    fn due(&self) -> Duration {
        let poll_at = self.cadence.next();
        let earliest = if self.started { self.cadence.may_call_at() } else { poll_at };
        self.wanted_at().map_or(poll_at, |wanted| wanted.max(earliest).min(poll_at.max(earliest)))
    }

    /// When an exchange is required before the next poll. While nothing can be stored, no report or response
    /// requires one. When that state begins or ends, an exchange is required soon, to inform the server.
    fn wanted_at(&self) -> Option<Duration> {
        let refuses = self.storage.problem.is_some();
        let changed = self.refusal_changed.map_or(Duration::ZERO, |at| at + REFUSALS_APART);
        let tells = (self.refusal_told != refuses).then_some(changed);
        let sends = if refuses { None } else { self.wants.due() };
        tells.into_iter().chain(sends).min()
    }

    fn begin(&mut self) {
        self.started = true;
        let polls = self.cadence.next() <= self.now || self.refusal_told;
        let (bulk, poll) = (self.wants.bulk, self.wants.poll);
        (self.wants.urgent, self.wants.bulk, self.wants.poll) = (false, false, false);
        self.exchange = Some(Exchange::begin(polls, bulk, poll));
    }

    /// The exchange failed: its reports and responses are due again. If nothing can be stored, the exchange continues
    /// with a poll only, so that the server doesn't count a gateway with a full disk as unreachable.
    pub(super) fn fail(&mut self, error: ExchangeError) {
        let Some(mut exchange) = self.exchange.take() else { return };
        self.wants.bulk |= exchange.bulk;
        self.wants.poll |= exchange.poll;
        self.wants.urgent |= self.storage.lanes.urgent.waiting() > 0;
        if matches!(&error, ExchangeError::Storage(StorageError { refuses: true, .. })) && !exchange.heartbeat
        {
            exchange.only_poll();
            self.exchange = Some(exchange);
            return;
        }
        self.cadence.on_failure(self.now, error.retry_after(), self.jitter);
        let (failures, wait) = (self.cadence.failures(), self.cadence.next().saturating_sub(self.now));
        self.effects.push_back(Effect::Ended(Err(ExchangeFailure { error, failures, wait })));
    }

    /// Gives up storing the commands of a poll; the next poll delivers them again.
    fn give_up_delivery(&mut self) {
        let Some(Exchange { awaits: Some(Awaits::Commands { until }), .. }) = &self.exchange else { return };
        if *until <= self.now {
            self.fail(ExchangeError::Undecided);
        } else if let Some(problem) = self.storage.problem.clone() {
            self.fail(StorageError { refuses: true, problem }.into());
        }
    }

    /// Performs a step of the exchange; returns the request that it needs.
    fn take(&mut self, step: Step) -> Result<Option<Effect>, ExchangeError> {
        let soon = self.soon();
        let Some(exchange) = &mut self.exchange else { return Ok(None) };
        let (awaits, request) = match step {
            Step::Send(sending) => return self.send(sending),
            Step::SendBulk => {
                exchange.send_bulk(self.wants.ends_a_command());
                return Ok(None);
            }
            Step::Confirm => {
                let Lanes { urgent, bulk } = &self.storage.lanes;
                if urgent.needs_server_confirmation()
                    || (exchange.sends_bulk && bulk.needs_server_confirmation())
                {
                    exchange.confirm();
                }
                return Ok(None);
            }
            Step::LastPoll => {
                if exchange.poll || (exchange.polls && !exchange.polled) {
                    exchange.first([Step::Poll]);
                }
                return Ok(None);
            }
            Step::ReportAgain => {
                return Ok(std::mem::take(&mut exchange.mismatch).then_some(Effect::ReportAgain));
            }
            Step::Disagree(lane) => return Err(ExchangeError::Disagreement(lane)),
            Step::Respond => {
                let due = self.wants.due_responses(self.now);
                exchange.first(due.into_iter().map(|(id, response)| Step::SendResponse(id, response)));
                return Ok(None);
            }
            Step::Poll => poll(&self.storage, soon),
            Step::Acknowledge { lane, number, last } => {
                (Awaits::Acknowledge, Request::Acknowledge { lane, number, last })
            }
            Step::Quarantine { lane, seq, reason } => {
                (Awaits::Quarantine, Request::Quarantine { lane, seq, reason })
            }
            Step::Deliver(commands) => {
                (Awaits::Commands { until: self.now + STORE_TIMEOUT }, Request::Deliver(commands))
            }
            Step::SendResponse(command, response) => {
                let request = Request::SendResponse { command, response: response.clone(), soon };
                (Awaits::Response(command, response), request)
            }
        };
        exchange.awaits = Some(awaits);
        Ok(Some(Effect::Request(request)))
    }

    /// Sends the next batch of a lane. If the epoch is new, a poll that names it comes first, so that the server
    /// accepts the reports as new.
    fn send(&mut self, mut sending: Sending) -> Result<Option<Effect>, ExchangeError> {
        let Sending { lane, byte_limit, gaps } = sending;
        let Some(exchange) = self.exchange.as_mut().filter(|_| self.storage.can_send(lane)) else {
            return Ok(None);
        };
        if self.introduced != Some(self.storage.spool) {
            if gaps == GAPS_MAX {
                return Err(ExchangeError::Disagreement(lane));
            }
            sending.gaps += 1;
            exchange.first([Step::Poll, Step::Send(sending)]);
            return Ok(None);
        }
        exchange.awaits = Some(Awaits::Batch(sending));
        if lane == Lane::Urgent {
            self.urgent_at = Some(self.now);
        }
        Ok(Some(Effect::Request(Request::SendBatch { lane, byte_limit, soon: self.soon() })))
    }

    /// Whether the next request follows within the minute: during a service call, and after a call, which is followed
    /// by its reading.
    fn soon(&self) -> bool {
        self.cadence.interval_s() <= SERVICE_CALL_S
            || self.urgent_at.is_some_and(|at| self.now.saturating_sub(at) < CALL_FOLLOWED)
    }
}

fn poll(storage: &Storage, soon: bool) -> (Awaits, Request) {
    let Storage { spool, lanes, problem } = storage;
    let request = PollRequest {
        spool: *spool,
        made: Lanes { urgent: lanes.urgent.made_number(), bulk: lanes.bulk.made_number() },
        storage_problem: problem.as_ref().map(|problem| problem.chars().take(PROBLEM_CHARS).collect()),
        soon,
    };
    (Awaits::Poll { spool: *spool, refuses: problem.is_some() }, Request::Poll(request))
}
