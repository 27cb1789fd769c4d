//! Counters with their evidence: the vendor's own first, then `prtMarkerLifeCount`.

use std::collections::BTreeMap;

use wire::reading::{Counter, Evidence, Label};

use super::labels;
use super::mib::Mib;
use super::objects as o;
use super::oid::join;
use super::value::Value;
use crate::profiles::Profile;

/// Counters of a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Meters {
    /// By name.
    pub(crate) counters: BTreeMap<Counter, u64>,
    /// Where each was read.
    pub(crate) evidence: BTreeMap<Counter, Evidence>,
    /// What the marker counts.
    pub(crate) unit: Option<Label>,
    /// What the marker counts, where `total` is the vendor's own.
    pub(crate) marker_life: Option<Evidence>,
}

impl Meters {
    fn set(&mut self, counter: Counter, value: u64, oid: String) {
        self.counters.insert(counter, value);
        self.evidence.insert(counter, Evidence { oid, value });
    }
}

/// The counters; a private total wins over `prtMarkerLifeCount`, which may count engine feeds.
pub(crate) fn meters(mib: &Mib, profile: Option<&Profile>) -> Meters {
    let mut meters = Meters::default();
    for (counter, sources) in profile.iter().flat_map(|profile| &profile.counters) {
        if let Some((value, oid)) = sources.iter().find_map(|source| source.read(mib)) {
            meters.set(*counter, value, oid);
        }
    }
    let Some((row, life)) = busiest_marker(mib) else { return meters };
    let oid = join(o::PRT_MARKER_LIFE_COUNT, row).to_string();
    if meters.counters.contains_key(&Counter::Total) {
        meters.marker_life = Some(Evidence { oid, value: life });
    } else {
        meters.set(Counter::Total, life, oid);
    }
    if let Some(value) = mib.instance(o::PRT_MARKER_POWER_ON_COUNT, row).and_then(Value::count)
        && !meters.counters.contains_key(&Counter::PowerOn)
    {
        meters.set(Counter::PowerOn, value, join(o::PRT_MARKER_POWER_ON_COUNT, row).to_string());
    }
    meters.unit = mib.number(o::PRT_MARKER_COUNTER_UNIT, row).map(|unit| labels::label(labels::UNITS, unit));
    meters
}

/// The marker with the highest life count. Several markers repeat one value, or count colours apart, or count a
/// finisher's part of it: never their sum.
fn busiest_marker(mib: &Mib) -> Option<(&[u32], u64)> {
    let counts = mib.rows(o::PRT_MARKER_LIFE_COUNT).filter_map(|(row, value)| Some((row, value.count()?)));
    counts.fold(None, |best: Option<(&[u32], u64)>, (row, count)| match best {
        Some((_, highest)) if highest >= count => best,
        _ => Some((row, count)),
    })
}
