//! Firmware updates: the state of the image and of each device.

use jiff::Timestamp;

use super::words::{Moment, Tone};
use crate::status::{DeviceStatus, DeviceStep, FirmwareStatus, ImageState};

/// Maximum number of devices of one update that are listed; the rest is counted.
const NAMED: usize = 20;

/// One firmware update.
pub(super) struct Update {
    pub(super) target: String,
    pub(super) version: String,
    pub(super) image: String,
    pub(super) image_tone: Tone,
    /// When pushing may begin, if that is in the future.
    pub(super) not_before: Option<Moment>,
    pub(super) done: usize,
    pub(super) all: usize,
    pub(super) steps: Vec<Step>,
    pub(super) more: usize,
}

/// One device of an update.
pub(super) struct Step {
    pub(super) device: String,
    pub(super) state: &'static str,
    pub(super) tone: Tone,
    pub(super) detail: String,
}

impl Update {
    pub(super) fn of(update: &FirmwareStatus, devices: &[DeviceStatus], now: Timestamp) -> Self {
        let steps = update.devices.iter().take(NAMED).map(|step| Step {
            device: device_name(devices, step.device.as_str()),
            state: step_title(step.state),
            tone: step_tone(step.state),
            detail: step.detail.clone(),
        });
        Self {
            target: update.target.clone(),
            version: update.version.clone(),
            image: match update.image_detail.as_str() {
                "" => image_title(update.image).to_owned(),
                detail => format!("{} ({detail})", image_title(update.image)),
            },
            image_tone: image_tone(update.image),
            not_before: (update.not_before > now).then(|| Moment::new(update.not_before, now)),
            done: update.devices.iter().filter(|step| step.state == DeviceStep::Verified).count(),
            all: update.devices.len(),
            steps: steps.collect(),
            more: update.devices.len().saturating_sub(NAMED),
        }
    }
}

/// The name of a device for people: its model or name with the serial number, else its id.
pub(super) fn device_name(devices: &[DeviceStatus], id: &str) -> String {
    let known = devices.iter().find(|device| device.device.as_str() == id);
    let model = known.and_then(|device| device.model.clone().or_else(|| device.name.clone()));
    let serial = known.and_then(|device| device.serial.clone());
    match (model, serial) {
        (Some(model), Some(serial)) => format!("{model} ({serial})"),
        (Some(model), None) => model,
        (None, _) => id.to_owned(),
    }
}

const fn image_title(image: ImageState) -> &'static str {
    match image {
        ImageState::Staging => "Staging",
        ImageState::Staged => "Staged",
        ImageState::Failed => "Failed",
    }
}

const fn image_tone(image: ImageState) -> Tone {
    match image {
        ImageState::Staging => Tone::Warn,
        ImageState::Staged => Tone::Good,
        ImageState::Failed => Tone::Bad,
    }
}

const fn step_title(step: DeviceStep) -> &'static str {
    match step {
        DeviceStep::Waiting => "Waiting",
        DeviceStep::Pushing => "Pushing",
        DeviceStep::Rebooting => "Rebooting",
        DeviceStep::Verified => "Verified",
        DeviceStep::Failed => "Failed",
        DeviceStep::Cancelled => "Cancelled",
    }
}

const fn step_tone(step: DeviceStep) -> Tone {
    match step {
        DeviceStep::Verified => Tone::Good,
        DeviceStep::Failed => Tone::Bad,
        DeviceStep::Pushing | DeviceStep::Rebooting => Tone::Warn,
        DeviceStep::Waiting | DeviceStep::Cancelled => Tone::Quiet,
    }
}
