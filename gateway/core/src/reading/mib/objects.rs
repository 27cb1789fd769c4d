//! The standard objects that are read, with their MIB names.

macro_rules! objects {
    ($($(#[$doc:meta])* $name:ident = [$($arc:literal),+ $(,)?];)+) => {
        $($(#[$doc])* pub const $name: &[u32] = &[$($arc),+];)+

        /// The objects above with their MIB names.
        pub(crate) const NAMES: &[(&str, &[u32])] = &[$((stringify!($name), $name)),+];
    };
}

objects! {
    /// SNMPv2-MIB.
    SYS_DESCR = [1, 3, 6, 1, 2, 1, 1, 1];
    /// SNMPv2-MIB.
    SYS_OBJECT_ID = [1, 3, 6, 1, 2, 1, 1, 2];
    /// SNMPv2-MIB.
    SYS_NAME = [1, 3, 6, 1, 2, 1, 1, 5];
    /// IF-MIB: 6 is ethernetCsmacd, 71 ieee80211.
    IF_TYPE = [1, 3, 6, 1, 2, 1, 2, 2, 1, 3];
    /// IF-MIB.
    IF_PHYS_ADDRESS = [1, 3, 6, 1, 2, 1, 2, 2, 1, 6];
    /// HOST-RESOURCES-MIB.
    HR_DEVICE_TYPE = [1, 3, 6, 1, 2, 1, 25, 3, 2, 1, 2];
    /// HOST-RESOURCES-MIB.
    HR_DEVICE_DESCR = [1, 3, 6, 1, 2, 1, 25, 3, 2, 1, 3];
    /// HOST-RESOURCES-MIB.
    HR_DEVICE_STATUS = [1, 3, 6, 1, 2, 1, 25, 3, 2, 1, 5];
    /// HOST-RESOURCES-MIB.
    HR_PRINTER_STATUS = [1, 3, 6, 1, 2, 1, 25, 3, 5, 1, 1];
    /// HOST-RESOURCES-MIB.
    HR_PRINTER_DETECTED_ERROR_STATE = [1, 3, 6, 1, 2, 1, 25, 3, 5, 1, 2];
    /// HOST-RESOURCES-TYPES: the value of `hrDeviceType` that a printer has.
    HR_DEVICE_PRINTER = [1, 3, 6, 1, 2, 1, 25, 3, 1, 5];
    /// Printer-MIB.
    PRT_GENERAL_CURRENT_LOCALIZATION = [1, 3, 6, 1, 2, 1, 43, 5, 1, 1, 2];
    /// Printer-MIB.
    PRT_GENERAL_PRINTER_NAME = [1, 3, 6, 1, 2, 1, 43, 5, 1, 1, 16];
    /// Printer-MIB.
    PRT_GENERAL_SERIAL_NUMBER = [1, 3, 6, 1, 2, 1, 43, 5, 1, 1, 17];
    /// Printer-MIB: counts alerts that were critical, not rows.
    PRT_ALERT_CRITICAL_EVENTS = [1, 3, 6, 1, 2, 1, 43, 5, 1, 1, 18];
    /// Printer-MIB: counts all alerts, not rows.
    PRT_ALERT_ALL_EVENTS = [1, 3, 6, 1, 2, 1, 43, 5, 1, 1, 19];
    /// Printer-MIB.
    PRT_COVER_DESCRIPTION = [1, 3, 6, 1, 2, 1, 43, 6, 1, 1, 2];
    /// Printer-MIB.
    PRT_COVER_STATUS = [1, 3, 6, 1, 2, 1, 43, 6, 1, 1, 3];
    /// Printer-MIB.
    PRT_LOCALIZATION_CHARACTER_SET = [1, 3, 6, 1, 2, 1, 43, 7, 1, 1, 4];
    /// Printer-MIB.
    PRT_INPUT_CAPACITY_UNIT = [1, 3, 6, 1, 2, 1, 43, 8, 2, 1, 8];
    /// Printer-MIB.
    PRT_INPUT_MAX_CAPACITY = [1, 3, 6, 1, 2, 1, 43, 8, 2, 1, 9];
    /// Printer-MIB.
    PRT_INPUT_CURRENT_LEVEL = [1, 3, 6, 1, 2, 1, 43, 8, 2, 1, 10];
    /// Printer-MIB.
    PRT_INPUT_STATUS = [1, 3, 6, 1, 2, 1, 43, 8, 2, 1, 11];
    /// Printer-MIB.
    PRT_INPUT_MEDIA_NAME = [1, 3, 6, 1, 2, 1, 43, 8, 2, 1, 12];
    /// Printer-MIB.
    PRT_INPUT_NAME = [1, 3, 6, 1, 2, 1, 43, 8, 2, 1, 13];
    /// Printer-MIB.
    PRT_INPUT_DESCRIPTION = [1, 3, 6, 1, 2, 1, 43, 8, 2, 1, 18];
    /// Printer-MIB.
    PRT_MARKER_COUNTER_UNIT = [1, 3, 6, 1, 2, 1, 43, 10, 2, 1, 3];
    /// Printer-MIB.
    PRT_MARKER_LIFE_COUNT = [1, 3, 6, 1, 2, 1, 43, 10, 2, 1, 4];
    /// Printer-MIB.
    PRT_MARKER_POWER_ON_COUNT = [1, 3, 6, 1, 2, 1, 43, 10, 2, 1, 5];
    /// Printer-MIB.
    PRT_MARKER_SUPPLIES_COLORANT_INDEX = [1, 3, 6, 1, 2, 1, 43, 11, 1, 1, 3];
    /// Printer-MIB.
    PRT_MARKER_SUPPLIES_CLASS = [1, 3, 6, 1, 2, 1, 43, 11, 1, 1, 4];
    /// Printer-MIB.
    PRT_MARKER_SUPPLIES_TYPE = [1, 3, 6, 1, 2, 1, 43, 11, 1, 1, 5];
    /// Printer-MIB.
    PRT_MARKER_SUPPLIES_DESCRIPTION = [1, 3, 6, 1, 2, 1, 43, 11, 1, 1, 6];
    /// Printer-MIB.
    PRT_MARKER_SUPPLIES_SUPPLY_UNIT = [1, 3, 6, 1, 2, 1, 43, 11, 1, 1, 7];
    /// Printer-MIB.
    PRT_MARKER_SUPPLIES_MAX_CAPACITY = [1, 3, 6, 1, 2, 1, 43, 11, 1, 1, 8];
    /// Printer-MIB.
    PRT_MARKER_SUPPLIES_LEVEL = [1, 3, 6, 1, 2, 1, 43, 11, 1, 1, 9];
    /// Printer-MIB.
    PRT_MARKER_COLORANT_VALUE = [1, 3, 6, 1, 2, 1, 43, 12, 1, 1, 4];
    /// Printer-MIB.
    PRT_CONSOLE_DISPLAY_BUFFER_TEXT = [1, 3, 6, 1, 2, 1, 43, 16, 5, 1, 2];
    /// Printer-MIB.
    PRT_ALERT_SEVERITY_LEVEL = [1, 3, 6, 1, 2, 1, 43, 18, 1, 1, 2];
    /// Printer-MIB.
    PRT_ALERT_TRAINING_LEVEL = [1, 3, 6, 1, 2, 1, 43, 18, 1, 1, 3];
    /// Printer-MIB.
    PRT_ALERT_GROUP = [1, 3, 6, 1, 2, 1, 43, 18, 1, 1, 4];
    /// Printer-MIB.
    PRT_ALERT_GROUP_INDEX = [1, 3, 6, 1, 2, 1, 43, 18, 1, 1, 5];
    /// Printer-MIB.
    PRT_ALERT_LOCATION = [1, 3, 6, 1, 2, 1, 43, 18, 1, 1, 6];
    /// Printer-MIB.
    PRT_ALERT_CODE = [1, 3, 6, 1, 2, 1, 43, 18, 1, 1, 7];
    /// Printer-MIB.
    PRT_ALERT_DESCRIPTION = [1, 3, 6, 1, 2, 1, 43, 18, 1, 1, 8];
}

/// The MIB name of an object with its instance, if known, else the numbers: `PRT_MARKER_LIFE_COUNT.1.1`.
#[must_use]
pub fn name(arcs: &[u32]) -> String {
    let known = NAMES.iter().find_map(|(name, object)| Some((name, arcs.strip_prefix(*object)?)));
    match known {
        Some((name, [])) => (*name).to_owned(),
        Some((name, instance)) => format!("{name}.{}", super::oid::dotted(instance)),
        None => super::oid::dotted(arcs),
    }
}
