//! Unit tests of a site: events and their outcomes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;
use wire::command::{Command, Order, ResponseState};
use wire::ids::CommandId;
use wire::reading::{Counter, Evidence, Identity, Reading};
use wire::report::{CallKind, Edge, Report};

use super::*;
use crate::calls::CallRules;
use crate::firmware::UpdateRules;
use crate::inventory::testing;
use crate::reading::ReadScope;
use crate::reading::profiles::Profiles;
use crate::search::{Part, Sweep};
use crate::sensing::SensingRules;

fn rules(sweep: bool) -> SiteRules {
    let parts = vec![Part { span: "10.0.0.0/24".parse().unwrap(), port: 161, swept: true }];
    SiteRules {
        sensing: SensingRules {
            status: Duration::from_secs(60),
            idle: Duration::from_secs(60),
            asleep: Duration::from_secs(60),
            offline_after: 2,
            retries: 1,
            speedup: 1.0,
        },
        calls: CallRules { near_end_percent: 10.0, offline_after: 2 },
        updates: UpdateRules {
            restart_limit: SignedDuration::from_secs(900),
            read_back: SignedDuration::from_secs(10),
            push_pause: SignedDuration::from_secs(15),
            report_pause: SignedDuration::from_secs(60),
        },
        concurrency: 8,
        discovery: Duration::from_secs(86_400),
        reading: Duration::from_secs(3600),
        windows: crate::windows::Windows::default(),
        zone: TimeZone::UTC,
        sweep: Sweep { parts: if sweep { parts } else { Vec::new() }, exclude: Vec::new() },
        single_devices: vec![address(1), address(2)],
        mails: false,
    }
}

fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, host], 161))
}

fn moment(second: u64) -> Moment {
    let clock = Timestamp::from_second(1_767_225_600 + i64::try_from(second).unwrap()).unwrap();
    Moment { clock, elapsed: Duration::from_secs(second) }
}

fn site(sweep: bool) -> Site {
    Site::new(rules(sweep), Arc::new(Profiles::new([])), State::default(), moment(0), 7)
}

/// A full reading of the device with a serial number, read at an address.
fn shows(serial: &str, at: SocketAddr, total: u64) -> Reading {
    let mut reading = testing::reading();
    reading.address = at.ip().to_string();
    reading.identity = Identity {
        vendor: Some("acme".into()),
        model: Some("M".into()),
        serial: Some(serial.into()),
        ..Identity::default()
    };
    reading.counters.insert(Counter::Total, total);
    reading.evidence.insert(Counter::Total, Evidence { oid: "1.3.6.1".into(), value: total });
    reading
}

/// Finds a device at an address, as a search does.
fn find(site: &mut Site, serial: &str, at: SocketAddr, second: u64) -> Outcome {
    let reading = Box::new(shows(serial, at, 100));
    site.handle(Event::Found { address: at, access: None, reading }, moment(second), second);
    site.outcome()
}

fn is_silent(site: &mut Site, at: SocketAddr, second: u64) -> Outcome {
    let result = Err(ReadFailure::NoResponse);
    let event = Event::ReadCompleted { address: at, scope: ReadScope::Status, access: None, result };
    site.handle(event, moment(second), second);
    site.outcome()
}

fn reads(outcome: &Outcome) -> Vec<(SocketAddr, ReadScope)> {
    let read = |effect: &Effect| {
        let Effect::Read(request) = effect else { return None };
        Some((request.address, request.scope))
    };
    outcome.effects.iter().filter_map(read).collect()
}

fn calls(outcome: &Outcome) -> Vec<(String, CallKind, Edge)> {
    let call = |(_, report): &(Timestamp, Report)| {
        let Report::Call(call) = report else { return None };
        Some((call.device.to_string(), call.call, call.edge))
    };
    outcome.reports.iter().filter_map(call).collect()
}

fn command(number: u128, order: &Order) -> Command {
    Command::new(CommandId(Uuid::from_u128(number)), moment(10_000).clock, order).unwrap()
}

#[test]
fn configured_devices_are_read_at_once_and_then_at_their_pace() {
    let mut site = site(false);
    site.advance(moment(0), 1);
    assert_eq!(reads(&site.outcome()), [(address(1), ReadScope::Full), (address(2), ReadScope::Full)]);
    assert_eq!(site.poll_timeout(), None, "both reads are under way");
    is_silent(&mut site, address(1), 5);
    assert_eq!(site.poll_timeout(), Some(Duration::from_secs(65)));
    site.advance(moment(64), 2);
    assert!(reads(&site.outcome()).is_empty());
    site.advance(moment(65), 3);
    assert_eq!(reads(&site.outcome()), [(address(1), ReadScope::Status)]);
}

#[test]
fn no_more_reads_are_under_way_than_allowed() {
    let mut rules = rules(false);
    rules.concurrency = 1;
    let mut site = Site::new(rules, Arc::new(Profiles::new([])), State::default(), moment(0), 7);
    site.advance(moment(0), 1);
    assert_eq!(reads(&site.outcome()), [(address(1), ReadScope::Full)]);
    site.advance(moment(1), 1);
    assert!(reads(&site.outcome()).is_empty());
    is_silent(&mut site, address(1), 2);
    site.advance(moment(2), 1);
    assert_eq!(reads(&site.outcome()), [(address(2), ReadScope::Full)]);
}

