//! Firmware in a profile: where versions are read, and how an image is pushed.

use serde::Deserialize;
use wire::reading::Firmware;

use super::pattern::Pattern;
use super::text::{Origin, StandardField, StandardTexts, origin};
use crate::device_reading::limits::FIRMWARE_COMPONENTS;
use crate::device_reading::{Mib, Oid};

/// Component of a version that isn't named otherwise: the device's main firmware.
const SYSTEM: &str = "system";

/// Where firmware versions are.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "RawFirmware")]
pub struct FirmwareSource(Place);

#[derive(Debug, Clone)]
enum Place {
    /// One text, or what a pattern finds in it.
    Text { origin: Origin, component: String, pattern: Option<Pattern> },
    /// A table of names and versions.
    Table { names: Oid, versions: Oid, skip: Vec<String> },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFirmware {
    oid: Option<Oid>,
    from: Option<StandardField>,
    component: Option<String>,
    pattern: Option<Pattern>,
    table: Option<RawTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTable {
    names: Oid,
    versions: Oid,
    #[serde(default)]
    skip: Vec<String>,
}

impl TryFrom<RawFirmware> for FirmwareSource {
    type Error = &'static str;

    fn try_from(raw: RawFirmware) -> Result<Self, &'static str> {
        if let Some(table) = raw.table {
            if raw.oid.is_some() || raw.from.is_some() || raw.pattern.is_some() || raw.component.is_some() {
                return Err("expected nothing beside table");
            }
            return Ok(Self(Place::Table { names: table.names, versions: table.versions, skip: table.skip }));
        }
        let component = raw.component.unwrap_or_else(|| SYSTEM.to_owned());
        Ok(Self(Place::Text { origin: origin(raw.oid, raw.from)?, component, pattern: raw.pattern }))
    }
}

impl FirmwareSource {
    /// The object that must be asked for.
    pub(crate) fn object(&self) -> Option<&Oid> {
        match &self.0 {
            Place::Text { origin, .. } => origin.object(),
            Place::Table { .. } => None,
        }
    }

    /// Adds the columns that it needs.
    pub(crate) fn columns(&self, columns: &mut Vec<Oid>) {
        if let Place::Table { names, versions, .. } = &self.0 {
            columns.extend([names.clone(), versions.clone()]);
        }
    }

    /// The components that the device has there.
    #[must_use]
    pub fn read(&self, mib: &Mib, standard: &StandardTexts) -> Vec<Firmware> {
        match &self.0 {
            Place::Text { origin, component, pattern } => {
                let Some(text) = origin.text(mib, standard) else { return Vec::new() };
                let found = match pattern {
                    Some(pattern) => pattern.components(&text, FIRMWARE_COMPONENTS),
                    None => vec![(None, text)],
                };
                found
                    .into_iter()
                    .map(|(name, version)| Firmware {
                        component: name.unwrap_or_else(|| component.clone()),
                        version,
                    })
                    .collect()
            }
            Place::Table { names, versions, skip } => mib
                .rows(names.arcs())
                .filter_map(|(row, name)| {
                    let component = mib.text_of(name)?;
                    let version = mib.text(versions.arcs(), row)?;
                    (!skip.contains(&component)).then_some(Firmware { component, version })
                })
                .take(FIRMWARE_COMPONENTS)
                .collect(),
        }
    }

    /// Where it is read, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.0 {
            Place::Text { origin, .. } => origin.describe(),
            Place::Table { versions, .. } => versions.to_string(),
        }
    }
}

/// How an image is pushed to a device.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirmwareUpdate {
    /// The transport.
    pub transport: FirmwareTransport,
    /// Port; the transport's own where absent.
    #[serde(default)]
    port: Option<u16>,
    /// Path of an HTTP push.
    #[serde(default = "root")]
    pub path: String,
}

fn root() -> String {
    "/".to_owned()
}

/// A way to push an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirmwareTransport {
    /// The bytes on a TCP connection to the printing port, 9100.
    Raw9100,
    /// `PUT`.
    HttpPut,
    /// `POST`.
    HttpPost,
}

impl FirmwareUpdate {
    /// Port to push to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.transport {
            FirmwareTransport::Raw9100 => 9100,
            FirmwareTransport::HttpPut | FirmwareTransport::HttpPost => 80,
        })
    }
}
