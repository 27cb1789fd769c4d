//! Counters that fall, because a board was swapped, a counter was reset, or the device is wrong: each fall is a call.
//!
//! Values are compared within one source only. If a private object is missing once, the standard object replaces it,
//! and the two never count the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::reading::{Counter, Reading};
use wire::report::{CallKind, Edge};

use super::Calls;

/// Maximum number of sources that are stored for a counter.
const SOURCES: usize = 4;

/// The newest value of each counter and source; the source that was read last comes last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Meters(BTreeMap<Counter, Vec<Source>>);

/// A counter's newest value from one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Source {
    /// The object that was read; empty if unknown.
    oid: String,
    value: u64,
}

/// Compares each counter with the newest value of the same source, and stores the new value.
pub(super) fn judge(known: &mut Meters, reading: &Reading, calls: &mut Calls<'_>) {
    for (&counter, &value) in &reading.counters {
        let oid = reading.evidence.get(&counter).map(|evidence| evidence.oid.clone()).unwrap_or_default();
        let sources = known.0.entry(counter).or_default();
        let at = sources.iter().position(|source| source.oid == oid);
        let before = at.map(|at| sources.remove(at).value);
        sources.push(Source { oid, value });
        if sources.len() > SOURCES {
            sources.remove(0);
        }
        let Some(before) = before.filter(|before| counter != Counter::PowerOn && value < *before) else {
            continue;
        };
        // The other sources fell for the same reason: they must not produce a second call.
        let last = sources.pop();
        sources.clear();
        sources.extend(last);
        let name = counter.name();
        let detail = format!("{name} fell from {before} to {value}");
        calls.push(CallKind::CounterRegression, Edge::Raised, name, detail);
    }
}
