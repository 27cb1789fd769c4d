//! A firmware update: staged, waiting for its date and an idle device, pushed, restarted, read back.
//!
//! That an image is about to be pushed is stored before it is pushed. After a restart in between, the version is read
//! first: an image is never pushed twice blindly. Done is only what the device itself shows.

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

/// Devices of a gateway that are updated at once: a firmware that breaks devices breaks one.
const AT_ONCE: usize = 1;

/// First pause after a staging that failed for now, doubled with each.
const STAGING_PAUSE: SignedDuration = SignedDuration::from_secs(30);

/// Longest pause between attempts to stage.
const STAGING_PAUSE_MAX: SignedDuration = SignedDuration::from_secs(3600);

/// Attempts to stage before it is given up.
const STAGINGS_MAX: u32 = 24;

/// A device that was down and shows the old version so often since is not going to change.
const OLD_READS_MAX: u32 = 5;

/// A device that doesn't become idle so long after the date is given up.
const IDLE_WAIT_MAX: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Progress of staging is reported in steps of so many percent.
const STAGING_STEP_PERCENT: u64 = 10;

/// What decides about updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpdateRules {
    /// A device that doesn't show the new version so long after the push has failed.
    pub restart_limit: SignedDuration,
    /// Pause between two looks at a device that restarts.
    pub read_back: SignedDuration,
    /// First pause before a push is tried again that got no connection.
    pub push_pause: SignedDuration,
    /// Least time between two reports of why a device waits, doubled with each.
    pub report_pause: SignedDuration,
}

/// One gateway's part of a roll-out; stored in the spool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// The command that it came with.
    pub command: CommandId,
    /// What is asked for.
    pub order: FirmwareUpdate,
    /// When it came.
    pub received_at: Timestamp,
    /// How far the image is.
    pub image: Image,
    /// The devices.
    pub devices: Vec<DeviceUpdate>,
    /// Whether the final answer was given.
    #[serde(default)]
    pub answered: bool,
    /// What was reported of the staging.
    #[serde(default)]
    pub reported: Reported,
}

/// How far the image is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Image {
    /// It is to be staged, not before this.
    Wanted {
        /// Attempts so far.
        attempts: u32,
        /// Not before.
        not_before: Timestamp,
        /// Why the last attempt failed.
        #[serde(default)]
        detail: String,
    },
    /// It is being staged; after a restart of the program it is to be staged again.
    Staging {
        /// Attempts, this one included.
        attempts: u32,
        /// How much is here, percent, in steps.
        #[serde(default)]
        percent: u8,
    },
    /// It is here.
    Staged {
        /// SHA-256, lower-case hexadecimal, as in the signed metadata; the shell names the file by it.
        sha256: String,
        /// Bytes.
        length: u64,
    },
    /// It can't be had.
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
    /// What a person should read.
    #[serde(default)]
    pub detail: String,
    /// Version that it showed before.
    #[serde(default)]
    pub version_before: Option<String>,
    /// How often the image was pushed, or begun to be, where the device may have seen it.
    #[serde(default)]
    pub pushes: u32,
    /// How often no connection came about since the image was staged.
    #[serde(default)]
    pub tries: u32,
    /// Not to be tried again before this.
    #[serde(default)]
    pub retry_at: Option<Timestamp>,
    /// What the panel showed before the push.
    #[serde(default)]
    pub panel_before: String,
    /// What the panel showed last after the push that it hadn't shown before.
    #[serde(default)]
    pub panel: String,
    /// What was reported of why it waits.
    #[serde(default)]
    pub reported: Reported,
}

/// How far a device is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DeviceState {
    /// For the image, the date and an idle device.
    Waiting,
    /// The image is being pushed; stored before the first byte.
    Pushing {
        /// Since when.
        since: Timestamp,
    },
    /// It restarts.
    Restarting {
        /// Since when.
        since: Timestamp,
        /// The next look at it.
        look_at: Timestamp,
        /// Whether it was seen down.
        was_down: bool,
        /// How often the old version was seen since it was down.
        old_reads: u32,
        /// Whether it is known that the image was pushed: not after a restart of the gateway in between.
        pushed: bool,
    },
    /// It shows the new version.
    Verified,
    /// It failed.
    Failed,
    /// It was cancelled before the push.
    Cancelled,
}

impl DeviceState {
    /// Name for people.
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

/// A device, as far as an update is concerned.
#[derive(Debug, Clone, Copy)]
pub struct DeviceView<'a> {
    /// Whether it answers.
    pub answers: bool,
    /// How it was when it was looked at last.
    pub status: &'a Status,
    /// Version that it showed.
    pub version: Option<&'a str>,
}

impl DeviceView<'_> {
    /// Why nothing can be pushed to it; `None` if it is idle.
    fn in_the_way(&self) -> Option<Wait> {
        if self.answers {
            wait::in_the_way(self.status)
        } else {
            Some(Wait::new(WaitReason::NoAnswer, "", ""))
        }
    }
}

/// A device after a push, as it was read.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// Version that it shows.
    pub version: Option<&'a str>,
    /// How it is.
    pub status: &'a Status,
}

/// What the shell does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Stage the image; answer by [`Update::on_staged`] or [`Update::on_staging_failed`].
    Stage,
    /// Push the image to the device, after this update is stored; answer by [`Update::on_pushed`].
    Push(DeviceId),
    /// Read the device; answer by [`Update::on_read_back`].
    ReadBack(DeviceId),
    /// Report this, in the batch that stores this update.
    Report(FirmwareState),
    /// The command is being carried out.
    Running(String),
    /// The command is over: `true` for done, `false` for failed.
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

    /// After a restart of the program: what was under way is looked at before anything is repeated.
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

    /// Whether the device takes the image or restarts: its silence is no call then.
    #[must_use]
    pub fn is_under_way(&self, id: &DeviceId) -> bool {
        self.devices.iter().any(|device| device.device == *id && device.state.is_under_way())
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.answered
    }

    /// What is to be done now.
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
            // Whatever the last push seemed to come to: what it shows counts, before anything is repeated.
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

    /// How many more devices may be updated now.
    fn free(&self) -> usize {
        AT_ONCE.saturating_sub(self.devices.iter().filter(|d| d.state.is_under_way()).count())
    }

    /// What a device of the update waits for now; `None` when it doesn't wait.
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

    /// How far the staging is, for people; "" when there is nothing to say.
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

    /// The image is here.
    pub fn on_staged(&mut self, sha256: String, length: u64, now: Timestamp) -> Vec<Effect> {
        let detail = format!("{}, sha256 {sha256}", size_text(length));
        self.image = Image::Staged { sha256, length };
        let state = self.context(now).state(None, FirmwareProgress::Staged, &detail, "");
        vec![Effect::Report(state), Effect::Running("the image is staged".to_owned())]
    }

    /// So much of the image is here, bytes.
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

    /// The image could not be had; `again` tells whether trying later may help.
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

    /// The push ended.
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

    /// The device was looked at after the push: what it shows, or `None` when it does not answer.
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

    /// Stops what isn't pushed yet; tells how many devices that were.
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

/// The shared back-off over signed durations, which is what timestamps are added to.
fn pause(first: SignedDuration, max: SignedDuration, n: u32) -> SignedDuration {
    let pause = crate::backoff(first.unsigned_abs(), max.unsigned_abs(), n);
    SignedDuration::try_from(pause).unwrap_or(max)
}

const fn restarting(since: Timestamp, look_at: Timestamp, pushed: bool) -> DeviceState {
    DeviceState::Restarting { since, look_at, was_down: false, old_reads: 0, pushed }
}

/// What every report of an update begins with.
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
