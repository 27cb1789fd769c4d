//! The outbox: numbering, batches, acknowledgements, and the eviction of reports from a full spool.
//!
//! A report's position in its lane is fixed when it is stored; its sequence number is the lane's base plus the
//! position. The base of a new spool is the number that the server has acknowledged in earlier epochs, requested by a
//! poll, so that numbers continue without gaps even after a damaged spool was replaced.

mod lane;

use std::collections::{BTreeMap, BTreeSet};

use wire::ids::DeviceId;
use wire::limits::{BATCH_BYTES, BATCH_REPORTS};
use wire::report::{FirmwareStep, Lane, Report};

pub use lane::{Acknowledgement, LaneState, Unconfirmed};

/// Bytes of a batch besides its reports.
const BATCH_FRAME_BYTES: usize = 64;

/// Bytes of a report's envelope (number, time and keys).
const ENVELOPE_FRAME_BYTES: usize = 96;

/// How many of the oldest waiting reports, given by their sizes in bytes, are sent in one batch. At least one, so
/// that a report which is too large doesn't block those after it: the server rejects it, and the rejection is
/// handled.
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

/// The class of a stored report, by which a full spool decides what to evict first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum EvictionClass {
    /// A reading of a device, by device.
    Information(DeviceId),
    /// A step of a firmware update, by roll-out and device.
    Firmware(String, FirmwareStep),
    /// Meters of a device.
    Counters(DeviceId),
    /// A call or a loss.
    Call,
}

impl EvictionClass {
    /// The class of a report.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        match report {
            Report::DeviceInformation(information) => Self::Information(information.device.clone()),
            Report::FirmwareState(state) => {
                let device = state.device.as_ref().map_or("", DeviceId::as_str);
                Self::Firmware(format!("{}/{device}", state.rollout), state.progress.step())
            }
            Report::CounterSet(set) => Self::Counters(set.device.clone()),
            Report::Call(_) | Report::Loss(_) => Self::Call,
        }
    }
}

/// A stored report, as the eviction needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its lane.
    pub lane: Lane,
    /// Its position.
    pub place: u64,
    /// Bytes that its eviction frees.
    pub bytes: u64,
    /// Its class.
    pub class: EvictionClass,
}

/// Chooses the reports to evict so that `needed` bytes become free. First, superseded readings and superseded reasons
/// why a firmware update waits; then the newest of both; superseded steps of firmware updates; superseded meters;
/// then the oldest steps, meters and calls. `stored` is sorted by age.
#[must_use]
pub fn make_room(stored: &[Stored], needed: u64) -> Vec<(Lane, u64)> {
    let mut newer: BTreeSet<&EvictionClass> = BTreeSet::new();
    let mut steps: BTreeMap<&str, FirmwareStep> = BTreeMap::new();
    let mut order = Vec::with_capacity(stored.len());
    for entry in stored.iter().rev() {
        let superseded = match &entry.class {
            EvictionClass::Firmware(update, step) => {
                let later = steps.get(update.as_str()).copied();
                steps.insert(update, later.map_or(*step, |later| later.max(*step)));
                later.is_some_and(|later| later >= *step)
            }
            class @ (EvictionClass::Information(_) | EvictionClass::Counters(_) | EvictionClass::Call) => {
                !newer.insert(class)
            }
        };
        order.push((rank(&entry.class, superseded), entry));
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

const fn rank(class: &EvictionClass, superseded: bool) -> u8 {
    match (class, superseded) {
        (EvictionClass::Information(_) | EvictionClass::Firmware(_, FirmwareStep::Waiting), true) => 0,
        (EvictionClass::Information(_) | EvictionClass::Firmware(_, FirmwareStep::Waiting), false) => 1,
        (EvictionClass::Firmware(..), true) => 2,
        (EvictionClass::Counters(_), true) => 3,
        (EvictionClass::Firmware(..), false) => 4,
        (EvictionClass::Counters(_), false) => 5,
        (EvictionClass::Call, _) => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let entry = |place, class| Stored { lane: Lane::Bulk, place, bytes: 10, class };
        let stored = [
            entry(1, EvictionClass::Counters(device.clone())),
            entry(2, EvictionClass::Information(other)),
            entry(3, EvictionClass::Information(device.clone())),
            entry(4, EvictionClass::Firmware("r/d".into(), FirmwareStep::Staged)),
            entry(5, EvictionClass::Firmware("r/d".into(), FirmwareStep::Verified)),
            entry(6, EvictionClass::Counters(device.clone())),
            entry(7, EvictionClass::Information(device)),
            entry(8, EvictionClass::Firmware("r/e".into(), FirmwareStep::Staged)),
            entry(9, EvictionClass::Firmware("r/e".into(), FirmwareStep::Waiting)),
            entry(10, EvictionClass::Firmware("r/e".into(), FirmwareStep::Waiting)),
            Stored { lane: Lane::Urgent, place: 1, bytes: 10, class: EvictionClass::Call },
        ];
        let going: Vec<u64> = make_room(&stored, u64::MAX).into_iter().map(|(_, place)| place).collect();
        // A reason to wait is superseded by whatever follows it, and supersedes no step.
        assert_eq!(going, [3, 9, 2, 7, 10, 4, 1, 5, 8, 6, 1]);
        assert_eq!(make_room(&stored, 15).len(), 2);
        assert!(make_room(&stored, 0).is_empty());
    }
}
