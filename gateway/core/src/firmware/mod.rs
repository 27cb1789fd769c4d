//! A firmware update: staged, waiting for its date and an idle device, pushed, restarted, read back.
//!
//! That an image is about to be pushed is stored before it is pushed. After a restart in between, the version is read
//! first: an image is never pushed twice blindly. Done is only what the device itself shows.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use wire::command::FirmwareUpdate;
use wire::ids::{CommandId, DeviceId, RolloutId};
use wire::reading::Status;
use wire::report::{FirmwareState, FirmwareStep};

/// Devices of a gateway that are updated at once: a firmware that breaks devices breaks one.
const AT_ONCE: usize = 1;

/// How often an image is pushed to a device at most.
const PUSHES_MAX: u32 = 2;

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

/// Errors that a device must not have when an image is pushed.
const IN_THE_WAY: [&str; 4] = ["jammed", "doorOpen", "serviceRequested", "offline"];

/// What decides about updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpdateRules {
    /// A device that doesn't show the new version so long after the push has failed.
    pub restart_limit: SignedDuration,
    /// Pause between two looks at a device that restarts.
    pub read_back: SignedDuration,
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
    },
    /// It is being staged; after a restart of the program it is to be staged again.
    Staging {
        /// Attempts, this one included.
        attempts: u32,
    },
    /// It is here.
    Staged {
        /// The file.
        path: PathBuf,
        /// Its digest, as the signed metadata has it.
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
    /// How often the image was pushed, or begun to be.
    #[serde(default)]
    pub pushes: u32,
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
    fn is_idle(&self) -> bool {
        let printer = self.status.printer.as_ref();
        let quiet = printer.is_none_or(|printer| printer.is("idle") || printer.is("other"));
        let well = self.status.detected_errors.iter().all(|error| !IN_THE_WAY.contains(&error.as_ref()));
        self.answers && quiet && well
    }
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
        };
        let devices = order.devices.iter().map(device).collect();
        let image = Image::Wanted { attempts: 0, not_before: now };
        Self { command, order, received_at: now, image, devices, answered: false }
    }

    /// After a restart of the program: what was under way is looked at before anything is repeated.
    pub fn resume(&mut self, now: Timestamp) {
        if let Image::Staging { attempts } = self.image {
            self.image = Image::Wanted { attempts, not_before: now };
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
        self.push(now, &view, &mut effects);
        self.finish(&mut effects);
        effects
    }

    fn stage(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Image::Wanted { attempts, not_before } = self.image else { return };
        let needed = self.devices.iter().any(|device| device.state == DeviceState::Waiting);
        if needed && now >= not_before {
            self.image = Image::Staging { attempts: attempts.saturating_add(1) };
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
        view: &impl Fn(&DeviceId) -> Option<DeviceView<'a>>,
        effects: &mut Vec<Effect>,
    ) {
        if !matches!(self.image, Image::Staged { .. }) || now < self.order.not_before {
            return;
        }
        let mut free = AT_ONCE.saturating_sub(self.devices.iter().filter(|d| d.state.is_under_way()).count());
        let give_up = now.duration_since(self.order.not_before.max(self.received_at)) > IDLE_WAIT_MAX;
        let context = self.context(now);
        for device in self.devices.iter_mut().filter(|device| device.state == DeviceState::Waiting) {
            let seen = view(&device.device);
            let Some(seen) = seen else {
                device.detail = "the gateway doesn't know this device".to_owned();
                effects.push(device.end(DeviceState::Failed, None, &context));
                continue;
            };
            if seen.answers && seen.version == Some(self.order.version.as_str()) {
                device.detail = "it shows this version already".to_owned();
                effects.push(device.end(DeviceState::Verified, seen.version, &context));
            } else if free > 0 && seen.is_idle() {
                free -= 1;
                device.version_before = seen.version.map(str::to_owned);
                device.pushes = device.pushes.saturating_add(1);
                device.state = DeviceState::Pushing { since: now };
                effects.push(Effect::Push(device.device.clone()));
            } else if give_up {
                device.detail = format!("it was not idle within {} days", IDLE_WAIT_MAX.as_hours() / 24);
                effects.push(device.end(DeviceState::Failed, seen.version, &context));
            }
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
    pub fn on_staged(&mut self, path: PathBuf, sha256: String, length: u64, now: Timestamp) -> Vec<Effect> {
        let detail = format!("{length} bytes, sha256 {sha256}");
        self.image = Image::Staged { path, sha256, length };
        let state = self.context(now).state(None, FirmwareStep::Staged, detail);
        vec![Effect::Report(state), Effect::Running("the image is staged".to_owned())]
    }

    /// The image could not be had; `again` tells whether trying later may help.
    pub fn on_staging_failed(&mut self, detail: &str, again: bool, now: Timestamp) -> Vec<Effect> {
        let Image::Staging { attempts } = self.image else { return Vec::new() };
        if again && attempts < STAGINGS_MAX {
            let doublings = attempts.saturating_sub(1).min(10);
            let pause = (STAGING_PAUSE * (1 << doublings)).min(STAGING_PAUSE_MAX);
            self.image = Image::Wanted { attempts, not_before: now + pause };
            return vec![Effect::Running(format!("staging failed and is tried again: {detail}"))];
        }
        self.image = Image::Failed { detail: detail.to_owned() };
        let context = self.context(now);
        let mut effects = vec![Effect::Report(context.state(None, FirmwareStep::Failed, detail.to_owned()))];
        for device in self.devices.iter_mut().filter(|device| !device.state.is_final()) {
            device.detail = format!("the image could not be staged: {detail}");
            effects.push(device.end(DeviceState::Failed, None, &context));
        }
        self.finish(&mut effects);
        effects
    }

    /// The push ended: well, or with what a person should read; `untouched` tells that the device saw nothing of it.
    pub fn on_pushed(
        &mut self,
        id: &DeviceId,
        result: Result<(), (String, bool)>,
        now: Timestamp,
    ) -> Vec<Effect> {
        let context = self.context(now);
        let Some(device) = self.devices.iter_mut().find(|device| device.device == *id) else {
            return Vec::new();
        };
        let mut effects = Vec::new();
        match result {
            Ok(()) => {
                device.state = restarting(now, now, true);
                let before = device.version_before.clone();
                let mut state = context.state(Some(id), FirmwareStep::Pushed, String::new());
                state.version_before = before;
                effects.push(Effect::Report(state));
            }
            Err((why, true)) if device.pushes < PUSHES_MAX => {
                device.state = DeviceState::Waiting;
                device.detail = why;
            }
            Err((why, _)) => {
                device.detail = format!("the push failed: {why}");
                effects.push(device.end(DeviceState::Failed, None, &context));
            }
        }
        self.finish(&mut effects);
        effects
    }

    /// The device was looked at after the push: its version, or `None` when it does not answer.
    pub fn on_read_back(
        &mut self,
        id: &DeviceId,
        version: Option<Option<&str>>,
        now: Timestamp,
        rules: &UpdateRules,
    ) -> Vec<Effect> {
        let context = self.context(now);
        let wanted = self.order.version.clone();
        let Some(device) = self.devices.iter_mut().find(|device| device.device == *id) else {
            return Vec::new();
        };
        let DeviceState::Restarting { since, was_down, old_reads, pushed, .. } = &mut device.state else {
            return Vec::new();
        };
        let mut effects = Vec::new();
        let late = now.duration_since(*since) > rules.restart_limit;
        match version {
            Some(shown) if shown == Some(wanted.as_str()) => {
                device.detail.clear();
                effects.push(device.end(DeviceState::Verified, shown, &context));
            }
            Some(shown) => {
                *old_reads += u32::from(*was_down);
                let stays = late || *old_reads >= OLD_READS_MAX;
                if stays && !*pushed && device.pushes < PUSHES_MAX {
                    device.state = DeviceState::Waiting;
                } else if stays {
                    let shown_text = shown.unwrap_or("no version");
                    device.detail = format!("it shows {shown_text} after the push, not {wanted}");
                    effects.push(device.end(DeviceState::Failed, shown, &context));
                }
            }
            None if late => {
                device.detail =
                    format!("it does not answer {} s after the push", now.duration_since(*since).as_secs());
                effects.push(device.end(DeviceState::Failed, None, &context));
            }
            None => {
                *was_down = true;
                *old_reads = 0;
            }
        }
        self.finish(&mut effects);
        effects
    }

    /// Stops what isn't pushed yet; tells how many devices that were.
    pub fn cancel(&mut self, now: Timestamp) -> (usize, Vec<Effect>) {
        let context = self.context(now);
        let mut effects = Vec::new();
        for device in self.devices.iter_mut().filter(|device| device.state == DeviceState::Waiting) {
            device.detail = "the roll-out was cancelled".to_owned();
            effects.push(device.end(DeviceState::Cancelled, None, &context));
        }
        let stopped = effects.len();
        self.finish(&mut effects);
        (stopped, effects)
    }

    fn context(&self, now: Timestamp) -> Context {
        Context { rollout: self.order.rollout, now }
    }
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
    fn state(&self, device: Option<&DeviceId>, step: FirmwareStep, detail: String) -> FirmwareState {
        FirmwareState {
            rollout: self.rollout,
            device: device.cloned(),
            step,
            at: self.now,
            version_before: None,
            version_now: None,
            detail,
        }
    }
}

impl DeviceUpdate {
    fn end(&mut self, state: DeviceState, shown: Option<&str>, context: &Context) -> Effect {
        let step = match state {
            DeviceState::Verified => FirmwareStep::Verified,
            DeviceState::Cancelled => FirmwareStep::Cancelled,
            DeviceState::Waiting
            | DeviceState::Pushing { .. }
            | DeviceState::Restarting { .. }
            | DeviceState::Failed => FirmwareStep::Failed,
        };
        self.state = state;
        let mut report = context.state(Some(&self.device), step, self.detail.clone());
        report.version_before.clone_from(&self.version_before);
        report.version_now = shown.map(str::to_owned);
        Effect::Report(report)
    }
}

#[cfg(test)]
mod tests;
