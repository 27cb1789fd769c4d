//! Commands: stored when they come, begun once, answered until the server has the answer.

use std::collections::BTreeSet;

use gateway_core::commands::{self, Begin, CommandRecord, Delivered};
use gateway_core::firmware::Update;
use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::time::Instant;
use wire::command::{Command, Response, ResponseState};
use wire::ids::{CommandId, DeviceId};
use wire::reading::Reading;
use wire::report::InformationReason;

use super::engine::{Action, Engine, Outcome};

impl Engine {
    /// Goes on with what was open when the program ended.
    pub(super) fn resume(&mut self, outcome: &mut Outcome) {
        let now = Timestamp::now();
        for update in self.known.updates.values_mut() {
            update.resume(now);
            outcome.updates.insert(update.order.rollout);
        }
        let open: Vec<(CommandId, Option<Begin>)> =
            self.known.commands.values().map(|record| (record.id, record.begin())).collect();
        for (id, begin) in open {
            outcome.actions.push(Action::Respond(id));
            match begin {
                // An update is known by itself; a cancellation was carried out when it was stored.
                None | Some(Begin::Firmware(_) | Begin::CancelFirmware(_)) => {}
                Some(begin) => self.begin(id, begin, outcome),
            }
        }
        self.begin_searches(outcome);
    }

    /// Commands came with a poll.
    pub(super) fn deliver(
        &mut self,
        delivered: &[Command],
        decided: oneshot::Sender<()>,
        outcome: &mut Outcome,
    ) {
        let now = Timestamp::now();
        let devices: BTreeSet<DeviceId> = self.known.devices.keys().cloned().collect();
        for command in delivered {
            match commands::deliver(&self.known.commands, command, &devices, now) {
                Delivered::Again(record) => self.remember(record, outcome),
                Delivered::Later => tracing::warn!(command = %command.id, "too many commands are open"),
                Delivered::New(record, begin) => {
                    let id = record.id;
                    tracing::info!(command = %id, order = record.name(), "a command is accepted");
                    self.remember(record, outcome);
                    if let Some(begin) = begin {
                        self.begin(id, begin, outcome);
                    }
                }
            }
        }
        outcome.actions.push(Action::Decided(decided));
    }

    fn remember(&mut self, record: CommandRecord, outcome: &mut Outcome) {
        outcome.commands.insert(record.id);
        outcome.actions.push(Action::Respond(record.id));
        self.known.commands.insert(record.id, record);
    }

    fn begin(&mut self, id: CommandId, begin: Begin, outcome: &mut Outcome) {
        let now = Timestamp::now();
        match begin {
            Begin::Read => self.look_for(id),
            Begin::Diagnose => {
                let result = serde_json::to_value(self.board.status_of(&self.known)).ok();
                self.change(id, outcome, |record| {
                    record.finish(ResponseState::Done, String::new(), result, now);
                });
            }
            Begin::Discover => {
                self.change(id, outcome, |record| record.run("searching".to_owned(), now));
                outcome.actions.push(Action::Search);
            }
            Begin::Firmware(order) => {
                let rollout = order.rollout;
                self.known.updates.entry(rollout).or_insert_with(|| Update::new(id, order, now));
                outcome.updates.insert(rollout);
            }
            Begin::CancelFirmware(rollout) => self.cancel_update(id, rollout, now, outcome),
        }
    }

    /// The devices that a command waits for are read now.
    fn look_for(&mut self, id: CommandId) {
        let waits = self.known.commands.get(&id).map(|record| record.waits_for.clone()).unwrap_or_default();
        for device in waits {
            if let Some(record) = self.known.devices.get(&device) {
                self.targets.look_now(record.address, Instant::now());
            }
        }
    }

