//! The plan of a roll-out: the one rule for command line, API and pages on whether it may be ordered.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use wire::ids::{DeviceId, GatewayId, RolloutId};
use wire::limits::COMMAND_DEVICES;
use wire::model::same_model;
use wire::similar::similar;

use super::version::compare;

/// How far in the past a date may be: it was entered some time ago, and the clocks may differ.
const LATE: SignedDuration = SignedDuration::from_mins(5);

/// Maximum number of models that an error suggests.
const OFFERED: usize = 5;

/// When devices may be pushed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// As soon as each device is idle.
    Now,
    /// Not before this time.
    NotBefore(Timestamp),
}

/// What an operator orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutSpec {
    /// Vendor's short name, as in a reading.
    pub vendor: String,
    /// Model, as in a reading.
    pub model: String,
    /// Version that the devices show afterwards.
    pub version: String,
    /// When devices may be pushed to.
    pub start: Start,
    /// Whether devices that show a newer version are included.
    pub allow_downgrade: bool,
    /// These devices only, by gateway and id: those that failed in another roll-out.
    pub only: Option<BTreeSet<(GatewayId, DeviceId)>>,
}

/// A device that may be updated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its gateway.
    pub gateway: GatewayId,
    /// Its id.
    pub device: DeviceId,
    /// Vendor's short name.
    pub vendor: String,
    /// Model as reported.
    pub model: String,
    /// Firmware version that it shows.
    pub version: String,
}

/// A device that is not at a final step in a roll-out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenDevice {
    /// Its roll-out.
    pub rollout: RolloutId,
    /// The roll-out's image.
    pub target: String,
    /// The device's gateway.
    pub gateway: GatewayId,
    /// Its id.
    pub device: DeviceId,
}

/// The state of the fleet that a plan depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fleet {
    /// Devices whose model is known. Devices of other models than the ordered one may be missing.
    pub candidates: Vec<Candidate>,
    /// Vendors and models of all devices, from which an error suggests similar ones.
    pub models: Vec<(String, String)>,
    /// Devices of roll-outs that have not ended.
    pub open: Vec<OpenDevice>,
}

/// The devices of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The gateway.
    pub gateway: GatewayId,
    /// Its devices, at most [`COMMAND_DEVICES`].
    pub devices: Vec<Candidate>,
}

/// The commands of a roll-out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The earliest time of a push.
    pub not_before: Timestamp,
    /// The devices of each gateway; one command for each share.
    pub shares: Vec<Share>,
}

/// The interface in use; a remedy names its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// `platen-comm-server rollout`.
    CommandLine,
    /// `/api/v1/rollouts`.
    Api,
    /// The form of the console.
    Page,
}

/// Why a roll-out is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A text is empty or too long.
    #[error("{field} {given:?} is not usable: expected 1 to 100 characters")]
    Field {
        /// The name of the field.
        field: &'static str,
        /// As it was given.
        given: String,
    },
    /// The date is in the past.
    #[error("the date {given} is in the past: it is {now} now")]
    Past {
        /// The date.
        given: Timestamp,
        /// The server's clock, to the second.
        now: Timestamp,
    },
    /// No device is of this model.
    #[error("no device of {vendor} {model} is known; {}", offer(near))]
    UnknownModel {
        /// Vendor.
        vendor: String,
        /// Model.
        model: String,
        /// Models with a similar name, or the first models of the fleet.
        near: Vec<String>,
    },
    /// Every device shows the version already.
    #[error("nothing to update: all {devices} devices of {vendor} {model} already show version {version}")]
    UpToDate {
        /// Vendor.
        vendor: String,
        /// Model.
        model: String,
        /// Version.
        version: String,
        /// Devices of the model.
        devices: usize,
    },
    /// Some devices are in another roll-out.
    #[error("{overlapping} of {devices} devices are in roll-out {rollout} of {target}, which has not ended")]
    Overlap {
        /// The other roll-out.
        rollout: RolloutId,
        /// Its image.
        target: String,
        /// Devices that are in it.
        overlapping: usize,
        /// Devices to be updated.
        devices: usize,
    },
    /// Some devices show a newer version.
    #[error(
        "{newer} of {devices} devices show a newer version than {version} (such as {shown}): this would be a downgrade"
    )]
    Downgrade {
        /// The ordered version.
        version: String,
        /// The newest version that a device shows.
        shown: String,
        /// Devices that show a newer one.
        newer: usize,
        /// Devices to be updated.
        devices: usize,
    },
}

fn offer(near: &[String]) -> String {
    if near.is_empty() {
        "no device has reported its model yet".to_owned()
    } else {
        format!("there are: {}", near.join(", "))
    }
}

impl PlanError {
    /// The next step for the operator, by the options of an interface.
    #[must_use]
    pub fn remedy(&self, interface: Interface) -> Option<String> {
        let said = match (self, interface) {
            (Self::Past { .. }, Interface::CommandLine) => {
                "give a --date in the future, or --now to update each device as soon as it is idle"
            }
            (Self::Past { .. }, Interface::Api) => {
                "give a not_before in the future, or omit it to update each device as soon as it is idle"
            }
            (Self::Past { .. }, Interface::Page) => {
                "choose a date in the future, or leave it empty to update each device as soon as it is idle"
            }
            (Self::Downgrade { .. }, Interface::CommandLine) => "add --allow-downgrade if that is meant",
            (Self::Downgrade { .. }, Interface::Api) => "send \"allow_downgrade\": true if that is meant",
            (Self::Downgrade { .. }, Interface::Page) => "tick “Allow a downgrade” if that is meant",
            (Self::Overlap { rollout, .. }, Interface::CommandLine) => {
                return Some(format!(
                    "wait for its end (`rollout show {rollout}`), or cancel it (`rollout cancel {rollout}`)"
                ));
            }
            (Self::Overlap { .. }, Interface::Api | Interface::Page) => "wait for its end, or cancel it",
            (Self::Field { .. } | Self::UnknownModel { .. } | Self::UpToDate { .. }, _) => return None,
        };
        Some(said.to_owned())
    }
}

