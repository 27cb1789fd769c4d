//! Deliberate faults: the simulation must detect each as a violation of an invariant.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use gateway_core::{site, uplink};
use uuid::Uuid;
use wire::command::{Command, ResponseState};
use wire::ids::CommandId;
use wire::reading::Reading;
use wire::report::{Lane, Report};

use super::invariant::{Invariant, Violation};
use super::tamper::Tamper;
use super::world::week;

/// Maximum number of seeds until a fault is detected.
const SEEDS: u64 = 20;

/// The first violation in weeks with a fault.
fn found<T: Tamper + Default + 'static>() -> Violation {
    let tamper = || -> Box<dyn Tamper> { Box::new(T::default()) };
    (0..SEEDS).find_map(|seed| week(seed, &tamper).err()).expect("the fault is found")
}

/// Sends the final response of a command before what the command produced.
#[derive(Default)]
struct ResponseFirst {
    ended: bool,
}

impl Tamper for ResponseFirst {
    fn uplink_event(&mut self, event: uplink::Event) -> uplink::Event {
        if let uplink::Event::ResponseMade(_, response) = &event {
            self.ended |= matches!(response.state, ResponseState::Done | ResponseState::Failed);
        } else if let uplink::Event::ResponseSent(Ok(_)) = &event {
            self.ended = false;
        }
        event
    }

    fn uplink_request(&mut self, request: uplink::Request) -> Result<uplink::Request, Box<uplink::Event>> {
        let bulk = matches!(request, uplink::Request::SendBatch { lane: Lane::Bulk, .. });
        if bulk && self.ended { Err(Box::new(uplink::Event::BatchSent(None))) } else { Ok(request) }
    }
}

#[test]
fn a_final_response_before_its_reports_is_found() {
    assert_eq!(found::<ResponseFirst>().invariant, Invariant::LaneOrder);
}

/// Sends urgent reports after bulk reports.
#[derive(Default)]
struct UrgentLast {
    bulk_sent: bool,
}

impl Tamper for UrgentLast {
    fn uplink_request(&mut self, request: uplink::Request) -> Result<uplink::Request, Box<uplink::Event>> {
        let uplink::Request::SendBatch { lane, .. } = &request else { return Ok(request) };
        if *lane == Lane::Bulk {
            self.bulk_sent = true;
        } else if !std::mem::take(&mut self.bulk_sent) {
            return Err(Box::new(uplink::Event::BatchSent(None)));
        }
        Ok(request)
    }
}

#[test]
fn urgent_reports_after_bulk_reports_are_found() {
    assert_eq!(found::<UrgentLast>().invariant, Invariant::LaneOrder);
}

/// Changes the interval in every response.
fn with_interval(mut event: uplink::Event, mut change: impl FnMut(&mut u32)) -> uplink::Event {
    if let uplink::Event::Polled(Ok(response)) = &mut event {
        change(&mut response.next_poll_s);
    } else if let uplink::Event::BatchSent(Some((_, Ok(response)))) = &mut event {
        change(&mut response.next_poll_s);
    } else if let uplink::Event::ResponseSent(Ok(response)) = &mut event {
        change(&mut response.next_poll_s);
    }
    event
}

/// Never returns to the regular interval.
#[derive(Default)]
struct KeepsPolling {
    polling: bool,
}

impl Tamper for KeepsPolling {
    fn uplink_event(&mut self, event: uplink::Event) -> uplink::Event {
        with_interval(event, |next_poll_s| {
            self.polling |= *next_poll_s <= 60;
            if self.polling {
                *next_poll_s = 60;
            }
        })
    }
}

#[test]
fn an_interval_that_is_never_reset_is_found() {
    assert_eq!(found::<KeepsPolling>().invariant, Invariant::Cadence);
}

/// Polls too early.
#[derive(Default)]
struct PollsEarly;

impl Tamper for PollsEarly {
    fn uplink_event(&mut self, event: uplink::Event) -> uplink::Event {
        with_interval(event, |next_poll_s| *next_poll_s /= 2)
    }
}

#[test]
fn polls_that_come_early_are_found() {
    assert_eq!(found::<PollsEarly>().invariant, Invariant::Cadence);
}

