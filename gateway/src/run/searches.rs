//! Searches of the networks: when the site's windows allow, from where the last one was cut; and devices that are known
//! by a DNS name.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::reading::{Coverage, ReadScope};
use gateway_core::search::{Sweep, judge_announced};
use jiff::Timestamp;
use tokio::time::Instant;

use super::engine::{Action, Engine, Event, Outcome, told};
use super::schedule::Job;
use crate::device_address::NamedDevice;
use crate::discovery::{self, Found, Search, announcements};

/// What is known of searches.
#[derive(Debug, Default)]
pub(super) struct Searches {
    /// Whether one is under way.
    running: bool,
    /// Whether one was ordered while another one was under way, which may have passed what it is ordered for.
    again: bool,
    /// Whether one is due and waits for its window.
    due: bool,
    /// Addresses that the last one, which its window cut short, had asked.
    asked: usize,
}

/// How a search ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) found: usize,
    pub(super) took: Duration,
    /// Addresses that were asked, where its window closed before all were.
    pub(super) cut_after: Option<usize>,
}

impl Engine {
    /// The schedule wants a search: it begins when a window is open.
    pub(super) fn want_search(&mut self) {
        self.searches.due = true;
        self.resolve_names();
    }

    /// Begins the search that is due, where its window is open.
    pub(super) fn begin_due_search(&mut self) {
        let windows = &self.world.config.discovery.windows;
        if !self.searches.due || self.searches.running {
            return;
        }
        if let Some(until) = windows.open_until(Timestamp::now(), &self.world.zone) {
            self.searches.due = false;
            self.search(until);
        }
    }

    /// Searches the networks, once at a time and one after the other; `until` a time, if there is one.
    pub(super) fn search(&mut self, until: Option<Timestamp>) {
        if self.searches.running {
            self.searches.again = true;
            return;
        }
        self.searches.running = true;
        let config = Arc::clone(&self.world.config);
        let credentials = self.world.credentials.clone();
        let skip = std::mem::take(&mut self.searches.asked);
        let mut search = Search { sweep: config.sweep(), announced: Vec::new(), credentials, skip };
        let (reader, events) = (self.world.reader.clone(), self.events());
        let shutdown = self.world.shutdown.clone();
        self.world.tasks.spawn(async move {
            let began = std::time::Instant::now();
            let (mut count, mut asked) = (0, skip);
            let mut on_address = |found: Found| {
                asked += 1;
                if matches!(found, Found::Device(..)) {
                    count += 1;
                    Self::tell(&events, Event::Found(found));
                }
            };
            if config.discovery.mdns {
                search.announced = announced(&search.sweep).await;
            }
            let left = until.map(|until| until.duration_since(Timestamp::now()));
            let left = left.map(|left| Duration::try_from(left).unwrap_or_default());
            let cut = tokio::select! {
                () = discovery::discover(&reader, &search, config.search_pace(), &mut on_address) => false,
                () = tokio::time::sleep(left.unwrap_or_default()), if left.is_some() => true,
                () = shutdown.cancelled() => return,
            };
            let cut_after = cut.then_some(asked);
            Self::tell(&events, Event::Searched(Ended { found: count, took: began.elapsed(), cut_after }));
        });
    }

    /// A search found something at an address.
    pub(super) fn found(&mut self, found: Found, outcome: &mut Outcome) {
        let Found::Device(address, reading) = found else { return };
        if !self.world.config.holds(address) {
            return;
        }
        let later = Instant::now() + self.status_interval();
        let target = self.targets.watch(address, None, later);
        if target.busy {
            // A look is under way and tells the same.
            return;
        }
        target.whole = false;
        // A search doesn't say what was read to its end: it ends nothing that isn't contradicted.
        self.read(address, ReadScope::Full, (&reading, Coverage::NOTHING), None, outcome);
    }

