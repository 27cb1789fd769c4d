//! The identity of a device.

use wire::reading::{Firmware, Identity};

use super::model;
use super::provenance::Notes;
use crate::reading::limits::FIRMWARE_COMPONENTS;
use crate::reading::mib::Mib;
use crate::reading::mib::Value;
use crate::reading::mib::objects as o;
use crate::reading::profiles::{IdentitySources, Profile, SYSTEM, StandardTexts, TextSource};

/// Octets of a hardware address.
const MAC_OCTETS: usize = 6;

/// `ifType`s whose hardware address is used, in order of preference.
const NETWORKS: [i64; 2] = [6, 71];

/// The source of a text.
enum From<'a> {
    Object(&'static str),
    Profile(&'a TextSource),
}

impl From<'_> {
    fn describe(&self) -> String {
        match self {
            Self::Object(name) => (*name).to_owned(),
            Self::Profile(source) => source.describe(),
        }
    }
}

/// The identity; `device` is the printer's row of `hrDeviceTable`.
pub(crate) fn identity(mib: &Mib, device: u32, profile: Option<&Profile>, notes: &mut Notes) -> Identity {
    let general = |object: &[u32]| {
        mib.text(object, &[device])
            .or_else(|| mib.text(object, &[1]))
            .or_else(|| mib.rows(object).find_map(|(_, value)| mib.text_of(value)))
    };
    let standard = StandardTexts {
        sys_descr: mib.text(o::SYS_DESCR, &[0]),
        device_descr: mib.text(o::HR_DEVICE_DESCR, &[device]),
        printer_name: general(o::PRT_GENERAL_PRINTER_NAME),
    };
    let sources = profile.map(|profile| &profile.identity);
    let mut noted = |field: &str, value: Option<(String, From<'_>)>| {
        let (value, from) = value?;
        notes.note(|| format!("identity.{field}"), || from.describe());
        Some(value)
    };
    let private = |of: fn(&IdentitySources) -> &[TextSource]| {
        let found = |source| Some((TextSource::read(source, mib, &standard)?, From::Profile(source)));
        of(sources?).iter().find_map(found)
    };
    let named = |value: Option<String>, name| value.map(|value| (value, From::Object(name)));
    let serial = noted(
        "serial",
        named(general(o::PRT_GENERAL_SERIAL_NUMBER), "prtGeneralSerialNumber")
            .or_else(|| private(|sources| &sources.serial)),
    );
    let models = sources.into_iter().flat_map(|sources| &sources.model);
    let models = models.filter_map(|source| Some((source.read(mib, &standard)?, From::Profile(source))));
    let last = named(standard.device_descr.clone(), "hrDeviceDescr");
    let cleaned = |(text, from): (String, _)| Some((model::model(&text, serial.as_deref())?, from));
    let model = noted("model", models.chain(last).find_map(cleaned));
    let name = noted(
        "name",
        named(standard.printer_name.clone(), "prtGeneralPrinterName")
            .or_else(|| named(mib.text(o::SYS_NAME, &[0]), "sysName"))
            .or_else(|| private(|sources| &sources.name)),
    );
    let firmware = firmware(mib, profile, &standard, notes);
    let sys_object_id = mib.instance(o::SYS_OBJECT_ID, &[0]).and_then(|value| mib.text_of(value));
    Identity {
        vendor: profile.map(|profile| profile.vendor.clone()),
        model,
        serial,
        name,
        mac: mac(mib),
        sys_descr: standard.sys_descr,
        sys_object_id,
        firmware,
    }
}

/// The components of all of the profile's sources, each once.
fn firmware(
    mib: &Mib,
    profile: Option<&Profile>,
    standard: &StandardTexts,
    notes: &mut Notes,
) -> Vec<Firmware> {
    let mut all: Vec<Firmware> = Vec::new();
    for source in profile.iter().flat_map(|profile| &profile.identity.firmware) {
        for mut found in source.read(mib, standard) {
            let has = |all: &[Firmware], name: &str| all.iter().any(|own| own.component == name);
            if source.system() == Some(found.component.as_str()) && !has(&all, SYSTEM) {
                SYSTEM.clone_into(&mut found.component);
            }
            let known = has(&all, &found.component);
            if !known && all.len() < FIRMWARE_COMPONENTS {
                notes.note(|| format!("identity.firmware.{}", found.component), || source.describe());
                all.push(found);
            }
        }
    }
    all
}

/// The hardware address: of an Ethernet interface, else of a wireless one, else of one with an unknown type.
pub(crate) fn mac(mib: &Mib) -> Option<String> {
    let rank = |row: &[u32]| match mib.number(o::IF_TYPE, row) {
        Some(kind) => NETWORKS.iter().position(|own| *own == kind),
        None => Some(NETWORKS.len()),
    };
    mib.rows(o::IF_PHYS_ADDRESS)
        .filter_map(|(row, value)| Some((rank(row)?, address(value)?)))
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, octets)| octets.map(|octet| format!("{octet:02x}")).join(":"))
}

fn address(value: &Value) -> Option<[u8; MAC_OCTETS]> {
    let Value::Octets(octets) = value else { return None };
    let octets = <[u8; MAC_OCTETS]>::try_from(octets.as_slice()).ok()?;
    let usable = octets.iter().any(|octet| *octet != 0) && octets.iter().any(|octet| *octet != 0xff);
    usable.then_some(octets)
}
