use proptest::prelude::*;

use super::*;
use crate::calls::{CallRules, CallState};
use crate::inventory::{LastReading, testing};

/// A device in short form: serial number, last octet of its hardware address, model, total.
#[derive(Debug, Clone, Copy)]
struct Who(Option<&'static str>, Option<u8>, &'static str, u64);

const OLD: Who = Who(Some("E174M1"), Some(1), "MP 1", 100);

fn reading(who: Who) -> Reading {
    let mut reading = testing::reading();
    reading.identity = Identity {
        vendor: Some("ricoh".into()),
        model: Some(who.2.into()),
        serial: who.0.map(str::to_owned),
        mac: who.1.map(|last| format!("00:26:73:00:00:{last:02x}")),
        ..Identity::default()
    };
    reading.counters.insert(wire::reading::Counter::Total, who.3);
    reading
}

fn at(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 161))
}

/// A simplified version of the shell: merges what it recognises.
#[derive(Default)]
struct Gateway {
    known: BTreeMap<DeviceId, DeviceRecord>,
    holders: BTreeMap<SocketAddr, DeviceId>,
    now: i64,
}

impl Gateway {
    fn see(&mut self, address: SocketAddr, who: Who) -> Recognition {
        let reading = reading(who);
        let now = Timestamp::from_second(self.now).unwrap();
        let found = recognise(&Sighting {
            reading: &reading,
            address,
            expected: self.holders.get(&address),
            known: &self.known,
            holder: &|address| self.holders.get(&address).cloned(),
            now,
            recent_within: SignedDuration::from_secs(180),
        })
        .unwrap();
        self.holders.insert(address, found.device.clone());
        if !matches!(found.role, AddressRole::Secondary(_)) {
            let mut record = self.known.remove(&found.device).unwrap_or_else(|| DeviceRecord {
                device: found.device.clone(),
                address,
                reading: LastReading::of(&reading),
                answered_at: now,
                calls: CallState::default(),
                reported: None,
                called_at: None,
                access: None,
                findings: Vec::new(),
            });
            record.address = address;
            record.answered_at = now;
            record.calls.on_reading(
                &CallRules::default(),
                None,
                &found.device,
                (&reading, crate::reading::Coverage::WHOLE),
            );
            record.reading = LastReading::of(&reading);
            self.known.insert(found.device.clone(), record);
        }
        found
    }

    fn silent(&mut self, id: &str) {
        let id: DeviceId = id.parse().unwrap();
        let record = self.known.get_mut(&id).unwrap();
        record.calls.on_silence(&CallRules::default(), &id, Timestamp::UNIX_EPOCH);
    }
}

fn kinds(found: &Recognition) -> Vec<FindingKind> {
    found.findings.iter().map(|finding| finding.kind).collect()
}

