//! Counters with their evidence: the vendor's own first, then `prtMarkerLifeCount`. Two readings of a counter may be
//! compared only if their evidence is the same object, because objects count differently.

use std::collections::BTreeMap;

use wire::reading::{Counter, Evidence, Label};

use super::labels;
use crate::reading::mib::Mib;
use crate::reading::mib::Value;
use crate::reading::mib::join;
use crate::reading::mib::objects as o;
use crate::reading::profiles::Profile;

/// The counters of a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Meters {
    /// The values.
    pub(crate) counters: BTreeMap<Counter, u64>,
    /// The sources.
    pub(crate) evidence: BTreeMap<Counter, Evidence>,
    /// The unit of the marker.
    pub(crate) unit: Option<Label>,
    /// The marker's life count, if `total` comes from the vendor's object.
    pub(crate) marker_life: Option<Evidence>,
}

impl Meters {
    fn set(&mut self, counter: Counter, value: u64, oid: String) {
        self.counters.insert(counter, value);
        self.evidence.insert(counter, Evidence { oid, value });
    }

    fn drop(&mut self, counter: Counter) {
        self.counters.remove(&counter);
        self.evidence.remove(&counter);
    }

    fn of(&self, counter: Counter) -> Option<u64> {
        self.counters.get(&counter).copied()
    }

    /// Adds the standard objects of the busiest marker.
    fn of_marker(&mut self, mib: &Mib, row: &[u32], life: u64) {
        let oid = join(o::PRT_MARKER_LIFE_COUNT, row).to_string();
        let own_total = self.counters.contains_key(&Counter::Total);
        match life {
            0 => {}
            _ if own_total => self.marker_life = Some(Evidence { oid, value: life }),
            _ => self.set(Counter::Total, life, oid),
        }
        if let Some(value) = mib.instance(o::PRT_MARKER_POWER_ON_COUNT, row).and_then(Value::count)
            && !self.counters.contains_key(&Counter::PowerOn)
        {
            self.set(Counter::PowerOn, value, join(o::PRT_MARKER_POWER_ON_COUNT, row).to_string());
        }
        self.unit =
            mib.number(o::PRT_MARKER_COUNTER_UNIT, row).map(|unit| labels::label(labels::UNITS, unit));
    }

    /// Removes counters that contradict others: a sum below one of its parts, or zero black and colour pages on a
    /// device that has printed.
    fn without_contradictions(&mut self) {
        for (whole, parts) in PARTS {
            let most = parts.iter().filter_map(|part| self.of(*part)).max();
            if self
                .of(whole)
                .zip(most)
                .is_some_and(|(whole, part)| part > whole.saturating_add(whole / 100 + SLACK))
            {
                self.drop(whole);
            }
        }
        let prints = self.of(Counter::Total).is_some_and(|total| total > 0);
        if prints && self.of(Counter::Black) == Some(0) && self.of(Counter::Color).unwrap_or(0) == 0 {
            self.drop(Counter::Black);
            self.drop(Counter::Color);
        }
    }
}

/// Pages that may be printed between the responses of one reading.
const SLACK: u64 = 20;

/// Sums and their parts. `total` may count sheets and is not among them.
const PARTS: [(Counter, &[Counter]); 4] = [
    (Counter::PrintTotal, &[Counter::PrintBlack, Counter::PrintColor]),
    (Counter::CopyTotal, &[Counter::CopyBlack, Counter::CopyColor]),
    (Counter::Black, &[Counter::PrintBlack, Counter::CopyBlack]),
    (Counter::Color, &[Counter::PrintColor, Counter::CopyColor]),
];

/// The counters. A private total takes precedence over `prtMarkerLifeCount`, which may count engine feeds.
///
/// A total of 0 comes from a device that doesn't count in this object: it is not a meter.
pub(crate) fn meters(mib: &Mib, profile: Option<&Profile>) -> Meters {
    let mut meters = Meters::default();
    for (counter, sources) in profile.iter().flat_map(|profile| &profile.counters) {
        let counts = |(value, _): &(u64, String)| *counter != Counter::Total || *value > 0;
        if let Some((value, oid)) = sources.iter().find_map(|source| source.read(mib).filter(counts)) {
            meters.set(*counter, value, oid);
        }
    }
    if let Some((row, life)) = busiest_marker(mib) {
        meters.of_marker(mib, row, life);
    }
    meters.without_contradictions();
    meters
}

