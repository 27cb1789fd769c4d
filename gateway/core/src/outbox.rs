//! The outbox: numbering, batches, acknowledgements, and what goes when there is no room.
//!
//! A report's place in its lane is fixed when it is stored; its number on the wire is the lane's base plus the place.
//! The base of a new spool is what the server has acknowledged of the lives before, asked by a poll, so that numbers
//! go on without gaps even when a damaged spool had to be put aside.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use wire::ids::DeviceId;
use wire::limits::{BATCH_BYTES, BATCH_REPORTS};
use wire::report::{FirmwareStep, Lane, Report};

/// Room for the braces and commas of a batch around its reports, bytes.
const BATCH_FRAME_BYTES: usize = 64;

/// Room for number, time and keys around one report, bytes.
const ENVELOPE_FRAME_BYTES: usize = 96;

/// Where a lane is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneState {
    /// Added to a place to give its number; unknown before the first poll of a spool's life, and below zero where the
    /// server began again behind this spool.
    pub base: Option<i64>,
    /// Place of the last report made; 0 for none.
    pub made: u64,
    /// Place up to which the server has everything on its disk.
    pub acknowledged: u64,
}

/// What an acknowledgement means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledgement {
    /// Nothing new.
    Nothing,
    /// Reports up to this place may be freed.
    Free {
        /// The place.
        up_to: u64,
    },
    /// The base is known now: numbers go on after what the server has.
    Begin {
        /// The base.
        base: i64,
    },
    /// The server has more than was ever made here: this spool is an old copy. What waits gets new numbers.
    ServerAhead {
        /// The base in a new life of the spool.
        base: i64,
    },
    /// The server lost what it had acknowledged: numbers go on from where it is.
    ServerBehind {
        /// The base in a new life of the spool.
        base: i64,
        /// Reports that are lost at the server.
        lost: u64,
    },
}

impl LaneState {
    /// Takes the next place.
    pub fn make(&mut self) -> u64 {
        self.made = self.made.saturating_add(1);
        self.made
    }

    /// Number on the wire of a place; `None` before the base is known.
    #[must_use]
    pub fn number(&self, place: u64) -> Option<u64> {
        u64::try_from(self.base?.checked_add(i64::try_from(place).ok()?)?).ok()
    }

    /// Number of the last report made, 0 before the base is known.
    #[must_use]
    pub fn made_number(&self) -> u64 {
        self.number(self.made).unwrap_or(0)
    }

    /// Number of the last acknowledged report, 0 before the base is known.
    #[must_use]
    pub fn acknowledged_number(&self) -> u64 {
        self.number(self.acknowledged).unwrap_or(0)
    }

    /// Reports that wait.
    #[must_use]
    pub const fn waiting(&self) -> u64 {
        self.made.saturating_sub(self.acknowledged)
    }

    /// What the number that the server has on its disk means. [`LaneState::apply`] carries it out.
    #[must_use]
    pub fn judge(&self, server: u64) -> Acknowledgement {
        let place = i64::try_from(self.acknowledged).unwrap_or(i64::MAX);
        // What is sent next gets the number that the server expects next.
        let base = i64::try_from(server).unwrap_or(i64::MAX).saturating_sub(place);
        if self.base.is_none() {
            return Acknowledgement::Begin { base };
        }
        let (own, made) = (self.acknowledged_number(), self.made_number());
        if server == own {
            Acknowledgement::Nothing
        } else if server > made {
            Acknowledgement::ServerAhead { base }
        } else if server > own {
            Acknowledgement::Free { up_to: self.acknowledged.saturating_add(server.saturating_sub(own)) }
        } else {
            Acknowledgement::ServerBehind { base, lost: own.saturating_sub(server) }
        }
    }

    /// Carries out what [`LaneState::judge`] said. Places never change.
    pub fn apply(&mut self, acknowledgement: Acknowledgement) {
        match acknowledgement {
            Acknowledgement::Nothing => {}
            Acknowledgement::Free { up_to } => {
                self.acknowledged = self.acknowledged.max(up_to.min(self.made));
            }
            Acknowledgement::Begin { base }
            | Acknowledgement::ServerAhead { base }
            | Acknowledgement::ServerBehind { base, .. } => self.base = Some(base),
        }
    }
}