    /// Changes a command; what is new to the server is answered, and what is over wakes the uplink.
    pub(super) fn change(
        &mut self,
        id: CommandId,
        outcome: &mut Outcome,
        change: impl FnOnce(&mut CommandRecord),
    ) {
        let Some(record) = self.known.commands.get_mut(&id) else { return };
        let before = record.clone();
        change(record);
        if *record == before {
            return;
        }
        outcome.commands.insert(id);
        if record.unsent != before.unsent {
            outcome.actions.push(Action::Respond(id));
        }
        if record.is_final() && !before.is_final() {
            tracing::info!(command = %id, order = record.name(), state = record.state.name(), detail = record.detail, "a command is over");
            outcome.actions.push(Action::CommandDone);
        }
    }

    /// A device was read wholly: commands that wait for it get what they asked for.
    pub(super) fn answer_read(
        &mut self,
        device: &DeviceId,
        reading: &Reading,
        now: Timestamp,
        outcome: &mut Outcome,
    ) {
        let asks = |wants: fn(&CommandRecord, &DeviceId) -> bool| -> Vec<CommandId> {
            self.known
                .commands
                .values()
                .filter(|record| wants(record, device))
                .map(|record| record.id)
                .collect()
        };
        let (counters, information) =
            (asks(CommandRecord::wants_counters), asks(CommandRecord::wants_reading));
        for id in counters {
            if reading.counters.is_empty() {
                self.change(id, outcome, |record| {
                    record.missing.insert(device.to_string(), "it has no counters".to_owned());
                });
            } else {
                Self::report_counters(device, reading, id, now, outcome);
            }
            self.change(id, outcome, |record| record.on_read(device, now));
        }
        for id in information {
            self.report_information(device, InformationReason::Requested, Some(id), now, outcome);
            self.change(id, outcome, |record| record.on_read(device, now));
        }
    }

    /// A device did not answer: commands that wait for it are told.
    pub(super) fn answer_silence(
        &mut self,
        device: &DeviceId,
        why: &str,
        now: Timestamp,
        outcome: &mut Outcome,
    ) {
        let waits = |record: &&CommandRecord| record.waits_for.contains(device);
        let ids: Vec<CommandId> =
            self.known.commands.values().filter(waits).map(|record| record.id).collect();
        for id in ids {
            self.change(id, outcome, |record| record.on_silence(device, why, now));
        }
    }

    /// Searches that commands asked for are over.
    pub(super) fn finish_searches(&mut self, found: usize, now: Timestamp, outcome: &mut Outcome) {
        let searches = |record: &&CommandRecord| record.begin() == Some(Begin::Discover);
        let ids: Vec<CommandId> =
            self.known.commands.values().filter(searches).map(|record| record.id).collect();
        for id in ids {
            let detail = format!("{found} devices found");
            self.change(id, outcome, |record| record.finish(ResponseState::Done, detail, None, now));
        }
    }

    /// The server has an answer.
    pub(super) fn answered(&mut self, id: CommandId, response: &Response, outcome: &mut Outcome) {
        if let Some(record) = self.known.commands.get_mut(&id)
            && record.on_sent(response)
        {
            outcome.commands.insert(id);
        }
    }

    /// Gives up what waited beyond its expiry.
    pub(super) fn expire_commands(&mut self, outcome: &mut Outcome) {
        let now = Timestamp::now();
        let late = |record: &&CommandRecord| !record.waits_for.is_empty() && now > record.expires_at;
        let ids: Vec<CommandId> = self.known.commands.values().filter(late).map(|record| record.id).collect();
        for id in ids {
            self.change(id, outcome, |record| {
                record.expire(now);
            });
        }
    }

    /// Tidies up: finished commands and updates are forgotten in time.
    pub(super) fn keep_up(&mut self, outcome: &mut Outcome) {
        let now = Timestamp::now();
        for id in commands::forgettable(&self.known.commands, now) {
            self.known.commands.remove(&id);
            outcome.commands.insert(id);
        }
        self.forget_updates(outcome);
        let spool = self.world.spool.clone();
        self.world.tasks.spawn(async move {
            if let Err(error) = spool.upkeep().await {
                tracing::warn!(error = %error, "the spool's upkeep failed");
            }
        });
    }
}
