//! Epochs of counters, compared with histories whose real increments are known.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use wire::report::Lane;

use super::*;
use crate::calls::ReportRef;
use crate::tenancy::AssetId;

const PRIVATE: &str = "1.3.6.1.4.1.367.3.2.1.2.19.5.1.9.1";

fn hour(hours: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + hours * 3600).unwrap()
}

fn meter(hours: i64, value: u64) -> Meter {
    of_source(hours, value, PRIVATE)
}

fn of_source(hours: i64, value: u64, source: &str) -> Meter {
    let report = Some(ReportRef { lane: Lane::Bulk, seq: 1 });
    let gateway = "gw-1".parse().unwrap();
    Meter { at: hour(hours), value, source: source.to_owned(), raw: value, gateway, report }
}

fn stay(device: &str, (from, to): (i64, Option<i64>), meters: Vec<Meter>) -> Stay {
    Stay { device: device.parse().unwrap(), from: hour(from), to: to.map(hour), meters }
}

fn whole(history: &History) -> u64 {
    history.usage(Timestamp::MIN, Timestamp::MAX)
}

fn spans(history: &History) -> Vec<(Opening, u64, u64)> {
    history.epochs.iter().map(|epoch| (epoch.opening, epoch.begin().value, epoch.end().value)).collect()
}

fn one(meters: Vec<Meter>) -> History {
    History::of(vec![stay("ricoh:A", (0, None), meters)])
}

/// When a counter is set back, no usage is lost and none is negative.
#[test]
fn a_counter_that_was_set_back_goes_on_from_there() {
    let meters = [(0, 180_000), (400, 182_340), (424, 0), (720, 1_210)];
    let history = one(meters.map(|(at, value)| meter(at, value)).to_vec());
    assert_eq!(whole(&history), 2_340 + 1_210);
    assert_eq!(spans(&history), [(Opening::Placement, 180_000, 182_340), (Opening::Fall, 0, 1_210)]);
    assert_eq!(history.usage(hour(0), hour(424)), 2_340);
    assert_eq!(history.usage(hour(424), hour(720)), 1_210);
}

#[test]
fn a_device_that_replaces_another_counts_from_its_own_first_reading() {
    let old = vec![meter(0, 700_000), meter(100, 706_250), meter(140, 709_000)];
    let new = vec![meter(90, 3), meter(101, 12), meter(300, 7_489)];
    let history = History::of(vec![stay("ricoh:C", (0, Some(101)), old), stay("ricoh:D", (101, None), new)]);
    assert_eq!(spans(&history), [(Opening::Placement, 700_000, 706_250), (Opening::Placement, 12, 7_489)]);
    assert_eq!(whole(&history), 6_250 + 7_477);
}

#[test]
fn another_source_counts_only_when_the_first_is_gone() {
    let other = "1.3.6.1.2.1.43.10.2.1.4.1.1";
    // Once the other object, then the first one again.
    let once = vec![meter(0, 100), of_source(10, 5_000, other), meter(20, 130)];
    assert_eq!(spans(&one(once)), [(Opening::Placement, 100, 130)]);
    // For good: it counts from its first reading after the last one of the first source.
    let changed = vec![
        meter(0, 100),
        meter(20, 130),
        of_source(30, 5_000, other),
        of_source(60, 5_020, other),
        of_source(80, 5_050, other),
    ];
    let history = one(changed);
    assert_eq!(spans(&history), [(Opening::Placement, 100, 130), (Opening::Source, 5_000, 5_050)]);
    assert_eq!(whole(&history), 80);
}

#[test]
fn a_dip_is_no_fall() {
    type Row = (&'static str, &'static [(i64, u64)], u64, usize);
    let table: [Row; 5] = [
        ("a second gateway whose clock is behind", &[(0, 100), (1, 101), (2, 100), (3, 102)], 2, 1),
        ("a board that had not started", &[(0, 182_340), (1, 0), (2, 0), (900, 182_350)], 10, 2),
        ("the same within two days", &[(0, 182_340), (1, 0), (2, 3), (30, 182_350)], 10, 2),
        ("a counter that was set back and climbed", &[(0, 1_000), (1, 0), (30, 400), (90, 1_500)], 1_500, 0),
        ("a low value at the end", &[(0, 182_340), (1, 0)], 0, 0),
    ];
    for (what, values, expected, dips) in table {
        let history = one(values.iter().map(|&(at, value)| meter(at, value)).collect());
        assert_eq!((whole(&history), history.dips.len()), (expected, dips), "{what}");
    }
}

