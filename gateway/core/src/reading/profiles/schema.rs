//! The structure of a profile file.

use std::collections::BTreeMap;

use serde::Deserialize;
use wire::reading::Counter;

use super::counter::CounterSource;
use super::firmware::{FirmwareSource, FirmwareTransport};
use super::pattern::Pattern;
use super::supply::SupplySource;
use super::supply_table::SupplyTable;
use super::text::TextSource;
use crate::reading::mib::Oid;

/// Maximum size of a profile file, bytes.
pub(super) const PROFILE_BYTES: usize = 256 << 10;

/// Maximum depth of brackets; a profile needs three. The YAML parser's memory grows with it.
const PROFILE_DEPTH: usize = 64;

/// The objects of one maker's devices besides the standard MIBs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// `ricoh`, `kyocera`, ...: part of device ids, so it must never change.
    pub vendor: String,
    /// Brands and other information for people.
    #[serde(default)]
    pub about: String,
    /// Devices that the profile is for; one matching rule is sufficient.
    #[serde(rename = "match")]
    pub rules: Vec<MatchRule>,
    /// Devices that the profile is not for, whatever else matches: other products of the maker with SNMP.
    #[serde(default)]
    pub exclude: Vec<MatchRule>,
    /// Devices that this rule alone proves to be printers: they have neither the Printer MIB nor the private objects
    /// of this profile.
    #[serde(default)]
    pub printers: Vec<MatchRule>,
    /// An object that only this maker's devices have, requested if no rule of any profile matches.
    #[serde(default)]
    pub probe: Option<Oid>,
    /// The sources of the identity.
    #[serde(default)]
    pub identity: IdentitySources,
    /// Counters. The first source with a value wins, also over the standard object.
    #[serde(default)]
    pub counters: BTreeMap<Counter, Vec<CounterSource>>,
    /// Lines of the panel, for devices whose `prtConsoleDisplayBufferText` is empty.
    #[serde(default)]
    pub console: Vec<TextSource>,
    /// Patterns of service codes in console texts and alert descriptions: the first group of the first match. A
    /// console line with a service code is a service call.
    #[serde(default)]
    pub service_codes: Vec<Pattern>,
    /// Supplies, for devices without `prtMarkerSuppliesTable` and for rows that hide their level.
    #[serde(default)]
    pub supplies: Vec<SupplySource>,
    /// The SNMP context that has the printer's objects on some devices, tried if the default context lacks them.
    #[serde(default)]
    pub context: Option<String>,
    /// Private tables of supplies, besides the standard one.
    #[serde(default)]
    pub supply_tables: Vec<SupplyTable>,
    /// How an image is pushed to the device.
    #[serde(default)]
    pub firmware_update: Option<FirmwareTransport>,
    /// [`Self::objects`], computed once: every reading needs it.
    #[serde(skip)]
    single_objects: Vec<Oid>,
    /// [`Self::columns`], computed once.
    #[serde(skip)]
    table_columns: Vec<Oid>,
}

/// A rule that matches devices: all of its conditions must hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, try_from = "RawRule")]
pub struct MatchRule {
    sys_object_id: Option<Oid>,
    sys_descr: Option<Pattern>,
    model: Option<Pattern>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    sys_object_id: Option<Oid>,
    sys_descr: Option<Pattern>,
    model: Option<Pattern>,
}

impl TryFrom<RawRule> for MatchRule {
    type Error = &'static str;

    fn try_from(raw: RawRule) -> Result<Self, &'static str> {
        if raw.sys_object_id.is_none() && raw.sys_descr.is_none() && raw.model.is_none() {
            return Err("an empty rule fits every device: expected sys_object_id, sys_descr or model");
        }
        Ok(Self { sys_object_id: raw.sys_object_id, sys_descr: raw.sys_descr, model: raw.model })
    }
}

/// The system objects of a device, by which its profile is selected.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIdentity<'a> {
    /// `sysObjectID`.
    pub sys_object_id: Option<&'a Oid>,
    /// `sysDescr`.
    pub sys_descr: Option<&'a str>,
    /// `hrDeviceDescr` of the printer.
    pub device_descr: Option<&'a str>,
}

