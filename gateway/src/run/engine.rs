//! The engine: one task that holds what the gateway knows, hears what happens, asks the core, stores what follows, and
//! only then acts.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use gateway_core::commands::CommandRecord;
use gateway_core::firmware::{PushFailure, Update};
use gateway_core::inventory::DeviceRecord;
use gateway_core::reading::{CompletedReading, ReadScope};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::command::Command;
use wire::ids::{CommandId, DeviceId, RolloutId};
use wire::report::Report;

use crate::config::Config;
use crate::device_address::NamedDevice;
use crate::discovery::Found;
use crate::snmp::{Candidates, ReadError, Reader};
use crate::spool::{Changes, QueuedMail, Restored, Spool, SpoolError};
use crate::staging::{StagedImage, StagingClient};
use crate::traps::Gate;
use crate::uplink::{Delivery, Facts, Link};

use super::local::Board;
use super::searches::{Ended, Searches};
use super::targets::Targets;

/// Events that one commit takes in at most.
const EVENTS_AT_ONCE: usize = 256;

/// How often the engine looks at what is due.
const TICK: Duration = Duration::from_millis(500);

/// Pause before a spool that is full is tried again.
const FULL_PAUSE: Duration = Duration::from_secs(2);

/// What the engine works with.
#[derive(Debug)]
pub(super) struct World {
    pub(super) config: Arc<Config>,
    pub(super) spool: Spool,
    pub(super) link: Arc<Link>,
    /// What is shown of the own certificate.
    pub(super) certificate: Arc<crate::renewal::Shown>,
    pub(super) reader: Reader,
    pub(super) credentials: Candidates,
    /// Whose traps are taken.
    pub(super) gate: Gate,
    pub(super) staging: Option<Arc<StagingClient>>,
    pub(super) mails: Option<mpsc::UnboundedSender<QueuedMail>>,
    pub(super) mails_waiting: Arc<AtomicU64>,
    /// The site's time zone.
    pub(super) zone: jiff::tz::TimeZone,
    pub(super) tasks: TaskTracker,
    pub(super) shutdown: CancellationToken,
}

/// What happens.
#[derive(Debug)]
pub(super) enum Event {
    /// A look at a device ended.
    Looked(SocketAddr, ReadScope, Result<Box<CompletedReading>, ReadError>),
    /// A search found something.
    Found(Found),
    /// A search ended.
    Searched(Ended),
    /// The DNS says where a device is.
    Resolved(Box<NamedDevice>, SocketAddr),
    /// Commands came.
    Commands(Vec<Command>, oneshot::Sender<()>),
    /// The server has an answer.
    Answered(CommandId, wire::command::Response),
    /// The server knows of another past than the spool.
    Disagreed,
    /// An image was staged, or not: what is wrong, and whether trying again may help.
    Staged(RolloutId, Result<StagedImage, (String, bool)>),
    /// Of an image that is being staged, so many bytes of so many are here.
    Staging(RolloutId, u64, u64),
    /// A push ended: or what is wrong, and how far it came.
    Pushed(RolloutId, DeviceId, Result<(), PushFailure>),
    /// A trap came from an address: look there after this time.
    Hinted(IpAddr, Duration),
    /// The schedule says that it is time.
    Due(super::schedule::Job),
    /// Somebody looks at what the gateway knows.
    Asked,
}

/// What is done after the changes are stored.
#[derive(Debug)]
pub(super) enum Action {
    /// Send urgent reports now.
    SendUrgent,
    /// Send the reading that belongs to a call now.
    SendReading,
    /// Send what a command gave, then poll.
    CommandDone,
    /// Response a command.
    Respond(CommandId),
    /// Tell the uplink that the commands of its poll are stored.
    Decided(oneshot::Sender<()>),
    /// Post a letter.
    Post(Box<QueuedMail>),
    /// Search the networks.
    Search,
    /// Stage an image.
    Stage(RolloutId),
    /// Push an image.
    Push(RolloutId, DeviceId),
}

