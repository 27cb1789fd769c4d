//! A firmware update: the image is staged, waits for its date and an idle device, is pushed, the device restarts, and
//! its version is read back.
//!
//! Before an image is pushed, the intention is stored. After a restart of the gateway in between, the version is read
//! first, so that no image is pushed twice blindly. An update is done only if the device itself shows the new
//! version.

mod device;
mod push;
mod wait;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use wire::command::FirmwareUpdate;
use wire::ids::{CommandId, DeviceId, RolloutId};
use wire::limits::FIRMWARE_DETAIL_CHARS;
use wire::reading::Status;
use wire::report::{FirmwareProgress, FirmwareState, WaitReason};
use wire::size::size_text;
use wire::text::without_hidden;

pub use push::{PushFailure, Reach};
pub use wait::{Reported, Wait};

/// Devices that one gateway updates at the same time: a defective firmware must not reach a second device before the
/// first one shows it.
const AT_ONCE: usize = 1;

/// The pause after the first staging that failed temporarily; it doubles with each.
const STAGING_PAUSE: SignedDuration = SignedDuration::from_secs(30);

/// Longest pause between two attempts to stage.
const STAGING_PAUSE_MAX: SignedDuration = SignedDuration::from_secs(3600);

/// Maximum number of attempts to stage.
const STAGINGS_MAX: u32 = 24;

/// Readings of the old version after a restart before the update is declared failed.
const OLD_READS_MAX: u32 = 5;

/// How long after its date an update waits for an idle device before it fails.
const IDLE_WAIT_MAX: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Progress of staging is reported in steps of this size.
const STAGING_STEP_PERCENT: u64 = 10;

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

/// One gateway's part of a roll-out; stored in the spool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// The command that ordered it.
    pub command: CommandId,
    /// What is asked for.
    pub order: FirmwareUpdate,
    /// When it came.
    pub received_at: Timestamp,
    /// How far the image is.
    pub image: Image,
    /// The devices.
    pub devices: Vec<DeviceUpdate>,
    /// Whether the command has its final response.
    #[serde(default)]
    pub answered: bool,
    /// What was last reported about the staging.
    #[serde(default)]
    pub reported: Reported,
}

/// The state of the image on the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Image {
    /// It will be staged.
    Wanted {
        /// Attempts so far.
        attempts: u32,
        /// The earliest time of the next attempt.
        not_before: Timestamp,
        /// Why the last attempt failed.
        #[serde(default)]
        detail: String,
    },
    /// It is being staged. After a restart of the program, staging begins again.
    Staging {
        /// Attempts, this one included.
        attempts: u32,
        /// The part that was downloaded, percent, in steps.
        #[serde(default)]
        percent: u8,
    },
    /// It is on the gateway's disk, and its digest is verified.
    Staged {
        /// SHA-256, lower-case hexadecimal, as in the signed metadata; the shell names the file by it.
        sha256: String,
        /// Bytes.
        length: u64,
    },
    /// It could not be staged.
    Failed {
        /// Why.
        detail: String,
    },
}

/// One device of an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceUpdate {
    /// The device.
    pub device: DeviceId,
    /// How far it is.
    pub state: DeviceState,
    /// The text for operators.
    #[serde(default)]
    pub detail: String,
    /// The version before the push.
    #[serde(default)]
    pub version_before: Option<String>,
    /// Pushes of which at least one octet may have reached the device.
    #[serde(default)]
    pub pushes: u32,
    /// Attempts without a connection since the image was staged.
    #[serde(default)]
    pub tries: u32,
    /// The earliest time of the next attempt.
    #[serde(default)]
    pub retry_at: Option<Timestamp>,
    /// The panel's text before the push.
    #[serde(default)]
    pub panel_before: String,
    /// The panel's latest text after the push that differs from the one before.
    #[serde(default)]
    pub panel: String,
    /// What was last reported about its wait.
    #[serde(default)]
    pub reported: Reported,
}

