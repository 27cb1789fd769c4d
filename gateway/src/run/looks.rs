//! Looks at devices: begun when due, as many at once as configured.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::Instant;

use super::engine::{Engine, Event};
use super::targets::Due;
use crate::snmp::Target;

/// The readings of a round are spread over at most this.
pub(super) const ROUND_SPREAD: Duration = Duration::from_secs(600);

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

    /// Between two looks at a device that does something.
    pub(super) fn status_interval(&self) -> Duration {
        let config = &self.world.config;
        config.wait(Duration::from_secs(config.sensing.status_s.into()))
    }

    /// Begins the looks that are due.
    pub(super) fn begin_looks(&mut self) {
        let free = self.world.config.sensing.concurrency.saturating_sub(self.looks);
        if free == 0 {
            return;
        }
        let rules = self.world.config.sensing_rules();
        for Due { address, credentials, scope, retries } in self.targets.due(Instant::now(), free, &rules) {
            self.looks += 1;
            let sensing = &self.world.config.sensing;
            let target = Target {
                address,
                credentials: credentials.unwrap_or_else(|| self.world.credentials.clone()),
                timeout: Duration::from_millis(sensing.timeout_ms.into()),
                retries,
            };
            let (reader, events) = (self.world.reader.clone(), self.events());
            self.world.tasks.spawn(async move {
                let result = reader.look(&target, scope).await.map(Box::new);
                Self::tell(&events, Event::Looked(address, scope, result));
            });
        }
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
}

/// Address for logs.
pub(super) fn text(address: SocketAddr) -> String {
    crate::snmp::address_text(address)
}
