//! A gateway's disk, as a power failure leaves it. It may be full, and its spool has a limit.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gateway_core::outbox::{self, Acknowledgement, EvictionClass, LaneState, Stored, batch_length};
use gateway_core::site::{Outcome, State};
use gateway_core::uplink::{self, SentBatch, Storage, StorageError};
use jiff::Timestamp;
use serde_json::value::RawValue;
use uuid::Uuid;
use wire::ids::{CommandId, DeviceId, SpoolId};
use wire::report::{Batch, Envelope, Lane, Lanes, Loss, Report};

/// Maximum bytes of a batch: small, so that there are several batches.
const BATCH: usize = 4000;

/// Maximum bytes of waiting reports: an outage produces more.
const LIMIT: u64 = 16_000;

/// The error of a full disk.
const NO_ROOM: &str = "no space left on device";

/// A gateway's disk.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) lanes: Lanes<LaneState>,
    waiting: BTreeMap<(Lane, u64), (Timestamp, String)>,
    pub(crate) state: State,
    /// All reports that were ever made, in the order of their lane, to compare with.
    pub(crate) made: Lanes<Vec<String>>,
    /// The losses that replaced evicted reports, by position.
    pub(crate) evicted: BTreeMap<(Lane, u64), String>,
    /// Counter sets of commands that were evicted.
    pub(crate) evicted_sets: BTreeSet<(CommandId, DeviceId)>,
    /// The time until which nothing can be stored.
    full_until: Duration,
    /// Whether a write has failed since the disk became full.
    rejected: bool,
    /// How many times the disk was full and a write failed.
    pub(crate) refusals: u64,
}

impl Disk {
    pub(crate) fn new() -> Self {
        Self {
            lanes: Lanes::default(),
            waiting: BTreeMap::new(),
            state: State::default(),
            made: Lanes::default(),
            evicted: BTreeMap::new(),
            evicted_sets: BTreeSet::new(),
            full_until: Duration::ZERO,
            rejected: false,
            refusals: 0,
        }
    }

    /// Opens the spool after a power failure.
    pub(crate) fn open(&mut self) {
        for lane in Lane::ALL {
            *self.lanes.of_mut(lane) = self.lanes.of(lane).opened();
        }
    }

    pub(crate) fn storage(&self) -> Storage {
        let problem = self.rejected.then(|| NO_ROOM.to_owned());
        Storage { spool: SpoolId(Uuid::from_u128(1)), lanes: self.lanes, problem }
    }

    /// Fills the disk.
    pub(crate) const fn fill(&mut self, until: Duration) {
        self.full_until = until;
    }

    /// When there is room again.
    pub(crate) const fn room_at(&self) -> Duration {
        self.full_until
    }

    /// Whether the gateway knows that nothing can be stored.
    pub(crate) const fn refuses(&self) -> bool {
        self.rejected
    }

    /// Lets the spool check whether there is room again.
    pub(crate) fn check(&mut self, now: Duration) {
        self.rejected &= now < self.full_until;
    }

    /// Whether a write succeeds now.
    pub(crate) fn admits(&mut self, now: Duration) -> bool {
        let full = now < self.full_until;
        self.refusals += u64::from(full && !self.rejected);
        self.rejected = full;
        !full
    }

    /// Stores an outcome atomically. `replaced` is whether an evicted report leaves a loss.
    pub(crate) fn commit(&mut self, outcome: &Outcome, state: &State, mut replaced: impl FnMut() -> bool) {
        self.make_room(&outcome.reports, &mut replaced);
        for (at, report) in &outcome.reports {
            let (lane, text) = (report.lane(), serde_json::to_string(report).unwrap());
            let place = self.lanes.of_mut(lane).make();
            self.waiting.insert((lane, place), (*at, text.clone()));
            self.made.of_mut(lane).push(text);
        }
        store(&outcome.devices, &state.devices, &mut self.state.devices);
        store(&outcome.commands, &state.commands, &mut self.state.commands);
        for (job, at) in &outcome.jobs {
            self.state.schedule.insert(job.name().to_owned(), *at);
        }
    }

