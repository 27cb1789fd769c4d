//! Runs the uplink's state machine: collects events, passes them to it, and performs its effects. It decides nothing.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::uplink::{self as core, Effect, Event, ExchangeFailure, Storage};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::client::CommServer;
use super::link::UplinkHandle;
use super::transport::{Transport, UplinkEvent};
use crate::spool::{Snapshot, Spool};

/// The result of a request that is in flight.
type InFlight = Pin<Box<dyn Future<Output = Event> + Send>>;

#[derive(Debug)]
pub(crate) struct Uplink {
    core: core::Uplink,
    transport: Transport,
    began: Instant,
}

impl Uplink {
    /// Creates an uplink that polls first within half a minute; `speedup` divides its intervals.
    #[must_use]
    pub(crate) fn new(
        server: CommServer,
        spool: Spool,
        link: Arc<UplinkHandle>,
        deliveries: mpsc::UnboundedSender<UplinkEvent>,
        url: &str,
        speedup: f64,
    ) -> Self {
        url.clone_into(&mut link.lock().status.url);
        let core = core::Uplink::new(storage(spool.snapshot()), Duration::ZERO, rand::random(), speedup);
        let transport = Transport { server: Arc::new(server), spool, link, deliveries };
        Self { core, transport, began: Instant::now() }
    }

    /// Runs exchanges until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut in_flight: Option<InFlight> = None;
        let mut result = None;
        loop {
            let refuses = self.collect(result.take());
            while let Some(effect) = self.core.poll_effect(self.began.elapsed(), rand::random()) {
                if let Some(request) = self.perform(effect) {
                    in_flight = Some(request);
                }
            }
            self.show();
            let timeout = self.core.poll_timeout();
            tokio::select! {
                event = wait_for(&mut in_flight) => {
                    in_flight = None;
                    result = Some(event);
                }
                () = sleep_until(timeout.map(|at| self.began + at)) => {}
                () = self.transport.link.wake.notified() => {}
                () = self.transport.spool.turned(!refuses) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Passes the state of the spool, new events, and the result of a request to the machine. Returns whether nothing
    /// can be stored.
    fn collect(&mut self, result: Option<Event>) -> bool {
        let storage = storage(self.transport.spool.snapshot());
        let refuses = storage.problem.is_some();
        let events = std::mem::take(&mut self.transport.link.lock().events);
        for event in std::iter::once(Event::Storage(storage)).chain(events).chain(result) {
            self.core.handle(event, self.began.elapsed(), rand::random());
        }
        refuses
    }

    /// Performs an effect; a request is only started.
    fn perform(&self, effect: Effect) -> Option<InFlight> {
        match effect {
            Effect::Request(request) => {
                let transport = self.transport.clone();
                return Some(Box::pin(transport.perform(request, self.began.elapsed())));
            }
            Effect::ReportAgain => self.pass_on(UplinkEvent::SequenceMismatch),
            Effect::ResponseDone { command, response, rejected } => {
                if let Some(error) = rejected {
                    tracing::warn!(%command, error = %error, "the server rejects a response");
                }
                self.pass_on(UplinkEvent::ResponseStored(command, response));
            }
            Effect::Ended(result) => self.show_end(result),
        }
        None
    }

    fn pass_on(&self, event: UplinkEvent) {
        if self.transport.deliveries.send(event).is_err() {
            tracing::debug!("an event of the uplink is dropped: the program ends");
        }
    }

    fn show_end(&self, result: Result<(), ExchangeFailure>) {
        let error = result.err().map(|ExchangeFailure { error, failures, wait }| {
            metrics::counter!("platen_gateway_exchange_failures_total").increment(1);
            tracing::warn!(error = %error, failures, wait_s = wait.as_secs(), "the exchange failed");
            error.to_string()
        });
        self.transport.link.lock().status.last_error = error;
    }

    fn show(&self) {
        let cadence = self.core.cadence();
        let wait = cadence.next().saturating_sub(self.began.elapsed());
        metrics::gauge!("platen_gateway_next_poll_seconds").set(wait.as_secs_f64());
        let mut state = self.transport.link.lock();
        state.status.next_poll = Timestamp::now().checked_add(wait).ok();
        state.status.failures = cadence.failures();
        if state.status.last_poll.is_some() {
            state.status.interval_s = Some(cadence.interval_s());
        }
    }
}

/// The state of the spool, as the machine needs it.
fn storage(snapshot: Snapshot) -> Storage {
    let Snapshot { id, lanes, problem, waiting_bytes: _, disk_bytes: _, limit_bytes: _ } = snapshot;
    Storage { spool: id, lanes, problem }
}

/// Waits for the request in flight; indefinitely if there is none.
async fn wait_for(in_flight: &mut Option<InFlight>) -> Event {
    match in_flight {
        Some(request) => request.await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
