//! A gateway: the real state machines of site and uplink, on a simulated disk, LAN, network and clock.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::calls::CallRules;
use gateway_core::firmware::UpdateRules;
use gateway_core::reading::ReadScope;
use gateway_core::reading::profiles::Profiles;
use gateway_core::search::{Part, Sweep};
use gateway_core::sensing::SensingRules;
use gateway_core::site::{self, Job, Moment, ReadFailure, SearchEnd, Site, SiteRules};
use gateway_core::uplink::{self, Uplink};
use gateway_core::windows::Windows;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rand::RngExt as _;
use rand::rngs::StdRng;
use wire::report::Lane;

use super::disk::Disk;
use super::invariant::{Invariant, Violation, require};
use super::lan::{Lan, addresses};
use super::link::Link;
use super::network::latency;
use super::tamper::Tamper;

/// Interval of reads of a device, and of searches.
const STATUS: Duration = Duration::from_secs(900);
const SEARCH: Duration = Duration::from_secs(6 * 3600);

/// How long a search takes.
const SEARCH_TAKES: Duration = Duration::from_secs(30);

/// Minimum time between two turns of the engine.
const GRAIN: Duration = Duration::from_millis(100);

/// The moment of a power failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Now,
    BeforeCommit,
    AfterCommit,
    /// The server has stored a batch, and the gateway has no response yet.
    InFlight,
}

/// An operation in progress, which ends at a given time.
#[derive(Debug)]
enum Task {
    Read(SocketAddr, ReadScope),
    Search,
    Job(Job, Duration),
}

/// The state that a power failure destroys.
struct Running {
    site: Site,
    uplink: Uplink,
    began: Duration,
    /// Time of the last turn.
    last: Duration,
    tasks: Vec<(Duration, Task)>,
    in_flight: Option<(Duration, uplink::Event)>,
    site_events: VecDeque<site::Event>,
    uplink_events: VecDeque<uplink::Event>,
    /// Number of the last urgent report that had a number when the exchange began.
    exchange: Option<u64>,
    /// An outcome of the site that is not on the disk yet.
    undurable: Option<Undurable>,
}

/// An outcome of the site that is not on the disk yet; none of its effects is performed before.
struct Undurable {
    outcome: site::Outcome,
    /// Whether the uplink waits for it, because it contains delivered commands.
    delivered: bool,
}

impl Undurable {
    fn changes(&self) -> bool {
        let site::Outcome { reports, devices, commands, jobs, .. } = &self.outcome;
        !(reports.is_empty() && devices.is_empty() && commands.is_empty() && jobs.is_empty())
    }
}

pub(crate) struct Gateway {
    pub(crate) disk: Disk,
    pub(crate) lan: Lan,
    pub(crate) link: Link,
    tamper: Box<dyn Tamper>,
    running: Option<Running>,
    /// Time of the next start.
    starts: Duration,
    cut: Option<Cut>,
    pub(crate) cuts: u64,
    /// Time of the next operation.
    next: Duration,
}

/// The time of a turn, and its random numbers.
pub(crate) struct Turn<'a> {
    pub(crate) now: Duration,
    /// The gateways' clock.
    pub(crate) clock: Timestamp,
    /// The random number for the state machines in this turn.
    pub(crate) random: u64,
    pub(crate) jitter: f64,
    pub(crate) chance: &'a mut StdRng,
}

impl Gateway {
    pub(crate) fn new(lan: Lan, link: Link, tamper: Box<dyn Tamper>) -> Self {
        let starts = Duration::ZERO;
        let disk = Disk::new();
        Self { disk, lan, link, tamper, running: None, starts, cut: None, cuts: 0, next: starts }
    }

    /// Schedules a power failure.
    pub(crate) fn cut(&mut self, cut: Cut) {
        self.cut = Some(cut);
        if cut == Cut::Now {
            self.next = Duration::ZERO;
        }
    }

    /// The time of the next operation.
    pub(crate) const fn next(&self) -> Duration {
        self.next
    }