/// What follows from events, before it is stored.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) changes: Changes,
    pub(super) actions: Vec<Action>,
    /// Records that changed and are stored once, however many events changed them.
    pub(super) devices: BTreeSet<DeviceId>,
    pub(super) commands: BTreeSet<CommandId>,
    pub(super) updates: BTreeSet<RolloutId>,
}

impl Outcome {
    /// A report is made. One that can't be encoded is a fault of this program and is told.
    pub(super) fn report(&mut self, report: &Report, now: Timestamp) {
        told(self.changes.report(now, report));
    }
}

/// What the gateway knows.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) devices: BTreeMap<DeviceId, DeviceRecord>,
    pub(super) commands: BTreeMap<CommandId, CommandRecord>,
    pub(super) updates: BTreeMap<RolloutId, Update>,
    pub(super) schedule: BTreeMap<String, Timestamp>,
}

/// The engine.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) world: World,
    pub(super) known: Known,
    pub(super) targets: Targets,
    pub(super) looks: usize,
    pub(super) searches: Searches,
    pub(super) board: Arc<Board>,
    events: mpsc::UnboundedSender<Event>,
    received: mpsc::UnboundedReceiver<Event>,
}

impl Engine {
    /// An engine that goes on where the spool's memory ends.
    pub(super) fn new(world: World, restored: Restored) -> (Self, Arc<Board>) {
        let (events, received) = mpsc::unbounded_channel();
        let Restored { devices, commands, updates, schedule, mails: _, damage } = restored;
        let board = Arc::new(Board::new(&world, events.clone()));
        let known = Known { devices, commands, updates, schedule };
        let mut engine = Self {
            world,
            known,
            targets: Targets::default(),
            looks: 0,
            searches: Searches::default(),
            board: Arc::clone(&board),
            events,
            received,
        };
        if !damage.is_empty() {
            engine.events.send(Event::Disagreed).ok();
        }
        engine.restore_targets();
        (engine, board)
    }

    /// Where events are sent to.
    pub(super) fn events(&self) -> mpsc::UnboundedSender<Event> {
        self.events.clone()
    }

