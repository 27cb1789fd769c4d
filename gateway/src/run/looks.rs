//! Looks at devices and searches of networks: begun when due, as many at once as configured.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use gateway_core::device_reading::Scope;
use jiff::Timestamp;
use tokio::time::Instant;

use super::engine::{Action, Engine, Event, Outcome};
use super::schedule::Job;
use crate::discovery::{self, Found, Pace};
use crate::snmp::Target;

/// First probes of a search per second.
const PROBES_PER_S: u32 = 200;

/// The readings of a round are spread over at most this.
const ROUND_SPREAD: Duration = Duration::from_secs(600);

/// Between a look that a trap asked for and the one that confirms what it saw.
const CONFIRM_AFTER: Duration = Duration::from_secs(30);

/// Not even a demonstration asks twice at once.
const LEAST_CONFIRM: Duration = Duration::from_secs(1);

impl Engine {
    /// Watches what the spool remembers and what the configuration names, spread over one interval.
    pub(super) fn restore_targets(&mut self) {
        let now = Instant::now();
        let every = self.status_interval();
        let spread = || every.min(Duration::from_secs(60)).mul_f64(rand::random::<f64>());
        let config = std::sync::Arc::clone(&self.world.config);
        for record in self.known.devices.values() {
            // An address that the configuration no longer holds isn't asked any more; its device is then offline.
            if config.holds(record.address) {
                self.targets.watch(record.address, Some(record.device.clone()), now + spread());
                if let Some(access) = &record.access {
                    self.world.reader.remember(record.address, access.clone());
                }
            }
        }
        for address in config.single_devices().unwrap_or_default() {
            self.targets.watch(address, None, now);
        }
    }

    fn status_interval(&self) -> Duration {
        let config = &self.world.config;
        config.wait(Duration::from_secs(config.sensing.status_s.into()))
    }

    /// Begins the looks that are due.
    pub(super) fn begin_looks(&mut self) {
        let free = self.world.config.sensing.concurrency.saturating_sub(self.looks);
        if free == 0 {
            return;
        }
        for (address, scope) in self.targets.due(Instant::now(), free, self.status_interval()) {
            self.looks += 1;
            let sensing = &self.world.config.sensing;
            let target = Target {
                address,
                credentials: self.world.credentials.clone(),
                timeout: Duration::from_millis(sensing.timeout_ms.into()),
                retries: sensing.retries,
            };
            let (reader, events) = (self.world.reader.clone(), self.events());
            self.world.tasks.spawn(async move {
                let result = reader.read(&target, scope).await.map(Box::new);
                Self::tell(&events, Event::Looked(address, scope, result));
            });
        }
    }

    /// It is time for something of the schedule.
    pub(super) fn due(&mut self, job: Job, outcome: &mut Outcome) {
        match job {
            Job::Search => outcome.actions.push(Action::Search),
            Job::Readings => {
                let config = &self.world.config;
                let every = config.wait(Duration::from_secs(config.sensing.reading_s.into()));
                self.targets.look_at_all(Instant::now(), (every / 4).min(ROUND_SPREAD));
            }
            Job::Upkeep => self.keep_up(outcome),
        }
    }

    /// Searches the networks, once at a time.
    pub(super) fn search(&mut self) {
        let networks = self.world.config.sweeps(&self.world.credentials);
        if self.searching {
            return;
        }
        self.searching = true;
        let sensing = &self.world.config.sensing;
        let pace = Pace {
            timeout: Duration::from_millis(sensing.timeout_ms.into()),
            retries: sensing.retries.min(1),
            concurrency: sensing.concurrency,
            packets_per_s: PROBES_PER_S,
        };
        let (reader, events) = (self.world.reader.clone(), self.events());
        let shutdown = self.world.shutdown.clone();
        self.world.tasks.spawn(async move {
            let began = std::time::Instant::now();
            let mut count = 0;
            let mut on_address = |found: Found| {
                if matches!(found, Found::Device(..)) {
                    count += 1;
                    Self::tell(&events, Event::Found(found));
                }
            };
            tokio::select! {
                () = discovery::discover(&reader, &networks, pace, &mut on_address) => {}
                () = shutdown.cancelled() => return,
            }
            Self::tell(&events, Event::Searched { found: count, took: began.elapsed() });
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
        target.whole = false;
        self.read(address, Scope::Whole, &reading, outcome);
    }

    /// A device sent a trap. Whatever it says, the device's status is read; only that can make a call.
    pub(super) fn hinted(&mut self, ip: IpAddr, after: Duration) {
        self.targets.look_soon(ip, Instant::now() + after);
    }

    /// What a look saw that a trap asked for is confirmed soon, not at the next look that is due anyway.
    pub(super) fn confirm(&mut self, address: SocketAddr, settling: bool) {
        let soon = Instant::now() + self.world.config.wait(CONFIRM_AFTER).max(LEAST_CONFIRM);
        if let Some(target) = self.targets.at(address) {
            target.hinted &= settling;
            if target.hinted {
                target.next = target.next.min(soon);
            }
        }
    }

    /// A search ended.
    pub(super) fn searched(&mut self, found: usize, took: Duration, outcome: &mut Outcome) {
        self.searching = false;
        let now = Timestamp::now();
        tracing::info!(found, took_s = took.as_secs(), "the networks were searched");
        metrics::counter!("platen_gateway_searches_total").increment(1);
        self.known.schedule.insert(Job::Search.name().to_owned(), now);
        super::engine::told(outcome.changes.done_at(Job::Search.name(), now));
        self.finish_searches(found, now, outcome);
    }

    /// Whether a search is due at the start: none was made yet, or the last one is too long ago.
    pub(super) fn wants_search(&self) -> bool {
        let last = self.known.schedule.get(Job::Search.name());
        let every = i64::from(self.world.config.sensing.discovery_s);
        let ago = last.map(|last| Timestamp::now().duration_since(*last).as_secs());
        !self.world.config.networks.is_empty() && ago.is_none_or(|ago| ago < 0 || ago >= every)
    }
}

/// Address for logs.
pub(super) fn text(address: SocketAddr) -> String {
    crate::snmp::address_text(address)
}
