//! Counters that fall: a board was swapped, a counter was reset, or a device lies. Always a call, never silence.

use std::collections::BTreeMap;

use wire::reading::{Counter, Reading};
use wire::report::{CallKind, Edge};

use super::Calls;

/// Compares with the newest value known of each counter and remembers the new one.
pub(super) fn judge(known: &mut BTreeMap<Counter, u64>, reading: &Reading, calls: &mut Calls<'_>) {
    for (&counter, &value) in &reading.counters {
        let before = known.insert(counter, value);
        let Some(before) = before.filter(|before| counter != Counter::PowerOn && value < *before) else {
            continue;
        };
        let name = counter.name();
        calls.push(
            CallKind::CounterRegression,
            Edge::Raised,
            name,
            format!("{name} fell from {before} to {value}"),
        );
    }
}
