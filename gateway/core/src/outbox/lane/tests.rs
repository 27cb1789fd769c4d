use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn lane(base: Option<i64>, made: u64, acknowledged: u64) -> LaneState {
    LaneState { base, made, acknowledged, unconfirmed: None }
}

#[test]
fn acknowledgements_mean_what_they_say() {
    use Acknowledgement as A;
    let doubtful = lane(Some(0), 9, 3).opened();
    let mut behind = doubtful;
    behind.made = 12;
    for (state, server, expected, after) in [
        (lane(None, 3, 0), 40, A::Begin { base: 40 }, lane(Some(40), 3, 0)),
        (lane(Some(0), 3, 1), 1, A::Nothing, lane(Some(0), 3, 1)),
        (lane(Some(40), 3, 0), 42, A::Free { up_to: 2 }, lane(Some(40), 3, 2)),
        (lane(Some(0), 3, 1), 9, A::ServerAhead { base: 8, up_to: 1 }, lane(Some(8), 3, 1)),
        (lane(Some(0), 9, 7), 4, A::ServerBehind { base: -3, lost: 3 }, lane(Some(-3), 9, 7)),
        // A store that was just opened.
        (doubtful, 3, A::Confirmed, lane(Some(0), 9, 3)),
        (doubtful, 8, A::Free { up_to: 8 }, lane(Some(0), 9, 8)),
        (behind, 9, A::Free { up_to: 9 }, lane(Some(0), 12, 9)),
        (doubtful, 1, A::ServerBehind { base: -2, lost: 2 }, lane(Some(-2), 9, 3)),
    ] {
        let judged = state.judge(server);
        assert_eq!(judged, expected, "{state:?} {server}");
        let mut changed = state;
        changed.apply(judged);
        assert_eq!(changed, after);
        if judged != A::Nothing {
            // What is sent next is what the server expects next.
            assert_eq!(changed.number(changed.acknowledged + 1), Some(server + 1));
        }
    }
}

#[test]
fn an_opened_store_offers_what_it_knew_before_it_numbers_anything_new() {
    let mut state = lane(Some(0), 40, 30).opened();
    for _ in 0..3 {
        state.make();
    }
    assert_eq!(state.numbered(), 40);
    // A poll alone compares nothing.
    assert_eq!(state.judge(50), Acknowledgement::Nothing);
    let judged = state.judge_batch(50, 35);
    assert_eq!(judged, Acknowledgement::Compared { up_to: 35 });
    state.apply(judged);
    assert_eq!((state.numbered(), state.acknowledged), (40, 35));
    let judged = state.judge_batch(50, 40);
    assert_eq!(judged, Acknowledgement::ServerAhead { base: 10, up_to: 40 });
    assert_eq!(state.gone(50, judged), 0);
    state.apply(judged);
    assert_eq!((state.number(41), state.numbered(), state.waiting()), (Some(51), 43, 3));
}

#[test]
fn a_store_that_went_back_goes_on_by_its_mark() {
    let mark = lane(Some(5), 50, 45);
    let state = lane(Some(5), 40, 30).continued(&mark);
    assert_eq!((state.acknowledged, state.numbered(), state.waiting()), (40, 40, 0));
    // The server has 46 of the 50: four are lost, and the next gets the next number.
    let judged = state.judge(51);
    assert_eq!(judged, Acknowledgement::ServerAhead { base: 11, up_to: 40 });
    assert_eq!(state.gone(51, judged), 4);
    // It was restored again before the server responded: the reports made in between are lost as well.
    let mut on = state;
    for _ in 0..3 {
        on.make();
    }
    let twice = lane(Some(5), 41, 40).continued(&on);
    assert_eq!(twice.unconfirmed, Some(Unconfirmed { known: 40, numbered: 50, gone: 2 }));
    assert_eq!(twice.gone(51, twice.judge(51)), 6);
    // Back to before the first poll.
    let first = lane(None, 2, 0).continued(&mark);
    assert_eq!((first.base, first.acknowledged, first.made), (Some(5), 2, 2));
}

/// A spool and a server with the contents of their disks, and the correct result.
#[derive(Debug, Clone)]
struct World {
    lane: LaneState,
    store: BTreeMap<u64, u32>,
    /// Every previous state of the spool's disk, and the current one last.
    past: Vec<(LaneState, BTreeMap<u64, u32>)>,
    /// Reports by number, from 1.
    server: Vec<u32>,
    quarantined: Vec<u32>,
    made: u32,
    told_lost: u64,
}

impl World {
    fn new() -> Self {
        let (lane, store) = (LaneState::default(), BTreeMap::new());
        Self {
            past: vec![(lane, store.clone())],
            lane,
            store,
            server: vec![0; 7],
            quarantined: Vec::new(),
            made: 0,
            told_lost: 0,
        }
    }

    fn on_disk(&mut self) {
        self.past.push((self.lane, self.store.clone()));
    }

    fn make(&mut self) {
        self.made += 1;
        let place = self.lane.make();
        self.store.insert(place, self.made);
        self.on_disk();
    }

    fn has(&self) -> u64 {
        self.server.len() as u64
    }

