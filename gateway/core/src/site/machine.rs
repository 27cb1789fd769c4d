//! The state machine of a site: events in, outcomes out.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::context::{Context, State};
use super::effect::{Effect, Outcome};
use super::event::{Event, Job};
use super::moment::{Moment, Random};
use super::rules::SiteRules;
use super::searches::{SearchEnd, Searches, is_due_at_start};
use super::{addresses::Addresses, commands, firmware, readings, reports};
use crate::reading::profiles::Profiles;

/// The maximum time over which a round of full readings is spread.
const ROUND_SPREAD: Duration = Duration::from_secs(600);

/// The maximum time over which the first reads after a start are spread.
const START_SPREAD: Duration = Duration::from_secs(60);

/// How often an open update is advanced.
const UPDATE_GRAIN: Duration = Duration::from_millis(500);

/// Longest wait for a time of the machine's clock, which may be set meanwhile.
const CLOCK_GRAIN: Duration = Duration::from_secs(30);

/// The state machine of a site.
#[derive(Debug)]
pub struct Site {
    cx: Context,
}

impl Site {
    /// A site with the state that was loaded from the spool.
    #[must_use]
    pub fn new(rules: SiteRules, profiles: Arc<Profiles>, state: State, now: Moment, random: u64) -> Self {
        let mut cx = Context {
            rules,
            profiles,
            state,
            addresses: Addresses::default(),
            searches: Searches::default(),
            reads: 0,
            mails_made: 0,
            now,
            random: Random::new(random),
            outcome: Outcome::default(),
        };
        restore_addresses(&mut cx);
        firmware::resume(&mut cx);
        commands::resume(&mut cx);
        begin_searches(&mut cx);
        Self { cx }
    }

    /// What the site remembers.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.cx.state
    }

    /// The IP addresses whose traps are accepted.
    #[must_use]
    pub fn watched_ips(&self) -> BTreeSet<IpAddr> {
        self.cx.addresses.ips()
    }

    /// Handles an event. `random` must differ for each event.
    pub fn handle(&mut self, event: Event, now: Moment, random: u64) {
        let cx = &mut self.cx;
        (cx.now, cx.random) = (now, Random::new(random));
        match event {
            Event::ReadCompleted { address, scope, access, result } => {
                readings::on_read_completed(cx, address, scope, access, result);
            }
            Event::Found { address, access, reading } => readings::on_found(cx, address, access, &reading),
            Event::SearchEnded(end) => on_search_ended(cx, &end),
            Event::Resolved(address) => {
                cx.addresses.watch(address, None, now.elapsed);
            }
            Event::CommandsDelivered(delivered) => commands::on_delivered(cx, &delivered),
            Event::ResponseStored(command, response) => commands::on_response_stored(cx, command, &response),
            Event::Diagnosed(command, result) => commands::on_diagnosed(cx, command, result),
            Event::SequenceMismatch => reports::report_again(cx),
            Event::Staged(rollout, result) => firmware::on_staged(cx, rollout, result),
            Event::StagingProgress(rollout, here, all) => {
                firmware::on_staging_progress(cx, rollout, here, all);
            }
            Event::PushEnded(rollout, device, result) => {
                firmware::on_push_ended(cx, rollout, &device, result);
            }
            Event::TrapReceived(ip, after) => cx.addresses.read_after_trap(ip, now.elapsed + after),
            Event::Due(job) => on_due(cx, job),
        }
    }

    /// Performs all steps that are due.
    pub fn advance(&mut self, now: Moment, random: u64) {
        let cx = &mut self.cx;
        (cx.now, cx.random) = (now, Random::new(random));
        let mut follow = Vec::new();
        firmware::advance(cx, &mut follow);
        commands::expire(cx);
        if cx.searches.waits()
            && let Some(until) = cx.rules.open_until(now.clock)
        {
            let search = cx.searches.begin_due(until);
            cx.outcome.effects.extend(search.map(Effect::Search));
        }
        let free = cx.rules.concurrency.saturating_sub(cx.reads);
        let due = cx.addresses.due(now.elapsed, free, &cx.rules.sensing);
        cx.reads += due.len();
        cx.outcome.effects.extend(due.into_iter().map(Effect::Read));
        for event in follow {
            self.handle(event, now, random);
        }
    }

    /// The latest time for the next [`Site::advance`], since the program began; `None` if nothing is scheduled.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let cx = &self.cx;
        let now = cx.now;
        let until = |at: jiff::Timestamp| {
            let wait = Duration::try_from(at.duration_since(now.clock)).unwrap_or_default();
            now.elapsed + wait.min(CLOCK_GRAIN).max(UPDATE_GRAIN)
        };
        let read = (cx.reads < cx.rules.concurrency).then(|| cx.addresses.next_due()).flatten();
        let waiting = cx.state.commands.values().filter(|record| !record.waits_for.is_empty());
        let expiry = waiting.map(|record| record.expires_at).min().map(until);
        let update = cx.state.updates.values().any(|update| !update.is_over());
        let search = cx.searches.waits().then(|| cx.rules.windows.next_open(now.clock, &cx.rules.zone));
        let update = update.then(|| now.elapsed + UPDATE_GRAIN);
        [read, expiry, update, search.flatten().map(until)].into_iter().flatten().min()
    }

    /// The results of everything that was handled since the last call.
    pub fn outcome(&mut self) -> Outcome {
        std::mem::take(&mut self.cx.outcome)
    }
}

/// Watches the addresses of known devices and of the configuration, spread over one interval. An address that is no
/// longer configured isn't read any more; its device becomes offline.
fn restore_addresses(cx: &mut Context) {
    let now = cx.elapsed();
    let spread = cx.rules.status_interval().min(START_SPREAD);
    for record in cx.state.devices.values() {
        if cx.rules.holds(record.address) {
            let next = now + cx.random.part_of(spread);
            cx.addresses.watch(record.address, Some(record.device.clone()), next);
        }
    }
    for address in &cx.rules.single_devices {
        cx.addresses.watch(*address, None, now);
    }
}

fn begin_searches(cx: &mut Context) {
    let last = cx.state.schedule.get(Job::Search.name());
    let ago = last.map(|last| cx.now.clock.duration_since(*last));
    if !cx.rules.sweep.parts.is_empty() && is_due_at_start(ago, cx.rules.discovery) {
        if cx.rules.open_until(cx.now.clock) == Some(None) {
            let search = cx.searches.order();
            cx.outcome.effects.extend(search.map(Effect::Search));
        } else {
            cx.searches.schedule();
        }
    }
    cx.outcome.effect(Effect::ResolveNames);
}

fn on_search_ended(cx: &mut Context, end: &SearchEnd) {
    let next = cx.searches.on_end(end);
    if end.cut_after.is_none() {
        let now = cx.clock();
        cx.state.schedule.insert(Job::Search.name().to_owned(), now);
        cx.outcome.jobs.push((Job::Search, now));
        if next.is_none() {
            commands::finish_searches(cx, end.found);
        }
    }
    cx.outcome.effects.extend(next.map(Effect::Search));
}

fn on_due(cx: &mut Context, job: Job) {
    match job {
        Job::Search => {
            cx.searches.schedule();
            cx.outcome.effect(Effect::ResolveNames);
        }
        Job::Readings => {
            let every = cx.rules.wait(cx.rules.reading);
            let (now, over) = (cx.elapsed(), (every / 4).min(ROUND_SPREAD));
            cx.addresses.read_all(now, over, &mut cx.random);
        }
        Job::Upkeep => commands::upkeep(cx),
    }
}
