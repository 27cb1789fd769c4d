//! Whether a device with SNMP is a printer. The maker's enterprise number doesn't show it: makers of printers also
//! make projectors, cameras and displays.

use wire::reading::Reading;

use crate::reading::mib::Mib;
use crate::reading::mib::Value;
use crate::reading::mib::objects as o;
use crate::reading::profiles::{Profile, SystemIdentity};

const PRINTER_MIB: &[u32] = &[1, 3, 6, 1, 2, 1, 43];

/// Whether a reading has parts that only printers have.
pub(crate) fn shows_a_printer(reading: &Reading) -> bool {
    reading.status.printer.is_some()
        || !reading.status.detected_errors.is_empty()
        || !reading.supplies.is_empty()
        || !reading.counters.is_empty()
        || !reading.trays.is_empty()
}

/// Whether the objects prove that it is a printer: the Printer MIB, a device of that type, private objects of the
/// profile, or the profile's rules.
pub(crate) fn is_proven(mib: &Mib, profile: Option<&Profile>, system: &SystemIdentity<'_>) -> bool {
    let printer = |value: &Value| matches!(value, Value::Oid(kind) if kind.arcs() == o::HR_DEVICE_PRINTER);
    let says = |value: &Value| mib.as_text(value).is_some();
    let private = |profile: &Profile| {
        profile.objects().iter().any(|oid| mib.value(oid.arcs()).is_some_and(says))
            || profile.columns().iter().any(|column| mib.rows(column.arcs()).any(|(_, value)| says(value)))
            || profile.proves_printer(system)
    };
    mib.rows(PRINTER_MIB).next().is_some()
        || mib.rows(o::HR_DEVICE_TYPE).any(|(_, value)| printer(value))
        || profile.is_some_and(private)
}
