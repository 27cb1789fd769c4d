//! A reading as a page for people.

use std::io::{self, Write};

use wire::reading::{Alert, Cover, Label, LevelState, Reading, Supply, Tray};

/// Width of a bar, characters.
const BAR: usize = 20;

pub(super) fn print(out: &mut dyn Write, reading: &Reading) -> io::Result<()> {
    identity(out, reading)?;
    status(out, reading)?;
    counters(out, reading)?;
    section(out, "Supplies", &reading.supplies, supply)?;
    section(out, "Trays", &reading.trays, tray)?;
    section(out, "Covers", &reading.covers, cover)?;
    section(out, "Alerts", &reading.alerts, alert)?;
    writeln!(out, "\n{} packets, {} ms, {}", reading.requests, reading.took_ms, reading.read_at)
}

fn identity(out: &mut dyn Write, reading: &Reading) -> io::Result<()> {
    let identity = &reading.identity;
    writeln!(out, "{} ({})", identity.model.as_deref().unwrap_or("unknown model"), reading.address)?;
    let rows = [
        ("Vendor", &identity.vendor),
        ("Serial", &identity.serial),
        ("Name", &identity.name),
        ("MAC", &identity.mac),
        ("System", &identity.sys_descr),
        ("Object", &identity.sys_object_id),
    ];
    for (name, value) in rows {
        if let Some(value) = value {
            writeln!(out, "  {name:<12} {value}")?;
        }
    }
    for firmware in &identity.firmware {
        writeln!(out, "  {:<12} {} {}", "Firmware", firmware.component, firmware.version)?;
    }
    Ok(())
}

fn status(out: &mut dyn Write, reading: &Reading) -> io::Result<()> {
    let status = &reading.status;
    writeln!(out, "\nStatus")?;
    writeln!(out, "  {:<12} {}", "Device", text(status.device.as_ref()))?;
    writeln!(out, "  {:<12} {}", "Printer", text(status.printer.as_ref()))?;
    if !status.detected_errors.is_empty() {
        writeln!(out, "  {:<12} {}", "Errors", status.detected_errors.join(", "))?;
    }
    for line in &status.console {
        writeln!(out, "  {:<12} {line}", "Console")?;
    }
    Ok(())
}

fn counters(out: &mut dyn Write, reading: &Reading) -> io::Result<()> {
    if reading.counters.is_empty() {
        return Ok(());
    }
    match &reading.counter_unit {
        Some(unit) => writeln!(out, "\nCounters ({unit})")?,
        None => writeln!(out, "\nCounters")?,
    }
    for (counter, value) in &reading.counters {
        let oid = reading.evidence.get(counter).map_or("", |evidence| evidence.oid.as_str());
        writeln!(out, "  {:<12} {value:>10}  {oid}", counter.name())?;
    }
    if let Some(life) = &reading.marker_life {
        writeln!(out, "  {:<12} {:>10}  {}", "marker life", life.value, life.oid)?;
    }
    Ok(())
}

fn section<T>(out: &mut dyn Write, title: &str, rows: &[T], line: impl Fn(&T) -> String) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{title}")?;
    rows.iter().try_for_each(|row| writeln!(out, "  {}", line(row)))
}

fn supply(supply: &Supply) -> String {
    let name = supply.description.as_deref().unwrap_or("");
    format!("{:<8} {} {name} ({})", supply.index, level(supply), text(supply.supply_type.as_ref()))
}

fn level(supply: &Supply) -> String {
    match (supply.percent, supply.level_state) {
        (Some(percent), _) => format!("[{}] {percent:>5.1} %", bar(percent)),
        (None, Some(state)) => format!("[{:^BAR$}] {:>7}", state_text(state), ""),
        (None, None) => format!("[{:^BAR$}] {:>7}", "no level", ""),
    }
}

fn bar(percent: f64) -> String {
    let filled =
        (0..BAR).filter(|step| (f64::from(u8::try_from(*step).unwrap_or(0)) + 0.5) * 5.0 <= percent).count();
    format!("{}{}", "#".repeat(filled), ".".repeat(BAR - filled))
}

const fn state_text(state: LevelState) -> &'static str {
    match state {
        LevelState::Units => "units",
        LevelState::Other => "no restriction",
        LevelState::Unknown => "unknown",
        LevelState::SomeRemaining => "some remaining",
    }
}

fn tray(tray: &Tray) -> String {
    let amount = match (tray.level, tray.level_state, tray.max) {
        (Some(level), Some(LevelState::Units), Some(max)) if max > 0 => format!("{level} of {max}"),
        (Some(level), Some(LevelState::Units), _) => level.to_string(),
        (_, Some(state), _) => state_text(state).to_owned(),
        (_, None, _) => "unknown".to_owned(),
    };
    let name = tray.name.as_deref().unwrap_or("");
    format!("{:<8} {name}: {amount} {}", tray.index, tray.media.as_deref().unwrap_or(""))
        .trim_end()
        .to_owned()
}

fn cover(cover: &Cover) -> String {
    let name = cover.description.as_deref().unwrap_or("");
    format!("{:<8} {name}: {}", cover.index, text(cover.status.as_ref()))
}

fn alert(alert: &Alert) -> String {
    let description = alert.description.as_deref().unwrap_or("");
    let (severity, group) = (text(alert.severity.as_ref()), text(alert.group_name.as_ref()));
    format!("{:<8} {severity}: {group} {} {description}", alert.index, text(alert.code_name.as_ref()))
        .trim_end()
        .to_owned()
}

fn text(label: Option<&Label>) -> String {
    label.map_or_else(|| "-".to_owned(), Label::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_share() {
        assert_eq!(bar(0.0), ".".repeat(20));
        assert_eq!(bar(100.0), "#".repeat(20));
        assert_eq!(bar(50.0), format!("{}{}", "#".repeat(10), ".".repeat(10)));
        assert_eq!(bar(250.0).len(), 20);
    }
}
