//! The staging of an update's image: attempts, progress, and the result.

use jiff::{SignedDuration, Timestamp};
use wire::report::{FirmwareProgress, WaitReason};
use wire::size::size_text;

use super::record::{DeviceState, Image, Update};
use super::wait::Wait;
use super::{Context, Effect, UpdateRules, pause};

/// The pause after the first staging that failed temporarily; it doubles with each.
const STAGING_PAUSE: SignedDuration = SignedDuration::from_secs(30);

/// Longest pause between two attempts to stage.
const STAGING_PAUSE_MAX: SignedDuration = SignedDuration::from_secs(3600);

/// Maximum number of attempts to stage.
const STAGINGS_MAX: u32 = 24;

/// Progress of staging is reported in steps of this size.
const STAGING_STEP_PERCENT: u64 = 10;

impl Update {
    /// Begins staging, if it is due.
    pub(super) fn stage(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Image::Wanted { attempts, not_before, .. } = self.image else { return };
        let needed = self.devices.iter().any(|device| device.state == DeviceState::Waiting);
        if needed && now >= not_before {
            self.image = Image::Staging { attempts: attempts.saturating_add(1), percent: 0 };
            effects.push(Effect::Stage);
        }
    }

    /// The progress of staging for operators; empty if there is none.
    #[must_use]
    pub fn staging(&self) -> String {
        match &self.image {
            Image::Staging { percent, .. } => format!("{percent} %"),
            Image::Wanted { detail, .. } if !detail.is_empty() => format!("retried: {detail}"),
            Image::Failed { detail } => detail.clone(),
            Image::Wanted { .. } | Image::Staged { .. } => String::new(),
        }
    }

    /// The image was staged.
    pub fn on_staged(&mut self, sha256: String, length: u64, now: Timestamp) -> Vec<Effect> {
        let detail = format!("{}, sha256 {sha256}", size_text(length));
        self.image = Image::Staged { sha256, length };
        let state = self.context(now).state(None, FirmwareProgress::Staged, &detail, "");
        vec![Effect::Report(state), Effect::Running("the image is staged".to_owned())]
    }

    /// Progress of the download: `here` of `all` octets.
    pub(crate) fn on_staging(
        &mut self,
        here: u64,
        all: u64,
        now: Timestamp,
        rules: &UpdateRules,
    ) -> Vec<Effect> {
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
    pub(crate) fn on_staging_failed(
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
            effects.push(Effect::Running(format!("staging failed and will be retried: {detail}")));
            return effects;
        }
        let mut effects = self.fail_image(detail, "the image could not be staged", &self.context(now));
        self.finish(&mut effects);
        effects
    }

    /// Gives the image up, and fails every device that it was not pushed to; `what` begins their texts.
    pub(super) fn fail_image(&mut self, detail: &str, what: &str, context: &Context) -> Vec<Effect> {
        self.image = Image::Failed { detail: detail.to_owned() };
        let failed = FirmwareProgress::Failed { version: None };
        let mut effects = vec![Effect::Report(context.state(None, failed, detail, ""))];
        for device in self.devices.iter_mut().filter(|device| device.state == DeviceState::Waiting) {
            device.detail = format!("{what}: {detail}");
            effects.push(device.fail(None, context));
        }
        effects
    }
}
