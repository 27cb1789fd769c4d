//! One reading of a device, as `platen-gateway read --json` prints it and a gateway reports it.
//!
//! Names follow the Printer MIB (RFC 3805) and the Host Resources MIB (RFC 2790).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One reading of one device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// The address that was read: `ADDR`, or `ADDR:PORT` if the port isn't 161.
    pub address: String,
    /// When the reading was completed.
    pub read_at: Timestamp,
    /// Duration of the reading, milliseconds.
    pub took_ms: u64,
    /// SNMP requests sent, retries included.
    pub requests: u32,
    /// The device's identity.
    pub identity: Identity,
    /// The device's status.
    pub status: Status,
    /// Counters by name; absent when unknown, never 0 for unknown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counters: BTreeMap<Counter, u64>,
    /// What `total` counts: `prtMarkerCounterUnit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counter_unit: Option<Label>,
    /// The source of each counter.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub evidence: BTreeMap<Counter, Evidence>,
    /// `prtMarkerLifeCount`, if `total` comes from the vendor's object: evidence, never billed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker_life: Option<Evidence>,
    /// `prtMarkerSuppliesTable`.
    #[serde(default)]
    pub supplies: Vec<Supply>,
    /// `prtInputTable`.
    #[serde(default)]
    pub trays: Vec<Tray>,
    /// `prtCoverTable`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covers: Vec<Cover>,
    /// `prtAlertTable`.
    #[serde(default)]
    pub alerts: Vec<Alert>,
}

/// A MIB enumeration: its label, or the number where the MIB has no label for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Label {
    /// The MIB's label.
    Name(Cow<'static, str>),
    /// A number without a label.
    Number(i64),
}

impl Label {
    /// A label that is known when the program is compiled.
    #[must_use]
    pub const fn name(name: &'static str) -> Self {
        Self::Name(Cow::Borrowed(name))
    }

    /// Whether this is the label `name`.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        matches!(self, Self::Name(own) if own == name)
    }
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// The identity of a device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The profile that matched: `ricoh`, `kyocera`, ...; absent if none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// The model as the device reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Serial number: `prtGeneralSerialNumber` or the vendor's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// `prtGeneralPrinterName` or `sysName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Hardware address, lower-case hexadecimal pairs with colons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// `sysDescr`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sys_descr: Option<String>,
    /// `sysObjectID`, dotted, without a leading dot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sys_object_id: Option<String>,
    /// The firmware components.
    #[serde(default)]
    pub firmware: Vec<Firmware>,
}

impl Identity {
    /// Version of the component `system`, or of the first one.
    #[must_use]
    pub fn firmware_version(&self) -> Option<&str> {
        let system = self.firmware.iter().find(|f| f.component == "system");
        system.or(self.firmware.first()).map(|f| f.version.as_str())
    }
}

/// One firmware component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Firmware {
    /// `system` for the main one, else the vendor's name.
    pub component: String,
    /// The version as the device reports it.
    pub version: String,
}

/// The status of a device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// `hrDeviceStatus`: `running`, `warning`, `down`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Label>,
    /// `hrPrinterStatus`: `idle`, `printing`, `warmup`, `other`, `unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub printer: Option<Label>,
    /// Names of the bits of `hrPrinterDetectedErrorState`.
    #[serde(default)]
    pub detected_errors: Vec<Cow<'static, str>>,
    /// Lines of `prtConsoleDisplayBufferText`.
    #[serde(default)]
    pub console: Vec<String>,
}

/// The bit of `hrPrinterDetectedErrorState` for a service call.
pub const SERVICE_REQUESTED: &str = "serviceRequested";

/// Names of the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counter {
    /// The total of pages.
    Total,
    /// All monochrome pages.
    Black,
    /// All colour pages.
    Color,
    /// Copied pages.
    CopyTotal,
    /// Copied monochrome pages.
    CopyBlack,
    /// Copied colour pages.
    CopyColor,
    /// Printed pages.
    PrintTotal,
    /// Printed monochrome pages.
    PrintBlack,
    /// Printed colour pages.
    PrintColor,
    /// Pages received by fax.
    FaxTotal,
    /// Scanned pages.
    ScanTotal,
    /// Two-sided sheets.
    Duplex,
    /// Pages since power-on. It falls to 0 in normal operation, so differences of it are never used.
    PowerOn,
    /// Paper jams.
    Jams,
}

