//! A week of a few gateways, and the checks at its end.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use wire::ids::DeviceId;
use wire::report::{CallKind, Lane};

use super::gateway::{Cut, Gateway, Turn};
use super::invariant::{Invariant, Violation, require};
use super::lan::Lan;
use super::link::Link;
use super::network::{HORIZON, Network};
use super::tamper::Tamper;

/// Time after the faults until everything must be acknowledged: longer than the longest pause and a regular interval.
const SETTLED: Duration = Duration::from_secs(8 * 86_400);

/// The last part of that time, in which every gateway must poll at its interval.
const PACED: Duration = Duration::from_secs(12 * 3600);

const GATEWAYS: usize = 2;

const BEGIN: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// What a week had.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) reports: u64,
    pub(crate) calls: u64,
    pub(crate) commands: u64,
    pub(crate) lost: u64,
    pub(crate) late: u64,
    pub(crate) duplicates: u64,
    pub(crate) cuts: u64,
    pub(crate) jumps: u64,
    /// How many times a disk was full and a write failed.
    pub(crate) full: u64,
    /// Number of polls that reported this.
    pub(crate) problems: u64,
    /// Number of losses that the server received.
    pub(crate) losses: u64,
}

impl Summary {
    pub(crate) fn add(&mut self, other: &Self) {
        self.reports += other.reports;
        self.calls += other.calls;
        self.commands += other.commands;
        self.lost += other.lost;
        self.late += other.late;
        self.duplicates += other.duplicates;
        self.cuts += other.cuts;
        self.jumps += other.jumps;
        self.full += other.full;
        self.problems += other.problems;
        self.losses += other.losses;
    }
}

struct World {
    chance: StdRng,
    now: Duration,
    /// Clock skew of the gateways.
    skew: SignedDuration,
    gateways: Vec<Gateway>,
    jumps: u64,
}

/// Runs a week; `tamper` creates the fault of each gateway.
pub(crate) fn week(seed: u64, tamper: &dyn Fn() -> Box<dyn Tamper>) -> Result<Summary, Violation> {
    let mut chance = StdRng::seed_from_u64(seed);
    let network = Rc::new(Network::new(&mut chance));
    let gateway = |site| Gateway::new(Lan::new(site), Link::new(Rc::clone(&network), BEGIN), tamper());
    let gateways = (0..GATEWAYS).map(gateway).collect();
    let mut world = World { chance, now: Duration::ZERO, skew: SignedDuration::ZERO, gateways, jumps: 0 };
    world.run()?;
    world.gateways.iter().try_for_each(check)?;
    Ok(world.summary())
}

impl World {
    fn run(&mut self) -> Result<(), Violation> {
        let mut happens = Duration::ZERO;
        let mut settled = false;
        while self.now < SETTLED {
            let now = self.now;
            let gateways = self.gateways.iter().map(Gateway::next);
            self.now = gateways.chain([happens]).min().unwrap_or(SETTLED).max(now);
            if self.now >= happens {
                happens = self.now + Duration::from_secs(self.chance.random_range(60..1800));
                if self.now < HORIZON {
                    self.happen();
                } else if !settled {
                    settled = true;
                    self.gateways.iter_mut().for_each(|gateway| gateway.lan.settle());
                }
            }
            self.turn()?;
        }
        Ok(())
    }

    fn turn(&mut self) -> Result<(), Violation> {
        let (now, clock) = (self.now, self.clock());
        for gateway in &mut self.gateways {
            if gateway.next() <= now {
                let (random, jitter) = (self.chance.random(), self.chance.random());
                gateway.turn(&mut Turn { now, clock, random, jitter, chance: &mut self.chance })?;
            }
        }
        Ok(())
    }

    fn clock(&self) -> Timestamp {
        BEGIN + SignedDuration::try_from(self.now).unwrap() + self.skew
    }

    /// Makes a random change to a device, a program, a clock, or the server.
    fn happen(&mut self) {
        let now = self.now;
        let gateway = &mut self.gateways[self.chance.random_range(0..GATEWAYS)];
        match self.chance.random_range(0..100) {
            0..=79 => gateway.lan.happen(&mut self.chance),
            80..=84 => {
                let known: Vec<_> = gateway.state().iter().flat_map(|s| s.devices.keys().cloned()).collect();
                let clock = gateway.link.clock(now);
                if !known.is_empty() {
                    gateway.link.server.order(&known, clock);
                }
            }
            85..=88 => {
                let cuts = [Cut::Now, Cut::BeforeCommit, Cut::AfterCommit, Cut::InFlight];
                gateway.cut(cuts[self.chance.random_range(0..cuts.len())]);
            }
            89 => {
                self.skew = SignedDuration::from_hours(self.chance.random_range(-26..=26));
                self.jumps += 1;
            }
            90..=91 => {
                let until = now + Duration::from_secs(self.chance.random_range(60..12 * 3600));
                gateway.disk.fill(until.min(HORIZON));
            }
            _ => {}
        }
    }

