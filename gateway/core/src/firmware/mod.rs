//! A firmware update: the image is staged, waits for its date and an idle device, is pushed, the device restarts, and
//! its version is read back.
//!
//! Before an image is pushed, the intention is stored. After a restart of the gateway in between, the version is read
//! first, so that no image is pushed twice blindly. An update is done only if the device itself shows the new
//! version.
//!
//! ```
//! use jiff::{SignedDuration, Timestamp};
//! use platen_gateway_core::firmware::{DeviceView, Effect, Shown, Update, UpdateRules};
//! use wire::command::FirmwareUpdate;
//! use wire::ids::{CommandId, DeviceId, RolloutId};
//! use wire::reading::{Label, Status};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = Timestamp::UNIX_EPOCH;
//! let device: DeviceId = "ricoh:E174M210001".parse()?;
//! let order = FirmwareUpdate {
//!     rollout: RolloutId(uuid::Uuid::from_u128(1)),
//!     target: "ricoh/IM-C4500/2.10".to_owned(),
//!     version: "2.10".to_owned(),
//!     devices: vec![device.clone()],
//!     not_before: now,
//! };
//! let rules = UpdateRules {
//!     restart_limit: SignedDuration::from_mins(15),
//!     read_back: SignedDuration::from_secs(10),
//!     push_pause: SignedDuration::from_secs(15),
//!     report_pause: SignedDuration::from_mins(1),
//! };
//! let mut update = Update::new(CommandId(uuid::Uuid::from_u128(2)), order, now);
//! assert_eq!(update.next(now, &rules, |_| None), [Effect::Stage]);
//! update.on_staged("9f86d081".to_owned(), 9, now);
//!
//! let status = Status { printer: Some(Label::name("idle")), ..Status::default() };
//! let view = |_: &DeviceId| Some(DeviceView { answers: true, status: &status, version: Some("2.04") });
//! assert_eq!(update.next(now, &rules, view), [Effect::Push(device.clone())]);
//! update.on_pushed(&device, Ok(()), now, &rules);
//! assert_eq!(update.next(now, &rules, view), [Effect::ReadBack(device.clone())]);
//! update.on_read_back(&device, Some(Shown { version: Some("2.10"), status: &status }), now, &rules);
//! assert!(update.is_over());
//! # Ok(())
//! # }
//! ```

mod device;
mod push;
mod record;
mod staging;
mod update;
mod wait;

use jiff::{SignedDuration, Timestamp};
use wire::ids::{DeviceId, RolloutId};
use wire::limits::FIRMWARE_DETAIL_CHARS;
use wire::reading::Status;
use wire::report::{FirmwareProgress, FirmwareState, WaitReason};
use wire::text::without_hidden;

pub use push::{PushFailure, Reach};
pub use record::{DeviceState, DeviceUpdate, Image, Update};
pub use wait::{Reported, Wait};

/// The configured times of updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpdateRules {
    /// How long after the push a device must show the new version.
    pub restart_limit: SignedDuration,
    /// Pause between two reads of a device that restarts.
    pub read_back: SignedDuration,
    /// The pause after the first push that got no connection.
    pub push_pause: SignedDuration,
    /// Minimum time between two reports of what a device waits for; it doubles with each.
    pub report_pause: SignedDuration,
}

/// The part of a device's record that an update needs.
#[derive(Debug, Clone, Copy)]
pub struct DeviceView<'a> {
    /// Whether the last read had a response.
    pub answers: bool,
    /// Its status in the last reading.
    pub status: &'a Status,
    /// Its version in the last reading.
    pub version: Option<&'a str>,
}

impl DeviceView<'_> {
    /// What prevents a push; `None` if the device is idle.
    fn in_the_way(&self) -> Option<Wait> {
        if self.answers {
            wait::in_the_way(self.status)
        } else {
            Some(Wait::new(WaitReason::NoAnswer, "", ""))
        }
    }
}

/// A reading of a device after the push.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// Version that it shows.
    pub version: Option<&'a str>,
    /// Its status.
    pub status: &'a Status,
}

/// What the shell must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Stage the image; then report the result.
    Stage,
    /// Push the image to the device after this update is stored; results in [`Update::on_pushed`].
    Push(DeviceId),
    /// Read the device; results in [`Update::on_read_back`].
    ReadBack(DeviceId),
    /// Report this in the batch that stores this update.
    Report(FirmwareState),
    /// The command is running, with this detail.
    Running(String),
    /// The command has ended: `true` for done, `false` for failed.
    Finished(bool, String),
}

/// [`crate::backoff`] over signed durations, which can be added to timestamps.
fn pause(first: SignedDuration, max: SignedDuration, n: u32) -> SignedDuration {
    let pause = crate::backoff(first.unsigned_abs(), max.unsigned_abs(), n);
    SignedDuration::try_from(pause).unwrap_or(max)
}

/// What all reports of an update have in common.
struct Context {
    rollout: RolloutId,
    now: Timestamp,
}

impl Context {
    fn state(
        &self,
        device: Option<&DeviceId>,
        progress: FirmwareProgress,
        detail: &str,
        panel: &str,
    ) -> FirmwareState {
        FirmwareState {
            rollout: self.rollout,
            device: device.cloned(),
            progress,
            at: self.now,
            version_before: None,
            detail: without_hidden(detail, FIRMWARE_DETAIL_CHARS),
            panel: panel.to_owned(),
        }
    }

    fn waiting(&self, device: Option<&DeviceId>, wait: &Wait) -> FirmwareState {
        self.state(device, FirmwareProgress::Waiting(wait.reason), &wait.detail, &wait.panel)
    }
}

#[cfg(test)]
mod tests;
