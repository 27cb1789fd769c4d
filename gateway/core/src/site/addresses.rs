//! The addresses that are watched: the device at each, and when it is read next.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use wire::ids::DeviceId;

use super::moment::Random;
use crate::inventory::Reported;
use crate::reading::ReadScope;
use crate::sensing::{PollSchedule, SensingRules};

/// An address where a device is, or may be.
#[derive(Debug)]
pub(super) struct WatchedAddress {
    /// The device that was read there last.
    pub(super) device: Option<DeviceId>,
    /// Devices that were read there before and nowhere else since.
    pub(super) previous_devices: Vec<DeviceId>,
    /// The time of the next read.
    pub(super) next: Duration,
    /// Whether the next read is a full one.
    pub(super) full: bool,
    /// Whether a read is in progress.
    pub(super) busy: bool,
    /// Whether a trap caused the next read: its result is confirmed soon after.
    pub(super) trap_pending: bool,
    /// The last status that was read, to find changes.
    pub(super) status_seen: Option<Reported>,
    pub(super) schedule: PollSchedule,
    /// Whether this is a secondary address of its device.
    pub(super) secondary: bool,
}

/// A read to perform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadRequest {
    /// The address.
    pub address: SocketAddr,
    /// The scope.
    pub scope: ReadScope,
    /// Retries of a request.
    pub retries: u32,
}

/// All watched addresses.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    all: BTreeMap<SocketAddr, WatchedAddress>,
}

impl Addresses {
    /// Watches an address from `next` on. Has no effect on an address that is watched already.
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

    /// The device that responded last at an address.
    pub(super) fn holder(&self, address: SocketAddr) -> Option<DeviceId> {
        self.all.get(&address).and_then(|watched| watched.device.clone())
    }

    /// The read of a device at an address timed out: schedules its other addresses now.
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

    /// The reads that are due, the longest overdue first, at most `free`. Marks each as in progress.
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

    /// Schedules a full read of an address now.
    pub(super) fn read_now(&mut self, address: SocketAddr, now: Duration) {
        if let Some(watched) = self.at(address) {
            watched.full = true;
            watched.next = now;
        }
    }

    /// A trap was received from an IP address: schedules a status read of the devices there.
    pub(super) fn read_after_trap(&mut self, ip: IpAddr, at: Duration) {
        for (address, watched) in &mut self.all {
            if address.ip().to_canonical() == ip {
                watched.next = watched.next.min(at);
                watched.trap_pending = true;
                watched.schedule.skip_change_check();
            }
        }
    }

    /// IP addresses that are watched.
    pub(super) fn ips(&self) -> BTreeSet<IpAddr> {
        self.all.keys().map(|address| address.ip().to_canonical()).collect()
    }

    /// Schedules a full read of every device, spread over `over`.
    pub(super) fn read_all(&mut self, now: Duration, over: Duration, random: &mut Random) {
        for watched in self.all.values_mut() {
            watched.full = true;
            if watched.schedule.is_silent() {
                // A device that doesn't respond gets no more packets because of a round of full readings.
                continue;
            }
            watched.next = watched.next.min(now + random.part_of(over));
        }
    }
}
