//! How a device is.

use wire::reading::Status;

use super::labels;
use super::limits::CONSOLE_LINES;
use super::mib::Mib;
use super::objects as o;
use super::plan::printer_is_device_1;
use super::value::Value;
use crate::profiles::{Profile, StandardTexts};

/// Row of `hrDeviceTable` that is the printer.
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
