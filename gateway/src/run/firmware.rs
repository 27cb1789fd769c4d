//! Firmware updates: carries out what the core decides, and tells it what came of it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use gateway_core::firmware::{DeviceView, Effect, Image, PushFailure, Reach, Shown, Update};
use gateway_core::inventory::DeviceRecord;
use gateway_core::reading::profiles::FirmwareTransport;
use jiff::Timestamp;
use tokio::time::Instant;
use wire::command::ResponseState;
use wire::ids::{CommandId, DeviceId, RolloutId};
use wire::report::Report;

use super::engine::{Action, Engine, Event, Outcome, is_online};
use crate::push::{self, PushError, PushLimits, Transport};
use crate::staging::{self, StagedImage};

/// A device as an update sees it.
pub(super) fn view(record: &DeviceRecord) -> DeviceView<'_> {
    DeviceView {
        answers: is_online(record) && record.calls.answers(),
        status: record.reading.status(),
        version: record.reading.identity().firmware_version(),
    }
}

impl Engine {
    /// Goes on with every update.
    pub(super) fn advance_updates(&mut self, outcome: &mut Outcome) {
        let now = Timestamp::now();
        let rules = self.world.config.update_rules();
        let open: Vec<RolloutId> =
            self.known.updates.iter().filter(|(_, update)| !update.is_over()).map(|(id, _)| *id).collect();
        for rollout in open {
            let Some(mut update) = self.known.updates.remove(&rollout) else { continue };
            let before = update.clone();
            let effects = update.next(now, &rules, |device| self.known.devices.get(device).map(view));
            if update != before {
                outcome.updates.insert(rollout);
            }
            let command = update.command;
            self.known.updates.insert(rollout, update);
            self.carry_out(rollout, command, effects, now, outcome);
        }
    }

    fn carry_out(
        &mut self,
        rollout: RolloutId,
        command: CommandId,
        effects: Vec<Effect>,
        now: Timestamp,
        outcome: &mut Outcome,
    ) {
        for effect in effects {
            match effect {
                Effect::Stage => outcome.actions.push(Action::Stage(rollout)),
                Effect::Push(device) => outcome.actions.push(Action::Push(rollout, device)),
                Effect::ReadBack(device) => {
                    if let Some(record) = self.known.devices.get(&device) {
                        self.targets.look_now(record.address, Instant::now());
                    }
                }
                Effect::Report(state) => {
                    let device = state.device.as_ref().map_or("", DeviceId::as_str);
                    let step = state.progress.step().name();
                    tracing::info!(%rollout, device, step, detail = state.detail, "firmware");
                    outcome.report(&Report::FirmwareState(state), now);
                    outcome.actions.push(Action::CommandDone);
                }
                Effect::Running(detail) => {
                    self.change(command, outcome, |record| record.run(detail, now));
                }
                Effect::Finished(well, detail) => {
                    let state = if well { ResponseState::Done } else { ResponseState::Failed };
                    self.change(command, outcome, |record| record.finish(state, detail, None, now));
                }
            }
        }
    }

    /// Asks an update and carries out what it answers.
    fn with_update(
        &mut self,
        rollout: RolloutId,
        outcome: &mut Outcome,
        ask: impl FnOnce(&mut Update, Timestamp) -> Vec<Effect>,
    ) {
        let now = Timestamp::now();
        let Some(update) = self.known.updates.get_mut(&rollout) else { return };
        let effects = ask(update, now);
        let command = update.command;
        outcome.updates.insert(rollout);
        self.carry_out(rollout, command, effects, now, outcome);
    }

    /// An image was staged, or not.
    pub(super) fn staged(
        &mut self,
        rollout: RolloutId,
        result: Result<StagedImage, (String, bool)>,
        outcome: &mut Outcome,
    ) {
        let rules = self.world.config.update_rules();
        self.with_update(rollout, outcome, |update, now| match result {
            Ok(image) => update.on_staged(image.path, image.sha256, image.length, now),
            Err((why, again)) => update.on_staging_failed(&why, again, now, &rules),
        });
    }

    /// More of an image is here.
    pub(super) fn staging(&mut self, rollout: RolloutId, (here, all): (u64, u64), outcome: &mut Outcome) {
        let rules = self.world.config.update_rules();
        self.with_update(rollout, outcome, |update, now| update.on_staging(here, all, now, &rules));
    }

    /// A push ended.
    pub(super) fn pushed(
        &mut self,
        rollout: RolloutId,
        device: &DeviceId,
        result: Result<(), PushFailure>,
        outcome: &mut Outcome,
    ) {
        let rules = self.world.config.update_rules();
        self.with_update(rollout, outcome, |update, now| update.on_pushed(device, result, now, &rules));
    }

    /// A device was looked at; updates that wait for its restart are told.
    pub(super) fn read_back(
        &mut self,
        device: &DeviceId,
        shown: Option<Shown<'_>>,
        now: Timestamp,
        outcome: &mut Outcome,
    ) {
        let rules = self.world.config.update_rules();
        let waits =
            |update: &&Update| !update.is_over() && update.devices.iter().any(|d| d.device == *device);
        let rollouts: Vec<RolloutId> =
            self.known.updates.values().filter(waits).map(|update| update.order.rollout).collect();
        for rollout in rollouts {
            self.with_update(rollout, outcome, |update, _| update.on_read_back(device, shown, now, &rules));
        }
    }