/// A device, the last octet of the address where it is read, the seconds since the last reading, whether the old
/// address stopped responding, and the expected result.
struct Case(&'static str, Who, u8, i64, bool, &'static str, AddressRole, &'static [FindingKind]);

/// For each case: `OLD` is known at 10.0.0.1, then the case is applied.
fn recognised(cases: &[Case]) {
    for Case(name, who, address, after, silent, id, place, findings) in cases {
        let mut gateway = Gateway::default();
        assert_eq!(kinds(&gateway.see(at(1), OLD)), [], "{name}");
        gateway.now += after;
        if *silent {
            gateway.silent("ricoh:E174M1");
        }
        let found = gateway.see(at(*address), *who);
        assert_eq!((found.device.as_str(), found.role), (*id, *place), "{name}");
        assert_eq!(kinds(&found), *findings, "{name}");
    }
}

const ONE: &str = "ricoh:E174M1";
const TWO: &str = "ricoh:E174M1/002673000002";

#[test]
fn a_device_is_the_same_wherever_it_is() {
    use AddressRole::{Moved, Primary, Secondary};
    use FindingKind as K;
    let nameless = Who(None, Some(1), "MP 1", 100);
    recognised(&[
        Case("the same again", OLD, 1, 60, false, ONE, Primary, &[]),
        Case("no serial this time", nameless, 1, 60, false, ONE, Primary, &[]),
        Case("neither serial nor card", Who(None, None, "MP 1", 100), 1, 60, false, ONE, Primary, &[]),
        Case("no serial, elsewhere", nameless, 9, 60, true, ONE, Moved(at(1)), &[K::Moved]),
        Case("another address", OLD, 9, 60, true, ONE, Moved(at(1)), &[K::Moved]),
        Case("another address, long after", OLD, 9, 6_000, false, ONE, Moved(at(1)), &[K::Moved]),
        Case("two addresses at once", OLD, 9, 60, false, ONE, Secondary(at(1)), &[K::SeenTwice]),
    ]);
}

#[test]
fn a_serial_number_is_weighed_with_the_card() {
    use AddressRole::{Moved, Primary};
    use FindingKind as K;
    let swapped = Who(OLD.0, Some(2), OLD.2, 120);
    let fewer = Who(OLD.0, Some(2), OLD.2, 7);
    let prefixed = Who(Some("00E174M1"), Some(1), "MP 1", 100);
    recognised(&[
        Case("another card", swapped, 1, 60, false, ONE, Primary, &[K::CardSwapped]),
        Case("both new", swapped, 9, 60, true, ONE, Moved(at(1)), &[K::CardSwapped, K::Moved]),
        Case("two with one serial", swapped, 9, 60, false, TWO, Primary, &[K::DuplicateSerial]),
        Case("one serial, counts less", fewer, 9, 60, true, TWO, Primary, &[K::DuplicateSerial]),
        Case("a prefixed serial", prefixed, 1, 60, false, ONE, Primary, &[K::PrefixedSerial]),
    ]);
}

#[test]
fn a_prefix_makes_one_device_only_with_the_same_network_card() {
    let mut gateway = Gateway::default();
    gateway.see(at(1), OLD);
    let other = gateway.see(at(2), Who(Some("00E174M1"), Some(7), "MP 1", 100));
    assert_eq!((other.device.as_str(), other.role), ("ricoh:00E174M1", AddressRole::Primary));
    let mut gateway = Gateway::default();
    gateway.see(at(1), Who(Some("12"), None, "MP 1", 1));
    assert_eq!(gateway.see(at(1), Who(Some("0012"), None, "MP 1", 1)).device.as_str(), "ricoh:0012");
}

#[test]
fn two_that_exchange_their_addresses_stay_two() {
    let other = Who(Some("E174M2"), Some(2), "MP 1", 100);
    let mut gateway = Gateway::default();
    gateway.see(at(1), OLD);
    gateway.see(at(2), other);
    for _ in 0..3 {
        gateway.now += 60;
        gateway.see(at(1), other);
        gateway.see(at(2), OLD);
    }
    let places: Vec<_> = gateway.known.values().map(|r| (r.device.as_str(), r.address)).collect();
    assert_eq!(places, [("ricoh:E174M1", at(2)), ("ricoh:E174M2", at(1))]);
}

proptest! {
    /// Devices with their own network cards and serial numbers are counted once each, wherever and however often they
    /// are read, even if two have had the same serial number from the start.
    #[test]
    fn nothing_is_counted_twice(
        looks in prop::collection::vec((0_usize..4, 1_u8..9, 0_i64..400), 1..60), shared in any::<bool>(),
    ) {
        let all = [
            Who(Some("A1111"), Some(1), "M", 10),
            Who(Some(if shared { "A1111" } else { "B2222" }), Some(2), if shared { "N" } else { "M" }, 10),
            Who(Some("00C3333"), Some(3), "M", 10),
            Who(None, Some(4), "M", 10),
        ];
        let mut gateway = Gateway::default();
        let mut ids: BTreeMap<usize, DeviceId> = BTreeMap::new();
        for (which, address, after) in looks {
            gateway.now += after;
            let found = gateway.see(at(address), all[which]);
            let id = ids.entry(which).or_insert_with(|| found.device.clone());
            prop_assert_eq!(&*id, &found.device);
        }
        let unique: std::collections::BTreeSet<_> = ids.values().collect();
        prop_assert_eq!(unique.len(), ids.len());
        prop_assert_eq!(gateway.known.len(), ids.len());
    }
}
