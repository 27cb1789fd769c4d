//! The printer's row of `hrDeviceTable`.

use crate::reading::mib::objects as o;
use crate::reading::mib::{Mib, Value};

/// The index of the printer in `hrDeviceTable`.
pub(crate) fn device_index(mib: &Mib) -> u32 {
    let first = |row: &[u32]| row.first().copied();
    let typed = mib
        .rows(o::HR_DEVICE_TYPE)
        .find(|(_, value)| matches!(value, Value::Oid(oid) if oid.arcs() == o::HR_DEVICE_PRINTER));
    if printer_is_device_1(mib) {
        return 1;
    }
    typed
        .or_else(|| mib.rows(o::HR_PRINTER_STATUS).next())
        .or_else(|| mib.rows(o::HR_PRINTER_DETECTED_ERROR_STATE).next())
        .and_then(|(row, _)| first(row))
        .unwrap_or(1)
}

/// Whether row 1 of `hrDeviceTable` is the printer: it has the type printer, or it exists and has no type.
pub(crate) fn printer_is_device_1(mib: &Mib) -> bool {
    match mib.instance(o::HR_DEVICE_TYPE, &[1]) {
        Some(Value::Oid(device_type)) if device_type.arcs() == o::HR_DEVICE_PRINTER => true,
        Some(_) => false,
        None => [o::HR_DEVICE_DESCR, o::HR_PRINTER_STATUS, o::HR_PRINTER_DETECTED_ERROR_STATE]
            .iter()
            .any(|object| mib.instance(object, &[1]).is_some()),
    }
}
