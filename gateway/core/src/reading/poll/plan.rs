//! The standard objects that a reading requests.

use super::scope::ReadScope;
use crate::reading::interpret::{mac, printer_is_device_1};
use crate::reading::mib::Mib;
use crate::reading::mib::columns::{ALERTS, COVERS, SUPPLIES, TRAYS};
use crate::reading::mib::objects as o;
use crate::reading::mib::{Oid, join};

/// The objects of the first request. Instance 1 of the device tables is right on nearly every device; where it isn't,
/// [`columns`] walks them.
pub(crate) fn first(scope: ReadScope) -> Vec<Oid> {
    match scope {
        ReadScope::Full | ReadScope::Status => {}
        ReadScope::ChangeCheck => return Vec::new(),
        ReadScope::Presence => return vec![join(o::SYS_OBJECT_ID, &[0])],
    }
    let always = [
        (o::SYS_OBJECT_ID, &[0][..]),
        (o::SYS_DESCR, &[0]),
        (o::PRT_GENERAL_SERIAL_NUMBER, &[1]),
        (o::PRT_GENERAL_PRINTER_NAME, &[1]),
        (o::HR_DEVICE_TYPE, &[1]),
        (o::HR_DEVICE_DESCR, &[1]),
        (o::HR_DEVICE_STATUS, &[1]),
        (o::HR_PRINTER_STATUS, &[1]),
        (o::HR_PRINTER_DETECTED_ERROR_STATE, &[1]),
        (o::PRT_GENERAL_CURRENT_LOCALIZATION, &[1]),
        (o::PRT_LOCALIZATION_CHARACTER_SET, &[1, 1]),
        (o::PRT_MARKER_SUPPLIES_LEVEL, &[1, 1]),
        (o::IF_PHYS_ADDRESS, &[1]),
    ];
    let whole = [
        (o::SYS_NAME, &[0][..]),
        (o::PRT_MARKER_LIFE_COUNT, &[1, 1]),
        (o::PRT_MARKER_COUNTER_UNIT, &[1, 1]),
        (o::PRT_MARKER_POWER_ON_COUNT, &[1, 1]),
    ];
    let whole = whole.into_iter().filter(|_| scope == ReadScope::Full);
    always.into_iter().chain(whole).map(|(object, instance)| join(object, instance)).collect()
}

const MARKERS: [&[u32]; 3] =
    [o::PRT_MARKER_COUNTER_UNIT, o::PRT_MARKER_LIFE_COUNT, o::PRT_MARKER_POWER_ON_COUNT];

const DEVICES: [&[u32]; 5] = [
    o::HR_DEVICE_TYPE,
    o::HR_DEVICE_DESCR,
    o::HR_DEVICE_STATUS,
    o::HR_PRINTER_STATUS,
    o::HR_PRINTER_DETECTED_ERROR_STATE,
];

/// The columns to walk after the single objects. Tables that are likely short are adjacent, so that one response
/// holds them.
pub(crate) fn columns(scope: ReadScope, mib: &Mib) -> Vec<&'static [u32]> {
    let mut columns: Vec<&'static [u32]> = Vec::new();
    if !printer_is_device_1(mib) {
        columns.extend(DEVICES);
    }
    let serial = mib.instance(o::PRT_GENERAL_SERIAL_NUMBER, &[1]).is_some();
    if !serial {
        columns.extend([o::PRT_GENERAL_SERIAL_NUMBER, o::PRT_GENERAL_PRINTER_NAME]);
    }
    columns.extend(SUPPLIES);
    columns.extend([o::PRT_MARKER_COLORANT_VALUE, o::PRT_CONSOLE_DISPLAY_BUFFER_TEXT]);
    if scope == ReadScope::Full {
        columns.extend(MARKERS);
    }
    columns.extend(ALERTS);
    if (scope == ReadScope::Full || !serial) && mac(mib).is_none() {
        columns.extend([o::IF_TYPE, o::IF_PHYS_ADDRESS]);
    }
    if scope == ReadScope::Full {
        columns.extend(TRAYS);
        columns.extend(COVERS);
    }
    columns
}