/// The marker with the highest life count. The counts of several markers are never added: they may be equal, count
/// colours separately, or be a finisher's part.
fn busiest_marker(mib: &Mib) -> Option<(&[u32], u64)> {
    let counts = mib.rows(o::PRT_MARKER_LIFE_COUNT).filter_map(|(row, value)| Some((row, value.count()?)));
    counts.fold(None, |best: Option<(&[u32], u64)>, (row, count)| match best {
        Some((_, highest)) if highest >= count => best,
        _ => Some((row, count)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "
vendor: acme
match: [{sys_object_id: 1.3.6.1.4.1.99999}]
counters:
  total: [{oid: 1.9.1.0}, {oid: 1.9.2.0}]
  black: [{oid: 1.9.3.0}]
  color: [{oid: 1.9.4.0}]
  copy_color: [{oid: 1.9.5.0}]
";

    fn read(objects: &[(&str, u64)]) -> Meters {
        let mut mib = Mib::default();
        for (oid, count) in objects {
            mib.insert(oid.parse().unwrap(), Value::Unsigned(*count));
        }
        meters(&mib, Some(&Profile::parse("acme.yaml", PROFILE).unwrap()))
    }

    const LIFE: &str = "1.3.6.1.2.1.43.10.2.1.4.1.1";

    #[test]
    fn a_total_of_zero_is_no_meter_wherever_it_stands() {
        let total = |objects: &[(&str, u64)]| read(objects).evidence.remove(&Counter::Total);
        assert_eq!(total(&[(LIFE, 0)]), None);
        assert_eq!(total(&[("1.9.1.0", 0), (LIFE, 0)]), None);
        let evidence = |oid: &str, value| Some(Evidence { oid: oid.to_owned(), value });
        assert_eq!(total(&[("1.9.1.0", 0), ("1.9.2.0", 7), (LIFE, 9)]), evidence("1.9.2.0", 7));
        assert_eq!(total(&[("1.9.1.0", 0), (LIFE, 9)]), evidence(LIFE, 9));
        assert_eq!(read(&[("1.9.1.0", 5), (LIFE, 0)]).marker_life, None);
    }

    #[test]
    fn a_sum_below_one_of_its_parts_is_none() {
        let read = |objects| read(objects).counters;
        let wrong = read(&[("1.9.4.0", 7_180), ("1.9.5.0", 9_109)]);
        assert_eq!(wrong.get(&Counter::Color), None);
        assert_eq!(wrong.get(&Counter::CopyColor), Some(&9_109));
        assert_eq!(read(&[("1.9.4.0", 9_109), ("1.9.5.0", 9_110)]).get(&Counter::Color), Some(&9_109));
        assert_eq!(read(&[("1.9.4.0", u64::MAX / 2), ("1.9.5.0", 1)]).len(), 2);
        assert_eq!(read(&[("1.9.4.0", u64::MAX), ("1.9.5.0", 1)]).len(), 2);
    }

    #[test]
    fn who_prints_and_counts_neither_black_nor_colour_pages_does_not_count_them() {
        let read = |objects| read(objects).counters.into_keys().collect::<Vec<_>>();
        assert_eq!(read(&[("1.9.1.0", 5), ("1.9.3.0", 0), ("1.9.4.0", 0)]), [Counter::Total]);
        assert_eq!(read(&[("1.9.1.0", 5), ("1.9.3.0", 0)]), [Counter::Total]);
        assert_eq!(read(&[("1.9.1.0", 5), ("1.9.3.0", 5), ("1.9.4.0", 0)]).len(), 3);
        assert_eq!(read(&[("1.9.1.0", 5), ("1.9.3.0", 0), ("1.9.4.0", 5)]).len(), 3);
    }
}