    /// Runs until the shutdown.
    pub(super) async fn run(mut self, mut delivered: mpsc::UnboundedReceiver<Delivery>) {
        let shutdown = self.world.shutdown.clone();
        let mut outcome = Outcome::default();
        self.resume(&mut outcome);
        self.settle(outcome).await;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let mut events = Vec::new();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                Some(delivery) = delivered.recv() => events.push(event_of(delivery)),
                count = self.received.recv_many(&mut events, EVENTS_AT_ONCE) => {
                    if count == 0 { return; }
                }
                _ = tick.tick() => {}
            }
            let mut outcome = Outcome::default();
            for event in events {
                self.hear(event, &mut outcome);
            }
            self.advance_updates(&mut outcome);
            self.expire_commands(&mut outcome);
            self.settle(outcome).await;
            self.begin_due_search();
            self.begin_looks();
            self.publish();
        }
    }

    fn hear(&mut self, event: Event, outcome: &mut Outcome) {
        match event {
            Event::Looked(address, scope, result) => self.looked(address, scope, result, outcome),
            Event::Found(found) => self.found(found, outcome),
            Event::Searched(ended) => self.searched(&ended, outcome),
            Event::Resolved(named, address) => self.resolved(*named, address),
            Event::Commands(commands, decided) => self.deliver(&commands, decided, outcome),
            Event::Answered(command, response) => self.answered(command, &response, outcome),
            Event::Disagreed => self.tell_again(outcome),
            Event::Staged(rollout, result) => self.staged(rollout, result, outcome),
            Event::Staging(rollout, here, all) => self.staging(rollout, (here, all), outcome),
            Event::Pushed(rollout, device, result) => self.pushed(rollout, &device, result, outcome),
            Event::Hinted(ip, after) => self.hinted(ip, after),
            Event::Due(job) => self.due(job, outcome),
            // What is known is shown after the events, however often it was asked.
            Event::Asked => {}
        }
    }

    /// Persist, then act.
    async fn settle(&mut self, mut outcome: Outcome) {
        self.collect(&mut outcome);
        let Outcome { changes, actions, .. } = outcome;
        if !changes.is_empty() && !self.store(changes).await {
            return;
        }
        for action in actions {
            self.act(action);
        }
    }

    fn collect(&self, outcome: &mut Outcome) {
        let known = &self.known;
        for id in &outcome.devices {
            match known.devices.get(id) {
                Some(record) => told(outcome.changes.device(record)),
                None => outcome.changes.forget_device(id),
            }
        }
        for id in &outcome.commands {
            match known.commands.get(id) {
                Some(record) => told(outcome.changes.command(record)),
                None => outcome.changes.forget_command(*id),
            }
        }
        for id in &outcome.updates {
            match known.updates.get(id) {
                Some(update) => told(outcome.changes.update(update)),
                None => outcome.changes.forget_update(*id),
            }
        }
    }

    /// Stores, however long the spool takes to have room; `false` when the program ends before.
    async fn store(&self, changes: Changes) -> bool {
        loop {
            let stored = tokio::select! {
                stored = self.world.spool.commit(changes.clone()) => stored,
                () = self.given_up() => return false,
            };
            match stored {
                Ok(()) => return true,
                Err(error @ SpoolError::Closed) => {
                    tracing::error!(error = %error, "changes could not be stored");
                    return false;
                }
                Err(error) => tracing::error!(error = %error, "changes wait for the spool"),
            }
            tokio::select! {
                () = tokio::time::sleep(FULL_PAUSE) => {}
                () = self.given_up() => return false,
            }
        }
    }

    /// A shutdown lets the spool a moment to store what is decided.
    async fn given_up(&self) {
        self.world.shutdown.cancelled().await;
        tokio::time::sleep(FULL_PAUSE).await;
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::SendUrgent => self.world.link.urgent_made(),
            Action::SendReading => self.world.link.reading_made(),
            Action::CommandDone => self.world.link.command_done(),
            Action::Respond(id) => {
                let response = self.known.commands.get(&id).and_then(|record| record.unsent.clone());
                if let Some(response) = response {
                    self.world.link.respond(id, response);
                }
            }
            Action::Decided(decided) => {
                if decided.send(()).is_err() {
                    tracing::debug!("the uplink no longer waits for a decision");
                }
            }
            Action::Post(mail) => {
                if let Some(mails) = &self.world.mails
                    && mails.send(*mail).is_err()
                {
                    tracing::debug!("no more letters are posted: the program ends");
                }
            }
            Action::Search => self.search(None),
            Action::Stage(rollout) => self.stage(rollout),
            Action::Push(rollout, device) => self.push(rollout, device),
        }
    }

    fn publish(&self) {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let offline = self.known.devices.values().filter(|record| !is_online(record)).count();
        self.world
            .link
            .tell(Facts { devices: count(self.known.devices.len()), devices_offline: count(offline) });
        self.board.publish(&self.known);
        if self.world.config.traps.is_some() {
            self.world.gate.know(&self.targets.addresses());
        }
    }

    /// Sends an event to itself from a task.
    pub(super) fn tell(events: &mpsc::UnboundedSender<Event>, event: Event) {
        if events.send(event).is_err() {
            tracing::debug!("nobody hears an event: the program ends");
        }
    }
}

/// Whether a device counts as answering: it isn't offline by the rules of calls.
pub(super) fn is_online(record: &DeviceRecord) -> bool {
    !record.calls.has_open(wire::report::CallKind::DeviceOffline)
}

fn event_of(delivery: Delivery) -> Event {
    match delivery {
        Delivery::Commands(commands, decided) => Event::Commands(commands, decided),
        Delivery::Answered(command, response) => Event::Answered(command, response),
        Delivery::Disagreed => Event::Disagreed,
    }
}

/// Tells of a record that can't be encoded: a fault of this program.
pub(super) fn told(result: Result<(), SpoolError>) {
    if let Err(error) = result {
        tracing::error!(error = %error, "a record can't be stored");
    }
}
