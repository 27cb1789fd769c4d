//! The commands that a reading or a timeout answers.

use wire::ids::{CommandId, DeviceId};
use wire::reading::Reading;
use wire::report::InformationReason;

use super::context::Context;
use super::effect::{Effect, Notice};
use super::reports;
use crate::commands::CommandRecord;

/// Changes a command. A new response is sent; a command that ended wakes the uplink.
pub(super) fn change(cx: &mut Context, id: CommandId, change: impl FnOnce(&mut CommandRecord)) {
    let Some(record) = cx.state.commands.get_mut(&id) else { return };
    let before = record.clone();
    change(record);
    if *record == before {
        return;
    }
    cx.outcome.commands.insert(id);
    if record.unsent != before.unsent {
        cx.outcome.effects.push(Effect::Respond(id));
    }
    if record.is_final() && !before.is_final() {
        let (order, state, detail) = (record.name(), record.state.name(), record.detail.clone());
        cx.outcome.notices.push(Notice::CommandEnded(id, order, state, detail));
        cx.outcome.effect(Effect::CommandDone);
    }
}

/// Ids of the commands for which `wants` holds.
pub(super) fn which(cx: &Context, wants: impl Fn(&CommandRecord) -> bool) -> Vec<CommandId> {
    cx.state.commands.values().filter(|record| wants(record)).map(|record| record.id).collect()
}

/// A device was read in full: completes the commands that wait for it.
pub(super) fn on_read(cx: &mut Context, device: &DeviceId, reading: &Reading) {
    let now = cx.clock();
    let counters = which(cx, |record| record.wants_counters(device));
    let information = which(cx, |record| record.wants_reading(device));
    for id in counters {
        if reading.counters.is_empty() {
            change(cx, id, |record| {
                record.missing.insert(device.to_string(), "it has no counters".to_owned());
            });
        } else {
            reports::report_counters(cx, device, reading, id);
        }
        change(cx, id, |record| record.on_read(device, now));
    }
    for id in information {
        reports::report_information(cx, device, InformationReason::Requested, Some(id));
        change(cx, id, |record| record.on_read(device, now));
    }
}

/// A read of a device timed out: changes the commands that wait for it.
pub(super) fn on_silence(cx: &mut Context, device: &DeviceId, why: &str) {
    let now = cx.clock();
    for id in which(cx, |record| record.waits_for.contains(device)) {
        change(cx, id, |record| record.on_silence(device, why, now));
    }
}
