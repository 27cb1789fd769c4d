//! Firmware updates: carries out the effects of their state machines.

use std::collections::BTreeSet;

use jiff::Timestamp;
use wire::command::ResponseState;
use wire::ids::{CommandId, DeviceId, RolloutId};
use wire::report::Report;

use super::answers;
use super::context::{Context, State};
use super::effect::{Effect, Notice, PushOrder};
use super::event::{Event, StagedImage, StagingFailure};
use crate::firmware::{self, Image, PushFailure, Reach, Shown, Update};

/// Resumes the updates that were open when the program ended.
pub(super) fn resume(cx: &mut Context) {
    let now = cx.clock();
    for update in cx.state.updates.values_mut() {
        update.resume(now);
        cx.outcome.updates.insert(update.order.rollout);
    }
}

/// Advances every update; events that follow immediately are appended to `follow`.
pub(super) fn advance(cx: &mut Context, follow: &mut Vec<Event>) {
    let now = cx.clock();
    let open: Vec<RolloutId> =
        cx.state.updates.iter().filter(|(_, update)| !update.is_over()).map(|(id, _)| *id).collect();
    for rollout in open {
        let Some(mut update) = cx.state.updates.remove(&rollout) else { continue };
        let before = update.clone();
        let effects =
            update.next(now, &cx.rules.updates, |device| cx.state.devices.get(device).map(|r| r.view()));
        if update != before {
            cx.outcome.updates.insert(rollout);
        }
        let command = update.command;
        cx.state.updates.insert(rollout, update);
        carry_out(cx, rollout, command, effects, follow);
    }
}

fn carry_out(
    cx: &mut Context,
    rollout: RolloutId,
    command: CommandId,
    effects: Vec<firmware::Effect>,
    follow: &mut Vec<Event>,
) {
    let now = cx.clock();
    for effect in effects {
        match effect {
            firmware::Effect::Stage => {
                let order = cx.state.updates.get(&rollout).map(|update| Box::new(update.order.clone()));
                cx.outcome.effects.extend(order.map(Effect::Stage));
            }
            firmware::Effect::Push(device) => match push_order(cx, rollout, &device) {
                Ok(order) => cx.outcome.effect(Effect::Push(Box::new(order))),
                Err(failure) => follow.push(Event::PushEnded(rollout, device, Err(failure))),
            },
            firmware::Effect::ReadBack(device) => cx.read_now(&device),
            firmware::Effect::Report(state) => {
                cx.outcome.notices.push(Notice::FirmwareStep(Box::new(state.clone())));
                cx.outcome.report(Report::FirmwareState(state), now);
                cx.outcome.effect(Effect::CommandDone);
            }
            firmware::Effect::Running(detail) => {
                answers::change(cx, command, |record| record.run(detail, now));
            }
            firmware::Effect::Finished(well, detail) => {
                let state = if well { ResponseState::Done } else { ResponseState::Failed };
                answers::change(cx, command, |record| record.finish(state, detail, None, now));
            }
        }
    }
}

fn push_order(cx: &Context, rollout: RolloutId, device: &DeviceId) -> Result<PushOrder, PushFailure> {
    let update = cx.state.updates.get(&rollout);
    let record = cx.state.devices.get(device);
    let Some((update, record)) = update.zip(record) else { return Err(no_image()) };
    let Image::Staged { sha256, .. } = &update.image else { return Err(no_image()) };
    let vendor = record.reading.identity().vendor.as_deref();
    let profile = vendor.and_then(|vendor| cx.profiles.by_vendor(vendor));
    Ok(PushOrder {
        order: update.order.clone(),
        device: device.clone(),
        address: record.address,
        sha256: sha256.clone(),
        transport: profile.and_then(|profile| profile.firmware_update.clone()).unwrap_or_default(),
    })
}

fn no_image() -> PushFailure {
    let why = "the device or its image is no longer known".to_owned();
    PushFailure { why, reach: Reach::NoImage }
}

