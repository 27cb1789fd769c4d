//! Texts in a profile: an object or a standard text, optionally through a pattern or by a key of an IEEE 1284 device
//! id.

use serde::Deserialize;

use super::lines;
use super::pattern::Pattern;
use crate::reading::mib::{Mib, Oid};

/// A text of the standard MIBs that a profile may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StandardField {
    /// `sysDescr`.
    SysDescr,
    /// `hrDeviceDescr` of the printer.
    DeviceDescr,
    /// `prtGeneralPrinterName`.
    PrinterName,
}

/// The standard texts of one device.
#[derive(Debug, Clone, Default)]
pub struct StandardTexts {
    /// `sysDescr`.
    pub sys_descr: Option<String>,
    /// `hrDeviceDescr` of the printer.
    pub device_descr: Option<String>,
    /// `prtGeneralPrinterName`.
    pub printer_name: Option<String>,
}

impl StandardTexts {
    #[must_use]
    pub(crate) fn field(&self, field: StandardField) -> Option<&str> {
        match field {
            StandardField::SysDescr => self.sys_descr.as_deref(),
            StandardField::DeviceDescr => self.device_descr.as_deref(),
            StandardField::PrinterName => self.printer_name.as_deref(),
        }
    }
}

/// The source of a text before pattern and key are applied.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// In an object.
    Object(Oid),
    /// In a standard text.
    Standard(StandardField),
    /// The value of a key in a column of lines.
    Line {
        /// The column.
        column: Oid,
        /// The key.
        key: String,
    },
}

/// The source of a text.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "RawText")]
pub struct TextSource {
    origin: Origin,
    id_key: Option<String>,
    pattern: Option<Pattern>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawText {
    oid: Option<Oid>,
    from: Option<StandardField>,
    line: Option<RawLine>,
    id_key: Option<String>,
    pattern: Option<Pattern>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLine {
    column: Oid,
    key: String,
}

impl TryFrom<RawText> for TextSource {
    type Error = &'static str;

    fn try_from(raw: RawText) -> Result<Self, &'static str> {
        let origin = match raw.line {
            Some(_) if raw.oid.is_some() || raw.from.is_some() => {
                return Err("expected exactly one of oid, from and line");
            }
            Some(line) => Origin::Line { column: line.column, key: line.key.to_ascii_uppercase() },
            None => origin(raw.oid, raw.from)?,
        };
        Ok(Self { origin, id_key: raw.id_key, pattern: raw.pattern })
    }
}

pub(crate) fn origin(oid: Option<Oid>, from: Option<StandardField>) -> Result<Origin, &'static str> {
    match (oid, from) {
        (Some(oid), None) => Ok(Origin::Object(oid)),
        (None, Some(field)) => Ok(Origin::Standard(field)),
        (Some(_), Some(_)) | (None, None) => Err("expected exactly one of oid and from"),
    }
}

impl Origin {
    pub(crate) fn text(&self, mib: &Mib, standard: &StandardTexts) -> Option<String> {
        match self {
            Self::Object(oid) => mib.text(oid.arcs(), &[]),
            Self::Standard(field) => standard.field(*field).map(str::to_owned),
            Self::Line { column, key } => lines::value(mib, column, key),
        }
    }

    /// The object, if it is one.
    pub(crate) fn object(&self) -> Option<&Oid> {
        match self {
            Self::Object(oid) => Some(oid),
            Self::Standard(_) | Self::Line { .. } => None,
        }
    }

    /// The column to walk, if it is in one.
    pub(crate) fn column(&self) -> Option<&Oid> {
        match self {
            Self::Line { column, .. } => Some(column),
            Self::Object(_) | Self::Standard(_) => None,
        }
    }

    /// The source, for people.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Object(oid) => oid.to_string(),
            Self::Standard(StandardField::SysDescr) => "sysDescr".to_owned(),
            Self::Standard(StandardField::DeviceDescr) => "hrDeviceDescr".to_owned(),
            Self::Standard(StandardField::PrinterName) => "prtGeneralPrinterName".to_owned(),
            Self::Line { column, key } => format!("{column} {key}"),
        }
    }
}

impl TextSource {
    /// The single object that must be requested.
    pub(crate) fn object(&self) -> Option<&Oid> {
        self.origin.object()
    }

    /// The column to walk.
    pub(crate) fn column(&self) -> Option<&Oid> {
        self.origin.column()
    }

    /// The text, if the device has it.
    #[must_use]
    pub fn read(&self, mib: &Mib, standard: &StandardTexts) -> Option<String> {
        let mut text = self.origin.text(mib, standard)?;
        if let Some(key) = &self.id_key {
            text = id_value(&text, key)?;
        }
        match &self.pattern {
            Some(pattern) => pattern.first(&text),
            None => Some(text),
        }
    }

    /// The source, for people.
    #[must_use]
    pub(crate) fn describe(&self) -> String {
        self.origin.describe()
    }
}

/// The value of a key in an IEEE 1284 device id, `MFG:Brother;MDL:HL-1;`; `MDL` and `MODEL`, `MFG` and
/// `MANUFACTURER`, `SN` and `SERN` are synonyms.
fn id_value(id: &str, key: &str) -> Option<String> {
    let same: &[&str] = match key {
        "MDL" => &["MDL", "MODEL"],
        "MFG" => &["MFG", "MANUFACTURER"],
        "SN" => &["SN", "SERN", "SERIALNUMBER"],
        other => &[other],
    };
    id.split(';').find_map(|part| {
        let (own, value) = part.split_once(':')?;
        let value = value.trim();
        (same.iter().any(|name| own.trim().eq_ignore_ascii_case(name)) && !value.is_empty())
            .then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_a_device_id_is_found() {
        let id = "MFG:Acme; CMD:PCL,PJL; MODEL: Laser 9 ;SN:;CLS:PRINTER";
        assert_eq!(id_value(id, "MDL").as_deref(), Some("Laser 9"));
        assert_eq!(id_value(id, "MFG").as_deref(), Some("Acme"));
        assert_eq!(id_value(id, "SN"), None);
        assert_eq!(id_value("rubbish", "MDL"), None);
    }
}
