//! Which tables of a device were read to their end. A row that is missing from a table which was cut short or not
//! answered is not known to be gone.

use super::walk::Walk;
use crate::reading::mib::Mib;
use crate::reading::mib::columns::{ALERTS, SUPPLIES};
use crate::reading::mib::objects as o;

/// The tables and objects that were read to their end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coverage {
    /// `prtMarkerSuppliesTable`.
    pub supplies: bool,
    /// `prtAlertTable`; if the device has none, it counts as empty.
    pub alerts: bool,
    /// `hrPrinterDetectedErrorState`.
    pub errors: bool,
    /// `prtConsoleDisplayBufferTable`.
    pub console: bool,
}

impl Coverage {
    /// Everything was read.
    pub const WHOLE: Self = Self { supplies: true, alerts: true, errors: true, console: true };

    /// Nothing is known to have been read to its end.
    pub(crate) const NOTHING: Self = Self { supplies: false, alerts: false, errors: false, console: false };

    /// The coverage of a walk; `device` is the printer's row of `hrDeviceTable`.
    pub(crate) fn of(mib: &Mib, walk: &Walk, device: u32) -> Self {
        let kept = mib.is_whole();
        // If tables can't be walked, each row was requested.
        let rows = || mib.rows(o::PRT_MARKER_SUPPLIES_LEVEL).next().is_some();
        let one_by_one = walk.columns().next().is_none() && rows();
        Self {
            supplies: kept && (walk.read_whole(&SUPPLIES) || one_by_one),
            alerts: kept && walk.read_whole(&ALERTS),
            errors: mib.instance(o::HR_PRINTER_DETECTED_ERROR_STATE, &[device]).is_some(),
            console: kept && walk.read_whole(&[o::PRT_CONSOLE_DISPLAY_BUFFER_TEXT]),
        }
    }
}
