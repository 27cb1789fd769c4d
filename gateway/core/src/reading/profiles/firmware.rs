//! Firmware in a profile: where versions are read, and how an image is pushed.

use serde::Deserialize;
use wire::reading::Firmware;

use super::lines;
use super::pattern::Pattern;
use super::text::{Origin, StandardField, StandardTexts, origin};
use crate::reading::limits::FIRMWARE_COMPONENTS;
use crate::reading::mib::{Mib, Oid};

/// The component of a version that has no other name: the device's main firmware.
pub(crate) const SYSTEM: &str = "system";

/// The source of firmware versions.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "RawFirmware")]
pub struct FirmwareSource(Place);

#[derive(Debug, Clone)]
enum Place {
    /// One text, or the matches of a pattern in it.
    Text { origin: Origin, component: String, pattern: Option<Pattern> },
    /// A table of names and versions.
    Table { names: Oid, versions: Oid, skip: Vec<String> },
    /// Pairs of lines: the name of a component, then its version.
    Lines { column: Oid, component: String, version: String, system: Option<String> },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFirmware {
    oid: Option<Oid>,
    from: Option<StandardField>,
    component: Option<String>,
    pattern: Option<Pattern>,
    table: Option<RawTable>,
    lines: Option<RawLines>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLines {
    column: Oid,
    component: String,
    version: String,
    #[serde(default)]
    system: Option<String>,
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
        let text =
            raw.oid.is_some() || raw.from.is_some() || raw.pattern.is_some() || raw.component.is_some();
        if text && (raw.table.is_some() || raw.lines.is_some()) || raw.table.is_some() && raw.lines.is_some()
        {
            return Err("expected nothing beside table or lines");
        }
        if let Some(RawLines { column, component, version, system }) = raw.lines {
            let [component, version] = [component, version].map(|key| key.to_ascii_uppercase());
            return Ok(Self(Place::Lines { column, component, version, system }));
        }
        if let Some(table) = raw.table {
            return Ok(Self(Place::Table { names: table.names, versions: table.versions, skip: table.skip }));
        }
        let component = raw.component.unwrap_or_else(|| SYSTEM.to_owned());
        Ok(Self(Place::Text { origin: origin(raw.oid, raw.from)?, component, pattern: raw.pattern }))
    }
}

impl FirmwareSource {
    /// The single object that it needs.
    pub(crate) fn object(&self) -> Option<&Oid> {
        match &self.0 {
            Place::Text { origin, .. } => origin.object(),
            Place::Table { .. } | Place::Lines { .. } => None,
        }
    }

    /// Appends the columns that it needs.
    pub(crate) fn columns(&self, columns: &mut Vec<Oid>) {
        match &self.0 {
            Place::Table { names, versions, .. } => columns.extend([names.clone(), versions.clone()]),
            Place::Lines { column, .. } => columns.push(column.clone()),
            Place::Text { origin, .. } => columns.extend(origin.column().cloned()),
        }
    }

    /// The vendor's name for the main component, if the source names components.
    pub(crate) fn system(&self) -> Option<&str> {
        match &self.0 {
            Place::Lines { system, .. } => system.as_deref(),
            Place::Text { .. } | Place::Table { .. } => None,
        }
    }

    /// The components of the device.
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
            Place::Lines { column, component, version, .. } => {
                in_pairs(lines::lines(mib, column), component, version)
            }
        }
    }

    /// The source, for people.
    #[must_use]
    pub(crate) fn describe(&self) -> String {
        match &self.0 {
            Place::Text { origin, .. } => origin.describe(),
            Place::Table { versions, .. } => versions.to_string(),
            Place::Lines { column, .. } => column.to_string(),
        }
    }
}

/// Components from pairs of lines: a name, and the version before the next name.
fn in_pairs(lines: Vec<(String, String)>, component: &str, version: &str) -> Vec<Firmware> {
    let (mut found, mut named) = (Vec::new(), None);
    for (key, value) in lines {
        if key == component {
            named = Some(value);
        } else if key == version
            && let Some(component) = named.take().filter(|_| found.len() < FIRMWARE_COMPONENTS)
        {
            found.push(Firmware { component, version: value });
        }
    }
    found
}

/// Port of raw printing ("JetDirect").
pub const RAW_PORT: u16 = 9100;

/// How an image is pushed to a device.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "transport", rename_all = "snake_case", deny_unknown_fields)]
pub enum FirmwareTransport {
    /// The image over a TCP connection, then the end of the stream.
    Raw9100 {
        /// The port.
        #[serde(default = "raw_port")]
        port: u16,
    },
    /// `PUT` to the device's web server.
    HttpPut {
        /// The port.
        #[serde(default = "http_port")]
        port: u16,
        /// Absolute path.
        #[serde(default = "root")]
        path: String,
    },
    /// `POST` to the device's web server.
    HttpPost {
        /// The port.
        #[serde(default = "http_port")]
        port: u16,
        /// Absolute path.
        #[serde(default = "root")]
        path: String,
    },
}

impl Default for FirmwareTransport {
    fn default() -> Self {
        Self::Raw9100 { port: RAW_PORT }
    }
}

const fn raw_port() -> u16 {
    RAW_PORT
}

const fn http_port() -> u16 {
    80
}

fn root() -> String {
    "/".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_names_the_transport() {
        let transport = |yaml: &str| serde_yaml::from_str::<FirmwareTransport>(yaml).unwrap();
        assert_eq!(transport("{transport: raw9100}"), FirmwareTransport::default());
        let path = "/fw".to_owned();
        assert_eq!(
            transport("{transport: http_put, path: /fw}"),
            FirmwareTransport::HttpPut { port: 80, path }
        );
        assert!(serde_yaml::from_str::<FirmwareTransport>("{transport: raw9100, prot: 1}").is_err());
    }

    #[test]
    fn a_version_belongs_to_the_name_before_it() {
        let line = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let lines = vec![
            line("VER", "0"),
            line("ID", "A"),
            line("VER", "1"),
            line("VER", "2"),
            line("ID", "B"),
            line("ID", "C"),
            line("OTHER", "x"),
            line("VER", "3"),
        ];
        let found = in_pairs(lines, "ID", "VER");
        let found: Vec<_> = found.iter().map(|f| (f.component.as_str(), f.version.as_str())).collect();
        assert_eq!(found, [("A", "1"), ("C", "3")]);
    }
}
