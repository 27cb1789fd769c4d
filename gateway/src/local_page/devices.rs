//! The table of devices, filtered by a text, in pages.

use gateway_core::calls::Marking;
use wire::reading::{Label, LevelState};
use wire::report::CallKind;

use super::words::{Moment, Tone, detected_error, grouped};
use crate::status::{DeviceStatus, OpenCallStatus, Status, SupplyStatus};

/// Maximum number of devices on one page.
const PAGE_ROWS: usize = 100;

/// Devices of one page.
pub(super) struct Devices {
    pub(super) rows: Vec<Row>,
    /// The number of devices that match.
    pub(super) found: usize,
    pub(super) page: usize,
    pub(super) pages: usize,
}

pub(super) struct Row {
    /// Identifies the row when the page refreshes.
    pub(super) key: String,
    pub(super) model: String,
    pub(super) name: Option<String>,
    pub(super) serial: String,
    pub(super) address: String,
    pub(super) firmware: Option<String>,
    pub(super) state: String,
    pub(super) tone: Tone,
    pub(super) console: Option<String>,
    pub(super) supplies: Vec<Supply>,
    pub(super) total: Option<String>,
    pub(super) read: Moment,
    /// Whether the device is offline, so that its values are old.
    pub(super) stale: bool,
}

/// One supply as a bar.
pub(super) struct Supply {
    pub(super) name: String,
    /// CSS class of its colour.
    pub(super) color: &'static str,
    /// Width of the bar, 0 to 100; `None` if the level is unknown.
    pub(super) width: Option<String>,
    pub(super) level: String,
    pub(super) is_low: bool,
}

impl Devices {
    pub(super) fn of(status: &Status, word: &str, page: usize) -> Self {
        let found: Vec<&DeviceStatus> = status.devices.iter().filter(|device| has(device, word)).collect();
        let pages = found.len().div_ceil(PAGE_ROWS).max(1);
        let page = page.clamp(1, pages);
        let shown = found.iter().skip((page - 1) * PAGE_ROWS).take(PAGE_ROWS);
        Self { rows: shown.map(|device| row(device, status)).collect(), found: found.len(), page, pages }
    }
}

fn has(device: &DeviceStatus, word: &str) -> bool {
    let word = word.trim().to_lowercase();
    let texts = [&device.vendor, &device.model, &device.serial, &device.name, &device.firmware];
    let mut texts = texts.into_iter().flatten().map(String::as_str).chain([device.address.as_str()]);
    word.is_empty() || texts.any(|text| text.to_lowercase().contains(&word))
}

fn row(device: &DeviceStatus, status: &Status) -> Row {
    let supply = |one: &SupplyStatus| supply(one, alarm(status, device, &one.index));
    let (state, tone) = state(device);
    Row {
        key: device.device.to_string(),
        model: device
            .model
            .clone()
            .or_else(|| device.vendor.clone())
            .unwrap_or_else(|| "Unknown model".to_owned()),
        name: device.name.clone().filter(|name| !name.is_empty()),
        serial: device.serial.clone().unwrap_or_else(|| "–".to_owned()),
        address: device.address.clone(),
        firmware: device.firmware.clone(),
        console: console(device, &state),
        state,
        tone,
        supplies: device.supplies.iter().map(supply).collect(),
        total: device.total.map(grouped),
        read: Moment::new(device.read_at, status.at),
        stale: !device.online,
    }
}

/// The first console line that adds to the state; `None` for an offline device, whose text is outdated.
fn console(device: &DeviceStatus, state: &str) -> Option<String> {
    let mut lines = device.console.iter().map(|line| line.trim()).filter(|_| device.online);
    lines.find(|line| !line.is_empty() && !line.eq_ignore_ascii_case(state)).map(str::to_owned)
}

/// The errors if there are any, else what the printer does.
pub(super) fn state(device: &DeviceStatus) -> (String, Tone) {
    if !device.online {
        return ("Offline".to_owned(), Tone::Bad);
    }
    let marking = Marking::of(device.supplies.iter().filter_map(|supply| supply.supply_type.as_ref()));
    let errors: Vec<(String, Tone)> =
        device.detected_errors.iter().map(|name| detected_error(name, marking)).collect();
    if !errors.is_empty() {
        let bad = errors.iter().any(|(_, tone)| *tone == Tone::Bad);
        let words: Vec<String> = errors.into_iter().map(|(words, _)| words).collect();
        return (words.join(", "), if bad { Tone::Bad } else { Tone::Warn });
    }
    let does = |name| device.printer.as_ref().is_some_and(|label: &Label| label.is(name));
    match () {
        () if does("idle") => ("Ready".to_owned(), Tone::Good),
        () if does("printing") => ("Printing".to_owned(), Tone::Good),
        () if does("warmup") => ("Warming up".to_owned(), Tone::Good),
        () => ("Online".to_owned(), Tone::Quiet),
    }
}

/// The open call about a supply. Only calls mark a supply, so that the table agrees with the list of calls.
fn alarm(status: &Status, device: &DeviceStatus, index: &str) -> Option<CallKind> {
    let own =
        |call: &&OpenCallStatus| call.device == device.device && !index.is_empty() && call.subject == index;
    let is = |kind| status.open_calls.iter().filter(own).any(|call| call.call == kind);
    [CallKind::SupplyEnd, CallKind::SupplyNearEnd].into_iter().find(|kind| is(*kind))
}

fn supply(supply: &SupplyStatus, alarm: Option<CallKind>) -> Supply {
    let percent =
        supply.percent.filter(|percent| percent.is_finite()).map(|percent| percent.clamp(0.0, 100.0));
    let is_end = alarm == Some(CallKind::SupplyEnd);
    let level = match (supply.is_receptacle, alarm.is_some(), percent, supply.level_state) {
        (true, true, _, _) if is_end => "full".to_owned(),
        (true, true, _, _) => "almost full".to_owned(),
        // By RFC 3805 this is the space left in a receptacle, but makers differ: only a call is reliable.
        (true, false, Some(percent), _) => format!("reports {percent:.0} %"),
        (false, _, Some(percent), _) => format!("{percent:.0} %"),
        (_, _, None, Some(LevelState::SomeRemaining)) => "some left".to_owned(),
        (_, _, None, Some(LevelState::Other)) => "no limit".to_owned(),
        (_, _, None, Some(LevelState::Units | LevelState::Unknown) | None) => "unknown".to_owned(),
    };
    Supply {
        name: supply.name.clone(),
        color: ink(supply.color.as_deref().unwrap_or("")),
        width: percent.filter(|_| !supply.is_receptacle).map(|percent| format!("{percent:.1}")),
        level,
        is_low: alarm.is_some(),
    }
}

fn ink(color: &str) -> &'static str {
    let color = color.to_ascii_lowercase();
    let known = ["black", "cyan", "magenta", "yellow"];
    known.into_iter().find(|name| color.contains(name)).unwrap_or("other")
}
