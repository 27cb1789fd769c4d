//! Both cores over a simulated network and clock: weeks with outages, crashes, replays and clocks that jump. What gateways made is what the server has, each report once and in its order.
//!
//! `PLATEN_SEEDS=5000` runs so many seeds, `PLATEN_SEED=7` that one alone.

#![expect(clippy::unwrap_used, reason = "a simulated message that can't be read fails the seed")]

use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use comm_server_core::cadence::Cadence as ServerCadence;
use comm_server_core::calls::ReportRef;
use comm_server_core::ingest::{self, Arrival, Effect, Known};
use gateway_core::cadence::Cadence;
use gateway_core::outbox::{Acknowledgement, LaneState, batch_length};
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use wire::report::{Batch, CallKind, Lane, Lanes};

/// Seeds without being asked.
const SEEDS: u64 = 60;

/// A week.
const HORIZON: Duration = Duration::from_secs(7 * 86_400);

/// After that all must have settled: the longest pause and a regular interval more than once.
const SETTLED: Duration = Duration::from_secs(8 * 86_400);

const OUTAGE: Duration = Duration::from_secs(72 * 3600);

const GATEWAYS: usize = 2;

#[test]
fn nothing_is_lost_or_double_in_any_week() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("PLATEN_SEED") {
        let told = week(seed);
        println!("{told:?}");
        return;
    }
    let mut all = Told::default();
    for seed in 0..number("PLATEN_SEEDS").unwrap_or(SEEDS) {
        let told = std::panic::catch_unwind(|| week(seed)).unwrap_or_else(|_| {
            panic!(
                "run it again: PLATEN_SEED={seed} cargo nextest run -p tests --test simulation --no-capture"
            )
        });
        all.add(&told);
    }
    println!("{all:?}");
    // Who meets no trouble proves nothing.
    assert!(
        all.lost > 0 && all.late > 0 && all.duplicates > 0 && all.crashes > 0 && all.jumps > 0,
        "{all:?}"
    );
}

/// What a week had.
#[derive(Debug, Default)]
struct Told {
    reports: u64,
    lost: u64,
    late: u64,
    duplicates: u64,
    crashes: u64,
    jumps: u64,
}

impl Told {
    fn add(&mut self, other: &Self) {
        self.reports += other.reports;
        self.lost += other.lost;
        self.late += other.late;
        self.duplicates += other.duplicates;
        self.crashes += other.crashes;
        self.jumps += other.jumps;
    }
}

/// A gateway: what is on its disk, and what it knows until it crashes.
struct Gateway {
    lanes: Lanes<LaneState>,
    waiting: BTreeMap<(Lane, u64), (Timestamp, String)>,
    cadence: Cadence,
    total: u64,
    call_open: bool,
    /// Everything that was ever made, in the order of its lane: the truth.
    made: BTreeMap<Lane, Vec<String>>,
}

/// The server's disk, as far as one gateway goes.
#[derive(Default)]
struct Books {
    acknowledged: Lanes<u64>,
    stored: BTreeMap<Lane, Vec<String>>,
    known: Known,
    service_calls: u64,
    regressions: u64,
}

/// A batch that arrives long after its sender gave up.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Late {
    at: std::cmp::Reverse<Duration>,
    gateway: usize,
    lane: Lane,
    body: String,
}

struct World {
    chance: StdRng,
    now: Duration,
    /// The gateways' clocks, against the true time.
    off: SignedDuration,
    outage: Duration,
    gateways: Vec<Gateway>,
    books: Vec<Books>,
    late: BinaryHeap<Late>,
    told: Told,
}

fn week(seed: u64) -> Told {
    let mut chance = StdRng::seed_from_u64(seed);
    let gateway = |chance: &mut StdRng| Gateway {
        lanes: Lanes::default(),
        waiting: BTreeMap::new(),
        cadence: Cadence::start(Duration::ZERO, chance.random(), 1.0),
        total: 1000,
        call_open: false,
        made: BTreeMap::new(),
    };
    let gateways = (0..GATEWAYS).map(|_| gateway(&mut chance)).collect();
    let outage = Duration::from_secs(chance.random_range(0..3 * 86_400));
    let mut world = World {
        chance,
        now: Duration::ZERO,
        off: SignedDuration::ZERO,
        outage,
        gateways,
        books: (0..GATEWAYS).map(|_| Books::default()).collect(),
        late: BinaryHeap::new(),
        told: Told::default(),
    };
    while world.now < SETTLED {
        world.now += Duration::from_secs(world.chance.random_range(20..900));
        world.arrive_late();
        if world.now < HORIZON {
            world.happen();
        }
        for gateway in 0..GATEWAYS {
            world.call(gateway);
        }
    }
    world.check();
    world.told
}

impl World {
    fn clock(&self) -> Timestamp {
        let begin = Timestamp::constant(1_767_225_600, 0);
        begin + SignedDuration::try_from(self.now).unwrap() + self.off
    }