impl Acknowledgement {
    /// Whether the spool's life changes with it.
    #[must_use]
    pub const fn is_new_life(self) -> bool {
        matches!(self, Self::ServerAhead { .. } | Self::ServerBehind { .. })
    }
}

/// How many of the oldest waiting reports, given by their bytes, fit one batch: at least one, so that nothing too
/// large blocks what is behind it (the server refuses it, and the refusal is handled).
pub fn batch_length(sizes: impl IntoIterator<Item = usize>, byte_limit: usize) -> usize {
    let mut bytes = BATCH_FRAME_BYTES;
    let mut reports = 0;
    for size in sizes.into_iter().take(BATCH_REPORTS) {
        bytes = bytes.saturating_add(size).saturating_add(ENVELOPE_FRAME_BYTES);
        if reports > 0 && bytes > byte_limit.min(BATCH_BYTES) {
            break;
        }
        reports += 1;
    }
    reports
}

/// What a stored report is, as far as its worth in a full spool goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Worth {
    /// A reading of a device, by device.
    Information(DeviceId),
    /// A step of a firmware update, by roll-out and device.
    Firmware(String, FirmwareStep),
    /// Meters of a device.
    Counters(DeviceId),
    /// A call or a loss.
    Call,
}

impl Worth {
    /// The worth of a report.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        match report {
            Report::DeviceInformation(information) => Self::Information(information.device.clone()),
            Report::FirmwareState(state) => {
                let device = state.device.as_ref().map_or("", DeviceId::as_str);
                Self::Firmware(format!("{}/{device}", state.rollout), state.step)
            }
            Report::CounterSet(set) => Self::Counters(set.device.clone()),
            Report::Call(_) | Report::Loss(_) => Self::Call,
        }
    }
}

/// A stored report, as far as a full spool is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its lane.
    pub lane: Lane,
    /// Its place.
    pub place: u64,
    /// Bytes that its going frees.
    pub bytes: u64,
    /// What it is.
    pub worth: Worth,
}

/// Chooses what goes so that `needed` bytes become free: superseded readings, other readings, superseded steps of
/// firmware updates, superseded meters, then the oldest of steps, meters and calls. `stored` is in the order of age.
#[must_use]
pub fn make_room(stored: &[Stored], needed: u64) -> Vec<(Lane, u64)> {
    let mut newer: BTreeSet<&Worth> = BTreeSet::new();
    let mut steps: BTreeMap<&str, FirmwareStep> = BTreeMap::new();
    let mut order = Vec::with_capacity(stored.len());
    for entry in stored.iter().rev() {
        let superseded = match &entry.worth {
            Worth::Firmware(update, step) => {
                let later = steps.get(update.as_str()).is_some_and(|later| later >= step);
                steps.insert(update, *step);
                later
            }
            worth @ (Worth::Information(_) | Worth::Counters(_) | Worth::Call) => !newer.insert(worth),
        };
        order.push((rank(&entry.worth, superseded), entry));
    }
    order.sort_by_key(|(rank, entry)| (*rank, entry.place));
    let mut freed = 0_u64;
    let mut going = Vec::new();
    for (_, entry) in order {
        if freed >= needed {
            break;
        }
        freed = freed.saturating_add(entry.bytes);
        going.push((entry.lane, entry.place));
    }
    going
}