    fn summary(&self) -> Summary {
        let mut all = Summary { jumps: self.jumps, ..Summary::default() };
        for gateway in &self.gateways {
            let (made, server) = (&gateway.disk.made, &gateway.link.server);
            all.add(&Summary {
                reports: (made.urgent.len() + made.bulk.len()) as u64,
                calls: server.opened.values().sum(),
                commands: server.commands.len() as u64,
                lost: gateway.link.lost,
                late: gateway.link.arrived_late,
                duplicates: server.duplicates,
                cuts: gateway.cuts,
                jumps: 0,
                full: gateway.disk.refusals,
                problems: server.problems,
                losses: server.losses,
            });
        }
        all
    }
}

/// The checks of a gateway and its server at the end.
fn check(gateway: &Gateway) -> Result<(), Violation> {
    check_lanes(gateway)?;
    check_devices(gateway)?;
    check_calls(gateway)?;
    check_cadence(gateway)?;
    for (id, command) in &gateway.link.server.commands {
        let evicted = |device: &DeviceId| gateway.link.server.evicted_sets.contains(&(*id, device.clone()));
        let once = |(device, sets): (&DeviceId, &u64)| *sets == 1 || (*sets == 0 && evicted(device));
        let done = !command.state.is_open() && command.sets.iter().all(once);
        require(done, Invariant::CommandsOnce, || format!("{id} at the end: {command:?}"))?;
    }
    Ok(())
}

fn check_lanes(gateway: &Gateway) -> Result<(), Violation> {
    for lane in Lane::ALL {
        let (made, stored) = (gateway.disk.made.of(lane), gateway.link.server.stored.of(lane));
        let waiting = gateway.disk.lanes.of(lane).waiting();
        require(waiting == 0, Invariant::Drained, || format!("{lane}: {waiting} reports wait"))?;
        // A report that was sent before it was evicted may be there itself.
        let loss = |place: usize| gateway.disk.evicted.get(&(lane, place as u64 + 1));
        let differs = made.iter().zip(stored).enumerate().find_map(|(place, (made, stored))| {
            (made != stored && loss(place) != Some(stored)).then_some(place)
        });
        let same = made.len() == stored.len() && differs.is_none();
        require(same, Invariant::StoredOnceInOrder, || {
            format!("{lane}: {} made, {} stored, they differ at {differs:?}", made.len(), stored.len())
        })?;
    }
    Ok(())
}

fn check_devices(gateway: &Gateway) -> Result<(), Violation> {
    let expected: BTreeSet<_> = gateway.lan.devices.iter().map(|device| &device.id).collect();
    let stored: BTreeSet<_> = gateway.link.server.devices.iter().collect();
    require(stored == expected, Invariant::Identity, || format!("the server knows {stored:?}"))?;
    for device in &gateway.lan.devices {
        let known = gateway.state().and_then(|state| state.devices.get(&device.id));
        let address = known.map(|record| record.address);
        require(address == Some(device.address), Invariant::Identity, || {
            format!("{} is at {}, and known at {address:?}", device.id, device.address)
        })?;
    }
    Ok(())
}

fn check_calls(gateway: &Gateway) -> Result<(), Violation> {
    let server = &gateway.link.server;
    for device in &gateway.lan.devices {
        let opened = server.opened.get(&device.id).copied().unwrap_or(0);
        require(opened == device.faults, Invariant::CallsOnce, || {
            format!("{} had {} faults, and {opened} calls", device.id, device.faults)
        })?;
    }
    let faulty = gateway.lan.devices.iter().filter(|device| device.faulty);
    let expected: BTreeSet<_> = faulty.map(|device| (&device.id, CallKind::ServiceCall)).collect();
    let open: BTreeSet<_> = server.open.values().map(|call| (&call.device, call.call)).collect();
    require(open == expected, Invariant::CallsOnce, || {
        format!("open at the end: {:?}, expected {expected:?}", server.open)
    })
}

/// After the end of all faults, a gateway polls exactly at the server's interval.
fn check_cadence(gateway: &Gateway) -> Result<(), Violation> {
    let faulty = gateway.lan.devices.iter().any(|device| device.faulty);
    let interval_s: u32 = if faulty { 60 } else { 3600 };
    require(gateway.interval_s() == Some(interval_s), Invariant::Cadence, || {
        format!("polls each {:?} s, expected {interval_s}", gateway.interval_s())
    })?;
    require(!gateway.link.server.problem, Invariant::FullDisk, || {
        "the last poll reports a full disk".into()
    })?;
    let since = gateway.link.clock(SETTLED - PACED);
    let polls = gateway.link.server.polls.iter().filter(|at| **at >= since).count() as u64;
    let expected = PACED.as_secs() / u64::from(interval_s);
    require(polls.abs_diff(expected) <= 1 + expected / 10, Invariant::Cadence, || {
        format!("{polls} polls in the last twelve hours, expected {expected}")
    })
}