    /// Sends a batch; the response may get lost.
    fn send(&mut self, count: usize, answered: bool) {
        let places = self.lane.acknowledged + 1..self.lane.numbered() + 1;
        let mut last = None;
        for (place, report) in self.store.range(places).take(count) {
            let number = self.lane.number(*place).unwrap();
            assert!(number <= self.has() + 1, "a gap before {number}");
            let index = usize::try_from(number - 1).unwrap();
            match self.server.get(index) {
                None => self.server.push(*report),
                Some(there) if there == report => {}
                Some(_) => self.quarantined.push(*report),
            }
            last = Some(number);
        }
        if let Some(last) = last.filter(|_| answered) {
            self.hear(self.lane.judge_batch(self.has(), last));
        }
    }

    fn hear(&mut self, judged: Acknowledgement) {
        self.told_lost += self.lane.gone(self.has(), judged);
        self.lane.apply(judged);
        self.free();
        self.on_disk();
    }

    fn free(&mut self) {
        let acknowledged = self.lane.acknowledged;
        self.store.retain(|place, _| *place > acknowledged);
    }

    fn poll(&mut self) {
        self.hear(self.lane.judge(self.has()));
    }

    fn open(&mut self) {
        self.lane = self.lane.opened();
    }

    /// Restores an earlier state of the store: with the current high-water mark, or with the mark of that state.
    fn go_back(&mut self, by: usize, with_mark: bool) {
        let mark = self.lane;
        let mut to = self.past.len().saturating_sub(by + 1);
        // A copy of everything that was made before its reports had numbers can't know that they got some later.
        while !with_mark && to + 1 < self.past.len() && self.past[to].0.numbered() < self.past[to].0.made {
            to += 1;
        }
        self.past.truncate(to + 1);
        (self.lane, self.store) = self.past[to].clone();
        self.lane = if with_mark { self.lane.continued(&mark) } else { self.lane.opened() };
        self.free();
        self.on_disk();
    }

    fn settle(&mut self) {
        for _ in 0..1000 {
            self.send(3, true);
            self.poll();
            if self.lane.waiting() == 0 && self.lane.unconfirmed.is_none() {
                return;
            }
        }
        panic!("it never settles: {self:?}");
    }

    fn missing(&self) -> usize {
        let there: BTreeSet<u32> = self.server.iter().chain(&self.quarantined).copied().collect();
        (1..=self.made).filter(|report| !there.contains(report)).count()
    }

    fn check(&self, marked_only: bool) {
        let real: Vec<u32> = self.server.iter().copied().filter(|report| *report > 0).collect();
        assert_eq!(real.iter().collect::<BTreeSet<_>>().len(), real.len(), "double: {real:?}");
        if marked_only {
            assert_eq!(self.quarantined, [0_u32; 0]);
            assert_eq!(self.told_lost, self.missing() as u64, "{self:?}");
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Make(usize),
    Send(usize, bool),
    Poll,
    Open,
    Back(usize, bool),
}

fn step(old_copies: bool) -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1_usize..5).prop_map(Step::Make),
        3 => (1_usize..5, any::<bool>()).prop_map(|(count, answered)| Step::Send(count, answered)),
        1 => Just(Step::Poll),
        1 => Just(Step::Open),
        1 => (0_usize..12, any::<bool>()).prop_map(move |(by, mark)| Step::Back(by, mark || !old_copies)),
    ]
}

fn walk(world: &mut World, steps: Vec<Step>) {
    for step in steps {
        match step {
            Step::Make(count) => (0..count).for_each(|_| world.make()),
            Step::Send(count, answered) => world.send(count, answered),
            Step::Poll => world.poll(),
            Step::Open => world.open(),
            Step::Back(by, with_mark) => world.go_back(by, with_mark),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// If no earlier state is restored, each report arrives once and in order, whichever responses get lost.
    #[test]
    fn every_report_arrives_once(steps in prop::collection::vec(step(false), 1..80)) {
        let mut world = World::new();
        let steps = steps.into_iter().filter(|step| !matches!(step, Step::Back(..))).collect();
        walk(&mut world, steps);
        world.settle();
        let real: Vec<u32> = world.server.iter().copied().skip(7).collect();
        prop_assert_eq!(real, (1..=world.made).collect::<Vec<_>>());
        prop_assert_eq!((world.told_lost, world.quarantined.len()), (0, 0));
    }

    /// A store that is restored from an older state loses the reports that only it had, reports their count, and uses no
    /// number twice.
    #[test]
    fn a_store_that_goes_back_reports_its_loss(steps in prop::collection::vec(step(false), 1..80)) {
        let mut world = World::new();
        walk(&mut world, steps);
        world.settle();
        world.check(true);
    }

    /// If the high-water mark is restored with the store, nothing shows that they are old. The reports that are made
    /// afterwards still arrive, once each.
    #[test]
    fn an_old_copy_takes_no_number_twice(
        steps in prop::collection::vec(step(true), 1..60),
        later in prop::collection::vec(prop_oneof![
            (1_usize..5).prop_map(Step::Make), Just(Step::Poll),
            (1_usize..5, any::<bool>()).prop_map(|(count, answered)| Step::Send(count, answered)),
            Just(Step::Open),
        ], 1..20),
    ) {
        let mut world = World::new();
        walk(&mut world, steps);
        world.go_back(9, false);
        let before = world.made;
        walk(&mut world, later);
        world.settle();
        world.check(false);
        let there: BTreeSet<u32> = world.server.iter().copied().collect();
        for report in before + 1..=world.made {
            prop_assert!(there.contains(&report), "{} is missing: {:?}", report, world);
        }
    }
}