const fn rank(worth: &Worth, superseded: bool) -> u8 {
    match (worth, superseded) {
        (Worth::Information(_), true) => 0,
        (Worth::Information(_), false) => 1,
        (Worth::Firmware(..), true) => 2,
        (Worth::Counters(_), true) => 3,
        (Worth::Firmware(..), false) => 4,
        (Worth::Counters(_), false) => 5,
        (Worth::Call, _) => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lane(base: Option<i64>, made: u64, acknowledged: u64) -> LaneState {
        LaneState { base, made, acknowledged }
    }

    #[test]
    fn acknowledgements_mean_what_they_say() {
        use Acknowledgement as A;
        for (state, server, expected, after) in [
            (lane(None, 3, 0), 40, A::Begin { base: 40 }, lane(Some(40), 3, 0)),
            (lane(Some(0), 3, 1), 1, A::Nothing, lane(Some(0), 3, 1)),
            (lane(Some(40), 3, 0), 42, A::Free { up_to: 2 }, lane(Some(40), 3, 2)),
            (lane(Some(0), 3, 1), 9, A::ServerAhead { base: 8 }, lane(Some(8), 3, 1)),
            (lane(Some(0), 9, 7), 4, A::ServerBehind { base: -3, lost: 3 }, lane(Some(-3), 9, 7)),
        ] {
            let judged = state.judge(server);
            assert_eq!(judged, expected, "{state:?} {server}");
            let mut changed = state;
            changed.apply(judged);
            assert_eq!(changed, after);
            assert_eq!(changed.waiting(), state.waiting() - freed(state, judged));
            if judged != A::Nothing {
                // What is sent next is what the server expects next.
                assert_eq!(changed.number(changed.acknowledged + 1), Some(server + 1));
            }
        }
    }

    fn freed(state: LaneState, judged: Acknowledgement) -> u64 {
        if let Acknowledgement::Free { up_to } = judged { up_to - state.acknowledged } else { 0 }
    }

    #[test]
    fn batches_keep_their_limits() {
        assert_eq!(batch_length([100; 10], 1 << 20), 10);
        assert_eq!(batch_length(vec![10; 2000], 1 << 20), BATCH_REPORTS);
        assert_eq!(batch_length([1 << 20, 1 << 20, 1 << 20], 2 << 20), 1);
        assert_eq!(batch_length([usize::MAX, 1], 2 << 20), 1);
        assert_eq!(batch_length([], 1), 0);
    }

    #[test]
    fn superseded_readings_go_first_and_calls_last() {
        let device: DeviceId = "a:1".parse().unwrap();
        let other: DeviceId = "a:2".parse().unwrap();
        let entry = |place, worth| Stored { lane: Lane::Bulk, place, bytes: 10, worth };
        let stored = [
            entry(1, Worth::Counters(device.clone())),
            entry(2, Worth::Information(other)),
            entry(3, Worth::Information(device.clone())),
            entry(4, Worth::Firmware("r/d".into(), FirmwareStep::Staged)),
            entry(5, Worth::Firmware("r/d".into(), FirmwareStep::Verified)),
            entry(6, Worth::Counters(device.clone())),
            entry(7, Worth::Information(device)),
            Stored { lane: Lane::Urgent, place: 1, bytes: 10, worth: Worth::Call },
        ];
        let going: Vec<u64> = make_room(&stored, u64::MAX).into_iter().map(|(_, place)| place).collect();
        assert_eq!(going, [3, 2, 7, 4, 1, 5, 6, 1]);
        assert_eq!(make_room(&stored, 15).len(), 2);
        assert!(make_room(&stored, 0).is_empty());
    }

    proptest! {
        /// Against a server that stores only what comes in sequence: nothing is lost and nothing is double.
        #[test]
        fn every_report_arrives_once(steps in prop::collection::vec((0_u8..4, 1_usize..5), 1..80)) {
            let mut lane = LaneState { base: Some(7), ..LaneState::default() };
            let mut server: Vec<u64> = Vec::new();
            let mut told = 7;
            for (step, count) in steps {
                match step {
                    0 => { for _ in 0..count { lane.make(); } }
                    // A batch arrives; its answer may be lost (2) or not (1).
                    1 | 2 => {
                        let first = lane.acknowledged + 1;
                        let last = lane.made.min(lane.acknowledged + count as u64);
                        for place in first..=last {
                            let number = lane.number(place).unwrap();
                            if number == 8 + server.len() as u64 { server.push(place); }
                        }
                        told = 7 + server.len() as u64;
                        if step == 1 { lane.apply(lane.judge(told)); }
                    }
                    // An old answer comes late: never newer than what the server has.
                    _ => {
                        let judged = lane.judge(told);
                        if matches!(judged, Acknowledgement::Free { .. }) { lane.apply(judged); }
                    }
                }
                prop_assert!(lane.acknowledged <= server.len() as u64);
            }
            prop_assert_eq!(server.clone(), (1..=server.len() as u64).collect::<Vec<_>>());
        }
    }
}
