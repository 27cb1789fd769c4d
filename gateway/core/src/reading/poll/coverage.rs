//! What of a device was read to its end. A row that is missing from a table that was cut short, or never answered, is not
//! known to be gone.

use super::walk::Walk;
use crate::reading::mib::Mib;
use crate::reading::mib::columns::{ALERTS, SUPPLIES};
use crate::reading::mib::objects as o;

/// What was read to its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coverage {
    /// `prtMarkerSuppliesTable`.
    pub supplies: bool,
    /// `prtAlertTable`; a device without one has it empty.
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
    pub const NOTHING: Self = Self { supplies: false, alerts: false, errors: false, console: false };

    /// What was read; `device` is the printer's row of `hrDeviceTable`.
    pub(crate) fn of(mib: &Mib, walk: &Walk, device: u32) -> Self {
        let kept = mib.is_whole();
        // A device that can't be walked is asked for each row.
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
