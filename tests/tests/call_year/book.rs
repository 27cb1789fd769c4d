//! Compares the calls that are expected with those raised: none missed, duplicated, false or left open.

use std::collections::{BTreeMap, BTreeSet};

use gateway_core::calls::CallState;
use wire::report::{Call, CallKind, Edge};

use crate::device::Key;

/// Number of reads within which a call must be raised or ended: some hours of a sleeping device.
const LOOKS: u32 = 40;

/// Counts of a year.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) looks: u64,
    pub(crate) readings: u64,
    pub(crate) raised: u64,
    pub(crate) cleared: u64,
    pub(crate) replaced: u64,
    pub(crate) offline: u64,
    pub(crate) regressions: u64,
    /// Conditions that were too short to be read.
    pub(crate) unseen: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.looks += other.looks;
        self.readings += other.readings;
        self.raised += other.raised;
        self.cleared += other.cleared;
        self.replaced += other.replaced;
        self.offline += other.offline;
        self.regressions += other.regressions;
        self.unseen += other.unseen;
    }
}

/// The expected and actual calls of one device.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) wanted: BTreeSet<Key>,
    /// For each call that is expected and absent, or present and not expected: the number of reads since.
    late: BTreeMap<Key, u32>,
    open: BTreeSet<Key>,
    pub(crate) replacements: u64,
    pub(crate) board_swaps: u64,
    pub(crate) tally: Tally,
}

impl Book {
    /// Sets the calls that are expected from now on.
    pub(crate) fn want(&mut self, wanted: BTreeSet<Key>) {
        for over in self.wanted.difference(&wanted).filter(|key| !self.open.contains(*key)) {
            self.tally.unseen += 1;
            self.late.remove(over);
        }
        self.wanted = wanted;
    }

    /// Records the calls that a read raised or ended.
    pub(crate) fn take(&mut self, calls: &[Call]) {
        for call in calls {
            let key = (call.call, call.subject.clone());
            match (call.call, call.edge) {
                (CallKind::DeviceOffline, Edge::Raised) => self.tally.offline += 1,
                (CallKind::DeviceOffline, Edge::Cleared) => {}
                (CallKind::SupplyReplaced, _) => self.tally.replaced += 1,
                (CallKind::CounterRegression, _) => self.tally.regressions += 1,
                (_, Edge::Raised) => {
                    assert!(self.wanted.contains(&key), "told and isn't so: {call:?}");
                    assert!(self.open.insert(key), "doubled: {call:?}");
                    self.tally.raised += 1;
                }
                (_, Edge::Cleared) => {
                    assert!(!self.wanted.contains(&key), "told as over and isn't: {call:?}");
                    assert!(self.open.remove(&key), "ended twice: {call:?}");
                    self.tally.cleared += 1;
                }
            }
        }
    }

    /// After a completed read: checks the calls that are overdue.
    pub(crate) fn look(&mut self, state: &CallState) {
        let off: BTreeSet<Key> = self.wanted.symmetric_difference(&self.open).cloned().collect();
        self.late.retain(|key, _| off.contains(key));
        for key in off {
            let looks = self.late.entry(key.clone()).or_default();
            *looks += 1;
            let missed = self.wanted.contains(&key);
            let what = if missed { "missed" } else { "left open" };
            assert!(*looks <= LOOKS, "{what}: {key:?}, {}", serde_json::json!(state));
        }
    }

    /// At the end of the year, when everything is repaired, no call may be open.
    pub(crate) fn close(&self) {
        assert!(self.open.is_empty(), "left open: {:?}", self.open);
        assert_eq!(self.tally.raised, self.tally.cleared);
        assert_eq!(self.tally.replaced, self.replacements, "supplies replaced: told, and so");
        assert_eq!(self.tally.regressions, self.board_swaps, "counters fell: told, and so");
    }
}