    /// A search ended.
    pub(super) fn searched(&mut self, ended: &Ended, outcome: &mut Outcome) {
        self.searches.running = false;
        let again = std::mem::take(&mut self.searches.again);
        let (now, took_s) = (Timestamp::now(), ended.took.as_secs());
        if let Some(asked) = ended.cut_after {
            tracing::info!(asked, took_s, "a search goes on when its next window opens");
            (self.searches.asked, self.searches.due) = (asked, true);
            if again {
                self.searches.asked = 0;
                self.search(None);
            }
            return;
        }
        tracing::info!(found = ended.found, took_s, "the networks were searched");
        metrics::counter!("platen_gateway_searches_total").increment(1);
        self.known.schedule.insert(Job::Search.name().to_owned(), now);
        told(outcome.changes.done_at(Job::Search.name(), now));
        if again {
            self.search(None);
        } else {
            self.finish_searches(ended.found, now, outcome);
        }
    }

    /// Whether a search is due at the start: none was made yet, or the last one is too long ago.
    pub(super) fn wants_search(&self) -> bool {
        let last = self.known.schedule.get(Job::Search.name());
        let every = i64::from(self.world.config.sensing.discovery_s);
        let ago = last.map(|last| Timestamp::now().duration_since(*last).as_secs());
        !self.world.config.networks.is_empty() && ago.is_none_or(|ago| ago < 0 || ago >= every)
    }

    /// Asks the DNS where the devices are that are known by a name.
    pub(super) fn resolve_names(&self) {
        for named in self.world.config.named_devices() {
            let events = self.events();
            self.world.tasks.spawn(async move {
                let addresses = tokio::net::lookup_host((named.host.as_str(), named.port)).await;
                match addresses.map(|mut addresses| addresses.next()) {
                    Ok(None) => {}
                    Ok(Some(address)) => Self::tell(&events, Event::Resolved(Box::new(named), address)),
                    Err(error) => {
                        metrics::counter!("platen_gateway_name_failures_total").increment(1);
                        tracing::warn!(name = named.host, error = %error, "the DNS doesn't know a device");
                    }
                }
            });
        }
    }

    /// The DNS says where a device is.
    pub(super) fn resolved(&mut self, named: NamedDevice, address: SocketAddr) {
        self.targets.watch(address, None, Instant::now()).credentials = named.credentials;
    }

    /// It is time for something of the schedule.
    pub(super) fn due(&mut self, job: Job, outcome: &mut Outcome) {
        match job {
            Job::Search => self.want_search(),
            Job::Readings => {
                let config = &self.world.config;
                let every = config.wait(Duration::from_secs(config.sensing.reading_s.into()));
                self.targets.look_at_all(Instant::now(), (every / 4).min(super::looks::ROUND_SPREAD));
            }
            Job::Upkeep => self.keep_up(outcome),
        }
    }

    /// Begins what the program begins with.
    pub(super) fn begin_searches(&mut self, outcome: &mut Outcome) {
        if self.wants_search()
            && self.world.config.discovery.windows.open_until(Timestamp::now(), &self.world.zone)
                == Some(None)
        {
            outcome.actions.push(Action::Search);
        } else if self.wants_search() {
            self.searches.due = true;
        }
        self.resolve_names();
    }
}

/// What announces itself and belongs to a configured network.
async fn announced(sweep: &Sweep) -> Vec<SocketAddr> {
    let heard = match announcements::listen(announcements::LISTEN).await {
        Ok(heard) => heard,
        Err(error) => {
            tracing::warn!(error = %error, "nothing is heard of devices that announce themselves");
            return Vec::new();
        }
    };
    let decided = judge_announced(sweep, &heard);
    let passed_over = u64::try_from(decided.passed_over.len()).unwrap_or(u64::MAX);
    metrics::counter!("platen_gateway_announcements_passed_over_total").increment(passed_over);
    if passed_over > 0 {
        tracing::info!(passed_over, "devices announce themselves outside of the configured networks");
    }
    decided.ask.into_iter().map(|(_, address)| address).collect()
}
