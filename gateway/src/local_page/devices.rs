//! The devices: one row each, found by a word, a page at a time.

use jiff::Timestamp;
use wire::reading::{Label, LevelState};

use super::words::{Moment, Tone, detected_error, grouped};
use crate::status::{DeviceStatus, SupplyStatus};

/// Devices on one page.
const PAGE_ROWS: usize = 100;

/// Below this a supply counts as low, percent.
const LOW_PERCENT: f64 = 10.0;

/// Devices of one page.
pub(super) struct Devices {
    pub(super) rows: Vec<Row>,
    /// Devices that were found.
    pub(super) found: usize,
    pub(super) page: usize,
    pub(super) pages: usize,
}

/// One device.
pub(super) struct Row {
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
}

/// One supply as a bar.
pub(super) struct Supply {
    pub(super) name: String,
    /// CSS class of its colour.
    pub(super) color: &'static str,
    /// Width of the bar, 0 to 100; absent where the level isn't known.
    pub(super) width: Option<String>,
    pub(super) level: String,
    pub(super) is_low: bool,
}

impl Devices {
    pub(super) fn of(devices: &[DeviceStatus], now: Timestamp, word: &str, page: usize) -> Self {
        let found: Vec<&DeviceStatus> = devices.iter().filter(|device| has(device, word)).collect();
        let pages = found.len().div_ceil(PAGE_ROWS).max(1);
        let page = page.clamp(1, pages);
        let shown = found.iter().skip((page - 1) * PAGE_ROWS).take(PAGE_ROWS);
        Self { rows: shown.map(|device| row(device, now)).collect(), found: found.len(), page, pages }
    }
}

fn has(device: &DeviceStatus, word: &str) -> bool {
    let word = word.trim().to_lowercase();
    let texts = [&device.vendor, &device.model, &device.serial, &device.name, &device.firmware];
    let mut texts = texts.into_iter().flatten().map(String::as_str).chain([device.address.as_str()]);
    word.is_empty() || texts.any(|text| text.to_lowercase().contains(&word))
}

fn row(device: &DeviceStatus, now: Timestamp) -> Row {
    let (state, tone) = state(device);
    Row {
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
        read: Moment::new(device.read_at, now),
    }
}

/// The first line that says more than the state; what an offline device showed last says nothing of now.
fn console(device: &DeviceStatus, state: &str) -> Option<String> {
    let mut lines = device.console.iter().map(|line| line.trim()).filter(|_| device.online);
    lines.find(|line| !line.is_empty() && !line.eq_ignore_ascii_case(state)).map(str::to_owned)
}

/// Trouble first; otherwise what the printer does.
pub(super) fn state(device: &DeviceStatus) -> (String, Tone) {
    if !device.online {
        return ("Offline".to_owned(), Tone::Bad);
    }
    let errors: Vec<(String, Tone)> =
        device.detected_errors.iter().map(|name| detected_error(name)).collect();
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

fn supply(supply: &SupplyStatus) -> Supply {
    let percent =
        supply.percent.filter(|percent| percent.is_finite()).map(|percent| percent.clamp(0.0, 100.0));
    let level = match (percent, supply.level_state) {
        (Some(percent), _) => format!("{percent:.0} %"),
        (None, Some(LevelState::SomeRemaining)) => "some left".to_owned(),
        (None, Some(LevelState::Other)) => "no limit".to_owned(),
        (None, Some(LevelState::Units | LevelState::Unknown) | None) => "unknown".to_owned(),
    };
    Supply {
        name: supply.name.clone(),
        color: ink(supply.color.as_deref().unwrap_or("")),
        width: percent.map(|percent| format!("{percent:.1}")),
        level,
        is_low: percent.is_some_and(|percent| percent < LOW_PERCENT),
    }
}

fn ink(color: &str) -> &'static str {
    let color = color.to_ascii_lowercase();
    let known = ["black", "cyan", "magenta", "yellow"];
    known.into_iter().find(|name| color.contains(name)).unwrap_or("other")
}