#[test]
fn what_is_read_outside_of_a_stay_does_not_count() {
    let meters = vec![meter(1, 10), meter(5, 20), meter(9, 35), meter(10, 50)];
    let history = History::of(vec![stay("ricoh:A", (5, Some(10)), meters)]);
    assert_eq!(spans(&history), [(Opening::Placement, 20, 35)]);
    assert_eq!(History::of(vec![stay("ricoh:A", (5, Some(10)), Vec::new())]), History::default());
}

/// A step in the history of a counter.
#[derive(Debug, Clone)]
enum Step {
    Print(u64),
    /// A read by one of two gateways (the second one if true), whose clock is this many seconds behind; this many
    /// times.
    Read(bool, i64, usize),
    SetBack,
    /// The counter is read from another object: from now on, or for one reading only.
    Source {
        for_good: bool,
    },
    Swap,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u64..500).prop_map(Step::Print),
        8 => (any::<bool>(), 0_i64..30, 1_usize..3).prop_map(|(g, s, n)| Step::Read(g, s, n)),
        1 => Just(Step::SetBack),
        1 => any::<bool>().prop_map(|for_good| Step::Source { for_good }),
        1 => Just(Step::Swap),
    ]
}

/// The real counter of a device, and the values that were read.
struct World {
    hours: i64,
    count: u64,
    source: u32,
    device: u32,
    placed: i64,
    last_read: i64,
    meters: Vec<Meter>,
    stays: Vec<Stay>,
    /// First and last values that were read since the last border.
    seen: Option<(u64, u64)>,
    expected: u64,
}

impl World {
    fn read(&mut self, (second, seconds, times): (bool, i64, usize)) {
        self.hours += 1;
        let behind = if second { seconds } else { 0 };
        let report = Some(ReportRef { lane: Lane::Bulk, seq: u64::try_from(self.hours).unwrap() });
        let gateway = if second { "gw-2" } else { "gw-1" }.parse().unwrap();
        let at = hour(self.hours) - SignedDuration::from_secs(behind);
        let source = format!("1.{}", self.source);
        let meter = Meter { at, value: self.count, source, raw: self.count, gateway, report };
        for _ in 0..times {
            self.meters.push(meter.clone());
        }
        self.last_read = self.hours;
        let first = self.seen.map_or(self.count, |(first, _)| first);
        self.seen = Some((first, self.count));
    }

    fn border(&mut self) {
        self.expected += self.seen.take().map_or(0, |(first, last)| last - first);
    }

    fn swap(&mut self) {
        self.border();
        let device = format!("ricoh:{}", self.device);
        let meters = std::mem::take(&mut self.meters);
        self.hours += 1;
        self.stays.push(stay(&device, (self.placed, Some(self.hours)), meters));
        self.placed = self.hours;
        self.device += 1;
        self.count = 500_000_000 + u64::from(self.device) * 1_000;
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Print(pages) => self.count += pages,
            Step::Read(second, seconds, times) => self.read((second, seconds, times)),
            // Histories are too short to regain what was lost.
            Step::SetBack => {
                self.border();
                self.count -= 1_000_000;
            }
            Step::Source { for_good: true } => {
                // The last reading of a source is two days before the first one of the next.
                self.border();
                self.hours += 49;
                self.source += 1;
            }
            // It would be the source if the other one were gone for two days.
            Step::Source { for_good: false } if self.seen.is_none() || self.hours - self.last_read > 40 => {}
            Step::Source { for_good: false } => {
                self.hours += 1;
                self.meters.push(of_source(self.hours, 7, "1.9.9"));
            }
            Step::Swap => self.swap(),
        }
    }
}

/// The placements, and the increments that the readings show.
fn world(steps: &[Step]) -> (Vec<Stay>, u64, i64) {
    let (hours, count) = (1, 500_000_000);
    let (source, device, placed, last_read, expected) = (1, 1, 0, 0, 0);
    let (meters, stays) = (Vec::new(), Vec::new());
    let mut world =
        World { hours, count, source, device, placed, last_read, meters, stays, seen: None, expected };
    for step in steps {
        world.take(step);
    }
    world.swap();
    (world.stays, world.expected, world.hours)
}