impl Counter {
    /// All counters, in their order.
    pub const ALL: [Self; 14] = [
        Self::Total,
        Self::Black,
        Self::Color,
        Self::CopyTotal,
        Self::CopyBlack,
        Self::CopyColor,
        Self::PrintTotal,
        Self::PrintBlack,
        Self::PrintColor,
        Self::FaxTotal,
        Self::ScanTotal,
        Self::Duplex,
        Self::PowerOn,
        Self::Jams,
    ];

    /// Name on the wire and in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Black => "black",
            Self::Color => "color",
            Self::CopyTotal => "copy_total",
            Self::CopyBlack => "copy_black",
            Self::CopyColor => "copy_color",
            Self::PrintTotal => "print_total",
            Self::PrintBlack => "print_black",
            Self::PrintColor => "print_color",
            Self::FaxTotal => "fax_total",
            Self::ScanTotal => "scan_total",
            Self::Duplex => "duplex",
            Self::PowerOn => "power_on",
            Self::Jams => "jams",
        }
    }
}

/// An unknown name of a counter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no such counter: expected one of {}", Counter::ALL.map(Counter::name).join(", "))]
pub struct NoSuchCounter;

impl FromStr for Counter {
    type Err = NoSuchCounter;

    fn from_str(name: &str) -> Result<Self, NoSuchCounter> {
        Self::ALL.into_iter().find(|counter| counter.name() == name).ok_or(NoSuchCounter)
    }
}

/// The source of a counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The object that was read, dotted; several are joined by `+` if the counter is their sum.
    pub oid: String,
    /// The value as read.
    pub value: u64,
}

/// A row of `prtMarkerSuppliesTable`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Supply {
    /// Index of the row, `hrDeviceIndex.prtMarkerSuppliesIndex`.
    pub index: String,
    /// `prtMarkerSuppliesDescription`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `prtMarkerSuppliesType`: `toner`, `wasteToner`, `opc`, ...
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub supply_type: Option<Label>,
    /// `prtMarkerSuppliesClass`: `supplyThatIsConsumed` or `receptacleThatIsFilled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Label>,
    /// `prtMarkerColorantValue`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// `prtMarkerSuppliesSupplyUnit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Label>,
    /// `prtMarkerSuppliesLevel` as read, including negative states; the vendor's level if `private` is present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<i64>,
    /// What the level is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level_state: Option<LevelState>,
    /// `prtMarkerSuppliesMaxCapacity` as read; the maximum of the vendor's level if `private` is present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
    /// Level / maximum if both are units; the level itself if the unit is percent. 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    /// The source of the vendor's level, and what the standard table has instead; absent if the level is the standard
    /// one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private: Option<PrivateLevel>,
}

/// A level from the vendor's objects, where the standard table has only a state or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivateLevel {
    /// The object that was read, dotted.
    pub oid: String,
    /// `prtMarkerSuppliesLevel` of the row as read: -3 or -2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_level: Option<i64>,
    /// `prtMarkerSuppliesMaxCapacity` of the row as read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_max: Option<i64>,
}

/// What a level means (RFC 3805, `prtMarkerSuppliesLevel`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LevelState {
    /// A number of units.
    Units,
    /// -1: no restriction.
    Other,
    /// -2.
    Unknown,
    /// -3: some remains.
    SomeRemaining,
}

/// A row of `prtInputTable`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tray {
    /// Index of the row, `hrDeviceIndex.prtInputIndex`.
    pub index: String,
    /// `prtInputName`, else `prtInputDescription`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `prtInputMediaName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<String>,
    /// `prtInputCapacityUnit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Label>,
    /// `prtInputCurrentLevel` as read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<i64>,
    /// What the level is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level_state: Option<LevelState>,
    /// `prtInputMaxCapacity` as read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
    /// `prtInputStatus`, a sub-unit status as a number (RFC 3805, PrtSubUnitStatusTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<i64>,
}

/// A row of `prtCoverTable`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cover {
    /// Index of the row, `hrDeviceIndex.prtCoverIndex`.
    pub index: String,
    /// `prtCoverDescription`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `prtCoverStatus`: `coverOpen`, `coverClosed`, `interlockOpen`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Label>,
}

/// A row of `prtAlertTable`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// Index of the row, `hrDeviceIndex.prtAlertIndex`.
    pub index: String,
    /// `prtAlertSeverityLevel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Label>,
    /// `prtAlertTrainingLevel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Label>,
    /// `prtAlertGroup`, the number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<i64>,
    /// `prtAlertGroup`, the label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_name: Option<Label>,
    /// `prtAlertGroupIndex`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_index: Option<i64>,
    /// `prtAlertLocation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<i64>,
    /// `prtAlertCode`, the number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    /// `prtAlertCode`, the label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_name: Option<Label>,
    /// `prtAlertDescription`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}
