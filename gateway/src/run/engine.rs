//! The engine: collects inputs, passes them to the site's state machine, commits the outcome to the spool, and only
//! then performs the effects. It decides nothing.

use std::sync::Arc;
use std::time::Duration;

use gateway_core::site::{Event, Moment, Site};
use gateway_core::storage::{SHUTDOWN_GRACE, StorageStep};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::input::Input;
use super::local::StatusSnapshot;
use super::services::Services;
use super::{notices, records};
use crate::spool::{Changes, Spool};
use crate::traps::Gate;
use crate::uplink::{Facts, UplinkEvent, UplinkHandle};

/// Maximum number of inputs per commit.
const INPUTS_AT_ONCE: usize = 256;

/// Steps that are due within this time of each other are performed together.
const GRAIN: Duration = Duration::from_millis(100);

/// Longest time without a step.
const SLEEP_MAX: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Engine {
    pub(super) site: Site,
    pub(super) services: Services,
    pub(super) spool: Spool,
    pub(super) uplink: Arc<UplinkHandle>,
    /// The limiter that gets the addresses of known devices, if traps are received.
    pub(super) gate: Option<Gate>,
    pub(super) snapshot: Arc<StatusSnapshot>,
    pub(super) inputs: mpsc::UnboundedReceiver<Input>,
    pub(super) clock: Clock,
    pub(super) shutdown: CancellationToken,
}

impl Engine {
    /// Runs until the shutdown.
    pub(super) async fn run(mut self, mut uplink: mpsc::UnboundedReceiver<UplinkEvent>) {
        let shutdown = self.shutdown.clone();
        let mut now = self.clock.now();
        let mut stored = Vec::new();
        loop {
            self.site.advance(now, rand::random());
            self.commit_and_run(now, std::mem::take(&mut stored)).await;
            self.publish(now);
            let mut inputs = Vec::new();
            let next = self.site.poll_timeout().unwrap_or(Duration::MAX);
            let sleep = next.saturating_sub(now.elapsed).clamp(GRAIN, SLEEP_MAX);
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                Some(event) = uplink.recv() => inputs.push(event.into()),
                count = self.inputs.recv_many(&mut inputs, INPUTS_AT_ONCE) => {
                    if count == 0 { return; }
                }
                () = tokio::time::sleep(sleep) => {}
            }
            now = self.clock.now();
            for input in inputs {
                if let Some(event) = self.event_of(input, &mut stored) {
                    self.site.handle(event, now, rand::random());
                }
            }
        }
    }

    /// Converts an input to an event of the site.
    fn event_of(&mut self, input: Input, stored: &mut Vec<oneshot::Sender<()>>) -> Option<Event> {
        match input {
            Input::Site(event) => Some(event),
            Input::Read(address, scope, result) => Some(self.services.read_completed(address, scope, result)),
            Input::Found(address, reading) => Some(self.services.found(address, reading)),
            Input::SearchEnded(end, took) => {
                notices::log_search(&end, took);
                Some(Event::SearchEnded(end))
            }
            Input::Resolved(named, address) => {
                self.services.use_credentials(address, named.credentials);
                Some(Event::Resolved(address))
            }
            Input::Commands(commands, sender) => {
                stored.push(sender);
                Some(Event::CommandsDelivered(commands))
            }
            Input::SnapshotWanted => None,
        }
    }

    /// Commits the outcome, then acknowledges its commands, then performs its effects.
    async fn commit_and_run(&mut self, now: Moment, stored: Vec<oneshot::Sender<()>>) {
        let outcome = self.site.outcome();
        outcome.notices.iter().for_each(notices::log);
        let changes = records::changes(&outcome, self.site.state());
        if !changes.is_empty() && !self.commit(changes).await {
            return;
        }
        for sender in stored {
            if sender.send(()).is_err() {
                tracing::debug!("the uplink no longer waits for commands");
            }
        }
        for effect in outcome.effects {
            self.services.perform(effect, self.site.state(), now);
        }
    }

    /// Commits; waits if the spool is full. Returns `false` if the program ends before.
    async fn commit(&self, changes: Changes) -> bool {
        loop {
            let committed = tokio::select! {
                committed = self.spool.commit(changes.clone()) => committed,
                () = self.given_up() => return false,
            };
            let Err(error) = committed else { return true };
            let StorageStep::RetryAfter(pause) = error.failure().after_commit() else {
                tracing::error!(error = %error, "changes can't be stored: what they order is not done");
                return false;
            };
            tracing::error!(error = %error, "changes can't be stored yet: retrying");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.given_up() => return false,
            }
        }
    }

    /// After a shutdown, the spool has a limited time to store what was decided.
    async fn given_up(&self) {
        self.shutdown.cancelled().await;
        tokio::time::sleep(SHUTDOWN_GRACE).await;
    }

    fn publish(&self, now: Moment) {
        let state = self.site.state();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let offline = state.devices.values().filter(|record| !record.is_online()).count();
        self.uplink.set_facts(Facts { devices: count(state.devices.len()), devices_offline: count(offline) });
        self.snapshot.publish(state, now);
        if let Some(gate) = &self.gate {
            gate.know(&self.site.watched_ips());
        }
    }
}