    /// Something happens at the devices, to a program, or to a clock.
    fn happen(&mut self) {
        let number = self.chance.random_range(0..GATEWAYS);
        match self.chance.random_range(0..100) {
            0..=14 => {
                let at = self.clock();
                let gateway = &mut self.gateways[number];
                gateway.total += self.chance.random_range(0..50);
                let total = gateway.total;
                let report = json!({"kind": "counter_set", "device": "ricoh:E1", "read_at": at,
                    "counters": {"total": total},
                    "evidence": {"total": {"oid": "1.3.6.1.2.1.43.10.2.1.4.1.1", "value": total}}});
                self.make(number, Lane::Bulk, report.to_string());
            }
            15..=19 => {
                let gateway = &mut self.gateways[number];
                gateway.call_open = !gateway.call_open;
                let edge = if gateway.call_open { "raised" } else { "cleared" };
                let report = json!({"kind": "call", "device": "ricoh:E1", "call": "service_call", "edge": edge,
                    "detail": "SC542", "seen_at": self.clock()});
                self.make(number, Lane::Urgent, report.to_string());
            }
            // Power cut: only what is on the disk stays.
            20 => {
                let (now, phase) = (self.now, self.chance.random());
                let gateway = &mut self.gateways[number];
                gateway.cadence = Cadence::start(now, phase, 1.0);
                for lane in Lane::ALL {
                    *gateway.lanes.of_mut(lane) = gateway.lanes.of(lane).opened();
                }
                self.told.crashes += 1;
            }
            21 => {
                self.off = SignedDuration::from_hours(self.chance.random_range(-26..=26));
                self.told.jumps += 1;
            }
            _ => {}
        }
    }

    fn make(&mut self, number: usize, lane: Lane, report: String) {
        let at = self.clock();
        let gateway = &mut self.gateways[number];
        let place = gateway.lanes.of_mut(lane).make();
        gateway.waiting.insert((lane, place), (at, report.clone()));
        gateway.made.entry(lane).or_default().push(report);
        self.told.reports += 1;
    }

    /// A gateway calls if it is time: what is urgent at once, the rest with its polls.
    fn call(&mut self, number: usize) {
        let gateway = &self.gateways[number];
        let may = gateway.cadence.may_call_at() <= self.now;
        let urgent = may && gateway.lanes.urgent.base.is_some() && gateway.lanes.urgent.waiting() > 0;
        // A spool that was just opened numbers nothing new before the server was heard.
        if urgent && gateway.lanes.urgent.needs_server_confirmation() && !self.poll(number) {
            return;
        }
        if urgent && !self.report(number, Lane::Urgent) {
            return;
        }
        if self.gateways[number].cadence.next() > self.now {
            return;
        }
        if !self.poll(number) {
            return;
        }
        for lane in Lane::ALL {
            while self.gateways[number].lanes.of(lane).waiting() > 0 {
                if !self.report(number, lane) {
                    return;
                }
            }
        }
    }

    /// Whether a request arrives, and whether its answer does.
    fn network(&mut self) -> (bool, bool) {
        let out = self.now > self.outage && self.now < self.outage + OUTAGE;
        let bad = self.now < HORIZON;
        let there = !(out || bad && self.chance.random_bool(0.15));
        (there, there && !(bad && self.chance.random_bool(0.15)))
    }

    fn fail(&mut self, number: usize) -> bool {
        let (now, jitter) = (self.now, self.chance.random());
        let busy =
            self.chance.random_bool(0.2).then(|| Duration::from_secs(self.chance.random_range(5..900)));
        self.gateways[number].cadence.on_failure(now, busy, jitter);
        self.told.lost += 1;
        false
    }

    fn poll(&mut self, number: usize) -> bool {
        let (_, back) = self.network();
        if !back {
            return self.fail(number);
        }
        let (acknowledged, interval) = (self.books[number].acknowledged, self.books[number].interval());
        let now = self.now;
        self.gateways[number].cadence.on_poll(now, interval);
        for lane in Lane::ALL {
            self.gateways[number].acknowledge(lane, *acknowledged.of(lane));
        }
        true
    }

    /// Sends a batch; whether all went well.
    fn report(&mut self, number: usize, lane: Lane) -> bool {
        if self.gateways[number].lanes.of(lane).base.is_none() {
            return false;
        }
        let (there, back) = self.network();
        if !there {
            // It may still arrive, long after its sender gave up.
            if self.chance.random_bool(0.3) {
                let at =
                    std::cmp::Reverse(self.now + Duration::from_secs(self.chance.random_range(30..7200)));
                let body = self.gateways[number].batch(lane);
                self.late.push(Late { at, gateway: number, lane, body });
                self.told.late += 1;
            }
            return self.fail(number);
        }
        let body = self.gateways[number].batch(lane);
        let batch: Batch = serde_json::from_str(&body).unwrap();
        let last = batch.reports.last().unwrap().seq;
        let acknowledged = self.books[number].take(lane, &body, &mut self.told);
        if !back {
            return self.fail(number);
        }
        let (now, interval) = (self.now, self.books[number].interval());
        let gateway = &mut self.gateways[number];
        gateway.cadence.on_answer(now, interval);
        gateway.hear(lane, gateway.lanes.of(lane).judge_batch(acknowledged, last));
        true
    }

