//! A year of a fleet against the decisions about calls and reads: coarse sensors, no sensors, shaken
//! cartridges, swaps, sleep, power cuts, lost tables, levels that are wrong once, and alerts in other languages. No
//! call is missed, duplicated or left open.
//!
//! `PLATEN_DEVICES=200 PLATEN_DAYS=365` runs a whole year; `PLATEN_SEED=7` starts with another seed. Each
//! device has its own seed, which a failure prints.

#![expect(clippy::unwrap_used, reason = "a model that can't go on fails the seed")]

mod book;
mod device;

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::time::Duration;

use gateway_core::calls::{CallRules, CallState};
use gateway_core::reading::ReadScope;
use gateway_core::sensing::{PollSchedule, SensingRules};
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use wire::report::CallKind;

use book::{Book, Tally};
use device::{Device, Sensor};

const DEVICES: u64 = 42;
const DAYS: u64 = 30;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

const CALLS: CallRules = CallRules { near_end_percent: 10.0, offline_after: 3 };
const SENSING: SensingRules = SensingRules {
    status: Duration::from_secs(60),
    idle: Duration::from_secs(180),
    asleep: Duration::from_secs(300),
    offline_after: 3,
    retries: 2,
    speedup: 1.0,
};

#[test]
fn no_call_is_missed_or_doubled_or_left_open_in_any_year() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (devices, days) =
        (number("PLATEN_DEVICES").unwrap_or(DEVICES), number("PLATEN_DAYS").unwrap_or(DAYS));
    let first = number("PLATEN_SEED").unwrap_or(0);
    let mut all = Tally::default();
    for seed in first..first + devices {
        let told = std::panic::catch_unwind(|| year(seed, days)).unwrap_or_else(|_| {
            panic!(
                "run it again: PLATEN_SEED={seed} PLATEN_DEVICES=1 PLATEN_DAYS={days} cargo nextest run -p tests \
                 --test call_year --no-capture"
            )
        });
        all.add(&told);
    }
    println!("{devices} devices, {days} days, first seed {first}: {all:?}; 0 missed, 0 doubled, 0 left open");
    assert!(all.raised > devices && all.replaced > 0 && all.offline > 0, "{all:?}");
}

/// An event at a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Print,
    FallAsleep,
    Trouble,
    Repair,
    PowerOff,
    PowerOn,
    Ready,
    Shake(usize),
    Replace(usize),
    BoardSwap,
    /// Another device gets its address; it gets the address back later.
    Swap,
    Look,
}

struct World {
    chance: StdRng,
    now: u64,
    /// Time of the last event.
    until: u64,
    device: Device,
    /// Whether another device has its address.
    away: bool,
    calls: CallState,
    attention: PollSchedule,
    book: Book,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    asked_for: BTreeSet<usize>,
    whole_at: u64,
    printed_at: u64,
}

fn year(seed: u64, days: u64) -> Tally {
    let mut chance = StdRng::seed_from_u64(seed);
    let device = Device::new(usize::try_from(seed).unwrap(), &mut chance);
    let mut world = World {
        chance,
        now: 0,
        until: days * DAY,
        device,
        away: false,
        calls: CallState::default(),
        attention: PollSchedule::default(),
        book: Book::default(),
        events: BinaryHeap::new(),
        asked_for: BTreeSet::new(),
        whole_at: 0,
        printed_at: 0,
    };
    for event in [Event::Print, Event::Trouble, Event::PowerOff, Event::BoardSwap, Event::Swap] {
        world.plan(event);
    }
    world.device.settle();
    world.events.push(Reverse((0, Event::Look)));
    while world.now < world.until {
        world.step();
    }
    world.repair();
    while world.now < world.until + DAY {
        world.step();
    }
    world.book.close();
    assert!(world.calls.open.is_empty(), "left open: {:?}", world.calls.open);
    world.book.tally
}

impl World {
    fn after(&mut self, least: u64, most: u64, event: Event) {
        let at = self.now + self.chance.random_range(least..most);
        self.events.push(Reverse((at, event)));
    }

    /// Schedules the next event of this kind.
    fn plan(&mut self, event: Event) {
        match event {
            Event::Print => self.after(20 * MINUTE, 5 * HOUR, event),
            Event::Trouble => self.after(2 * DAY, 20 * DAY, event),
            Event::PowerOff => self.after(DAY, 15 * DAY, event),
            Event::BoardSwap => self.after(30 * DAY, 300 * DAY, event),
            Event::Swap => self.after(20 * DAY, 200 * DAY, event),
            Event::FallAsleep
            | Event::Repair
            | Event::PowerOn
            | Event::Ready
            | Event::Shake(_)
            | Event::Replace(_)
            | Event::Look => {}
        }
    }

    fn step(&mut self) {
        let Reverse((at, event)) = self.events.pop().unwrap();
        self.now = at;
        if event == Event::Look {
            return self.look();
        }
        if self.now >= self.until {
            return;
        }
        self.happen(event);
        self.device.settle();
        self.want();
    }

    fn want(&mut self) {
        let wanted = self.device.truth(&self.book.wanted);
        self.book.want(wanted);
    }

