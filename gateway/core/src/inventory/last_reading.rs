//! The last full reading of a device, in memory. A gateway has thousands of readings of some hundred small values
//! each; as JSON they take a third of the memory. The parts that most decisions need are kept parsed; the rest is
//! parsed on demand.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use wire::reading::{Counter, Identity, Reading, Status};

/// The last whole reading of a device; stored as the reading itself.
#[derive(Debug, Clone)]
pub struct LastReading {
    identity: Identity,
    status: Status,
    total: Option<u64>,
    /// The OID of the total.
    total_source: Option<String>,
    json: Box<RawValue>,
}

impl LastReading {
    /// # Panics
    /// Never: every part of a reading can be written as JSON.
    #[must_use]
    pub fn of(reading: &Reading) -> Self {
        Self::with(reading, to_raw_value(reading).expect("a reading can be written as JSON"))
    }

    fn with(reading: &Reading, json: Box<RawValue>) -> Self {
        Self {
            identity: reading.identity.clone(),
            status: reading.status.clone(),
            total: reading.counters.get(&Counter::Total).copied(),
            total_source: reading.evidence.get(&Counter::Total).map(|evidence| evidence.oid.clone()),
            json,
        }
    }

    /// The device's identity.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The device's status.
    #[must_use]
    pub const fn status(&self) -> &Status {
        &self.status
    }

    /// The total of its pages.
    #[must_use]
    pub const fn total(&self) -> Option<u64> {
        self.total
    }

    /// Whether a newer reading of the same object has a lower total.
    #[must_use]
    pub(crate) fn counts_more_than(&self, newer: &Reading) -> bool {
        let source = newer.evidence.get(&Counter::Total).map(|evidence| evidence.oid.as_str());
        let totals = self.total.zip(newer.counters.get(&Counter::Total));
        self.total_source.as_deref() == source && totals.is_some_and(|(before, now)| *now < before)
    }

    /// The complete reading.
    ///
    /// # Panics
    /// Never: the JSON was written from a reading, or was parsed as one before.
    #[must_use]
    pub fn whole(&self) -> Reading {
        serde_json::from_str(self.json.get()).expect("what was a reading is one")
    }
}

impl PartialEq for LastReading {
    fn eq(&self, other: &Self) -> bool {
        self.json.get() == other.json.get()
    }
}

impl Serialize for LastReading {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for LastReading {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        let reading = serde_json::from_str(json.get()).map_err(D::Error::custom)?;
        Ok(Self::with(&reading, json))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_the_reading_and_comes_back_the_same() {
        let mut reading = super::super::testing::reading();
        reading.counters.insert(Counter::Total, u64::MAX);
        reading.status.console = vec!["\"Bereit\" \u{e4}\n".to_owned()];
        let last = LastReading::of(&reading);
        assert_eq!(last.whole(), reading);
        assert_eq!((last.identity(), last.status()), (&reading.identity, &reading.status));
        assert_eq!(last.total(), Some(u64::MAX));
        let stored = serde_json::to_string(&last).unwrap();
        assert_eq!(stored, serde_json::to_string(&reading).unwrap());
        assert_eq!(serde_json::from_str::<LastReading>(&stored).unwrap(), last);
    }

    #[test]
    fn what_is_no_reading_is_refused() {
        for bad in ["{}", "null", "[]", r#"{"address":7}"#] {
            assert!(serde_json::from_str::<LastReading>(bad).is_err(), "{bad}");
        }
    }
}