impl MatchRule {
    /// The rule's precedence for this device; `None` if it doesn't match.
    pub(crate) fn weight(&self, system: &SystemIdentity<'_>) -> Option<u32> {
        let SystemIdentity { sys_object_id: object, sys_descr: descr, device_descr: model } = *system;
        let text = |pattern: &Option<Pattern>, text: Option<&str>| match (pattern, text) {
            (None, _) => Some(0),
            (Some(pattern), Some(text)) if pattern.is_in(text) => Some(1_000),
            (Some(_), _) => None,
        };
        let prefix = match (&self.sys_object_id, object) {
            (None, _) => 0,
            (Some(prefix), Some(own)) if own.after(prefix.arcs()).is_some() => {
                u32::try_from(prefix.arcs().len()).unwrap_or(u32::MAX)
            }
            (Some(_), _) => return None,
        };
        Some(prefix + text(&self.sys_descr, descr)? + text(&self.model, model)?)
    }
}

/// The sources of a device's identity.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentitySources {
    /// Model; `hrDeviceDescr` is the last source unless the list has it (`from: device_descr`).
    #[serde(default)]
    pub model: Vec<TextSource>,
    /// Serial number; `prtGeneralSerialNumber` is the first source.
    #[serde(default)]
    pub serial: Vec<TextSource>,
    /// Name; `prtGeneralPrinterName` and `sysName` are the first sources.
    #[serde(default)]
    pub name: Vec<TextSource>,
    /// Firmware components, from all sources that have a value.
    #[serde(default)]
    pub firmware: Vec<FirmwareSource>,
}

/// Why a profile is invalid.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// It is larger than `PROFILE_BYTES`.
    #[error("profile {file}: larger than {PROFILE_BYTES} bytes")]
    TooLarge {
        /// The file.
        file: String,
    },
    /// It doesn't have the structure of a profile.
    #[error("profile {file}: at {path}: {problem}")]
    Shape {
        /// The file.
        file: String,
        /// Path of the value, `counters.total[0].oid`.
        path: String,
        /// What was found and expected, with line and column.
        problem: String,
    },
}

impl Profile {
    /// Parses a profile; `file` is its name in errors.
    ///
    /// # Errors
    /// The YAML is not a valid profile; the error names file, path, line and column.
    pub fn parse(file: &str, yaml: &str) -> Result<Self, ProfileError> {
        if yaml.len() > PROFILE_BYTES {
            return Err(ProfileError::TooLarge { file: file.to_owned() });
        }
        let shape =
            |path: String, problem: String| ProfileError::Shape { file: file.to_owned(), path, problem };
        if let Some(line) = nested_too_deep(yaml) {
            let problem = format!("line {line}: brackets nested more than {PROFILE_DEPTH} deep, expected 3");
            return Err(shape(".".into(), problem));
        }
        let parser = serde_yaml::Deserializer::from_str(yaml);
        let mut profile: Self = serde_path_to_error::deserialize(parser).map_err(|error| {
            let (path, problem) = (error.path().to_string(), error.inner().to_string());
            // The path doesn't name a key that is an enumeration; the parser's message does.
            match problem.split_once(": ") {
                Some((own, rest)) if path.contains('?') => shape(own.to_owned(), rest.to_owned()),
                _ => shape(path, problem),
            }
        })?;
        let vendor = &profile.vendor;
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if vendor.is_empty() || vendor.len() > 32 || !vendor.chars().all(allowed) {
            return Err(shape("vendor".into(), format!("{vendor:?}: expected 1 to 32 of a-z, 0-9 and '-'")));
        }
        if profile.rules.is_empty() {
            return Err(shape("match".into(), "no rule: the profile would never be used".into()));
        }
        profile.single_objects = profile.gathered_objects();
        profile.table_columns = profile.gathered_columns();
        Ok(profile)
    }

    /// Whether the profile is not for this device, although the maker is the same.
    #[must_use]
    pub(crate) fn excludes(&self, system: &SystemIdentity<'_>) -> bool {
        self.exclude.iter().any(|rule| rule.weight(system).is_some())
    }

    /// Whether the system objects prove that the device is a printer.
    #[must_use]
    pub(crate) fn proves_printer(&self, system: &SystemIdentity<'_>) -> bool {
        self.printers.iter().any(|rule| rule.weight(system).is_some())
    }

    /// The single objects of a full reading, in order.
    #[must_use]
    pub fn objects(&self) -> &[Oid] {
        &self.single_objects
    }

    /// The table columns of a full reading, in order.
    #[must_use]
    pub fn columns(&self) -> &[Oid] {
        &self.table_columns
    }