/// The state of a device in an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DeviceState {
    /// It waits for the image, the date, or until it is idle.
    Waiting,
    /// The image is being pushed. Stored before the first octet is sent.
    Pushing {
        /// When the push began.
        since: Timestamp,
    },
    /// The device restarts.
    Restarting {
        /// When the push ended.
        since: Timestamp,
        /// The time of the next read.
        look_at: Timestamp,
        /// Whether a read has timed out since the push.
        was_down: bool,
        /// Readings that showed the old version since a read timed out.
        old_reads: u32,
        /// Whether the image is known to be pushed completely; `false` after a restart of the gateway during the
        /// push.
        pushed: bool,
    },
    /// The device shows the new version.
    Verified,
    /// It failed.
    Failed,
    /// It was cancelled before the push.
    Cancelled,
}

impl DeviceState {
    /// Name for operators.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Pushing { .. } => "pushing",
            Self::Restarting { .. } => "rebooting",
            Self::Verified => "verified",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    const fn is_final(&self) -> bool {
        matches!(self, Self::Verified | Self::Failed | Self::Cancelled)
    }

    const fn is_under_way(&self) -> bool {
        matches!(self, Self::Pushing { .. } | Self::Restarting { .. })
    }
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
    /// How it is.
    pub status: &'a Status,
}

/// What the shell must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Stage the image; results in [`Update::on_staged`] or [`Update::on_staging_failed`].
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

impl Update {
    /// A new update.
    #[must_use]
    pub fn new(command: CommandId, order: FirmwareUpdate, now: Timestamp) -> Self {
        let device = |device: &DeviceId| DeviceUpdate {
            device: device.clone(),
            state: DeviceState::Waiting,
            detail: String::new(),
            version_before: None,
            pushes: 0,
            tries: 0,
            retry_at: None,
            panel_before: String::new(),
            panel: String::new(),
            reported: Reported::default(),
        };
        let devices = order.devices.iter().map(device).collect();
        let image = Image::Wanted { attempts: 0, not_before: now, detail: String::new() };
        Self {
            command,
            order,
            received_at: now,
            image,
            devices,
            answered: false,
            reported: Reported::default(),
        }
    }

    /// Resumes after a restart of the program: a device that was being pushed to is read before anything is repeated.
    pub fn resume(&mut self, now: Timestamp) {
        if let Image::Staging { attempts, .. } = self.image {
            self.image = Image::Wanted { attempts, not_before: now, detail: String::new() };
        }
        for device in &mut self.devices {
            if let DeviceState::Pushing { since } = device.state {
                device.state = restarting(since, now, false);
            }
        }
    }

    /// Whether the device receives the image or restarts: its timeouts are no calls meanwhile.
    #[must_use]
    pub fn is_under_way(&self, id: &DeviceId) -> bool {
        self.devices.iter().any(|device| device.device == *id && device.state.is_under_way())
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.answered
    }