    fn happen(&mut self, event: Event) {
        self.plan(event);
        match event {
            Event::Print if self.device.on && !self.away && self.device.trouble.is_none() => self.print(),
            Event::FallAsleep => self.device.asleep = self.now >= self.printed_at + 30 * MINUTE,
            Event::Trouble if self.device.on => {
                let kinds = [CallKind::Jam, CallKind::CoverOpen, CallKind::ServiceCall];
                self.device.trouble = Some(kinds[self.chance.random_range(0..3)]);
                self.device.asleep = false;
                self.after(3 * HOUR, 2 * DAY, Event::Repair);
            }
            Event::Repair => self.device.trouble = None,
            Event::PowerOff if !self.away => {
                self.device.on = false;
                self.after(5 * MINUTE, 2 * DAY, Event::PowerOn);
            }
            Event::PowerOn if !self.away => {
                (self.device.on, self.device.warming, self.device.asleep) = (true, true, false);
                self.after(MINUTE, 5 * MINUTE, Event::Ready);
            }
            Event::Ready => self.device.warming = false,
            Event::Shake(at) => self.shake(at),
            Event::Replace(at) => self.replace(at),
            Event::BoardSwap if self.device.on && !self.away => {
                self.device.pages /= 2;
                self.book.board_swaps += 1;
            }
            Event::Swap => {
                (self.away, self.device.on) = (!self.away, self.away);
                self.device.warming = false;
            }
            // It is off, elsewhere, or printing waits for a person.
            Event::Print
            | Event::Trouble
            | Event::PowerOff
            | Event::PowerOn
            | Event::BoardSwap
            | Event::Look => {}
        }
    }

    fn print(&mut self) {
        self.device.pages += self.chance.random_range(1..60);
        (self.device.asleep, self.printed_at) = (false, self.now);
        self.after(30 * MINUTE, 31 * MINUTE, Event::FallAsleep);
        for at in 0..self.device.stock.len() {
            let used = self.chance.random_range(0.2..1.8);
            let own = &mut self.device.stock[at];
            own.left = (own.left - if own.is_waste() { used / 3.0 } else { used }).max(0.0);
            let (wanted, ended, early) = (own.is_wanted(), own.left <= 0.0, own.is_early());
            let (shown, waste) = (own.shown().is_some(), own.is_waste());
            if !wanted || self.asked_for.contains(&at) {
                continue;
            }
            if early || ended || self.chance.random_bool(0.03) {
                self.asked_for.insert(at);
                // Replacements before near end are in time: the levels of these devices never explain a bit.
                self.after(2 * HOUR, if early { 12 * HOUR } else { 3 * DAY }, Event::Replace(at));
            }
            if !waste && !early && (ended || shown) && self.chance.random_bool(0.3) {
                self.after(40 * MINUTE, 90 * MINUTE, Event::Shake(at));
            }
        }
    }

    fn shake(&mut self, at: usize) {
        let own = &mut self.device.stock[at];
        if own.is_wanted() {
            own.shake();
        }
    }

    fn replace(&mut self, at: usize) {
        self.asked_for.remove(&at);
        let one = self.device.stock.len() <= 2;
        let own = &self.device.stock[at];
        let mut sensor = own.sensor;
        // A third-party cartridge without a chip, and perhaps an original one the next time.
        if one && !own.is_waste() && sensor == Sensor::Exact && self.chance.random_bool(0.3) {
            sensor = Sensor::Silent(-2);
        } else if one && own.has_shown && self.chance.random_bool(0.5) {
            sensor = Sensor::Exact;
        }
        let told = own.has_shown && !own.is_waste();
        self.device.replace(at, sensor);
        self.book.replacements += u64::from(told && self.device.stock[at].shown().is_some());
    }

    /// Repairs everything; the device is at its address and switched on.
    fn repair(&mut self) {
        self.events.retain(|Reverse((_, event))| *event == Event::Look);
        self.device.trouble = None;
        (self.away, self.device.on, self.device.warming) = (false, true, false);
        for at in 0..self.device.stock.len() {
            let own = &self.device.stock[at];
            if own.is_wanted() || own.left <= 45.0 {
                self.replace(at);
            }
        }
        self.device.settle();
        self.want();
    }

    fn look(&mut self) {
        self.book.tally.looks += 1;
        let read_at = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(i64::try_from(self.now).unwrap());
        let id = "ricoh:E1".parse().unwrap();
        if self.device.on {
            self.answered(&id, read_at);
        } else {
            let calls = self.calls.on_silence(&CALLS, &id, read_at);
            self.attention.on_silence();
            self.book.take(&calls);
            let offline = self.calls.has_open(CallKind::DeviceOffline);
            assert_eq!(offline, self.calls.missed() >= CALLS.offline_after, "offline");
        }
        let wait = self.attention.wait(&SENSING).as_secs();
        self.events.push(Reverse((self.now + wait, Event::Look)));
    }

    fn answered(&mut self, id: &wire::ids::DeviceId, read_at: Timestamp) {
        let whole = self.now >= self.whole_at;
        let fingerprint = self.device.fingerprint();
        let change_check = !whole && self.attention.scope(&SENSING) == ReadScope::ChangeCheck;
        if change_check && !self.attention.on_change_check(&SENSING, Some(fingerprint.clone())) {
            return self.book.look(&self.calls);
        }
        if whole {
            self.whole_at = self.now + HOUR;
        }
        self.book.tally.readings += 1;
        let (reading, coverage) = self.device.reading(whole, &mut self.chance);
        if coverage.supplies {
            self.device.was_seen();
        }
        let reading = wire::reading::Reading { read_at, ..reading };
        let calls = self.calls.on_reading(&CALLS, None, id, (&reading, coverage));
        self.attention.on_reading(&reading, Some(fingerprint), &self.calls, !calls.is_empty());
        self.book.take(&calls);
        assert!(!self.calls.has_open(CallKind::DeviceOffline), "it answers");
        self.book.look(&self.calls);
    }
}
