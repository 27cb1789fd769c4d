//! Which standard objects a reading asks for.

use super::machine::Scope;
use super::mib::Mib;
use super::objects as o;
use super::oid::{Oid, join};
use super::value::Value;

/// Objects of the first request. Instance 1 of the device tables is right on nearly every device; where it isn't,
/// [`columns`] walks them.
pub(crate) fn first(scope: Scope) -> Vec<Oid> {
    match scope {
        Scope::Whole | Scope::StatusOnly => {}
        Scope::Glance => return Vec::new(),
        Scope::Presence => return vec![join(o::SYS_OBJECT_ID, &[0])],
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
    let whole = whole.into_iter().filter(|_| scope == Scope::Whole);
    always.into_iter().chain(whole).map(|(object, instance)| join(object, instance)).collect()
}

/// Columns of `prtMarkerSuppliesTable`.
pub(crate) const SUPPLIES: [&[u32]; 7] = [
    o::PRT_MARKER_SUPPLIES_COLORANT_INDEX,
    o::PRT_MARKER_SUPPLIES_CLASS,
    o::PRT_MARKER_SUPPLIES_TYPE,
    o::PRT_MARKER_SUPPLIES_DESCRIPTION,
    o::PRT_MARKER_SUPPLIES_SUPPLY_UNIT,
    o::PRT_MARKER_SUPPLIES_MAX_CAPACITY,
    o::PRT_MARKER_SUPPLIES_LEVEL,
];

/// Columns of `prtAlertTable`.
pub(crate) const ALERTS: [&[u32]; 7] = [
    o::PRT_ALERT_SEVERITY_LEVEL,
    o::PRT_ALERT_TRAINING_LEVEL,
    o::PRT_ALERT_GROUP,
    o::PRT_ALERT_GROUP_INDEX,
    o::PRT_ALERT_LOCATION,
    o::PRT_ALERT_CODE,
    o::PRT_ALERT_DESCRIPTION,
];

/// Columns of `prtInputTable`.
pub(crate) const TRAYS: [&[u32]; 7] = [
    o::PRT_INPUT_CAPACITY_UNIT,
    o::PRT_INPUT_MAX_CAPACITY,
    o::PRT_INPUT_CURRENT_LEVEL,
    o::PRT_INPUT_STATUS,
    o::PRT_INPUT_MEDIA_NAME,
    o::PRT_INPUT_NAME,
    o::PRT_INPUT_DESCRIPTION,
];

/// Columns of `prtCoverTable`.
pub(crate) const COVERS: [&[u32]; 2] = [o::PRT_COVER_DESCRIPTION, o::PRT_COVER_STATUS];

const MARKERS: [&[u32]; 3] =
    [o::PRT_MARKER_COUNTER_UNIT, o::PRT_MARKER_LIFE_COUNT, o::PRT_MARKER_POWER_ON_COUNT];

const DEVICES: [&[u32]; 5] = [
    o::HR_DEVICE_TYPE,
    o::HR_DEVICE_DESCR,
    o::HR_DEVICE_STATUS,
    o::HR_PRINTER_STATUS,
    o::HR_PRINTER_DETECTED_ERROR_STATE,
];

/// Columns to walk after the single objects were read. Tables that are likely short stand side by side, so that one
/// answer holds them.
pub(crate) fn columns(scope: Scope, mib: &Mib) -> Vec<&'static [u32]> {
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
    if scope == Scope::Whole {
        columns.extend(MARKERS);
    }
    columns.extend(ALERTS);
    if (scope == Scope::Whole || !serial) && super::identity::mac(mib).is_none() {
        columns.extend([o::IF_TYPE, o::IF_PHYS_ADDRESS]);
    }
    if scope == Scope::Whole {
        columns.extend(TRAYS);
        columns.extend(COVERS);
    }
    columns
}

/// Whether row 1 of `hrDeviceTable` is the printer: it says so, or says nothing of its type and is there.
pub(crate) fn printer_is_device_1(mib: &Mib) -> bool {
    match mib.instance(o::HR_DEVICE_TYPE, &[1]) {
        Some(Value::Oid(device_type)) if device_type.arcs() == o::HR_DEVICE_PRINTER => true,
        Some(_) => false,
        None => [o::HR_DEVICE_DESCR, o::HR_PRINTER_STATUS, o::HR_PRINTER_DETECTED_ERROR_STATE]
            .iter()
            .any(|object| mib.instance(object, &[1]).is_some()),
    }
}