    fn find_next(&self) -> Duration {
        let Some(running) = &self.running else { return self.starts.min(self.link.next()) };
        let tasks = running.tasks.iter().map(|(at, _)| *at);
        let soonest = running.last + GRAIN;
        let site = match running.undurable {
            None => running.site.poll_timeout().map(|at| (running.began + at).max(soonest)),
            Some(_) => None,
        };
        let room = self.disk.refuses().then(|| self.disk.room_at().max(soonest));
        let uplink = running.uplink.poll_timeout().map(|at| running.began + at);
        let in_flight = running.in_flight.as_ref().map(|(at, _)| *at);
        let own = tasks.chain(site).chain(room).chain(uplink).chain(in_flight).min();
        own.unwrap_or(Duration::MAX).min(self.link.next())
    }

    /// The present poll interval of the uplink.
    pub(crate) fn interval_s(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.uplink.cadence().interval_s())
    }

    /// The state of the site.
    pub(crate) fn state(&self) -> Option<&site::State> {
        self.running.as_ref().map(|running| running.site.state())
    }

    /// Performs everything that is due.
    pub(crate) fn turn(&mut self, turn: &mut Turn<'_>) -> Result<(), Violation> {
        self.link.arrive(turn.now)?;
        self.act(turn)?;
        self.next = self.find_next();
        Ok(())
    }

    fn act(&mut self, turn: &mut Turn<'_>) -> Result<(), Violation> {
        if self.cut == Some(Cut::Now) {
            self.lose_power(turn);
        }
        if self.running.is_none() {
            // A spool without room isn't opened.
            self.starts = self.starts.max(self.disk.room_at());
            if turn.now < self.starts {
                return Ok(());
            }
            self.start(turn);
        }
        self.disk.check(turn.now);
        self.collect(turn);
        loop {
            self.site_turn(turn);
            self.uplink_turn(turn)?;
            if !self.running.as_ref().is_some_and(Running::has_events) {
                return Ok(());
            }
        }
    }

    fn start(&mut self, turn: &mut Turn<'_>) {
        self.disk.open();
        self.lan.forget_reads();
        let moment = Moment { clock: turn.clock, elapsed: Duration::ZERO };
        let (profiles, state) = (Arc::new(Profiles::new([])), self.disk.state.clone());
        let jobs = [(Job::Search, SEARCH), (Job::Readings, SEARCH), (Job::Upkeep, SEARCH)];
        self.running = Some(Running {
            site: Site::new(rules(), profiles, state, moment, turn.random),
            uplink: Uplink::new(self.disk.storage(), Duration::ZERO, turn.jitter, 1.0),
            began: turn.now,
            last: turn.now,
            tasks: jobs.map(|(job, every)| (turn.now + every, Task::Job(job, every))).into(),
            in_flight: None,
            site_events: VecDeque::new(),
            uplink_events: VecDeque::new(),
            exchange: None,
            undurable: None,
        });
    }

    /// Loses everything that is not on the disk.
    fn lose_power(&mut self, turn: &mut Turn<'_>) {
        if self.running.take().is_some() {
            self.cuts += 1;
            self.starts = turn.now + Duration::from_secs(turn.chance.random_range(5..600));
        }
        self.cut = None;
    }

    /// Collects the results of operations that have ended.
    fn collect(&mut self, turn: &mut Turn<'_>) {
        let Some(running) = &mut self.running else { return };
        running.last = turn.now;
        let due = |(at, _): &mut (Duration, Task)| *at <= turn.now;
        let ended: Vec<_> = running.tasks.extract_if(.., due).collect();
        for (_, task) in ended {
            match task {
                Task::Read(address, scope) => {
                    // A reading that waits for the disk is not known yet.
                    let known = running.undurable.is_none().then(|| running.site.state());
                    let read = self.lan.read(address, scope, known, turn.clock);
                    let result = read.map(Box::new).ok_or(ReadFailure::NoResponse);
                    let event = site::Event::ReadCompleted { address, scope, access: None, result };
                    running.site_events.push_back(event);
                }
                Task::Search => {
                    let found = self.lan.found(turn.clock);
                    let end = SearchEnd { found: found.len(), cut_after: None };
                    let found = found.into_iter().map(|(address, reading)| site::Event::Found {
                        address,
                        access: None,
                        reading: Box::new(reading),
                    });
                    running.site_events.extend(found);
                    running.site_events.push_back(site::Event::SearchEnded(end));
                }
                Task::Job(job, every) => {
                    running.site_events.push_back(site::Event::Due(job));
                    running.tasks.push((turn.now + every, Task::Job(job, every)));
                }
            }
        }
        if let Some((_, event)) = running.in_flight.take_if(|(at, _)| *at <= turn.now) {
            running.uplink_events.push_back(event);
        }
    }

    /// Passes events to the site, stores the outcome, and performs its effects. If the disk rejects the outcome, it
    /// is stored later, and the site gets no event until then.
    fn site_turn(&mut self, turn: &mut Turn<'_>) {
        let Some(running) = &mut self.running else { return };
        let undurable = running.undurable.take().unwrap_or_else(|| {
            let moment = Moment { clock: turn.clock, elapsed: turn.now - running.began };
            let mut delivered = false;
            while let Some(event) = running.site_events.pop_front() {
                delivered |= matches!(event, site::Event::CommandsDelivered(_));
                running.site.handle(self.tamper.site_event(event), moment, turn.random);
            }
            running.site.advance(moment, turn.random);
            let mut outcome = running.site.outcome();
            self.tamper.site_outcome(&mut outcome);
            Undurable { outcome, delivered }
        });
        self.store(undurable, turn);
    }

    fn store(&mut self, undurable: Undurable, turn: &mut Turn<'_>) {
        let changes = undurable.changes();
        if changes && self.cut == Some(Cut::BeforeCommit) {
            return self.lose_power(turn);
        }
        let Some(running) = &mut self.running else { return };
        if changes && !self.disk.admits(turn.now) {
            running.undurable = self.tamper.keeps_rejected().then_some(undurable);
            return;
        }
        let Undurable { outcome, delivered } = undurable;
        self.disk.commit(&outcome, running.site.state(), || self.tamper.reports_loss());
        self.link.server.evicted_sets.append(&mut self.disk.evicted_sets);
        if changes && self.cut == Some(Cut::AfterCommit) {
            return self.lose_power(turn);
        }
        running.uplink_events.extend(delivered.then_some(uplink::Event::CommandsStored));
        for effect in outcome.effects {
            running.perform(effect, turn);
        }
    }

    /// Passes events to the uplink and performs its effects.
    fn uplink_turn(&mut self, turn: &mut Turn<'_>) -> Result<(), Violation> {
        let Some(running) = &mut self.running else { return Ok(()) };
        let now = self.tamper.uplink_time(turn.now - running.began);
        loop {
            let storage = uplink::Event::Storage(self.disk.storage());
            running.uplink.handle(self.tamper.uplink_event(storage), now, turn.jitter);
            while let Some(event) = running.uplink_events.pop_front() {
                running.uplink.handle(self.tamper.uplink_event(event), now, turn.jitter);
            }
            let Some(effect) = running.uplink.poll_effect(now, turn.jitter) else { return Ok(()) };
            match effect {
                uplink::Effect::Request(request) => match self.tamper.uplink_request(request) {
                    Ok(request) => running.request(request, &mut self.disk, &mut self.link, turn)?,
                    Err(result) => running.uplink_events.push_back(*result),
                },
                uplink::Effect::ReportAgain => {
                    let detail = "nobody lost anything, and the numbers disagree".to_owned();
                    return Err(Violation { invariant: Invariant::StoredOnceInOrder, detail });
                }
                uplink::Effect::ResponseDone { command, response, rejected: _ } => {
                    running.site_events.push_back(site::Event::ResponseStored(command, response));
                }
                uplink::Effect::Ended(_) => running.exchange = None,
            }
            if self.cut == Some(Cut::InFlight) && self.link.has_stored() {
                self.lose_power(turn);
                return Ok(());
            }
        }
    }
}