#[test]
fn a_device_that_moves_keeps_its_record_and_another_one_at_its_address_is_no_sign_of_it() {
    let mut site = site(false);
    find(&mut site, "E1", address(1), 10);
    find(&mut site, "E2", address(2), 10);
    // E2 takes the address of E1, which then times out there.
    let taken = find(&mut site, "E2", address(1), 600);
    assert_eq!(site.state().devices.len(), 2);
    assert_eq!(site.state().devices[&"acme:E2".parse().unwrap()].address, address(1));
    assert!(calls(&taken).is_empty(), "one read without a response is not a call");
    let again = find(&mut site, "E2", address(1), 660);
    assert_eq!(calls(&again), [("acme:E1".to_owned(), CallKind::DeviceOffline, Edge::Raised)]);
    let back = find(&mut site, "E1", address(2), 720);
    assert_eq!(calls(&back), [("acme:E1".to_owned(), CallKind::DeviceOffline, Edge::Cleared)]);
}

#[test]
fn a_device_that_was_read_elsewhere_is_not_offline_because_of_its_former_address() {
    // E2 takes the address of E1, which is found at another one.
    let mut moved = site(false);
    find(&mut moved, "E1", address(1), 10);
    find(&mut moved, "E2", address(1), 600);
    find(&mut moved, "E1", address(2), 660);
    // E2 takes the secondary address of E1.
    let mut secondary = site(false);
    find(&mut secondary, "E1", address(2), 10);
    find(&mut secondary, "E1", address(1), 20);
    find(&mut secondary, "E2", address(1), 660);
    for mut site in [moved, secondary] {
        for second in [720, 780, 840] {
            let read = find(&mut site, "E2", address(1), second);
            assert!(calls(&read).is_empty(), "{second}: {read:?}");
        }
    }
}

#[test]
fn a_device_at_two_addresses_counts_once() {
    let mut site = site(false);
    find(&mut site, "E1", address(1), 10);
    let second = find(&mut site, "E1", address(2), 20);
    assert!(second.reports.is_empty(), "{second:?}");
    assert_eq!(site.state().devices[&"acme:E1".parse().unwrap()].address, address(1));
    // Its primary address times out: the secondary one is read at once.
    site.advance(moment(30), 1);
    site.outcome();
    is_silent(&mut site, address(1), 71);
    site.advance(moment(71), 2);
    assert!(reads(&site.outcome()).contains(&(address(2), ReadScope::Full)));
}

#[test]
fn a_command_that_is_delivered_twice_is_begun_once() {
    let mut site = site(true);
    site.outcome();
    let discover = command(1, &Order::Discovery);
    for (again, searches) in [(false, 0), (true, 0)] {
        site.handle(Event::CommandsDelivered(vec![discover.clone()]), moment(10), 1);
        let outcome = site.outcome();
        let begun = outcome.effects.iter().filter(|effect| matches!(effect, Effect::Search(_))).count();
        let accepted = outcome.notices.iter().any(|notice| matches!(notice, Notice::CommandAccepted(..)));
        assert_eq!((begun, accepted), (searches, !again), "the first search is under way");
        assert!(outcome.effects.contains(&Effect::Respond(discover.id)));
    }
    // The search in progress may have passed what the command is about: another one follows and answers it.
    let end = SearchEnd { found: 3, cut_after: None };
    site.handle(Event::SearchEnded(end), moment(20), 1);
    let next = Effect::Search(SearchRequest { skip: 0, until: None });
    assert_eq!(site.outcome().effects, [next]);
    site.handle(Event::SearchEnded(end), moment(30), 1);
    assert!(site.outcome().effects.contains(&Effect::CommandDone));
    let record = &site.state().commands[&discover.id];
    assert_eq!((record.state, record.detail.as_str()), (ResponseState::Done, "3 devices found"));
}

#[test]
fn meters_are_reported_with_the_command_that_requested_them() {
    let mut site = site(false);
    find(&mut site, "E1", address(1), 10);
    let meters = command(1, &Order::CounterRequest { devices: None });
    site.handle(Event::CommandsDelivered(vec![meters.clone()]), moment(20), 1);
    site.outcome();
    let read = find(&mut site, "E1", address(1), 30);
    let set = read.reports.iter().find_map(|(_, report)| {
        let Report::CounterSet(set) = report else { return None };
        set.command
    });
    assert_eq!(set, Some(meters.id));
    assert_eq!(site.state().commands[&meters.id].state, ResponseState::Done);
    let later = find(&mut site, "E1", address(1), 90);
    assert!(later.reports.is_empty(), "answered once: {later:?}");
}

#[test]
fn a_trap_brings_the_next_read_forward() {
    let mut site = site(false);
    find(&mut site, "E1", address(1), 10);
    find(&mut site, "E2", address(2), 10);
    site.handle(Event::TrapReceived(address(1).ip(), Duration::from_secs(1)), moment(20), 1);
    site.advance(moment(20), 1);
    assert!(reads(&site.outcome()).is_empty());
    site.advance(moment(21), 1);
    assert_eq!(reads(&site.outcome()), [(address(1), ReadScope::Status)]);
}

#[test]
fn what_is_open_is_reported_again_after_a_mismatch() {
    let mut site = site(false);
    find(&mut site, "E1", address(1), 10);
    is_silent(&mut site, address(1), 80);
    assert_eq!(calls(&is_silent(&mut site, address(1), 150)).len(), 1);
    site.handle(Event::SequenceMismatch, moment(200), 1);
    let again = site.outcome();
    assert_eq!(calls(&again), [("acme:E1".to_owned(), CallKind::DeviceOffline, Edge::Raised)]);
    assert!(again.effects.contains(&Effect::SendUrgent));
}
