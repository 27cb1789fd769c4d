//! A gateway's disk: what a power cut leaves.

use std::collections::BTreeMap;

use gateway_core::outbox::{Acknowledgement, LaneState, batch_length};
use gateway_core::site::{Outcome, State};
use gateway_core::uplink::{SentBatch, Storage};
use jiff::Timestamp;
use serde_json::value::RawValue;
use uuid::Uuid;
use wire::ids::SpoolId;
use wire::report::{Batch, Envelope, Lane, Lanes};

/// Maximum bytes of a batch: small, so that there are several.
const BATCH: usize = 4000;

/// A gateway's disk.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) lanes: Lanes<LaneState>,
    waiting: BTreeMap<(Lane, u64), (Timestamp, String)>,
    pub(crate) state: State,
    /// Everything that was ever made, in the order of its lane: the truth.
    pub(crate) made: Lanes<Vec<String>>,
}

impl Disk {
    pub(crate) fn new() -> Self {
        Self {
            lanes: Lanes::default(),
            waiting: BTreeMap::new(),
            state: State::default(),
            made: Lanes::default(),
        }
    }

    /// The spool is opened after a power cut.
    pub(crate) fn open(&mut self) {
        for lane in Lane::ALL {
            *self.lanes.of_mut(lane) = self.lanes.of(lane).opened();
        }
    }

    pub(crate) fn storage(&self) -> Storage {
        Storage { spool: SpoolId(Uuid::from_u128(1)), lanes: self.lanes, problem: None }
    }

    /// Stores an outcome, all of it or nothing.
    pub(crate) fn commit(&mut self, outcome: &Outcome, state: &State) {
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

    /// The oldest reports of a lane that have a number and fit a batch.
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

    /// Stores what the server has.
    pub(crate) fn acknowledge(&mut self, lane: Lane, number: u64, last: Option<u64>) -> Acknowledgement {
        let state = self.lanes.of_mut(lane);
        let judged = last.map_or_else(|| state.judge(number), |last| state.judge_batch(number, last));
        state.apply(judged);
        let acknowledged = state.acknowledged;
        self.waiting.retain(|(of, place), _| *of != lane || *place > acknowledged);
        judged
    }
}

fn store<K: Ord + Clone, V: Clone>(
    changed: &std::collections::BTreeSet<K>,
    from: &BTreeMap<K, V>,
    to: &mut BTreeMap<K, V>,
) {
    for key in changed {
        match from.get(key) {
            Some(value) => to.insert(key.clone(), value.clone()),
            None => to.remove(key),
        };
    }
}