    fn gathered_objects(&self) -> Vec<Oid> {
        let texts = self.identity.model.iter().chain(&self.identity.name).chain(&self.console);
        let mut objects: Vec<Oid> = texts.filter_map(TextSource::object).cloned().collect();
        objects.extend(self.serial_objects());
        self.identity.firmware.iter().for_each(|source| objects.extend(source.object().cloned()));
        self.counters.values().flatten().for_each(|source| source.value.objects(&mut objects));
        objects.extend(self.level_objects());
        objects.sort_unstable();
        objects.dedup();
        objects
    }

    /// Single objects that may hold a serial number.
    pub(crate) fn serial_objects(&self) -> impl Iterator<Item = Oid> {
        self.identity.serial.iter().filter_map(TextSource::object).cloned()
    }

    /// Columns that may hold a serial number.
    pub(crate) fn serial_columns(&self) -> impl Iterator<Item = &Oid> {
        self.identity.serial.iter().filter_map(TextSource::column)
    }

    /// Single objects that may hold levels of supplies.
    pub(crate) fn level_objects(&self) -> Vec<Oid> {
        let mut objects = Vec::new();
        self.supplies.iter().for_each(|source| source.level.value.objects(&mut objects));
        objects.sort_unstable();
        objects.dedup();
        objects
    }

    /// Single objects that may hold console text.
    pub(crate) fn console_objects(&self) -> impl Iterator<Item = Oid> {
        self.console.iter().filter_map(TextSource::object).cloned()
    }

    /// Columns that every reading of supplies walks.
    pub(crate) fn supply_columns(&self) -> impl Iterator<Item = &Oid> {
        self.supply_tables.iter().flat_map(SupplyTable::columns)
    }

    fn gathered_columns(&self) -> Vec<Oid> {
        let mut columns = Vec::new();
        self.counters.values().flatten().for_each(|source| source.value.columns(&mut columns));
        self.identity.firmware.iter().for_each(|source| source.columns(&mut columns));
        let texts = [&self.identity.model, &self.identity.serial, &self.identity.name];
        columns.extend(texts.into_iter().flatten().filter_map(TextSource::column).cloned());
        columns.extend(self.supply_columns().cloned());
        columns.sort_unstable();
        columns.dedup();
        columns
    }
}

/// The line at which brackets exceed the maximum depth; quoted ones count, too.
fn nested_too_deep(yaml: &str) -> Option<usize> {
    let mut depth = 0_usize;
    yaml.lines()
        .position(|line| {
            line.bytes().any(|octet| {
                match octet {
                    b'[' | b'{' => depth += 1,
                    b']' | b'}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                depth > PROFILE_DEPTH
            })
        })
        .map(|line| line + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_file_path_line_and_what_was_expected() {
        let error = |yaml: &str| Profile::parse("x.yaml", yaml).unwrap_err().to_string();
        let head = "vendor: x\nmatch: [{sys_object_id: 1.3.6.1.4.1.9}]\n";
        let cases = [
            ("vendor: x\n", "match", ""),
            ("vendor: 'X y'\nmatch: [{sys_descr: x}]\n", "at vendor", "a-z"),
            ("vendor: x\nmatch: []\n", "at match", "never be used"),
            ("vendor: x\nmatch: [{}]\n", "match[0]", "fits every device"),
            ("vendor: x\nmatch: [{sys_descr: '('}]\n", "match[0].sys_descr", "open group"),
            (&format!("{head}colour: 1\n"), "colour", "unknown field"),
            (
                &format!("{head}counters: {{total: [{{oid: 1.x}}]}}\n"),
                "counters.total[0]",
                "separated by dots",
            ),
            (&format!("{head}counters: {{total: [{{}}]}}\n"), "counters.total", "exactly one of"),
            (&format!("{head}counters: {{pages: []}}\n"), "pages", "unknown variant"),
            (
                &format!("{head}identity: {{model: [{{pattern: x}}]}}\n"),
                "identity.model[0]",
                "exactly one of",
            ),
            (&format!("{head}about: {}", "[".repeat(250_000)), "line 3", "nested more than 64 deep"),
            (&format!("{head}firmware_update: {{transport: ftp}}\n"), "firmware_update.transport", "raw9100"),
        ];
        for (yaml, path, problem) in cases {
            let error = error(yaml);
            assert!(error.contains("x.yaml") && error.contains(path) && error.contains(problem), "{error}");
        }
        assert!(error(&format!("{head}counters: {{total: [{{oid: 1.x}}]}}\n")).contains("line 3"));
    }
}