/// Treats a device that has moved as a new one.
#[derive(Default)]
struct MovedIsNew {
    homes: BTreeMap<String, SocketAddr>,
}

impl MovedIsNew {
    fn change(&mut self, address: SocketAddr, reading: &mut Reading) {
        let identity = &mut reading.identity;
        let Some(serial) = &mut identity.serial else { return };
        if *self.homes.entry(serial.clone()).or_insert(address) != address {
            serial.push('X');
            identity.mac = None;
        }
    }
}

impl Tamper for MovedIsNew {
    fn site_event(&mut self, mut event: site::Event) -> site::Event {
        if let site::Event::ReadCompleted { address, result: Ok(read), .. } = &mut event {
            self.change(*address, &mut read.reading);
        } else if let site::Event::Found { address, reading, .. } = &mut event {
            self.change(*address, reading);
        }
        event
    }
}

#[test]
fn a_moved_device_that_is_taken_for_a_new_one_is_found() {
    assert_eq!(found::<MovedIsNew>().invariant, Invariant::Identity);
}

/// Executes a command each time it is delivered.
#[derive(Default)]
struct ExecutesAgain {
    delivered: BTreeSet<CommandId>,
    /// Ids of repeated deliveries, and the command of each.
    repeated: BTreeMap<CommandId, CommandId>,
}

impl Tamper for ExecutesAgain {
    fn site_event(&mut self, event: site::Event) -> site::Event {
        let site::Event::CommandsDelivered(commands) = event else { return event };
        let commands = commands.into_iter().map(|command| {
            if self.delivered.insert(command.id) {
                return command;
            }
            let repeated = CommandId(Uuid::from_u128((1 << 64) + self.repeated.len() as u128));
            self.repeated.insert(repeated, command.id);
            Command::from_stored(repeated, command.expires_at, command.order)
        });
        site::Event::CommandsDelivered(commands.collect())
    }

    fn site_outcome(&mut self, outcome: &mut site::Outcome) {
        for (_, report) in &mut outcome.reports {
            if let Report::CounterSet(set) = report {
                set.command = set.command.map(|id| *self.repeated.get(&id).unwrap_or(&id));
            }
        }
    }

    fn uplink_event(&mut self, event: uplink::Event) -> uplink::Event {
        let uplink::Event::ResponseMade(id, response) = event else { return event };
        uplink::Event::ResponseMade(*self.repeated.get(&id).unwrap_or(&id), response)
    }
}

#[test]
fn a_command_that_is_executed_twice_is_found() {
    let violation = found::<ExecutesAgain>();
    assert_eq!(violation.invariant, Invariant::CommandsOnce);
    assert!(violation.detail.contains("counter sets"), "{violation}");
}

/// Ignores that nothing can be stored.
#[derive(Default)]
struct HidesFullDisk;

impl Tamper for HidesFullDisk {
    fn uplink_event(&mut self, mut event: uplink::Event) -> uplink::Event {
        if let uplink::Event::Storage(storage) = &mut event {
            storage.problem = None;
        }
        event
    }
}

#[test]
fn a_full_disk_that_is_not_reported_is_found() {
    assert_eq!(found::<HidesFullDisk>().invariant, Invariant::FullDisk);
}

/// Drops what a full disk rejects.
#[derive(Default)]
struct DropsRejected;

impl Tamper for DropsRejected {
    fn keeps_rejected(&mut self) -> bool {
        false
    }
}

#[test]
fn reports_that_a_full_disk_rejected_and_that_are_dropped_are_found() {
    let violation = found::<DropsRejected>();
    assert!(matches!(violation.invariant, Invariant::CallsOnce | Invariant::Identity), "{violation}");
}

/// Evicts reports from a full spool without replacing them by losses.
#[derive(Default)]
struct HidesLoss;

impl Tamper for HidesLoss {
    fn reports_loss(&mut self) -> bool {
        false
    }
}

#[test]
fn an_eviction_that_is_not_reported_is_found() {
    // The server expects the number that is missing: a batch with it is unusable, and nothing behind it is sent.
    let violation = found::<HidesLoss>();
    assert!(matches!(violation.invariant, Invariant::Drained | Invariant::StoredOnceInOrder), "{violation}");
}
