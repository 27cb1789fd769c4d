//! One device of an update: what it waits for, and the results of a push and of the reads after it.

use jiff::Timestamp;
use wire::report::{FirmwareProgress, WaitReason};

use super::push::{self, Next, PUSHES_MAX, PushFailure, Reach};
use super::record::{DeviceState, DeviceUpdate, restarting};
use super::wait::{self, Reported, Wait};
use super::{Context, DeviceView, Effect, Shown, UpdateRules};

/// Readings of the old version after a restart before the update is declared failed.
const OLD_READS_MAX: u32 = 5;

impl DeviceUpdate {
    /// What it waits for once the image is staged and the date has come; `None` if it is ready for a push or has
    /// ended. `free` is whether the gateway may update another device.
    pub(super) fn wait(&self, view: Option<&DeviceView<'_>>, free: bool, now: Timestamp) -> Option<Wait> {
        match self.state {
            DeviceState::Waiting => {}
            DeviceState::Pushing { .. } | DeviceState::Restarting { .. } => {
                return Some(Wait::new(WaitReason::Restarting, &self.detail, &self.panel));
            }
            DeviceState::Verified | DeviceState::Failed | DeviceState::Cancelled => return None,
        }
        if let Some(wait) = view.and_then(DeviceView::in_the_way) {
            return Some(wait);
        }
        if self.retry_at.is_some_and(|at| now < at) {
            return Some(Wait::new(self.retry_for.unwrap_or(WaitReason::NoConnection), &self.detail, ""));
        }
        (!free).then(|| Wait::new(WaitReason::Turn, "", ""))
    }

    /// Reports what it waits for, if a report is due.
    pub(super) fn report_wait(
        &mut self,
        wait: &Wait,
        context: &Context,
        rules: &UpdateRules,
    ) -> Option<Effect> {
        let due = self.reported.take(wait, context.now, rules.report_pause);
        due.then(|| Effect::Report(context.waiting(Some(&self.device), wait)))
    }

    pub(super) fn begin_push(&mut self, seen: &DeviceView<'_>, now: Timestamp) {
        self.version_before = seen.version.map(str::to_owned);
        self.panel_before = wait::panel(seen.status);
        self.panel.clear();
        self.detail.clear();
        self.pushes = self.pushes.saturating_add(1);
        self.retry_at = None;
        self.state = DeviceState::Pushing { since: now };
    }

    /// A push failed. Returns what follows for the image.
    pub(super) fn push_failed(
        &mut self,
        failure: &PushFailure,
        context: &Context,
        rules: &UpdateRules,
        effects: &mut Vec<Effect>,
    ) -> Next {
        let (why, now) = (&failure.why, context.now);
        let tries = self.tries.saturating_add(1);
        let next = push::after_failure(failure.reach, tries, rules.push_pause);
        match next {
            Next::TryAgain(pause) | Next::StageAgain(pause) => {
                self.tries = tries;
                self.detail = format!("attempt {tries} of {}: {why}", push::TRIES_MAX);
                let wait = self.postpone(WaitReason::NoConnection, now + pause);
                effects.extend(self.report_wait(&wait, context, rules));
            }
            Next::Confirm(pause) => {
                self.detail.clone_from(why);
                let wait = self.postpone(WaitReason::Confirmation, now + pause);
                effects.extend(self.report_wait(&wait, context, rules));
            }
            Next::Withdraw => {
                self.pushes = self.pushes.saturating_sub(1);
                self.state = DeviceState::Waiting;
            }
            Next::ReadBack => {
                self.state = restarting(now, now, false);
                self.reported = Reported::default();
                self.detail = format!("the push was interrupted: {why}");
                let wait = Wait::new(WaitReason::Restarting, &self.detail, "");
                effects.extend(self.report_wait(&wait, context, rules));
            }
            Next::GiveUp => {
                self.detail = match failure.reach {
                    Reach::NoImage | Reach::Nothing => {
                        format!("no connection for the push in {tries} attempts; the last: {why}")
                    }
                    Reach::Unknown | Reach::Refused | Reach::Unconfirmed | Reach::Withdrawn => {
                        format!("the push failed: {why}")
                    }
                };
                effects.push(self.fail(None, context));
            }
        }
        next
    }

    /// Waits again: the device received nothing, so this doesn't count as a push.
    fn postpone(&mut self, reason: WaitReason, until: Timestamp) -> Wait {
        self.pushes = self.pushes.saturating_sub(1);
        self.retry_at = Some(until);
        self.retry_for = Some(reason);
        self.state = DeviceState::Waiting;
        Wait::new(reason, &self.detail, "")
    }

    /// The device was read after the push.
    pub(super) fn read_back(
        &mut self,
        shown: Option<Shown<'_>>,
        wanted: &str,
        context: &Context,
        rules: &UpdateRules,
        effects: &mut Vec<Effect>,
    ) {
        let DeviceState::Restarting { since, was_down, old_reads, pushed, .. } = &mut self.state else {
            return;
        };
        let waited = context.now.duration_since(*since);
        let late = waited > rules.restart_limit;
        let Some(shown) = shown else {
            if late {
                let broke = sentence(&self.detail);
                self.detail = format!("{broke}it does not respond {} s after the push", waited.as_secs());
                effects.push(self.fail(None, context));
            } else {
                *was_down = true;
                *old_reads = 0;
            }
            return;
        };
        if let Some(version) = shown.version.filter(|version| *version == wanted) {
            self.detail.clear();
            effects.push(self.verify(version, context));
            return;
        }
        *old_reads += u32::from(*was_down);
        let stays = late || *old_reads >= OLD_READS_MAX;
        let repeat = stays && !*pushed && self.pushes < PUSHES_MAX;
        let panel = wait::panel(shown.status);
        if panel != self.panel_before {
            self.panel = panel;
        }
        if repeat {
            self.state = DeviceState::Waiting;
            self.reported = Reported::default();
        } else if stays {
            let (broke, version) = (sentence(&self.detail), shown.version.unwrap_or("no version"));
            self.detail = format!("{broke}it shows {version} after the push, not {wanted}");
            effects.push(self.fail(shown.version, context));
        } else if !self.panel.is_empty() {
            let wait = Wait::new(WaitReason::Restarting, &self.detail, &self.panel);
            effects.extend(self.report_wait(&wait, context, rules));
        }
    }

    /// The device shows the ordered version.
    pub(super) fn verify(&mut self, version: &str, context: &Context) -> Effect {
        self.state = DeviceState::Verified;
        self.panel.clear();
        self.ended(FirmwareProgress::Verified { version: version.to_owned() }, context)
    }

    /// The device failed; `detail` has the reason.
    pub(super) fn fail(&mut self, shown: Option<&str>, context: &Context) -> Effect {
        self.state = DeviceState::Failed;
        self.ended(FirmwareProgress::Failed { version: shown.map(str::to_owned) }, context)
    }

    pub(super) fn ended(&self, progress: FirmwareProgress, context: &Context) -> Effect {
        let mut report = context.state(Some(&self.device), progress, &self.detail, &self.panel);
        report.version_before.clone_from(&self.version_before);
        Effect::Report(report)
    }
}

/// A detail as the first part of a longer one.
fn sentence(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!("{detail}; ") }
}