    /// The oldest numbered reports of a lane that fit into a batch.
    pub(crate) fn batch(&self, lane: Lane, byte_limit: usize, at: Timestamp) -> Option<(SentBatch, Batch)> {
        let state = self.lanes.of(lane);
        let own =
            || self.waiting.range((lane, 0)..=(lane, state.numbered())).map(|((_, place), r)| (place, r));
        let length = batch_length(own().map(|(_, (_, report))| report.len()), byte_limit.min(BATCH));
        let envelope = |(place, (at, report)): (&u64, &(Timestamp, String))| {
            let report = RawValue::from_string(report.clone()).unwrap();
            Envelope { seq: state.number(*place).unwrap(), at: *at, report }
        };
        let reports: Vec<Envelope> = own().take(length).map(envelope).collect();
        let bytes = reports.iter().map(|report| report.report.get().len()).sum();
        let (first, last) = (reports.first()?.seq, reports.last()?.seq);
        Some((SentBatch { first, last, count: reports.len(), bytes }, Batch { reports, at: Some(at) }))
    }

    /// Evicts reports if new ones exceed the limit.
    fn make_room(&mut self, new: &[(Timestamp, Report)], replaced: &mut impl FnMut() -> bool) {
        let Some((now, _)) = new.last() else { return };
        let sizes = new.iter().map(|(_, report)| serde_json::to_string(report).unwrap().len());
        let waiting = self.waiting.values().map(|(_, text)| text.len());
        let bytes = u64::try_from(waiting.chain(sizes).sum::<usize>()).unwrap();
        if bytes <= LIMIT {
            return;
        }
        let going = outbox::make_room(&self.stored(), bytes - LIMIT);
        for (lane, place) in going {
            let evicted =
                self.waiting.remove(&(lane, place)).map(|(_, text)| serde_json::from_str(&text).unwrap());
            if let Some(Report::CounterSet(set)) = evicted {
                self.evicted_sets.extend(set.command.map(|command| (command, set.device)));
            }
            if replaced() {
                let loss = Report::Loss(Loss { lane, reports: 1, detail: "the spool was full".into() });
                let text = serde_json::to_string(&loss).unwrap();
                self.evicted.insert((lane, place), text.clone());
                self.waiting.insert((lane, place), (*now, text));
            }
        }
    }

    /// The waiting reports, without losses.
    fn stored(&self) -> Vec<Stored> {
        let stored = self.waiting.iter().map(|(&(lane, place), (_, text))| {
            let class = EvictionClass::of(&serde_json::from_str(text).unwrap());
            Stored { lane, place, bytes: text.len() as u64, class }
        });
        stored.filter(|stored| !self.evicted.contains_key(&(stored.lane, stored.place))).collect()
    }

    /// Stores an acknowledgement of the server, if there is room.
    pub(crate) fn acknowledge(
        &mut self,
        (lane, number, last): (Lane, u64, Option<u64>),
        now: Duration,
    ) -> uplink::Event {
        if self.admits(now) {
            uplink::Event::Acknowledged(self.acknowledged(lane, number, last))
        } else {
            uplink::Event::StorageFailed(StorageError { refuses: true, problem: NO_ROOM.into() })
        }
    }

    fn acknowledged(&mut self, lane: Lane, number: u64, last: Option<u64>) -> Acknowledgement {
        let state = self.lanes.of_mut(lane);
        let judged = last.map_or_else(|| state.judge(number), |last| state.judge_batch(number, last));
        state.apply(judged);
        let acknowledged = state.acknowledged;
        self.waiting.retain(|(of, place), _| *of != lane || *place > acknowledged);
        judged
    }
}

fn store<K: Ord + Clone, V: Clone>(changed: &BTreeSet<K>, from: &BTreeMap<K, V>, to: &mut BTreeMap<K, V>) {
    for key in changed {
        match from.get(key) {
            Some(value) => to.insert(key.clone(), value.clone()),
            None => to.remove(key),
        };
    }
}