impl Running {
    /// Whether events wait that can be handled now. While the disk is full, events of the site must wait.
    fn has_events(&self) -> bool {
        let site = self.undurable.is_none() && !self.site_events.is_empty();
        site || !self.uplink_events.is_empty()
    }

    fn perform(&mut self, effect: site::Effect, turn: &mut Turn<'_>) {
        match effect {
            site::Effect::Read(request) => {
                let task = Task::Read(request.address, request.scope);
                self.tasks.push((turn.now + latency(turn.chance), task));
            }
            site::Effect::Search(_) => self.tasks.push((turn.now + SEARCH_TAKES, Task::Search)),
            site::Effect::SendUrgent => self.uplink_events.push_back(uplink::Event::UrgentMade),
            site::Effect::SendReading => self.uplink_events.push_back(uplink::Event::ReadingMade),
            site::Effect::CommandDone => self.uplink_events.push_back(uplink::Event::CommandDone),
            site::Effect::Respond(id) => {
                let unsent = self.site.state().commands.get(&id).and_then(|record| record.unsent.clone());
                let made = unsent.map(|response| uplink::Event::ResponseMade(id, response));
                self.uplink_events.extend(made);
            }
            site::Effect::Diagnose(id) => self.site_events.push_back(site::Event::Diagnosed(id, None)),
            site::Effect::ResolveNames
            | site::Effect::Mail(_)
            | site::Effect::Stage(_)
            | site::Effect::Push(_)
            | site::Effect::RetainImages(_)
            | site::Effect::CompactSpool => {}
        }
    }