    /// The effects that are due.
    pub fn next<'a>(
        &mut self,
        now: Timestamp,
        rules: &UpdateRules,
        view: impl Fn(&DeviceId) -> Option<DeviceView<'a>>,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.stage(now, &mut effects);
        self.look_back(now, rules, &mut effects);
        self.push(now, rules, &view, &mut effects);
        self.finish(&mut effects);
        effects
    }

    fn stage(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Image::Wanted { attempts, not_before, .. } = self.image else { return };
        let needed = self.devices.iter().any(|device| device.state == DeviceState::Waiting);
        if needed && now >= not_before {
            self.image = Image::Staging { attempts: attempts.saturating_add(1), percent: 0 };
            effects.push(Effect::Stage);
        }
    }

    fn look_back(&mut self, now: Timestamp, rules: &UpdateRules, effects: &mut Vec<Effect>) {
        for device in &mut self.devices {
            if let DeviceState::Restarting { look_at, .. } = &mut device.state
                && now >= *look_at
            {
                *look_at = now + rules.read_back;
                effects.push(Effect::ReadBack(device.device.clone()));
            }
        }
    }

    fn push<'a>(
        &mut self,
        now: Timestamp,
        rules: &UpdateRules,
        view: &impl Fn(&DeviceId) -> Option<DeviceView<'a>>,
        effects: &mut Vec<Effect>,
    ) {
        if !matches!(self.image, Image::Staged { .. }) || now < self.order.not_before {
            return;
        }
        let mut free = self.free();
        let give_up = now.duration_since(self.order.not_before.max(self.received_at)) > IDLE_WAIT_MAX;
        let context = self.context(now);
        for device in self.devices.iter_mut().filter(|device| device.state == DeviceState::Waiting) {
            let Some(seen) = view(&device.device) else {
                device.detail = "the gateway doesn't know this device".to_owned();
                effects.push(device.fail(None, &context));
                continue;
            };
            // The version that the device shows decides, whatever the result of the last push was.
            if let Some(version) = seen.version.filter(|v| seen.answers && *v == self.order.version) {
                device.detail = "it shows this version already".to_owned();
                effects.push(device.verify(version, &context));
                continue;
            }
            match device.wait(Some(&seen), free > 0, now) {
                None => {
                    free -= 1;
                    device.begin_push(&seen, now);
                    effects.push(Effect::Push(device.device.clone()));
                }
                Some(wait) if give_up => {
                    let days = IDLE_WAIT_MAX.as_hours() / 24;
                    device.detail = format!("it was not idle within {days} days: {}", wait.text());
                    effects.push(device.fail(seen.version, &context));
                }
                Some(wait) => effects.extend(device.report_wait(&wait, &context, rules)),
            }
        }
    }

    /// The number of further devices that may be updated now.
    fn free(&self) -> usize {
        AT_ONCE.saturating_sub(self.devices.iter().filter(|d| d.state.is_under_way()).count())
    }

    /// What a device of the update waits for; `None` if it doesn't wait.
    #[must_use]
    pub fn wait_of(
        &self,
        device: &DeviceUpdate,
        view: Option<&DeviceView<'_>>,
        now: Timestamp,
    ) -> Option<Wait> {
        if !matches!(device.state, DeviceState::Waiting) {
            return device.wait(view, true, now);
        }
        if !matches!(self.image, Image::Staged { .. }) {
            return Some(Wait::new(WaitReason::Staging, &self.staging(), ""));
        }
        if now < self.order.not_before {
            return Some(Wait::new(WaitReason::Date, &self.order.not_before.to_string(), ""));
        }
        device.wait(view, self.free() > 0, now)
    }

    /// The progress of staging for operators; empty if there is none.
    #[must_use]
    pub fn staging(&self) -> String {
        match &self.image {
            Image::Staging { percent, .. } => format!("{percent} %"),
            Image::Wanted { detail, .. } if !detail.is_empty() => format!("tried again: {detail}"),
            Image::Failed { detail } => detail.clone(),
            Image::Wanted { .. } | Image::Staged { .. } => String::new(),
        }
    }

    fn finish(&mut self, effects: &mut Vec<Effect>) {
        if self.answered || !self.devices.iter().all(|device| device.state.is_final()) {
            return;
        }
        self.answered = true;
        let count = |state: &DeviceState| self.devices.iter().filter(|d| d.state == *state).count();
        let (failed, cancelled) = (count(&DeviceState::Failed), count(&DeviceState::Cancelled));
        let verified = count(&DeviceState::Verified);
        let mut detail = format!("{verified} verified, {failed} failed, {cancelled} cancelled");
        if let Image::Failed { detail: why } = &self.image {
            detail = format!("{detail}: {why}");
        }
        effects.push(Effect::Finished(failed == 0 && cancelled == 0, detail));
    }

    /// The image was staged.
    pub fn on_staged(&mut self, sha256: String, length: u64, now: Timestamp) -> Vec<Effect> {
        let detail = format!("{}, sha256 {sha256}", size_text(length));
        self.image = Image::Staged { sha256, length };
        let state = self.context(now).state(None, FirmwareProgress::Staged, &detail, "");
        vec![Effect::Report(state), Effect::Running("the image is staged".to_owned())]
    }

    /// Progress of the download: `here` of `all` octets.
    pub fn on_staging(&mut self, here: u64, all: u64, now: Timestamp, rules: &UpdateRules) -> Vec<Effect> {
        let Image::Staging { percent, .. } = &mut self.image else { return Vec::new() };
        let steps = here.saturating_mul(100 / STAGING_STEP_PERCENT).checked_div(all).unwrap_or(0);
        let reached = u8::try_from(steps.saturating_mul(STAGING_STEP_PERCENT).min(100)).unwrap_or(100);
        if reached <= *percent {
            return Vec::new();
        }
        *percent = reached;
        self.report_staging(now, rules)
    }

    fn report_staging(&mut self, now: Timestamp, rules: &UpdateRules) -> Vec<Effect> {
        let wait = Wait::new(WaitReason::Staging, &self.staging(), "");
        if !self.reported.take(&wait, now, rules.report_pause) {
            return Vec::new();
        }
        vec![Effect::Report(self.context(now).waiting(None, &wait))]
    }

    /// The image could not be staged; `again` is whether a retry can help.
    pub fn on_staging_failed(
        &mut self,
        detail: &str,
        again: bool,
        now: Timestamp,
        rules: &UpdateRules,
    ) -> Vec<Effect> {
        let Image::Staging { attempts, .. } = self.image else { return Vec::new() };
        if again && attempts < STAGINGS_MAX {
            let pause = pause(STAGING_PAUSE, STAGING_PAUSE_MAX, attempts);
            self.image = Image::Wanted { attempts, not_before: now + pause, detail: detail.to_owned() };
            let mut effects = self.report_staging(now, rules);
            effects.push(Effect::Running(format!("staging failed and is tried again: {detail}")));
            return effects;
        }
        self.image = Image::Failed { detail: detail.to_owned() };
        let context = self.context(now);
        let failed = FirmwareProgress::Failed { version: None };
        let mut effects = vec![Effect::Report(context.state(None, failed, detail, ""))];
        for device in self.devices.iter_mut().filter(|device| !device.state.is_final()) {
            device.detail = format!("the image could not be staged: {detail}");
            effects.push(device.fail(None, &context));
        }
        self.finish(&mut effects);
        effects
    }

    /// A push ended.
    pub fn on_pushed(
        &mut self,
        id: &DeviceId,
        result: Result<(), PushFailure>,
        now: Timestamp,
        rules: &UpdateRules,
    ) -> Vec<Effect> {
        let context = self.context(now);
        let Some(device) = self.devices.iter_mut().find(|device| device.device == *id) else {
            return Vec::new();
        };
        let mut effects = Vec::new();
        match result {
            Ok(()) => {
                device.state = restarting(now, now, true);
                device.reported = Reported::default();
                let mut state = context.state(Some(id), FirmwareProgress::Pushed, "", "");
                state.version_before.clone_from(&device.version_before);
                effects.push(Effect::Report(state));
            }
            Err(failure) => {
                let stage_again = device.push_failed(&failure, &context, rules, &mut effects);
                if stage_again {
                    self.image = Image::Wanted { attempts: 0, not_before: now, detail: failure.why };
                }
            }
        }
        self.finish(&mut effects);
        effects
    }

    /// The device was read after the push; `None` if the read timed out.
    pub fn on_read_back(
        &mut self,
        id: &DeviceId,
        shown: Option<Shown<'_>>,
        now: Timestamp,
        rules: &UpdateRules,
    ) -> Vec<Effect> {
        let context = self.context(now);
        let wanted = self.order.version.clone();
        let Some(device) = self.devices.iter_mut().find(|device| device.device == *id) else {
            return Vec::new();
        };
        let mut effects = Vec::new();
        device.read_back(shown, &wanted, &context, rules, &mut effects);
        self.finish(&mut effects);
        effects
    }

    /// Cancels all devices that were not pushed to. Returns their number.
    pub fn cancel(&mut self, now: Timestamp) -> (usize, Vec<Effect>) {
        let context = self.context(now);
        let mut effects = Vec::new();
        for device in self.devices.iter_mut().filter(|device| device.state == DeviceState::Waiting) {
            device.detail = "the roll-out was cancelled".to_owned();
            device.state = DeviceState::Cancelled;
            effects.push(device.ended(FirmwareProgress::Cancelled, &context));
        }
        let stopped = effects.len();
        self.finish(&mut effects);
        (stopped, effects)
    }

    fn context(&self, now: Timestamp) -> Context {
        Context { rollout: self.order.rollout, now }
    }
}

/// [`crate::backoff`] over signed durations, which can be added to timestamps.
fn pause(first: SignedDuration, max: SignedDuration, n: u32) -> SignedDuration {
    let pause = crate::backoff(first.unsigned_abs(), max.unsigned_abs(), n);
    SignedDuration::try_from(pause).unwrap_or(max)
}

const fn restarting(since: Timestamp, look_at: Timestamp, pushed: bool) -> DeviceState {
    DeviceState::Restarting { since, look_at, was_down: false, old_reads: 0, pushed }
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
