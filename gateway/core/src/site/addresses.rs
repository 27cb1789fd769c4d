//! The addresses that are watched: who answered there, and when each is read next.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use wire::ids::DeviceId;

use super::moment::Random;
use crate::inventory::Reported;
use crate::reading::ReadScope;
use crate::sensing::{PollSchedule, SensingRules};

/// An address where a device is, or is said to be.
#[derive(Debug)]
pub(super) struct WatchedAddress {
    /// The device that answered there last.
    pub(super) device: Option<DeviceId>,
    /// Devices that answered there before and were not seen elsewhere since.
    pub(super) previous_devices: Vec<DeviceId>,
    /// The next read.
    pub(super) next: Duration,
    /// Whether the next read is a full one.
    pub(super) full: bool,
    /// Whether a read is under way.
    pub(super) busy: bool,
    /// Whether a trap asked for the next read: what that finds is confirmed soon.
    pub(super) trap_pending: bool,
    /// What the last read of the status showed, to find changes between two of them.
    pub(super) status_seen: Option<Reported>,
    /// How often and how thoroughly it is read.
    pub(super) schedule: PollSchedule,
    /// Whether this is a secondary address of its device.
    pub(super) secondary: bool,
}

/// A read to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadRequest {
    /// Where.
    pub address: SocketAddr,
    /// What is asked for.
    pub scope: ReadScope,
    /// How often a request is repeated.
    pub retries: u32,
}

/// All watched addresses.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    all: BTreeMap<SocketAddr, WatchedAddress>,
}

impl Addresses {
    /// Watches an address from `next` on; one that is watched already stays as it is.
    pub(super) fn watch(
        &mut self,
        address: SocketAddr,
        device: Option<DeviceId>,
        next: Duration,
    ) -> &mut WatchedAddress {
        self.all.entry(address).or_insert_with(|| WatchedAddress {
            device,
            previous_devices: Vec::new(),
            next,
            full: true,
            busy: false,
            trap_pending: false,
            status_seen: None,
            schedule: PollSchedule::default(),
            secondary: false,
        })
    }

    pub(super) fn at(&mut self, address: SocketAddr) -> Option<&mut WatchedAddress> {
        self.all.get_mut(&address)
    }

    /// The device that answered last at an address.
    pub(super) fn holder(&self, address: SocketAddr) -> Option<DeviceId> {
        self.all.get(&address).and_then(|watched| watched.device.clone())
    }

    /// A device is silent at an address: its secondary ones are read now.
    pub(super) fn try_others(&mut self, device: &DeviceId, address: SocketAddr, now: Duration) {
        for (other, watched) in &mut self.all {
            if watched.secondary && *other != address && watched.device.as_ref() == Some(device) {
                (watched.full, watched.next) = (true, now);
            }
        }
    }

    pub(super) fn remove(&mut self, address: SocketAddr) {
        self.all.remove(&address);
    }

    /// Reads that are due, the longest overdue first, at most `free`; each is marked as under way.
    pub(super) fn due(&mut self, now: Duration, free: usize, rules: &SensingRules) -> Vec<ReadRequest> {
        let mut due: Vec<_> =
            self.all.iter_mut().filter(|(_, watched)| !watched.busy && watched.next <= now).collect();
        due.sort_by_key(|(_, watched)| watched.next);
        let begin = |(address, watched): (&SocketAddr, &mut WatchedAddress)| {
            watched.busy = true;
            watched.next = now + watched.schedule.wait(rules);
            let full = std::mem::take(&mut watched.full);
            let scope = if full { ReadScope::Full } else { watched.schedule.scope(rules) };
            ReadRequest { address: *address, scope, retries: watched.schedule.retries(rules) }
        };
        due.into_iter().take(free).map(begin).collect()
    }

    /// When the next read is due.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.all.values().filter(|watched| !watched.busy).map(|watched| watched.next).min()
    }

    /// The device at an address is to be read in full now.
    pub(super) fn read_now(&mut self, address: SocketAddr, now: Duration) {
        if let Some(watched) = self.at(address) {
            watched.full = true;
            watched.next = now;
        }
    }

    /// A trap came from an IP address: the status of the devices there is read at a time.
    pub(super) fn read_after_trap(&mut self, ip: IpAddr, at: Duration) {
        for (address, watched) in &mut self.all {
            if address.ip().to_canonical() == ip {
                watched.next = watched.next.min(at);
                watched.trap_pending = true;
                watched.schedule.look_closer();
            }
        }
    }

    /// IP addresses that are watched.
    pub(super) fn ips(&self) -> BTreeSet<IpAddr> {
        self.all.keys().map(|address| address.ip().to_canonical()).collect()
    }

    /// Every device is to be read in full, spread over `over`.
    pub(super) fn read_all(&mut self, now: Duration, over: Duration, random: &mut Random) {
        for watched in self.all.values_mut() {
            watched.full = true;
            if watched.schedule.is_silent() {
                // A full reading is no reason to send more packets to a device that doesn't respond.
                continue;
            }
            watched.next = watched.next.min(now + random.part_of(over));
        }
    }
}
