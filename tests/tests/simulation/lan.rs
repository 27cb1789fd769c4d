//! The devices of one site, as readings show them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use gateway_core::reading::{ChangeFingerprint, CompletedReading, Coverage, ReadScope};
use gateway_core::site::State;
use jiff::Timestamp;
use rand::RngExt as _;
use rand::rngs::StdRng;
use wire::ids::DeviceId;
use wire::reading::{Counter, Evidence, Identity, Label, Reading, SERVICE_REQUESTED, Status};

/// Devices of a site.
const DEVICES: usize = 3;

/// Addresses of a site: a device that moves gets a free one, or exchanges addresses with another device.
const ADDRESSES: u8 = 5;

/// Number of reads for which a fault, and its absence, lasts at least, so that the gateway must notice it.
const READS_TO_KNOW: u32 = 4;

#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) address: SocketAddr,
    serial: String,
    mac: String,
    on: bool,
    total: u64,
    /// Whether it shows a service code.
    pub(crate) faulty: bool,
    /// Number of faults that it had.
    pub(crate) faults: u64,
    /// Status reads since a fault began or ended, or the gateway started.
    reads: u32,
}

/// The devices of one site.
#[derive(Debug)]
pub(crate) struct Lan {
    pub(crate) devices: Vec<Device>,
}

impl Lan {
    pub(crate) fn new(site: usize) -> Self {
        let device = |number: usize| {
            let serial = format!("E{site}{number}");
            Device {
                id: format!("ricoh:{serial}").parse().unwrap(),
                address: addresses()[number],
                mac: format!("00:00:74:00:{site:02x}:{number:02x}"),
                serial,
                on: true,
                total: 1000,
                faulty: false,
                faults: 0,
                reads: 0,
            }
        };
        Self { devices: (0..DEVICES).map(device).collect() }
    }

    /// Changes a device at random. Faults end soon, so that gateways poll each minute only for a part of the week.
    pub(crate) fn happen(&mut self, chance: &mut StdRng) {
        let known = |device: &&mut Device| device.on && device.reads >= READS_TO_KNOW;
        let repaired = self.devices.iter_mut().filter(known).find(|device| device.faulty);
        if let Some(device) = repaired.filter(|_| chance.random_bool(0.5)) {
            (device.faulty, device.reads) = (false, 0);
            return;
        }
        let number = chance.random_range(0..DEVICES);
        let device = &mut self.devices[number];
        match chance.random_range(0..10) {
            0..=5 => device.total += chance.random_range(0..50),
            6 if device.on && device.reads >= READS_TO_KNOW && !device.faulty => {
                (device.faulty, device.reads) = (true, 0);
                device.faults += 1;
            }
            7 | 8 => device.on = chance.random_bool(0.7),
            9 => self.move_to(number, addresses()[chance.random_range(0..usize::from(ADDRESSES))]),
            _ => {}
        }
    }

    /// Moves a device to another address; a device that had that address gets the free one.
    fn move_to(&mut self, number: usize, address: SocketAddr) {
        let free = self.devices[number].address;
        for device in &mut self.devices {
            if device.address == address {
                device.address = free;
            }
        }
        self.devices[number].address = address;
    }

    /// Switches all devices on.
    pub(crate) fn settle(&mut self) {
        for device in &mut self.devices {
            device.on = true;
        }
    }

    /// Resets the counts of reads, because a restarted gateway may have lost its last reads.
    pub(crate) fn forget_reads(&mut self) {
        for device in &mut self.devices {
            device.reads = 0;
        }
    }

    /// The reading at an address, if a device is there. It counts as a read if the gateway knows the device there.
    pub(crate) fn read(
        &mut self,
        address: SocketAddr,
        scope: ReadScope,
        known: Option<&State>,
        clock: Timestamp,
    ) -> Option<CompletedReading> {
        let device = self.devices.iter_mut().find(|device| device.on && device.address == address)?;
        let record = known.and_then(|known| known.devices.get(&device.id));
        let here = record.is_some_and(|record| record.address == address);
        if here && matches!(scope, ReadScope::Full | ReadScope::Status) {
            device.reads += 1;
        }
        Some(device.reading(scope, clock))
    }

    /// Every device that responds.
    pub(crate) fn found(&self, clock: Timestamp) -> Vec<(SocketAddr, Reading)> {
        let on = self.devices.iter().filter(|device| device.on);
        on.map(|device| (device.address, device.reading(ReadScope::Full, clock).reading)).collect()
    }
}

/// All addresses of a site.
pub(crate) fn addresses() -> Vec<SocketAddr> {
    (1..=ADDRESSES).map(|host| SocketAddr::from(([10, 0, 0, host], 161))).collect()
}

impl Device {
    fn reading(&self, scope: ReadScope, clock: Timestamp) -> CompletedReading {
        let oid = "1.3.6.1.2.1.43.10.2.1.4.1.1".to_owned();
        let full = scope == ReadScope::Full;
        let fault = self.faulty.then_some(SERVICE_REQUESTED);
        let reading = Reading {
            address: self.address.ip().to_string(),
            read_at: clock,
            took_ms: 10,
            requests: 4,
            identity: Identity {
                vendor: Some("ricoh".into()),
                model: Some("IM C3000".into()),
                serial: Some(self.serial.clone()),
                mac: Some(self.mac.clone()),
                ..Identity::default()
            },
            status: Status {
                device: Some(Label::name(if self.faulty { "down" } else { "running" })),
                printer: Some(Label::name("idle")),
                detected_errors: fault.into_iter().map(Into::into).collect(),
                console: vec![if self.faulty { "SC542".into() } else { "Ready".into() }],
            },
            counters: if full { BTreeMap::from([(Counter::Total, self.total)]) } else { BTreeMap::new() },
            counter_unit: full.then_some(Label::name("impressions")),
            evidence: if full {
                BTreeMap::from([(Counter::Total, Evidence { oid, value: self.total })])
            } else {
                BTreeMap::new()
            },
            marker_life: None,
            supplies: Vec::new(),
            trays: Vec::new(),
            covers: Vec::new(),
            alerts: Vec::new(),
        };
        let numbers = [i64::try_from(self.total).unwrap(), i64::from(self.faulty)];
        CompletedReading {
            reading,
            provenance: Vec::new(),
            fingerprint: Some(ChangeFingerprint::of_numbers(&numbers)),
            printer: true,
            coverage: Coverage::WHOLE,
        }
    }
}
