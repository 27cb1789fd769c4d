//! Handles the polls of many gateways together: one statement reads the data for the responses, another writes what the
//! gateways report about themselves. Rare cases (a new gateway, a queued command) are handled one by one.

use comm_server_core::commands::{CommandEvent, CommandState};
use jiff::Timestamp;
use sqlx::AnyConnection;
use wire::limits::POLL_COMMANDS;
use wire::poll::{Poll, PollResponse};
use wire::report::Lane;

use super::register_gateway::register_with_meters;
use crate::Store;
use crate::db::StoreError;
use crate::db::writer::{Caller, PollOutcome, PollRequest, Work};
use crate::tables::poll_states::{self, PollState};
use crate::tables::{GatewayRef, commands, gateways, lanes};

impl Store {
    /// Handles a poll. `random` is a random number, evenly distributed, for the time of the next meter request.
    pub async fn take_poll(
        &self,
        caller: Caller,
        poll: Poll,
        random: u32,
    ) -> Result<PollOutcome, StoreError> {
        self.writer().poll(PollRequest { caller, poll, random }).await
    }
}

/// Handles polls, at most [`crate::db::multi_row::MOST_ROWS`], each of a different gateway; returns the outcomes in
/// the same order.
pub(crate) fn take_polls<'c>(
    connection: &'c mut AnyConnection,
    polls: &'c [&'c PollRequest],
) -> Work<'c, Vec<PollOutcome>> {
    Box::pin(take(connection, polls))
}

async fn take(
    connection: &mut AnyConnection,
    polls: &[&PollRequest],
) -> Result<Vec<PollOutcome>, StoreError> {
    let mut states = poll_states::read(connection, polls).await?;
    let mut registered = vec![false; polls.len()];
    if states.iter().any(|state| !state.known) {
        for (place, request) in polls.iter().enumerate().filter(|&(place, _)| !states[place].known) {
            registered[place] =
                register_with_meters(connection, &request.caller, ("server", request.random)).await?;
        }
        // The response carries the new gateway's meter request; another server may have registered it as well.
        states = poll_states::read(connection, polls).await?;
    }
    let polls: Vec<(&PollRequest, PollState)> = polls.iter().copied().zip(states).collect();
    let next_poll_s = |request: &PollRequest, state: &PollState| {
        request.caller.cadence.with_regular(state.poll_interval_s).next_poll_s(state.service_calls)
    };
    let reported: Vec<_> =
        polls.iter().map(|(request, state)| (*request, next_poll_s(request, state))).collect();
    gateways::update(connection, &reported).await?;
    lanes::set_made(connection, &newly_made(&polls)).await?;
    let mut outcomes = Vec::with_capacity(polls.len());
    for ((request, state), registered) in polls.into_iter().zip(registered) {
        let caller = &request.caller;
        let commands = if state.commands > 0 {
            let of = GatewayRef { tenant: &caller.tenant, gateway: &caller.gateway };
            deliver(connection, of, caller.now).await?
        } else {
            Vec::new()
        };
        let next_poll_s = next_poll_s(request, &state);
        let answer = PollResponse { next_poll_s, acknowledged: state.acknowledged, commands };
        outcomes.push(PollOutcome { answer, registered });
    }
    Ok(outcomes)
}

/// The numbers that differ from the stored ones; most polls have none.
fn newly_made<'a>(polls: &[(&'a PollRequest, PollState)]) -> Vec<(&'a Caller, Lane, i64)> {
    let mut new = Vec::new();
    for (request, state) in polls {
        for lane in Lane::ALL {
            let made = i64::try_from(*request.poll.made.of(lane)).unwrap_or(i64::MAX);
            if *state.made.of(lane) != Some(made) {
                new.push((&request.caller, lane, made));
            }
        }
    }
    new
}

/// Delivers the commands of a poll, and records that.
async fn deliver(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    now: Timestamp,
) -> Result<Vec<wire::command::Command>, StoreError> {
    let mut delivered = Vec::new();
    for (command, state) in commands::deliverable(connection, of, now, POLL_COMMANDS).await? {
        if state == CommandState::Queued {
            let after = state.after(CommandEvent::Deliver);
            commands::set_delivered(connection, of, command.id, after, now).await?;
        }
        delivered.push(command);
    }
    Ok(delivered)
}