    /// Performs a request of the uplink.
    fn request(
        &mut self,
        request: uplink::Request,
        disk: &mut Disk,
        link: &mut Link,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        check_refusal(&request, disk.refuses())?;
        let urgent = disk.lanes.urgent;
        let numbered = urgent.number(urgent.numbered()).unwrap_or(0);
        let before = *self.exchange.get_or_insert(numbered);
        self.in_flight = match request {
            uplink::Request::Poll(poll) => Some(link.poll(poll.storage_problem.is_some(), turn)),
            uplink::Request::SendBatch { lane, byte_limit, soon: _ } => {
                let waits = urgent.acknowledged_number() < before;
                require(lane == Lane::Urgent || !waits, Invariant::LaneOrder, || {
                    format!("bulk reports are sent while urgent number {before} waits")
                })?;
                match disk.batch(lane, byte_limit, turn.clock) {
                    Some((sent, batch)) => Some(link.send_batch(lane, sent, batch, turn)?),
                    None => Some((turn.now, uplink::Event::BatchSent(None))),
                }
            }
            uplink::Request::SendResponse { command, response, soon: _ } => {
                Some(link.send_response(command, response, turn)?)
            }
            uplink::Request::Acknowledge { lane, number, last } => {
                self.uplink_events.push_back(disk.acknowledge((lane, number, last), turn.now));
                None
            }
            uplink::Request::Deliver(commands) => {
                self.site_events.push_back(site::Event::CommandsDelivered(commands));
                None
            }
            uplink::Request::Quarantine { reason, .. } => {
                return Err(Violation { invariant: Invariant::StoredOnceInOrder, detail: reason });
            }
        };
        if let Some((_, event)) = self.in_flight.take_if(|(at, _)| *at <= turn.now) {
            self.uplink_events.push_back(event);
        }
        Ok(())
    }
}

/// A gateway that can't store anything polls, reports the problem, and does nothing else.
fn check_refusal(request: &uplink::Request, refuses: bool) -> Result<(), Violation> {
    let holds = match request {
        uplink::Request::Poll(poll) => poll.storage_problem.is_some() == refuses,
        uplink::Request::SendBatch { .. }
        | uplink::Request::SendResponse { .. }
        | uplink::Request::Deliver(_)
        | uplink::Request::Quarantine { .. } => !refuses,
        // Its result is that nothing can be stored.
        uplink::Request::Acknowledge { .. } => true,
    };
    require(holds, Invariant::FullDisk, || format!("{request:?} while the disk refuses: {refuses}"))
}

fn rules() -> SiteRules {
    SiteRules {
        sensing: SensingRules {
            status: STATUS,
            idle: STATUS,
            asleep: STATUS,
            offline_after: 2,
            retries: 1,
            speedup: 1.0,
        },
        calls: CallRules { near_end_percent: 10.0, offline_after: 2 },
        updates: UpdateRules {
            restart_limit: SignedDuration::from_secs(900),
            read_back: SignedDuration::from_secs(10),
            push_pause: SignedDuration::from_secs(15),
            report_pause: SignedDuration::from_secs(60),
        },
        concurrency: 8,
        discovery: SEARCH,
        reading: SEARCH,
        windows: Windows::default(),
        zone: TimeZone::UTC,
        sweep: Sweep {
            parts: vec![Part { span: "10.0.0.0/29".parse().unwrap(), port: 161, swept: true }],
            exclude: Vec::new(),
        },
        single_devices: addresses(),
        mails: false,
    }
}
