//! Performs the requests of the uplink's state machine: to the server, to the spool and to the site.

use std::sync::Arc;
use std::time::Duration;

use gateway_core::outbox::Acknowledgement;
use gateway_core::uplink::{Event, PollRequest, Request, RequestError, SentBatch, StorageError};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use wire::command::{Command, Response};
use wire::ids::CommandId;
use wire::poll::{Poll, PollResponse};
use wire::report::{Batch, BatchResponse, Envelope, Lane};

use super::client::CommServer;
use super::link::UplinkHandle;
use crate::spool::{Spool, SpoolError};

/// An event that the uplink passes to the site.
#[derive(Debug)]
pub(crate) enum UplinkEvent {
    /// Commands were delivered; the sender is notified when they are durable.
    Commands(Vec<Command>, oneshot::Sender<()>),
    /// The server has stored this response.
    ResponseStored(CommandId, Response),
    /// The sequence numbers show that the gateway or the server has lost reports: report everything that is open
    /// again.
    SequenceMismatch,
}

/// What is needed to perform requests.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    pub(super) server: Arc<CommServer>,
    pub(super) spool: Spool,
    pub(super) link: Arc<UplinkHandle>,
    pub(super) deliveries: mpsc::UnboundedSender<UplinkEvent>,
}

impl Transport {
    /// Performs a request and returns its result. `uptime` is the time since the program began.
    pub(super) async fn perform(self, request: Request, uptime: Duration) -> Event {
        match request {
            Request::Poll(request) => Event::Polled(self.poll(request, uptime).await),
            Request::SendBatch { lane, byte_limit, soon } => {
                or_failed(self.send_batch(lane, byte_limit, soon).await)
            }
            Request::Acknowledge { lane, number, last } => {
                or_failed(self.acknowledge(lane, number, last).await.map(Event::Acknowledged))
            }
            Request::Quarantine { lane, seq, reason } => {
                tracing::error!(%lane, number = seq, error = %reason, "a report is quarantined");
                or_failed(self.spool.quarantine(lane, seq, reason).await.map(|()| Event::Quarantined))
            }
            Request::SendResponse { command, response, soon } => {
                Event::ResponseSent(self.server.respond(command, &response, soon).await)
            }
            Request::Deliver(commands) => self.deliver(commands).await,
        }
    }

    async fn poll(&self, request: PollRequest, uptime: Duration) -> Result<PollResponse, RequestError> {
        let PollRequest { spool, made, storage_problem, soon } = request;
        let facts = self.link.lock().facts;
        let refuses = storage_problem.is_some();
        let poll = Poll {
            at: Timestamp::now(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            spool,
            made,
            devices: facts.devices,
            devices_offline: facts.devices_offline,
            uptime_s: uptime.as_secs(),
            storage_problem,
        };
        let response = self.server.poll(&poll, soon).await?;
        metrics::counter!("platen_gateway_polls_total").increment(1);
        self.link.lock().status.last_poll = Some(Timestamp::now());
        let commands = response.commands.len();
        tracing::info!(
            next_poll_s = response.next_poll_s,
            commands,
            urgent = response.acknowledged.urgent,
            bulk = response.acknowledged.bulk,
            "polled"
        );
        if refuses && commands > 0 {
            tracing::warn!(commands, "commands wait until they can be stored");
        }
        Ok(response)
    }

    async fn send_batch(&self, lane: Lane, byte_limit: usize, soon: bool) -> Result<Event, SpoolError> {
        let reports = self.spool.waiting(lane, byte_limit).await?;
        let (Some(first), Some(last)) = (reports.first(), reports.last()) else {
            return Ok(Event::BatchSent(None));
        };
        let bytes = reports.iter().map(|report: &Envelope| report.report.get().len()).sum();
        let sent = SentBatch { first: first.seq, last: last.seq, count: reports.len(), bytes };
        let batch = Batch { at: Some(Timestamp::now()), reports };
        let result = self.server.report(lane, &batch, soon).await;
        log_batch(lane, &sent, &result);
        Ok(Event::BatchSent(Some((sent, result))))
    }

    async fn acknowledge(
        &self,
        lane: Lane,
        number: u64,
        last: Option<u64>,
    ) -> Result<Acknowledgement, SpoolError> {
        match last {
            Some(last) => self.spool.answered(lane, number, last).await,
            None => self.spool.acknowledge(lane, number).await,
        }
    }

    /// Passes commands to the site and waits until they are stored. When the program ends, they are not accepted.
    async fn deliver(&self, commands: Vec<Command>) -> Event {
        let (stored, is_stored) = oneshot::channel();
        if self.deliveries.send(UplinkEvent::Commands(commands, stored)).is_err() {
            return Event::CommandsStored;
        }
        match is_stored.await {
            Ok(()) => Event::CommandsStored,
            Err(_) => Event::CommandsDropped,
        }
    }
}

fn log_batch(lane: Lane, sent: &SentBatch, result: &Result<BatchResponse, RequestError>) {
    match result {
        Ok(response) => {
            for report in &response.quarantined {
                tracing::error!(%lane, number = report.seq, reason = report.reason, "the server quarantined a report");
            }
        }
        Err(RequestError::Refused { problem, .. }) => {
            if let Some(expected) = problem.expected_seq {
                tracing::warn!(%lane, first = sent.first, expected, "the server expects another sequence number");
            }
        }
        Err(
            RequestError::Unreachable { .. } | RequestError::NotAServer { .. } | RequestError::Codec { .. },
        ) => {}
    }
}

fn or_failed(result: Result<Event, SpoolError>) -> Event {
    result.unwrap_or_else(|error| {
        let refuses = matches!(error, SpoolError::Refuses { .. });
        Event::StorageFailed(StorageError { refuses, problem: error.to_string() })
    })
}
