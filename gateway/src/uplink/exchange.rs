//! The exchange with the communication server, again and again: at the cadence, and at once for what is urgent.

use std::sync::Arc;
use std::time::Duration;

use gateway_core::cadence::Cadence;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wire::command::{Command, Response, ResponseState};
use wire::ids::{CommandId, SpoolId};
use wire::limits::BATCH_BYTES;
use wire::poll::{Poll, PollResponse};
use wire::report::{Batch, BatchResponse, Lane};

use super::link::UplinkHandle;
use super::verdict::{Verdict, verdict};
use super::{CommServer, UplinkError};
use crate::spool::{Spool, SpoolError};

/// What the commands of one poll mean is decided within this, or they come again with the next.
const DECISION_TIMEOUT: Duration = Duration::from_secs(60);

/// What a poll says of the gateway's store is cut to so many characters.
const PROBLEM_CHARS: usize = 300;

/// A disk that fills and empties in turn makes no more polls of its own than one in this time.
const REFUSALS_APART: Duration = Duration::from_secs(10);

/// A batch of this gateway, bytes: it is in memory several times while it is sent.
const BATCH: usize = BATCH_BYTES / 4;

/// Exchanges that end in a gap in a row; then a pause is due.
const GAPS_MAX: u32 = 4;

/// What the uplink tells the gateway.
#[derive(Debug)]
pub enum UplinkEvent {
    /// Commands came; answered once they are on the disk.
    Commands(Vec<Command>, oneshot::Sender<()>),
    /// The server has this answer.
    ResponseStored(CommandId, Response),
    /// The server knows more or less than this gateway's store: what is open is to be told again.
    SequenceMismatch,
}

/// What belongs to a call is sent within this.
const CALL_FOLLOWED: Duration = Duration::from_secs(60);

/// The uplink.
#[derive(Debug)]
pub struct Uplink {
    server: CommServer,
    spool: Spool,
    link: Arc<UplinkHandle>,
    deliveries: mpsc::UnboundedSender<UplinkEvent>,
    cadence: Cadence,
    began: Instant,
    /// When urgent reports were sent last.
    called: Option<Instant>,
    /// Polls that were answered.
    polls: u64,
    /// The life of the spool that the server heard of last.
    introduced: Option<SpoolId>,
    /// Whether the last poll said that nothing can be stored, and when that changed last.
    refusal_told: (bool, Option<Instant>),
}

/// Why an exchange ended early.
#[derive(Debug, thiserror::Error)]
enum ExchangeError {
    #[error(transparent)]
    Uplink(#[from] UplinkError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("the server and the spool do not agree on the numbers of the lane {0}")]
    Disagreement(Lane),
    #[error("the gateway did not decide on the commands in time")]
    Undecided,
}

impl Uplink {
    /// An uplink that makes its first poll within half a minute; `speedup` divides its waits.
    #[must_use]
    pub fn new(
        server: CommServer,
        spool: Spool,
        link: Arc<UplinkHandle>,
        deliveries: mpsc::UnboundedSender<UplinkEvent>,
        url: &str,
        speedup: f64,
    ) -> Self {
        url.clone_into(&mut link.lock().status.url);
        // What an earlier run left in the spool goes as soon as there is a link.
        link.lock().urgent = spool.snapshot().lanes.urgent.waiting() > 0;
        let cadence = Cadence::start(Duration::ZERO, rand::random(), speedup);
        Self {
            server,
            spool,
            link,
            deliveries,
            cadence,
            began: Instant::now(),
            called: None,
            polls: 0,
            introduced: None,
            refusal_told: (false, None),
        }
    }

