//! The server's side of one gateway: its disk, changed by the decisions of its core.

use std::collections::{BTreeMap, BTreeSet};

use comm_server_core::cadence::Cadence;
use comm_server_core::calls::ReportRef;
use comm_server_core::commands::{CommandEvent, CommandState};
use comm_server_core::ingest::{self, Arrival, BatchError, Effect, GatewayClock, Known};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;
use wire::command::{Command, CommandResponseAck, Order, Response};
use wire::ids::{CommandId, DeviceId};
use wire::poll::PollResponse;
use wire::problem::{Problem, ProblemCode};
use wire::report::{Batch, BatchResponse, Call, CallKind, Lane, Lanes, Report};

use super::invariant::{Invariant, Violation, require};

/// A command that was ordered.
#[derive(Debug)]
pub(crate) struct Ordered {
    command: Command,
    pub(crate) state: CommandState,
    /// The devices of the command, with the number of counter sets received from each.
    pub(crate) sets: BTreeMap<DeviceId, u64>,
}

/// The server's state of one gateway.
#[derive(Debug, Default)]
pub(crate) struct Server {
    acknowledged: Lanes<u64>,
    pub(crate) stored: Lanes<Vec<String>>,
    known: Known,
    pub(crate) open: BTreeMap<ReportRef, Call>,
    /// Number of service calls that were opened, by device.
    pub(crate) opened: BTreeMap<DeviceId, u64>,
    pub(crate) devices: BTreeSet<DeviceId>,
    pub(crate) commands: BTreeMap<CommandId, Ordered>,
    pub(crate) duplicates: u64,
    /// Times of all polls.
    pub(crate) polls: Vec<Timestamp>,
    /// Number of polls that reported that nothing can be stored.
    pub(crate) problems: u64,
    /// Whether the last poll reported that.
    pub(crate) problem: bool,
    /// Counter sets whose report the gateway evicted: they never arrive, or arrived before.
    pub(crate) evicted_sets: BTreeSet<(CommandId, DeviceId)>,
    /// Number of losses that were reported.
    pub(crate) losses: u64,
}

impl Server {
    /// Orders the counters of devices.
    pub(crate) fn order(&mut self, devices: &[DeviceId], now: Timestamp) {
        let id = CommandId(Uuid::from_u128(1 + self.commands.len() as u128));
        let order = Order::CounterRequest { devices: Some(devices.to_vec()) };
        // Beyond the end, so that a clock that is off by a day expires none.
        let command = Command::new(id, now + SignedDuration::from_hours(24 * 30), &order).unwrap();
        let sets = devices.iter().map(|device| (device.clone(), 0)).collect();
        self.commands.insert(id, Ordered { command, state: CommandState::Queued, sets });
    }

    fn next_poll_s(&self) -> u32 {
        Cadence::default().next_poll_s(self.service_calls().count() as u64)
    }

    /// Open service calls.
    fn service_calls(&self) -> impl Iterator<Item = &Call> {
        self.open.values().filter(|call| call.call == CallKind::ServiceCall)
    }

    pub(crate) fn poll(&mut self, problem: bool, now: Timestamp) -> PollResponse {
        self.polls.push(now);
        self.problem = problem;
        self.problems += u64::from(problem);
        let mut commands = Vec::new();
        for ordered in self.commands.values_mut().filter(|ordered| ordered.state.is_delivered_with_polls()) {
            ordered.state = ordered.state.after(CommandEvent::Deliver);
            commands.push(ordered.command.clone());
        }
        PollResponse { next_poll_s: self.next_poll_s(), acknowledged: self.acknowledged, commands }
    }

    /// Stores a response to a command.
    pub(crate) fn respond(
        &mut self,
        id: CommandId,
        response: &Response,
    ) -> Result<CommandResponseAck, Violation> {
        let Some(ordered) = self.commands.get_mut(&id) else {
            let detail = format!("a response to {id}, which nobody ordered");
            return Err(Violation { invariant: Invariant::CommandsOnce, detail });
        };
        ordered.state = ordered.state.after(CommandEvent::Respond(response.state));
        let done = ordered.state == CommandState::Done;
        let evicted = |device: &DeviceId| self.evicted_sets.contains(&(id, device.clone()));
        let missing: Vec<_> =
            ordered.sets.iter().filter(|(device, sets)| **sets == 0 && !evicted(device)).collect();
        require(!done || missing.is_empty(), Invariant::LaneOrder, || {
            format!("{id} is done, and what it ordered is not here: {missing:?}")
        })?;
        Ok(CommandResponseAck { next_poll_s: self.next_poll_s() })
    }