/// Changes an update and carries out the effects.
fn with_update(
    cx: &mut Context,
    rollout: RolloutId,
    ask: impl FnOnce(&mut Update, Timestamp) -> Vec<firmware::Effect>,
) {
    let now = cx.clock();
    let Some(update) = cx.state.updates.get_mut(&rollout) else { return };
    let effects = ask(update, now);
    let command = update.command;
    cx.outcome.updates.insert(rollout);
    // Only `Update::next` requires a push.
    carry_out(cx, rollout, command, effects, &mut Vec::new());
}

/// An image was staged, or staging failed.
pub(super) fn on_staged(cx: &mut Context, rollout: RolloutId, result: Result<StagedImage, StagingFailure>) {
    let rules = cx.rules.updates;
    with_update(cx, rollout, |update, now| match result {
        Ok(image) => update.on_staged(image.sha256, image.length, now),
        Err(StagingFailure { why, retry }) => update.on_staging_failed(&why, retry, now, &rules),
    });
}

/// Progress of staging, octets.
pub(super) fn on_staging_progress(cx: &mut Context, rollout: RolloutId, here: u64, all: u64) {
    let rules = cx.rules.updates;
    with_update(cx, rollout, |update, now| update.on_staging(here, all, now, &rules));
}

pub(super) fn on_push_ended(
    cx: &mut Context,
    rollout: RolloutId,
    device: &DeviceId,
    result: Result<(), PushFailure>,
) {
    let rules = cx.rules.updates;
    with_update(cx, rollout, |update, now| update.on_pushed(device, result, now, &rules));
}

/// A device was read, or the read timed out: advances updates that wait for its restart.
pub(super) fn on_read_back(cx: &mut Context, device: &DeviceId, shown: Option<Shown<'_>>) {
    let rules = cx.rules.updates;
    let waits = |update: &&Update| !update.is_over() && update.devices.iter().any(|d| d.device == *device);
    let rollouts: Vec<RolloutId> =
        cx.state.updates.values().filter(waits).map(|update| update.order.rollout).collect();
    for rollout in rollouts {
        with_update(cx, rollout, |update, now| update.on_read_back(device, shown, now, &rules));
    }
}

/// Cancels a roll-out.
pub(super) fn cancel(cx: &mut Context, command: CommandId, rollout: RolloutId) {
    let now = cx.clock();
    let mut stopped = None;
    with_update(cx, rollout, |update, now| {
        let (count, effects) = update.cancel(now);
        stopped = Some(count);
        effects
    });
    let (state, detail) = match stopped {
        Some(count) => (ResponseState::Done, format!("{count} devices cancelled before the push")),
        None => (ResponseState::Failed, "this gateway doesn't have this roll-out".to_owned()),
    };
    answers::change(cx, command, |record| record.finish(state, detail, None, now));
}

/// Removes updates whose command was removed, and the images that no update needs.
pub(super) fn forget(cx: &mut Context) {
    let State { commands, updates, .. } = &mut cx.state;
    let going: Vec<RolloutId> = updates
        .values()
        .filter(|update| update.is_over() && !commands.contains_key(&update.command))
        .map(|update| update.order.rollout)
        .collect();
    for rollout in going {
        updates.remove(&rollout);
        cx.outcome.updates.insert(rollout);
    }
    let digest = |update: &Update| match &update.image {
        Image::Staged { sha256, .. } => Some(sha256.clone()),
        Image::Wanted { .. } | Image::Staging { .. } | Image::Failed { .. } => None,
    };
    let open = || updates.values().filter(|update| !update.is_over());
    // The digest of an image is unknown while it is being staged.
    if open().all(|update| digest(update).is_some()) {
        let keep: BTreeSet<String> = open().filter_map(digest).collect();
        cx.outcome.effect(Effect::RetainImages(keep));
    }
}