    /// Exchanges until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut started = false;
        loop {
            let poll_at = self.began + self.cadence.next();
            // The first contact keeps its phase, whatever waits.
            let least = if started { self.began + self.cadence.may_call_at() } else { poll_at };
            let refuses = self.spool.problem().is_some();
            let wanted = self.wanted(refuses);
            let due = wanted.map_or(poll_at, |wanted| wanted.max(least).min(poll_at.max(least)));
            self.show(poll_at);
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = self.link.wake.notified() => continue,
                () = self.spool.turned(!refuses) => continue,
                () = shutdown.cancelled() => return,
            }
            started = true;
            let polls = Instant::now() >= poll_at;
            tokio::select! {
                ended = self.exchange(polls) => self.judge(ended),
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// When the server is to be called before the next poll. While nothing can be stored there is nothing to send, but that
    /// it is so, and that it no longer is, is told soon.
    fn wanted(&self, refuses: bool) -> Option<Instant> {
        let (told, at) = self.refusal_told;
        let tells = (told != refuses).then(|| at.map_or_else(Instant::now, |at| at + REFUSALS_APART));
        let sends = if refuses { None } else { self.link.wanted() };
        tells.into_iter().chain(sends).min()
    }

    fn judge(&mut self, ended: Result<(), ExchangeError>) {
        let now = self.began.elapsed();
        let Err(error) = ended else {
            self.link.lock().status.last_error = None;
            return;
        };
        let retry_after = match &error {
            ExchangeError::Uplink(error) => match verdict(error) {
                Verdict::Later(after) => after,
                Verdict::Resume { .. } | Verdict::Smaller | Verdict::PutAside => None,
            },
            ExchangeError::Spool(_) | ExchangeError::Disagreement(_) | ExchangeError::Undecided => None,
        };
        self.cadence.on_failure(now, retry_after, rand::random());
        metrics::counter!("platen_gateway_exchange_failures_total").increment(1);
        let wait_s = self.cadence.next().saturating_sub(now).as_secs();
        tracing::warn!(error = %error, failures = self.cadence.failures(), wait_s, "the exchange failed");
        self.link.lock().status.last_error = Some(error.to_string());
    }

    fn show(&self, poll_at: Instant) {
        let wait = poll_at.saturating_duration_since(Instant::now());
        metrics::gauge!("platen_gateway_next_poll_seconds").set(wait.as_secs_f64());
        let mut state = self.link.lock();
        state.status.next_poll = Timestamp::now().checked_add(wait).ok();
        state.status.failures = self.cadence.failures();
        if state.status.last_poll.is_some() {
            state.status.interval_s = Some(self.cadence.interval_s());
        }
    }

    async fn exchange(&mut self, polls: bool) -> Result<(), ExchangeError> {
        let (bulk, asked) = {
            let mut state = self.link.lock();
            state.urgent = false;
            let taken = (state.bulk, state.poll);
            (state.bulk, state.poll) = (false, false);
            taken
        };
        let done = match self.spool.problem() {
            Some(problem) => Err(SpoolError::Refuses { problem }.into()),
            None => self.exchange_once(polls || self.refusal_told.0, bulk, asked).await,
        };
        if done.is_err() {
            let mut state = self.link.lock();
            state.bulk |= bulk;
            state.poll |= asked;
            state.urgent |= self.spool.snapshot().lanes.urgent.waiting() > 0;
        }
        match done {
            Err(ExchangeError::Spool(SpoolError::Refuses { .. })) => self.heartbeat_when_full().await,
            done => done,
        }
    }

    /// Polls while nothing can be stored: a gateway with a full disk is not a dead one. What the server has is heard again
    /// once it can be noted, and commands come with each poll until they are answered: none is begun meanwhile.
    async fn heartbeat_when_full(&mut self) -> Result<(), ExchangeError> {
        let answer = self.ask().await?;
        if !answer.commands.is_empty() {
            tracing::warn!(commands = answer.commands.len(), "commands wait until something can be stored");
        }
        Ok(())
    }

    async fn exchange_once(&mut self, polls: bool, bulk: bool, asked: bool) -> Result<(), ExchangeError> {
        let before = self.polls;
        self.send(Lane::Urgent).await?;
        // What a command gave goes before the word that it is done.
        let sends_bulk = polls || bulk || self.ends_a_command();
        if sends_bulk {
            self.send(Lane::Bulk).await?;
        }
        // A spool that is new or was just opened numbers nothing before it knows that its numbers are free.
        let lanes = self.spool.snapshot().lanes;
        if lanes.urgent.needs_server_confirmation() || (sends_bulk && lanes.bulk.needs_server_confirmation())
        {
            self.poll().await?;
            self.send(Lane::Urgent).await?;
            if sends_bulk {
                self.send(Lane::Bulk).await?;
            }
        }
        self.respond().await?;
        if asked || (polls && self.polls == before) {
            self.poll().await?;
        }
        Ok(())
    }

    fn ends_a_command(&self) -> bool {
        let is_final =
            |response: &Response| matches!(response.state, ResponseState::Done | ResponseState::Failed);
        self.link.lock().responses.values().any(|(response, _)| is_final(response))
    }

    /// Whether the next request comes within the minute: at the cadence of a service call, and after a call, whose
    /// reading follows it.
    fn soon(&self) -> bool {
        self.cadence.interval_s() <= 60 || self.called.is_some_and(|called| called.elapsed() < CALL_FOLLOWED)
    }

    /// Polls and takes in nothing of the answer but when to come again.
    async fn ask(&mut self) -> Result<PollResponse, ExchangeError> {
        let snapshot = self.spool.snapshot();
        let facts = self.link.lock().facts;
        let poll = Poll {
            at: Timestamp::now(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            spool: snapshot.id,
            made: wire::report::Lanes {
                urgent: snapshot.lanes.urgent.made_number(),
                bulk: snapshot.lanes.bulk.made_number(),
            },
            devices: facts.devices,
            devices_offline: facts.devices_offline,
            uptime_s: self.began.elapsed().as_secs(),
            storage_problem: snapshot.problem.map(|problem| problem.chars().take(PROBLEM_CHARS).collect()),
        };
        let answer = self.server.poll(&poll, self.soon()).await?;
        self.polls += 1;
        self.introduced = Some(poll.spool);
        let refuses = poll.storage_problem.is_some();
        if refuses != self.refusal_told.0 {
            self.refusal_told = (refuses, Some(Instant::now()));
        }
        metrics::counter!("platen_gateway_polls_total").increment(1);
        self.cadence.on_poll(self.began.elapsed(), answer.next_poll_s);
        self.link.lock().status.last_poll = Some(Timestamp::now());
        tracing::info!(
            next_poll_s = answer.next_poll_s,
            commands = answer.commands.len(),
            urgent = answer.acknowledged.urgent,
            bulk = answer.acknowledged.bulk,
            "polled"
        );
        Ok(answer)
    }

    async fn poll(&mut self) -> Result<(), ExchangeError> {
        let answer = self.ask().await?;
        let mut disagrees = false;
        for lane in Lane::ALL {
            disagrees |= self.spool.acknowledge(lane, *answer.acknowledged.of(lane)).await?.is_new_life();
        }
        self.tell(disagrees);
        if !answer.commands.is_empty() {
            let (decided, is_decided) = oneshot::channel();
            if self.deliveries.send(UplinkEvent::Commands(answer.commands, decided)).is_ok() {
                tokio::select! {
                    decided = tokio::time::timeout(DECISION_TIMEOUT, is_decided) => {
                        decided.map_err(|_| ExchangeError::Undecided)?.map_err(|_| ExchangeError::Undecided)?;
                    }
                    // They are decided on when there is room, and come again with each poll until then.
                    () = self.spool.turned(true) => {
                        let problem = self.spool.problem().unwrap_or_default();
                        return Err(SpoolError::Refuses { problem }.into());
                    }
                }
            }
        }
        Ok(())
    }

    async fn send(&mut self, lane: Lane) -> Result<(), ExchangeError> {
        let mut limit = BATCH;
        let mut gaps = 0;
        loop {
            let waiting = self.spool.waiting(lane, limit).await?;
            let (Some(first), Some(last)) = (waiting.reports.first(), waiting.reports.last()) else {
                return Ok(());
            };
            let (first, last) = (first.seq, last.seq);
            if self.introduced != Some(self.spool.snapshot().id) {
                // What is told again in a new life of the spool is taken for that only when the server knows of it.
                if gaps == GAPS_MAX {
                    return Err(ExchangeError::Disagreement(lane));
                }
                gaps += 1;
                self.poll().await?;
                continue;
            }
            if lane == Lane::Urgent {
                self.called = Some(Instant::now());
            }
            let (count, size) = (waiting.reports.len(), json_bytes(&waiting.reports));
            match self
                .server
                .report(lane, &Batch { at: Some(Timestamp::now()), reports: waiting.reports }, self.soon())
                .await
            {
                Ok(answer) => {
                    self.stored(lane, &answer, last).await?;
                    if answer.acknowledged < first {
                        return Err(ExchangeError::Disagreement(lane));
                    }
                }
                Err(error) => match verdict(&error) {
                    Verdict::Resume { expected } if gaps < GAPS_MAX => {
                        gaps += 1;
                        tracing::warn!(%lane, first, expected, "the server expects another number");
                        let judged = self.spool.acknowledge(lane, expected.saturating_sub(1)).await?;
                        self.tell(judged.is_new_life());
                    }
                    Verdict::Smaller if count > 1 => limit = size / 2,
                    Verdict::Smaller | Verdict::PutAside if count == 1 => {
                        tracing::error!(%lane, number = first, error = %error, "a report is put aside");
                        self.spool.put_aside(lane, first, error.to_string()).await?;
                    }
                    Verdict::PutAside => limit = 1,
                    Verdict::Resume { .. } | Verdict::Smaller | Verdict::Later(_) => return Err(error.into()),
                },
            }
            if !waiting.more && self.spool.snapshot().lanes.of(lane).waiting() == 0 {
                return Ok(());
            }
        }
    }

    async fn stored(&mut self, lane: Lane, answer: &BatchResponse, last: u64) -> Result<(), ExchangeError> {
        self.cadence.on_answer(self.began.elapsed(), answer.next_poll_s);
        for report in &answer.quarantined {
            tracing::error!(%lane, number = report.seq, reason = report.reason, "the server put a report aside");
        }
        let judged = self.spool.answered(lane, answer.acknowledged, last).await?;
        self.tell(judged.is_new_life());
        Ok(())
    }

    fn tell(&self, disagrees: bool) {
        if disagrees && self.deliveries.send(UplinkEvent::SequenceMismatch).is_err() {
            tracing::debug!("nobody is left to tell again what is open");
        }
    }

    async fn respond(&mut self) -> Result<(), ExchangeError> {
        let now = Instant::now();
        let due: Vec<(CommandId, Response)> = {
            let state = self.link.lock();
            let due = state.responses.iter().filter(|(_, (_, due))| due.is_none_or(|due| due <= now));
            due.map(|(id, (response, _))| (*id, response.clone())).collect()
        };
        for (command, response) in due {
            match self.server.respond(command, &response, self.soon()).await {
                Ok(answer) => self.cadence.on_answer(self.began.elapsed(), answer.next_poll_s),
                Err(error) => match verdict(&error) {
                    Verdict::PutAside | Verdict::Smaller => {
                        tracing::warn!(%command, error = %error, "the server has no use for an answer");
                    }
                    Verdict::Later(_) | Verdict::Resume { .. } => return Err(error.into()),
                },
            }
            let mut state = self.link.lock();
            if state.responses.get(&command).is_some_and(|(waiting, _)| *waiting == response) {
                state.responses.remove(&command);
            }
            drop(state);
            if self.deliveries.send(UplinkEvent::ResponseStored(command, response)).is_err() {
                tracing::debug!("nobody hears of an answered command: the program ends");
            }
        }
        Ok(())
    }
}

fn json_bytes(reports: &[wire::report::Envelope]) -> usize {
    reports.iter().map(|report| report.report.get().len()).sum()
}
