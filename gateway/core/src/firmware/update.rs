//! The steps of an update: which device is pushed to, read back, given up or cancelled.

use jiff::{SignedDuration, Timestamp};
use wire::command::FirmwareUpdate;
use wire::ids::{CommandId, DeviceId};
use wire::report::{FirmwareProgress, WaitReason};

use super::push::{Next, PushFailure};
use super::record::{DeviceState, DeviceUpdate, Image, Update, restarting};
use super::wait::{Reported, Wait};
use super::{Context, DeviceView, Effect, Shown, UpdateRules};

/// Devices that one gateway updates at the same time: a defective firmware must not reach a second device before the
/// first one shows it.
const AT_ONCE: usize = 1;

/// How long after its date an update waits for an idle device before it fails.
const IDLE_WAIT_MAX: SignedDuration = SignedDuration::from_hours(14 * 24);

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
            retry_for: None,
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
    pub(crate) fn resume(&mut self, now: Timestamp) {
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
    pub(crate) fn is_under_way(&self, id: &DeviceId) -> bool {
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
        self.read_back_due(now, rules, &mut effects);
        self.push(now, rules, &view, &mut effects);
        self.finish(&mut effects);
        effects
    }

    fn read_back_due(&mut self, now: Timestamp, rules: &UpdateRules, effects: &mut Vec<Effect>) {
        for device in &mut self.devices {
            if let DeviceState::Restarting { next_read, .. } = &mut device.state
                && now >= *next_read
            {
                *next_read = now + rules.read_back;
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
                    device.detail = format!("the device was not idle within {days} days: {}", wait.text());
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

    pub(super) fn finish(&mut self, effects: &mut Vec<Effect>) {
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
            Err(failure) => match device.push_failed(&failure, &context, rules, &mut effects) {
                Next::StageAgain(_) => {
                    self.image = Image::Wanted { attempts: 0, not_before: now, detail: failure.why };
                }
                Next::Withdraw => {
                    effects.extend(self.fail_image(&failure.why, "not pushed", &context));
                }
                Next::TryAgain(_) | Next::Confirm(_) | Next::ReadBack | Next::GiveUp => {}
            },
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
    pub(crate) fn cancel(&mut self, now: Timestamp) -> (usize, Vec<Effect>) {
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

    pub(super) fn context(&self, now: Timestamp) -> Context {
        Context { rollout: self.order.rollout, now }
    }
}
