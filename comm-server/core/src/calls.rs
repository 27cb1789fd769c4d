//! The states of a call: opened by a report, ended by the report of its end.
//!
//! An open call is identified by device, kind and subject; every call is identified by the report that opened it.

use std::collections::{BTreeMap, BTreeSet};

use wire::ids::DeviceId;
use wire::report::{Call, CallKind, Edge, Lane};

/// The lane and sequence number of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReportRef {
    /// Its lane.
    pub lane: Lane,
    /// Its number.
    pub seq: u64,
}

/// The priority of an open call: a device is shown with its most important one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallPriority {
    /// A service call.
    ServiceCall,
    /// A supply at its end.
    SupplyEnd,
    /// A paper jam.
    Jam,
    /// An open cover.
    CoverOpen,
    /// A supply near its end.
    SupplyNearEnd,
    /// Any other call.
    Other,
}

impl CallPriority {
    /// All priorities, the highest first.
    pub const ALL: [Self; 6] =
        [Self::ServiceCall, Self::SupplyEnd, Self::Jam, Self::CoverOpen, Self::SupplyNearEnd, Self::Other];

    /// The priority of a kind of call.
    #[must_use]
    pub const fn of(kind: CallKind) -> Self {
        match kind {
            CallKind::ServiceCall => Self::ServiceCall,
            CallKind::SupplyEnd => Self::SupplyEnd,
            CallKind::Jam => Self::Jam,
            CallKind::CoverOpen => Self::CoverOpen,
            CallKind::SupplyNearEnd => Self::SupplyNearEnd,
            CallKind::SupplyReplaced | CallKind::DeviceOffline | CallKind::CounterRegression => Self::Other,
        }
    }

    /// Its position in [`CallPriority::ALL`], from 1: the lowest number is the most important.
    #[must_use]
    pub const fn rank(self) -> i64 {
        self as i64 + 1
    }

    /// The priority of a rank.
    #[must_use]
    pub fn of_rank(rank: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|priority| priority.rank() == rank)
    }
}

/// Whether a call is about a supply at or near its end.
#[must_use]
pub const fn is_about_supply(kind: CallKind) -> bool {
    matches!(kind, CallKind::SupplyNearEnd | CallKind::SupplyEnd)
}

/// Whether a call of this kind stays open until its end is reported; calls of other kinds are only recorded.
#[must_use]
pub const fn has_end(kind: CallKind) -> bool {
    match kind {
        CallKind::ServiceCall
        | CallKind::Jam
        | CallKind::CoverOpen
        | CallKind::SupplyNearEnd
        | CallKind::SupplyEnd
        | CallKind::DeviceOffline => true,
        CallKind::SupplyReplaced | CallKind::CounterRegression => false,
    }
}

/// A change of the calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallEffect {
    /// A call opens.
    Open(Call),
    /// A call that has no end is recorded.
    Record(Call),
    /// The call that this report opened ends.
    Close(ReportRef),
}

/// The open calls of one gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenCalls {
    by_subject: BTreeMap<(DeviceId, CallKind, String), ReportRef>,
}

impl OpenCalls {
    /// Adds a call that is open in the store.
    pub fn insert(&mut self, device: DeviceId, kind: CallKind, subject: String, raised_by: ReportRef) {
        self.by_subject.insert((device, kind, subject), raised_by);
    }

