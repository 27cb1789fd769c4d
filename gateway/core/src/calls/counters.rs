//! Counters that fall: a board was swapped, a counter was reset, or a device lies. Always a call, never silence.
//!
//! A counter is compared with itself only: where its private object is missing once, the standard one steps in, and the two
//! never counted the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::reading::{Counter, Reading};
use wire::report::{CallKind, Edge};

use super::Calls;

/// Sources that are remembered of a counter.
const SOURCES: usize = 4;

/// The newest values of each counter, by their sources, the one read last at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Meters(BTreeMap<Counter, Vec<Source>>);

/// A counter's newest value from one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Source {
    /// Object that was read, "" where nobody knows.
    oid: String,
    value: u64,
}

/// Compares with the newest value known of each counter from the same source, and remembers the new one.
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
        // What made it fall did so with the other sources: they are not to be told once more.
        let last = sources.pop();
        sources.clear();
        sources.extend(last);
        let name = counter.name();
        let detail = format!("{name} fell from {before} to {value}");
        calls.push(CallKind::CounterRegression, Edge::Raised, name, detail);
    }
}
