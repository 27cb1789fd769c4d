//! Distinguishes rows of `prtAlertTable` that report a fault from those that don't.

use wire::reading::Alert;

/// Whether a row reports a fault.
pub(super) fn is_alarm(alert: &Alert) -> bool {
    let named = |name| alert.severity.as_ref().is_some_and(|severity| severity.is(name));
    (named("critical") || named("warning") || named("warningBinaryChangeEvent")) && !is_remark(alert)
}

/// Descriptions of rows that report a normal state.
const REMARKS: [&str; 10] = [
    "sleep",
    "sleeping",
    "idle",
    "ready",
    "standby",
    "energy saver",
    "power save",
    "power saver",
    "power saving",
    "warming up",
];

/// The same states by `PrtAlertCodeTC`, independent of the language: coverClosed, interlockClosed, subunitClosed,
/// subunitPowerSaver, subunitWarmingUp, doorClosed, powerUp, printerReadyToPrint.
const REMARK_CODES: [i64; 8] = [4, 6, 19, POWER_SAVER, 24, 502, 503, 507];

/// `PrtAlertCodeTC`: subunitPowerSaver.
pub(crate) const POWER_SAVER: i64 = 23;

/// Whether a row reports a normal state, whatever its severity: `Sleep mode`, `Ready.`
fn is_remark(alert: &Alert) -> bool {
    if alert.code.is_some_and(|code| REMARK_CODES.contains(&code)) {
        return true;
    }
    let Some(text) = alert.description.as_deref() else { return false };
    let plain = text.to_lowercase();
    let plain = plain.trim_matches(|c: char| !c.is_alphanumeric());
    let plain = ["mode", "mode on", "to print", "to copy"]
        .iter()
        .fold(plain, |text, end| text.strip_suffix(end).unwrap_or(text));
    REMARKS.contains(&plain.trim().trim_end_matches("..."))
}

pub(super) fn is_critical(alert: &Alert) -> bool {
    alert.severity.as_ref().is_some_and(|severity| severity.is("critical")) && !is_remark(alert)
}
