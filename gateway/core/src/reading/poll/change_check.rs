//! A change check: one request for the objects that change when anything happens. A reading requests the same
//! objects, so that no change is missed between it and the first change check.

use std::collections::BTreeMap;

use super::scope::ReadScope;
use crate::reading::mib::Mib;
use crate::reading::mib::Value;
use crate::reading::mib::objects as o;
use crate::reading::mib::{Oid, join};

/// The values of a change check, by the position in `OBJECTS`. If no value that two of them share differs, nothing
/// changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeFingerprint(BTreeMap<usize, Option<Value>>);

/// Objects of a change check: identity, state, numbers of alerts and of pages. Hardware address and serial number
/// show whether another device has the address.
const OBJECTS: [(&[u32], &[u32]); 11] = [
    (o::SYS_OBJECT_ID, &[0]),
    (o::PRT_GENERAL_SERIAL_NUMBER, &[1]),
    (o::IF_PHYS_ADDRESS, &[1]),
    (o::IF_PHYS_ADDRESS, &[2]),
    (o::HR_DEVICE_TYPE, &[1]),
    (o::HR_DEVICE_STATUS, &[1]),
    (o::HR_PRINTER_STATUS, &[1]),
    (o::HR_PRINTER_DETECTED_ERROR_STATE, &[1]),
    (o::PRT_ALERT_CRITICAL_EVENTS, &[1]),
    (o::PRT_ALERT_ALL_EVENTS, &[1]),
    (o::PRT_MARKER_LIFE_COUNT, &[1, 1]),
];

/// The objects that a reading of this scope requests. The page count belongs to full readings: in a partial one it
/// would be a meter.
pub(crate) fn objects(scope: ReadScope) -> Vec<Oid> {
    let all = asked(scope).filter(|_| scope != ReadScope::Presence);
    all.map(|(_, (object, instance))| join(object, instance)).collect()
}

fn asked(scope: ReadScope) -> impl Iterator<Item = (usize, (&'static [u32], &'static [u32]))> {
    let pages = move |object: &[u32]| scope == ReadScope::Status && object == o::PRT_MARKER_LIFE_COUNT;
    OBJECTS.into_iter().enumerate().filter(move |(_, (object, _))| !pages(object))
}

impl ChangeFingerprint {
    /// `None` if the device lacks what a change check needs: its printer isn't the first row, or it has neither a
    /// serial number nor a hardware address at the usual instances.
    pub(crate) fn of(mib: &Mib, scope: ReadScope) -> Option<Self> {
        let has = |object, instance: &[u32]| mib.instance(object, instance).is_some();
        let state = crate::reading::interpret::printer_is_device_1(mib)
            && has(o::HR_PRINTER_STATUS, &[1])
            && has(o::HR_PRINTER_DETECTED_ERROR_STATE, &[1]);
        let who = has(o::PRT_GENERAL_SERIAL_NUMBER, &[1])
            || has(o::IF_PHYS_ADDRESS, &[1])
            || has(o::IF_PHYS_ADDRESS, &[2]);
        let value = |(place, (object, instance)): (usize, (&[u32], &[u32]))| {
            (place, mib.instance(object, instance).cloned())
        };
        (state && who).then(|| Self(asked(scope).map(value).collect()))
    }

    /// Whether any value that both have differs.
    #[must_use]
    pub(crate) fn differs(&self, before: &Self) -> bool {
        self.0.iter().any(|(place, value)| before.0.get(place).is_some_and(|other| other != value))
    }

    /// A fingerprint of these numbers, for simulations.
    #[must_use]
    pub fn of_numbers(numbers: &[i64]) -> Self {
        Self(numbers.iter().map(|number| Some(Value::Integer(*number))).enumerate().collect())
    }
}