    fn arrive_late(&mut self) {
        while self.late.peek().is_some_and(|late| late.at.0 <= self.now) {
            if let Some(Late { gateway, lane, body, .. }) = self.late.pop() {
                // Nobody hears the answer any more.
                self.books[gateway].take(lane, &body, &mut self.told);
            }
        }
    }

    fn check(&self) {
        for (gateway, books) in self.gateways.iter().zip(&self.books) {
            for lane in Lane::ALL {
                assert_eq!(
                    gateway.lanes.of(lane).waiting(),
                    0,
                    "{lane} has not drained a day after the last trouble"
                );
                let none = Vec::new();
                let (made, stored) =
                    (gateway.made.get(&lane).unwrap_or(&none), books.stored.get(&lane).unwrap_or(&none));
                assert_eq!(made, stored, "{lane}: made there, stored here");
            }
            assert_eq!(!books.known.open.is_empty(), gateway.call_open, "the open call");
            assert_eq!(books.regressions, 0, "no counter fell, whatever the clock said");
            let calls = gateway.made.get(&Lane::Urgent).map_or(0, Vec::len).div_ceil(2) as u64;
            assert_eq!(books.service_calls, calls, "each call was raised once");
            assert_eq!(gateway.cadence.interval_s(), if gateway.call_open { 60 } else { 3600 });
        }
    }
}

impl Gateway {
    /// The oldest waiting reports of a lane, as a body.
    fn batch(&self, lane: Lane) -> String {
        let state = self.lanes.of(lane);
        let own = || self.waiting.iter().filter(|((of, place), _)| *of == lane && *place <= state.numbered());
        let length = batch_length(own().map(|(_, (_, report))| report.len()), 2000);
        let mut reports = Vec::new();
        for ((_, place), (at, report)) in own().take(length) {
            let report: serde_json::Value = serde_json::from_str(report).unwrap();
            reports.push(json!({"seq": state.number(*place), "at": at, "report": report}));
        }
        json!({"reports": reports}).to_string()
    }

    fn acknowledge(&mut self, lane: Lane, number: u64) {
        self.hear(lane, self.lanes.of(lane).judge(number));
    }

    fn hear(&mut self, lane: Lane, judged: Acknowledgement) {
        let state = self.lanes.of_mut(lane);
        assert!(!judged.is_new_life(), "nobody lost anything: {judged:?}, {state:?}");
        state.apply(judged);
        if let Acknowledgement::Free { up_to } = judged {
            self.waiting.retain(|(of, place), _| *of != lane || *place > up_to);
        }
    }
}

impl Books {
    fn interval(&self) -> u32 {
        ServerCadence::default().next_poll_s(self.known.open.len() as u64)
    }

    /// Takes a batch; the acknowledged number.
    fn take(&mut self, lane: Lane, body: &str, told: &mut Told) -> u64 {
        let batch: Batch = serde_json::from_str(body).unwrap();
        ingest::check_sequence(&batch.reports).unwrap();
        let arrivals = ingest::parse(&batch);
        let before = *self.acknowledged.of(lane);
        // Nobody lost anything: there is never a gap.
        let fresh: &[Arrival] = ingest::fresh(before, &arrivals).unwrap();
        told.duplicates += (arrivals.len() - fresh.len()) as u64;
        for effect in ingest::effects(self.known.clone(), lane, fresh) {
            self.apply(lane, &effect);
        }
        let after = fresh.last().map_or(before, |last| last.seq);
        *self.acknowledged.of_mut(lane) = after;
        after
    }

    fn apply(&mut self, lane: Lane, effect: &Effect<'_>) {
        match effect {
            Effect::Keep { arrival, .. } => {
                let report: serde_json::Value = serde_json::from_str(&arrival.body).unwrap();
                self.stored.entry(lane).or_default().push(report.to_string());
            }
            Effect::SetTotal(device, total) => {
                self.known.totals.insert((*device).clone(), *total);
            }
            Effect::Raise { call, .. } if call.call == CallKind::CounterRegression => self.regressions += 1,
            Effect::Raise { by, call, .. } => {
                self.service_calls += 1;
                self.known.open.insert(call.device.clone(), call.call, call.subject.clone(), *by);
            }
            Effect::Close { raised_by, .. } => {
                let by = std::collections::BTreeSet::from([*raised_by]);
                let closed: Vec<(_, _, ReportRef)> =
                    self.known.open.forget(&"ricoh:E1".parse().unwrap(), &by);
                assert_eq!(closed.len(), 1);
            }
            Effect::Quarantine { reason, .. } => panic!("{reason}"),
            Effect::UpsertDevice(_)
            | Effect::UpdateReading(..)
            | Effect::SetOffline(..)
            | Effect::AddCounters { .. }
            | Effect::Firmware(_)
            | Effect::Lost { .. } => {}
        }
    }
}