proptest! {
    /// Whatever the history (swaps, falls, other sources, two gateways, duplicates, any order of arrival) and the
    /// periods:
    /// the usages add up to the real increments that were read.
    #[test]
    fn periods_add_up_to_what_was_observed(
        steps in prop::collection::vec(step(), 1..120),
        cuts in prop::collection::vec(0_u16..1000, 0..12),
        seed in any::<u64>(),
    ) {
        let (mut stays, expected, hours) = world(&steps);
        for stay in &mut stays {
            let len = stay.meters.len();
            stay.meters.rotate_left(usize::try_from(seed % 997).unwrap() % len.max(1) % (len + 1));
            if seed % 2 == 0 {
                stay.meters.reverse();
            }
        }
        let history = History::of(stays);
        prop_assert_eq!(whole(&history), expected);
        let span = hours * 3600;
        let mut edges: Vec<Timestamp> = cuts
            .iter()
            .map(|cut| hour(0) + SignedDuration::from_secs(span * i64::from(*cut) / 1000))
            .collect();
        edges.extend([Timestamp::MIN, Timestamp::MAX]);
        edges.sort();
        let sum: u64 = edges.windows(2).map(|pair| history.usage(pair[0], pair[1])).sum();
        prop_assert_eq!(sum, expected);
        for epoch in &history.epochs {
            prop_assert!(epoch.end().value >= epoch.begin().value);
        }
    }
}

#[test]
fn a_device_stands_under_one_asset_at_a_time() {
    let asset = |n: u32| format!("01980000-0000-7000-8000-{n:012}").parse::<AssetId>().unwrap();
    let device = "ricoh:A".parse().unwrap();
    let now = hour(100);
    let first = Placement::begin(asset(1), &device, &[], (hour(1), now)).unwrap();
    let placed = Placement::begin(asset(2), &device, std::slice::from_ref(&first), (hour(2), now));
    assert_eq!(placed, Err(PlacementError::Placed { device: device.clone(), asset: asset(1) }));
    let other = "ricoh:B".parse().unwrap();
    let occupied = Placement::begin(asset(1), &other, std::slice::from_ref(&first), (hour(2), now));
    assert_eq!(occupied, Err(PlacementError::Occupied { device: device.clone() }));

    let ended = first.end(hour(10), now).unwrap();
    assert!(first.end(hour(0), now).is_err(), "before its begin");
    assert!(first.end(hour(101), now).is_err(), "in the future");
    let again = |at| Placement::begin(asset(2), &device, std::slice::from_ref(&ended), (hour(at), now));
    assert!(again(10).is_ok(), "placements touch");
    assert!(matches!(again(9), Err(PlacementError::Time { .. })));
    let address = "addr:10.0.0.5".parse().unwrap();
    let refused = Placement::begin(asset(1), &address, &[], (now, now)).unwrap_err();
    assert!(refused.to_string().contains("address only"), "{refused}");
}

#[test]
fn a_placement_begins_with_a_reading() {
    let now = hour(100);
    for (reading, free, expected) in
        [(Some(12), 0, 12), (Some(12), 20, 20), (None, 0, 100), (Some(200), 0, 100)]
    {
        assert_eq!(begin_time(reading.map(hour), hour(free), now), hour(expected));
    }
}

#[test]
fn fields_are_checked() {
    let named = |name: &str, notes: &str| AssetSpec {
        name: name.to_owned(),
        notes: notes.to_owned(),
        ..AssetSpec::default()
    };
    assert_eq!(named(" A-1 ", "one\r\ntwo\n").checked().unwrap(), named("A-1", "one\ntwo"));
    assert_eq!(named("", "").checked().unwrap_err().field, "name");
    assert_eq!(named("A\u{7}", "").checked().unwrap_err().field, "name");
    assert_eq!(named("A", "bell\u{7}").checked().unwrap_err().field, "notes");
    assert_eq!(named("A", &"x\n".repeat(1100)).checked().unwrap_err().field, "notes");
    assert!(reason(&"x".repeat(501)).is_err());
}
