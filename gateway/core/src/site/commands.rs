//! Commands: stored on delivery, begun once, answered until the server has stored the response.

use std::collections::BTreeSet;

use wire::command::{Command, Response, ResponseState};
use wire::ids::{CommandId, DeviceId};

use super::context::Context;
use super::effect::{Effect, Notice};
use super::{answers, firmware};
use crate::commands::{self, Begin, CommandRecord, Delivered};
use crate::firmware::Update;

/// Resumes the commands that were open when the program ended.
pub(super) fn resume(cx: &mut Context) {
    let open: Vec<(CommandId, Option<Begin>)> =
        cx.state.commands.values().map(|record| (record.id, record.begin())).collect();
    for (id, begin) in open {
        cx.outcome.effect(Effect::Respond(id));
        match begin {
            // An update is stored by itself; a cancellation was carried out when it was stored.
            None | Some(Begin::Firmware(_) | Begin::CancelFirmware(_)) => {}
            Some(order @ (Begin::Read | Begin::Diagnose | Begin::Discover)) => begin_order(cx, id, order),
        }
    }
}

/// A poll delivered commands.
pub(super) fn on_delivered(cx: &mut Context, delivered: &[Command]) {
    let now = cx.clock();
    let devices: BTreeSet<DeviceId> = cx.state.devices.keys().cloned().collect();
    for command in delivered {
        match commands::deliver(&cx.state.commands, command, &devices, now) {
            Delivered::Again(record) => remember(cx, record),
            Delivered::Later => cx.outcome.notices.push(Notice::CommandsFull(command.id)),
            Delivered::New(record, begin) => {
                let id = record.id;
                cx.outcome.notices.push(Notice::CommandAccepted(id, record.name()));
                remember(cx, record);
                if let Some(begin) = begin {
                    begin_order(cx, id, begin);
                }
            }
        }
    }
}

fn remember(cx: &mut Context, record: CommandRecord) {
    cx.outcome.commands.insert(record.id);
    cx.outcome.effect(Effect::Respond(record.id));
    cx.state.commands.insert(record.id, record);
}

fn begin_order(cx: &mut Context, id: CommandId, begin: Begin) {
    let now = cx.clock();
    match begin {
        Begin::Read => {
            let waits_for = cx.state.commands.get(&id).map(|record| record.waits_for.clone());
            for device in waits_for.unwrap_or_default() {
                cx.read_now(&device);
            }
        }
        Begin::Diagnose => cx.outcome.effect(Effect::Diagnose(id)),
        Begin::Discover => {
            answers::change(cx, id, |record| record.run("searching".to_owned(), now));
            let search = cx.searches.order();
            cx.outcome.effects.extend(search.map(Effect::Search));
        }
        Begin::Firmware(order) => {
            let rollout = order.rollout;
            cx.state.updates.entry(rollout).or_insert_with(|| Update::new(id, order, now));
            cx.outcome.updates.insert(rollout);
        }
        Begin::CancelFirmware(rollout) => firmware::cancel(cx, id, rollout),
    }
}

/// The gateway's status for a diagnostics command.
pub(super) fn on_diagnosed(cx: &mut Context, id: CommandId, result: Option<serde_json::Value>) {
    let now = cx.clock();
    answers::change(cx, id, |record| record.finish(ResponseState::Done, String::new(), result, now));
}

/// A search ended: completes the commands that ordered it.
pub(super) fn finish_searches(cx: &mut Context, found: usize) {
    let now = cx.clock();
    for id in answers::which(cx, |record| record.begin() == Some(Begin::Discover)) {
        let detail = format!("{found} devices found");
        answers::change(cx, id, |record| record.finish(ResponseState::Done, detail, None, now));
    }
}

/// The server has stored a response.
pub(super) fn on_response_stored(cx: &mut Context, id: CommandId, response: &Response) {
    if let Some(record) = cx.state.commands.get_mut(&id)
        && record.on_sent(response)
    {
        cx.outcome.commands.insert(id);
    }
}

/// Gives up devices that commands still wait for after their expiry.
pub(super) fn expire(cx: &mut Context) {
    let now = cx.clock();
    for id in answers::which(cx, |record| !record.waits_for.is_empty() && now > record.expires_at) {
        answers::change(cx, id, |record| {
            record.expire(now);
        });
    }
}

/// Removes finished commands and updates after their retention.
pub(super) fn upkeep(cx: &mut Context) {
    for id in commands::forgettable(&cx.state.commands, cx.clock()) {
        cx.state.commands.remove(&id);
        cx.outcome.commands.insert(id);
    }
    firmware::forget(cx);
    cx.outcome.effect(Effect::CompactSpool);
}