    /// Stores a batch, in one transaction.
    pub(crate) fn take(
        &mut self,
        lane: Lane,
        batch: &Batch,
        now: Timestamp,
    ) -> Result<Result<BatchResponse, Problem>, Violation> {
        ingest::check_sequence(&batch.reports).map_err(unusable)?;
        let mut arrivals = ingest::parse(batch);
        batch.at.map_or(GatewayClock::unsaid(now), |at| GatewayClock::new(at, now)).date(&mut arrivals);
        let before = *self.acknowledged.of(lane);
        let duplicates = match ingest::fresh(before, &arrivals) {
            Ok(fresh) => arrivals.len() - fresh.len(),
            Err(error) => return Ok(Err(gap(&error))),
        };
        self.duplicates += duplicates as u64;
        let fresh = &mut arrivals[duplicates..];
        ingest::in_order(&self.known, fresh);
        let fresh = &*fresh;
        for effect in ingest::effects(self.known.clone(), lane, fresh) {
            self.apply(lane, &effect)?;
        }
        let acknowledged = fresh.last().map_or(before, |last| last.seq);
        *self.acknowledged.of_mut(lane) = acknowledged;
        Ok(Ok(BatchResponse { acknowledged, next_poll_s: self.next_poll_s(), quarantined: Vec::new() }))
    }

    fn apply(&mut self, lane: Lane, effect: &Effect<'_>) -> Result<(), Violation> {
        match effect {
            Effect::Keep { arrival, .. } => self.keep(lane, arrival)?,
            Effect::UpsertDevice(device) => drop(self.devices.insert((*device).clone())),
            Effect::SetTotal(device, total) => {
                self.known.totals.insert((*device).clone(), *total);
            }
            Effect::Raise { call, .. } if call.call == CallKind::CounterRegression => {
                return Err(Violation { invariant: Invariant::Counters, detail: call.detail.clone() });
            }
            Effect::Raise { by, call, .. } => {
                if call.call == CallKind::ServiceCall {
                    *self.opened.entry(call.device.clone()).or_default() += 1;
                }
                self.open.insert(*by, call.clone());
                self.known.open.insert(call.device.clone(), call.call, call.subject.clone(), *by);
            }
            Effect::Close { raised_by, .. } => {
                if let Some(call) = self.open.remove(raised_by) {
                    self.known.open.forget(&call.device, &BTreeSet::from([*raised_by]));
                }
            }
            // It was made before a clock was set: its date makes no sense, and the report is kept with the reason.
            Effect::Quarantine { arrival, reason } if reason.starts_with("at report.read_at: ") => {
                self.keep(lane, arrival)?;
            }
            Effect::Quarantine { reason, .. } => {
                let detail = format!("quarantined: {reason}");
                return Err(Violation { invariant: Invariant::StoredOnceInOrder, detail });
            }
            Effect::Lost { .. } => self.losses += 1,
            Effect::UpdateReading(..)
            | Effect::SetOffline(..)
            | Effect::AddCounters { .. }
            | Effect::Firmware(_) => {}
        }
        Ok(())
    }

    fn keep(&mut self, lane: Lane, arrival: &Arrival) -> Result<(), Violation> {
        self.stored.of_mut(lane).push(arrival.body.clone());
        let report: Report = serde_json::from_str(&arrival.body).map_err(unusable)?;
        let Report::CounterSet(set) = report else { return Ok(()) };
        let Some(ordered) = set.command.and_then(|id| self.commands.get_mut(&id)) else { return Ok(()) };
        let sets = ordered.sets.entry(set.device.clone()).or_default();
        *sets += 1;
        require(*sets == 1, Invariant::CommandsOnce, || {
            format!("{} counter sets of {} for one command", sets, set.device)
        })
    }
}

fn unusable(error: impl ToString) -> Violation {
    Violation { invariant: Invariant::StoredOnceInOrder, detail: error.to_string() }
}

fn gap(error: &BatchError) -> Problem {
    let expected = match error {
        BatchError::Gap { expected, .. } => Some(*expected),
        BatchError::NotInSequence { .. } | BatchError::OutOfRange { .. } | BatchError::TooMany { .. } => None,
    };
    Problem { expected_seq: expected, ..Problem::new(ProblemCode::SequenceGap, error.to_string()) }
}
