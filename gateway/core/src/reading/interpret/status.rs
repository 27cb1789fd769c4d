//! The status of a device.

use wire::reading::Status;

use super::labels;
use crate::reading::limits::CONSOLE_LINES;
use crate::reading::mib::Mib;
use crate::reading::mib::Value;
use crate::reading::mib::objects as o;
use crate::reading::profiles::{Profile, StandardTexts};

/// The status; `device` is the printer's row of `hrDeviceTable`.
pub(crate) fn status(mib: &Mib, device: u32, profile: Option<&Profile>) -> Status {
    let label = |object, labels| mib.number(object, &[device]).map(|number| labels::label(labels, number));
    let detected_errors = match mib.instance(o::HR_PRINTER_DETECTED_ERROR_STATE, &[device]) {
        Some(Value::Octets(octets)) => labels::detected_errors(octets),
        _ => Vec::new(),
    };
    Status {
        device: label(o::HR_DEVICE_STATUS, labels::DEVICE_STATUS),
        printer: label(o::HR_PRINTER_STATUS, labels::PRINTER_STATUS),
        detected_errors,
        console: console(mib, profile),
    }
}

fn console(mib: &Mib, profile: Option<&Profile>) -> Vec<String> {
    let lines: Vec<String> = mib
        .rows(o::PRT_CONSOLE_DISPLAY_BUFFER_TEXT)
        .filter_map(|(_, value)| mib.text_of(value))
        .take(CONSOLE_LINES)
        .collect();
    if !lines.is_empty() {
        return lines;
    }
    let standard = StandardTexts::default();
    let private = profile.iter().flat_map(|profile| &profile.console);
    private.filter_map(|source| source.read(mib, &standard)).take(CONSOLE_LINES).collect()
}