/// Plans a roll-out.
///
/// # Errors
/// The spec is invalid, no device would be updated, or the order is probably a mistake (past date, downgrade, overlap).
pub fn plan(spec: &RolloutSpec, fleet: &Fleet, now: Timestamp) -> Result<Plan, PlanError> {
    let fields = [("vendor", &spec.vendor), ("model", &spec.model), ("version", &spec.version)];
    for (field, given) in fields {
        let usable = !given.trim().is_empty() && given.chars().count() <= 100;
        if !usable || given.chars().any(wire::text::is_hidden) {
            return Err(PlanError::Field { field, given: given.chars().take(120).collect() });
        }
    }
    let not_before = date(spec.start, now)?;
    let of_model = of_model(spec, &fleet.candidates);
    if of_model.is_empty() {
        let near = near(spec, &fleet.models);
        return Err(PlanError::UnknownModel { vendor: spec.vendor.clone(), model: spec.model.clone(), near });
    }
    let lacking: Vec<&Candidate> =
        of_model.iter().copied().filter(|device| device.version.trim() != spec.version.trim()).collect();
    if lacking.is_empty() {
        return Err(PlanError::UpToDate {
            vendor: spec.vendor.clone(),
            model: spec.model.clone(),
            version: spec.version.clone(),
            devices: of_model.len(),
        });
    }
    refuse_overlap(&lacking, &fleet.open)?;
    refuse_downgrade(spec, &lacking)?;
    Ok(Plan { not_before, shares: share_out(&lacking) })
}

fn date(start: Start, now: Timestamp) -> Result<Timestamp, PlanError> {
    match start {
        Start::Now => Ok(now),
        Start::NotBefore(given) if now.duration_since(given) > LATE => {
            let second = Timestamp::from_second(now.as_second()).unwrap_or(now);
            Err(PlanError::Past { given, now: second })
        }
        Start::NotBefore(given) => Ok(given),
    }
}

/// Whether a vendor and a model, as a device reports them, are those of `spec`.
#[must_use]
pub fn is_of_model(spec: &RolloutSpec, vendor: &str, model: &str) -> bool {
    vendor.eq_ignore_ascii_case(&spec.vendor) && same_model(&spec.vendor, model, &spec.model)
}

fn of_model<'a>(spec: &RolloutSpec, candidates: &'a [Candidate]) -> Vec<&'a Candidate> {
    let is_meant = |device: &Candidate| {
        let own = || (device.gateway.clone(), device.device.clone());
        spec.only.as_ref().is_none_or(|only| only.contains(&own()))
    };
    let is_model = |device: &Candidate| is_of_model(spec, &device.vendor, &device.model);
    candidates.iter().filter(|device| is_model(device) && is_meant(device)).collect()
}

/// Models with a similar name, the most similar first; if none is similar, the first models of the fleet.
fn near(spec: &RolloutSpec, models: &[(String, String)]) -> Vec<String> {
    let models: BTreeSet<String> = models.iter().map(|(vendor, model)| format!("{vendor} {model}")).collect();
    let ordered = format!("{} {}", spec.vendor, spec.model);
    let close = similar(&ordered, models.iter().map(String::as_str));
    let offered = if close.is_empty() { models.iter().map(String::as_str).collect() } else { close };
    offered.into_iter().take(OFFERED).map(str::to_owned).collect()
}

fn refuse_overlap(lacking: &[&Candidate], open: &[OpenDevice]) -> Result<(), PlanError> {
    let ordered: BTreeSet<_> = lacking.iter().map(|device| (&device.gateway, &device.device)).collect();
    let is_ordered = |device: &&OpenDevice| ordered.contains(&(&device.gateway, &device.device));
    let Some(first) = open.iter().find(is_ordered) else { return Ok(()) };
    let overlapping = open.iter().filter(is_ordered).filter(|device| device.rollout == first.rollout).count();
    Err(PlanError::Overlap {
        rollout: first.rollout,
        target: first.target.clone(),
        overlapping,
        devices: lacking.len(),
    })
}

fn refuse_downgrade(spec: &RolloutSpec, lacking: &[&Candidate]) -> Result<(), PlanError> {
    let newer: Vec<&str> = lacking
        .iter()
        .map(|device| device.version.as_str())
        .filter(|shown| compare(shown, &spec.version) == Some(Ordering::Greater))
        .collect();
    let newest =
        newer.iter().copied().reduce(|a, b| if compare(b, a) == Some(Ordering::Greater) { b } else { a });
    match newest {
        Some(shown) if !spec.allow_downgrade => Err(PlanError::Downgrade {
            version: spec.version.clone(),
            shown: shown.to_owned(),
            newer: newer.len(),
            devices: lacking.len(),
        }),
        Some(_) | None => Ok(()),
    }
}

fn share_out(devices: &[&Candidate]) -> Vec<Share> {
    let mut by_gateway: BTreeMap<&GatewayId, Vec<Candidate>> = BTreeMap::new();
    for device in devices {
        by_gateway.entry(&device.gateway).or_default().push((*device).clone());
    }
    let mut shares = Vec::new();
    for (gateway, devices) in by_gateway {
        for devices in devices.chunks(COMMAND_DEVICES) {
            shares.push(Share { gateway: gateway.clone(), devices: devices.to_vec() });
        }
    }
    shares
}

#[cfg(test)]
mod tests;
