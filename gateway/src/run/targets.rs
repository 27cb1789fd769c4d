//! Where devices are looked for, and when next.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use gateway_core::inventory::Reported;
use gateway_core::reading::ReadScope;
use gateway_core::sensing::{PollSchedule, SensingRules};
use tokio::time::Instant;
use wire::ids::DeviceId;

use crate::snmp::Candidates;

/// An address where a device is, or is said to be.
#[derive(Debug)]
pub(super) struct Target {
    /// The device that answered there last.
    pub(super) device: Option<DeviceId>,
    /// Devices that answered there before and were not seen elsewhere since.
    pub(super) former: Vec<DeviceId>,
    /// The next look.
    pub(super) next: Instant,
    /// Whether the next look reads everything.
    pub(super) whole: bool,
    /// Whether a look is under way.
    pub(super) busy: bool,
    /// Whether a trap asked for the next look: what that sees is confirmed soon.
    pub(super) hinted: bool,
    /// What the last look at the status saw, to find changes between two of them.
    pub(super) status_seen: Option<Reported>,
    /// With what it is asked, where that is said of it alone.
    pub(super) credentials: Option<Candidates>,
    /// How often and how thoroughly it is looked at.
    pub(super) schedule: PollSchedule,
    /// Whether this is a second address of its device.
    pub(super) also: bool,
}

/// A look that is due.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) address: SocketAddr,
    pub(super) credentials: Option<Candidates>,
    pub(super) scope: ReadScope,
    pub(super) retries: u32,
}

/// All targets.
#[derive(Debug, Default)]
pub(super) struct Targets {
    all: BTreeMap<SocketAddr, Target>,
}

impl Targets {
    /// An address is to be watched, from `next` on; one that is watched already stays as it is.
    pub(super) fn watch(
        &mut self,
        address: SocketAddr,
        device: Option<DeviceId>,
        next: Instant,
    ) -> &mut Target {
        self.all.entry(address).or_insert_with(|| Target {
            device,
            former: Vec::new(),
            next,
            whole: true,
            busy: false,
            hinted: false,
            status_seen: None,
            credentials: None,
            schedule: PollSchedule::default(),
            also: false,
        })
    }

    pub(super) fn at(&mut self, address: SocketAddr) -> Option<&mut Target> {
        self.all.get_mut(&address)
    }

    /// Who answered last at an address.
    pub(super) fn holder(&self, address: SocketAddr) -> Option<DeviceId> {
        self.all.get(&address).and_then(|target| target.device.clone())
    }

    /// A device is silent at its address: its other ones are looked at now.
    pub(super) fn try_others(&mut self, device: &DeviceId, address: SocketAddr, now: Instant) {
        for (other, target) in &mut self.all {
            if target.also && *other != address && target.device.as_ref() == Some(device) {
                (target.whole, target.next) = (true, now);
            }
        }
    }

    pub(super) fn remove(&mut self, address: SocketAddr) {
        self.all.remove(&address);
    }

    /// Looks that are due, at most `free` of them; each is marked as under way.
    pub(super) fn due(&mut self, now: Instant, free: usize, rules: &SensingRules) -> Vec<Due> {
        let mut due: Vec<_> =
            self.all.iter_mut().filter(|(_, target)| !target.busy && target.next <= now).collect();
        due.sort_by_key(|(_, target)| target.next);
        let begin = |(address, target): (&SocketAddr, &mut Target)| {
            target.busy = true;
            target.next = now + target.schedule.wait(rules);
            let whole = std::mem::take(&mut target.whole);
            let scope = if whole { ReadScope::Full } else { target.schedule.scope(rules) };
            let retries = target.schedule.retries(rules);
            Due { address: *address, credentials: target.credentials.clone(), scope, retries }
        };
        due.into_iter().take(free).map(begin).collect()
    }

    /// Everything of the device at an address is to be read now.
    pub(super) fn look_now(&mut self, address: SocketAddr, now: Instant) {
        if let Some(target) = self.at(address) {
            target.whole = true;
            target.next = now;
        }
    }

    /// The devices at an address are to be looked at soon, at what a look at the status shows.
    pub(super) fn look_soon(&mut self, ip: IpAddr, at: Instant) {
        for (address, target) in &mut self.all {
            if address.ip().to_canonical() == ip {
                target.next = target.next.min(at);
                target.hinted = true;
                target.schedule.look_closer();
            }
        }
    }

    /// Addresses that are watched.
    pub(super) fn addresses(&self) -> BTreeSet<IpAddr> {
        self.all.keys().map(|address| address.ip().to_canonical()).collect()
    }

    /// Everything is to be read, spread over `over`.
    pub(super) fn look_at_all(&mut self, now: Instant, over: Duration) {
        for target in self.all.values_mut() {
            target.whole = true;
            if target.schedule.is_silent() {
                // Who doesn't answer isn't asked more often for it.
                continue;
            }
            target.next = target.next.min(now + over.mul_f64(rand::random::<f64>()));
        }
    }
}