    /// The number of open calls.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_subject.len()
    }

    /// Whether no call is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_subject.is_empty()
    }

    /// Applies a report of a call. Opening an open call, or ending a call that is not open, changes nothing; a replaced
    /// supply ends its near-end and end calls.
    pub fn take(&mut self, call: &Call, reported_by: ReportRef) -> Vec<CallEffect> {
        match (call.call, call.edge) {
            (CallKind::SupplyReplaced, Edge::Raised) => {
                let mut effects = vec![CallEffect::Record(call.clone())];
                effects.extend(self.close(call, CallKind::SupplyNearEnd));
                effects.extend(self.close(call, CallKind::SupplyEnd));
                effects
            }
            (CallKind::CounterRegression, Edge::Raised) => vec![CallEffect::Record(call.clone())],
            (kind, Edge::Raised) => {
                let key = (call.device.clone(), kind, call.subject.clone());
                if self.by_subject.contains_key(&key) {
                    return Vec::new();
                }
                self.by_subject.insert(key, reported_by);
                vec![CallEffect::Open(call.clone())]
            }
            (kind, Edge::Cleared) => self.close(call, kind).into_iter().collect(),
        }
    }

    /// The report that opened this call, while it is open.
    #[must_use]
    pub fn raised_by(&self, call: &Call) -> Option<ReportRef> {
        self.by_subject.get(&(call.device.clone(), call.call, call.subject.clone())).copied()
    }

    /// Removes the calls of a device that these reports opened; returns their kinds and subjects.
    pub fn forget(
        &mut self,
        device: &DeviceId,
        raised_by: &BTreeSet<ReportRef>,
    ) -> Vec<(CallKind, String, ReportRef)> {
        let gone = |((of, ..), by): &(&(DeviceId, CallKind, String), &ReportRef)| {
            of == device && raised_by.contains(by)
        };
        let gone: Vec<_> = self.by_subject.iter().filter(gone).map(|(key, by)| (key.clone(), *by)).collect();
        gone.into_iter()
            .map(|(key, by)| {
                self.by_subject.remove(&key);
                (key.1, key.2, by)
            })
            .collect()
    }

    fn close(&mut self, call: &Call, kind: CallKind) -> Option<CallEffect> {
        let key = (call.device.clone(), kind, call.subject.clone());
        self.by_subject.remove(&key).map(CallEffect::Close)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn call(kind: CallKind, edge: Edge, subject: &str) -> Call {
        Call {
            device: "ricoh:E1".parse().unwrap(),
            call: kind,
            edge,
            subject: subject.to_owned(),
            detail: String::new(),
            seen_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn at(seq: u64) -> ReportRef {
        ReportRef { lane: Lane::Urgent, seq }
    }

    #[test]
    fn every_kind_opens_once_and_closes_once() {
        for kind in CallKind::ALL {
            let mut open = OpenCalls::default();
            let first = open.take(&call(kind, Edge::Raised, "1.1"), at(1));
            let again = open.take(&call(kind, Edge::Raised, "1.1"), at(2));
            let other_end = open.take(&call(kind, Edge::Cleared, "1.2"), at(3));
            let end = open.take(&call(kind, Edge::Cleared, "1.1"), at(4));
            let end_again = open.take(&call(kind, Edge::Cleared, "1.1"), at(5));
            if kind.stays_open() {
                assert_eq!(first, [CallEffect::Open(call(kind, Edge::Raised, "1.1"))]);
                assert_eq!((again, end), (vec![], vec![CallEffect::Close(at(1))]), "{kind:?}");
            } else {
                assert_eq!(first, [CallEffect::Record(call(kind, Edge::Raised, "1.1"))]);
                assert_eq!((again.len(), end), (1, vec![]), "{kind:?}");
            }
            assert_eq!((other_end, end_again), (vec![], vec![]), "{kind:?}");
            assert!(open.is_empty());
        }
    }

    #[test]
    fn ranks_are_the_order_of_the_priorities() {
        for (rank, priority) in (1..).zip(CallPriority::ALL) {
            assert_eq!((priority.rank(), CallPriority::of_rank(rank)), (rank, Some(priority)));
        }
        assert_eq!((CallPriority::of_rank(0), CallPriority::of_rank(7)), (None, None));
    }

    #[test]
    fn a_replaced_supply_ends_its_own_warnings_only() {
        let mut open = OpenCalls::default();
        open.take(&call(CallKind::SupplyNearEnd, Edge::Raised, "1.1"), at(1));
        open.take(&call(CallKind::SupplyEnd, Edge::Raised, "1.1"), at(2));
        open.take(&call(CallKind::SupplyEnd, Edge::Raised, "1.2"), at(3));
        open.take(&call(CallKind::Jam, Edge::Raised, "1.1"), at(4));
        let effects = open.take(&call(CallKind::SupplyReplaced, Edge::Raised, "1.1"), at(5));
        assert_eq!(effects[1..], [CallEffect::Close(at(1)), CallEffect::Close(at(2))]);
        assert_eq!(open.len(), 2);
    }
}
