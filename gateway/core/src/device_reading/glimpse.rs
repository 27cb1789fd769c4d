//! A glance at a device: one request for what changes when anything happens.

use super::mib::Mib;
use super::objects as o;
use super::oid::{Oid, join};
use super::value::Value;

/// What a glance saw: equal values mean that nothing happened since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glimpse(Vec<Option<Value>>);

/// Objects of a glance: who, how, counts of alerts and of pages. The hardware address and the serial number tell when
/// another device has the address.
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

/// The objects.
pub(crate) fn objects() -> Vec<Oid> {
    OBJECTS.iter().map(|(object, instance)| join(object, instance)).collect()
}

impl Glimpse {
    /// What a device answered; nothing where it lacks what a glance needs: its printer isn't the first row, or its
    /// serial number is elsewhere and it has no hardware address there.
    pub(crate) fn of(mib: &Mib) -> Option<Self> {
        let has = |object, instance: &[u32]| mib.instance(object, instance).is_some();
        let state = super::plan::printer_is_device_1(mib)
            && has(o::HR_PRINTER_STATUS, &[1])
            && has(o::HR_PRINTER_DETECTED_ERROR_STATE, &[1]);
        let who = has(o::PRT_GENERAL_SERIAL_NUMBER, &[1])
            || has(o::IF_PHYS_ADDRESS, &[1])
            || has(o::IF_PHYS_ADDRESS, &[2]);
        let values =
            || OBJECTS.iter().map(|(object, instance)| mib.instance(object, instance).cloned()).collect();
        (state && who).then(|| Self(values()))
    }

    #[cfg(test)]
    pub(crate) fn of_numbers(numbers: &[i64]) -> Self {
        Self(numbers.iter().map(|number| Some(Value::Integer(*number))).collect())
    }
}