    /// A roll-out is cancelled.
    pub(super) fn cancel_update(
        &mut self,
        command: CommandId,
        rollout: RolloutId,
        now: Timestamp,
        outcome: &mut Outcome,
    ) {
        let mut stopped = None;
        self.with_update(rollout, outcome, |update, now| {
            let (count, effects) = update.cancel(now);
            stopped = Some(count);
            effects
        });
        let (state, detail) = match stopped {
            Some(count) => (ResponseState::Done, format!("{count} devices were not pushed to yet")),
            None => (ResponseState::Failed, "this gateway has no such roll-out".to_owned()),
        };
        self.change(command, outcome, |record| record.finish(state, detail, None, now));
    }

    fn images(&self) -> PathBuf {
        self.world.config.data_dir.join("images")
    }

    /// Stages the image of an update.
    pub(super) fn stage(&self, rollout: RolloutId) {
        let Some(order) = self.known.updates.get(&rollout).map(|update| update.order.clone()) else { return };
        let (client, dir, events) = (self.world.staging.clone(), self.images(), self.events());
        let shutdown = self.world.shutdown.clone();
        self.world.tasks.spawn(async move {
            let Some(client) = client else {
                let why = "this gateway is configured without a global server".to_owned();
                return Self::tell(&events, Event::Staged(rollout, Err((why, false))));
            };
            let mut shown = 0;
            let told = events.clone();
            let progress = move |here: u64, all: u64| {
                tracing::trace!(%rollout, here, all, "staging");
                let percent = here.saturating_mul(100).checked_div(all).unwrap_or(0);
                if percent > shown {
                    shown = percent;
                    Self::tell(&told, Event::Staging(rollout, here, all));
                }
            };
            let staged = tokio::select! {
                staged = staging::stage(&client, &order, &dir, Timestamp::now(), progress) => staged,
                () = shutdown.cancelled() => return,
            };
            let staged = staged.map_err(|error| (runtime::error::chain(&error), !error.is_final()));
            Self::tell(&events, Event::Staged(rollout, staged));
        });
    }

    /// Pushes the image of an update to a device.
    pub(super) fn push(&self, rollout: RolloutId, device: DeviceId) {
        let image = self.known.updates.get(&rollout).map(|update| update.image.clone());
        let events = self.events();
        let (Some(record), Some(Image::Staged { path, .. })) = (self.known.devices.get(&device), image)
        else {
            let why = "the device or its image is no longer known".to_owned();
            let failure = PushFailure { why, reach: Reach::NoImage };
            return Self::tell(&events, Event::Pushed(rollout, device, Err(failure)));
        };
        let transport = self.transport(record.reading.identity().vendor.as_deref());
        let host = record.address.ip();
        self.world.tasks.spawn(async move {
            let progress = |sent: u64, all: u64| tracing::trace!(sent, all, "pushing");
            let pushed = push::push(&transport, host, &path, &PushLimits::default(), progress).await;
            let pushed = pushed.map(|pushed| {
                tracing::info!(%rollout, device = %device, bytes = pushed.bytes, closed = pushed.closed, "pushed");
            });
            let failure = |error: PushError| PushFailure { why: runtime::error::chain(&error), reach: error.reach() };
            let pushed = pushed.map_err(failure);
            Self::tell(&events, Event::Pushed(rollout, device, pushed));
        });
    }

    fn transport(&self, vendor: Option<&str>) -> Transport {
        let profile = vendor.and_then(|vendor| self.world.reader.profiles().by_vendor(vendor));
        let Some(way) = profile.and_then(|profile| profile.firmware_update.as_ref()) else {
            return Transport::default();
        };
        let (port, path) = (way.port(), way.path.clone());
        match way.transport {
            FirmwareTransport::Raw9100 => Transport::Raw { port },
            FirmwareTransport::HttpPut => Transport::HttpPut { port, path },
            FirmwareTransport::HttpPost => Transport::HttpPost { port, path },
        }
    }

    /// Updates whose command is forgotten are forgotten with it, and their images.
    pub(super) fn forget_updates(&mut self, outcome: &mut Outcome) {
        let over = |update: &&Update| update.is_over() && !self.known.commands.contains_key(&update.command);
        let going: Vec<RolloutId> =
            self.known.updates.values().filter(over).map(|update| update.order.rollout).collect();
        for rollout in going {
            self.known.updates.remove(&rollout);
            outcome.updates.insert(rollout);
        }
        let digest = |update: &Update| match &update.image {
            Image::Staged { sha256, .. } => Some(sha256.clone()),
            Image::Wanted { .. } | Image::Staging { .. } | Image::Failed { .. } => None,
        };
        let under_way =
            self.known.updates.values().any(|update| !update.is_over() && digest(update).is_none());
        let keep: BTreeSet<String> =
            self.known.updates.values().filter(|update| !update.is_over()).filter_map(digest).collect();
        let dir = self.images();
        if !under_way && dir.is_dir() {
            match staging::retain(&dir, &keep) {
                Ok(freed) => tracing::debug!(freed, "images that nobody needs are removed"),
                Err(error) => tracing::warn!(error = %error, "images can't be tidied up"),
            }
        }
    }
}
