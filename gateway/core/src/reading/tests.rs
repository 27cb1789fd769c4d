//! Whole readings of small agents.

mod hostile;
mod timeouts;

use std::collections::BTreeMap;
use std::sync::Arc;

use wire::reading::{Counter, Label, LevelState, Reading};

use super::*;
use crate::reading::profiles::{Profile, Profiles};

const ACME: &str = "
vendor: acme
match: [{sys_object_id: 1.3.6.1.4.1.99999}]
exclude: [{sys_descr: '(?i)beamer'}]
printers: [{sys_descr: '\\bprints$'}]
probe: 1.3.6.1.4.1.99999.1.0
identity:
  model: [{oid: 1.3.6.1.4.1.99999.1.0}, {line: {column: 1.3.6.1.4.1.99999.9, key: MODEL}}, {from: sys_descr, pattern: '^Acme (\\S+)'}]
  serial: [{oid: 1.3.6.1.4.1.99999.2.0}, {line: {column: 1.3.6.1.4.1.99999.9, key: SERIAL}}]
  firmware: [{lines: {column: 1.3.6.1.4.1.99999.9, component: ID, version: VER, system: MAIN}}, {from: sys_descr, pattern: 'v([\\d.]+)'}, {table: {names: 1.3.6.1.4.1.99999.8.1, versions: 1.3.6.1.4.1.99999.8.2}}]
counters:
  total: [{oid: 1.3.6.1.4.1.99999.3.0}]
  copy_color: [{rows: {key: 1.3.6.1.4.1.99999.7.1, plus_if_there: [202, 203], value: 1.3.6.1.4.1.99999.7.2}}]
console: [{oid: 1.3.6.1.4.1.99999.5.0}]
supplies: [{description: Ink, type: ink, color: black, max: 10000, level: {oid: 1.3.6.1.4.1.99999.6.0}}]
";

fn profiles() -> Arc<Profiles> {
    Arc::new(Profiles::new([Profile::parse("acme.yaml", ACME).unwrap()]))
}

fn text(text: &str) -> Value {
    Value::octets(text.as_bytes())
}

fn oid_value(oid: &str) -> Value {
    Value::Oid(Box::new(oid.parse().unwrap()))
}

type Objects = BTreeMap<Oid, Value>;

fn objects(rows: &[(&str, Value)]) -> Objects {
    rows.iter().map(|(oid, value)| (oid.parse().unwrap(), value.clone())).collect()
}

/// The response of a regular agent.
fn orderly(objects: &Objects, request: &Request) -> Response {
    let next = |cursor: &Oid| objects.range(cursor.clone()..).find(|(oid, _)| *oid > cursor);
    Response::Varbinds(match request {
        Request::Get(oids) => oids
            .iter()
            .map(|oid| (oid.clone(), objects.get(oid).cloned().unwrap_or(Value::Missing)))
            .collect(),
        Request::GetNext(_) | Request::GetBulk { .. } => {
            let rounds = if let Request::GetBulk { repetitions, .. } = request { *repetitions } else { 1 };
            let mut cursors = request.oids().to_vec();
            let mut varbinds = Vec::new();
            for _ in 0..rounds {
                for cursor in &mut cursors {
                    match next(cursor) {
                        Some((oid, value)) => {
                            *cursor = oid.clone();
                            varbinds.push((oid.clone(), value.clone()));
                        }
                        None => varbinds.push((cursor.clone(), Value::EndOfView)),
                    }
                }
            }
            varbinds
        }
    })
}

/// Whether a device with these objects is a printer.
fn is_printer(device: &Objects) -> bool {
    let mut machine = DeviceReading::new(profiles(), ReadScope::Full, true);
    while let Some(request) = machine.next_request() {
        assert!(machine.handle_response(&request, orderly(device, &request)));
    }
    machine.finish(circumstances(1)).printer
}

fn circumstances(requests: u32) -> ReadContext {
    ReadContext {
        address: "192.0.2.7".to_owned(),
        read_at: jiff::Timestamp::UNIX_EPOCH,
        took_ms: 1,
        requests,
    }
}

fn run(scope: ReadScope, answer: impl FnMut(&Request) -> Response) -> (Reading, u32) {
    let (reading, sent, _) = run_again(scope, TableHints::default(), answer);
    (reading, sent)
}

/// Reads with the hints of an earlier reading; returns the reading, the number of requests, and the new hints.
fn run_again(
    scope: ReadScope,
    hints: TableHints,
    mut answer: impl FnMut(&Request) -> Response,
) -> (Reading, u32, Option<TableHints>) {
    let mut machine = DeviceReading::with_quirks(profiles(), scope, AgentQuirks::default(), hints.into());
    let mut sent = 0;
    while let Some(request) = machine.next_request() {
        sent += 1;
        assert!(sent <= limits::REQUESTS_PER_READING);
        if !machine.handle_response(&request, answer(&request)) {
            break;
        }
    }
    let hints = machine.hints();
    (machine.finish(circumstances(sent)).reading, sent, hints)
}

fn device() -> Objects {
    objects(&[
        ("1.3.6.1.2.1.1.1.0", text("Acme X9 v1.2; rest")),
        ("1.3.6.1.2.1.1.2.0", oid_value("1.3.6.1.4.1.99999.1.7")),
        ("1.3.6.1.2.1.1.5.0", text("mfp-3")),
        ("1.3.6.1.2.1.2.2.1.3.1", Value::Integer(24)),
        ("1.3.6.1.2.1.2.2.1.3.2", Value::Integer(6)),
        ("1.3.6.1.2.1.2.2.1.6.1", text("")),
        ("1.3.6.1.2.1.2.2.1.6.2", Value::octets(&[0, 0x26, 0x73, 1, 2, 3])),
        ("1.3.6.1.2.1.25.3.2.1.2.1", oid_value("1.3.6.1.2.1.25.3.1.3")),
        ("1.3.6.1.2.1.25.3.2.1.2.5", oid_value("1.3.6.1.2.1.25.3.1.5")),
        ("1.3.6.1.2.1.25.3.2.1.3.1", text("CPU")),
        ("1.3.6.1.2.1.25.3.2.1.3.5", text("Acme X9 MFP")),
        ("1.3.6.1.2.1.25.3.2.1.5.5", Value::Integer(3)),
        ("1.3.6.1.2.1.25.3.5.1.1.5", Value::Integer(5)),
        ("1.3.6.1.2.1.25.3.5.1.2.5", Value::octets(&[0x01])),
        ("1.3.6.1.2.1.43.8.2.1.9.5.1", Value::Integer(500)),
        ("1.3.6.1.2.1.43.8.2.1.10.5.1", Value::Integer(-3)),
        ("1.3.6.1.2.1.43.8.2.1.18.5.1", text("Tray 1")),
        ("1.3.6.1.2.1.43.10.2.1.3.5.0", Value::Integer(7)),
        ("1.3.6.1.2.1.43.10.2.1.4.5.0", Value::Unsigned(900)),
        ("1.3.6.1.2.1.43.10.2.1.4.5.1", Value::Unsigned(800)),
        ("1.3.6.1.2.1.43.10.2.1.5.5.0", Value::Unsigned(12)),
        ("1.3.6.1.2.1.43.11.1.1.3.5.9", Value::Integer(2)),
        ("1.3.6.1.2.1.43.11.1.1.5.5.9", Value::Integer(3)),
        ("1.3.6.1.2.1.43.11.1.1.8.5.9", Value::Integer(200)),
        ("1.3.6.1.2.1.43.11.1.1.8.5.30", Value::Integer(-2)),
        ("1.3.6.1.2.1.43.11.1.1.9.5.9", Value::Integer(50)),
        ("1.3.6.1.2.1.43.11.1.1.9.5.30", Value::Integer(-3)),
        ("1.3.6.1.2.1.43.12.1.1.4.5.2", text("Cyan\0")),
        ("1.3.6.1.2.1.43.18.1.1.2.5.77", Value::Integer(3)),
        ("1.3.6.1.2.1.43.18.1.1.3.5.77", Value::Integer(5)),
        ("1.3.6.1.2.1.43.18.1.1.7.5.77", Value::Integer(30_000)),
        ("1.3.6.1.4.1.99999.2.0", text("  A-77 ")),
        ("1.3.6.1.4.1.99999.3.0", Value::Unsigned(700)),
        ("1.3.6.1.4.1.99999.5.0", text("\u{1}SC542")),
        ("1.3.6.1.4.1.99999.7.1.1", Value::Integer(203)),
        ("1.3.6.1.4.1.99999.7.2.1", Value::Unsigned(31)),
        ("1.3.6.1.4.1.99999.8.1.4", text("scanner")),
        ("1.3.6.1.4.1.99999.8.2.4", text("0.9")),
    ])
}

#[test]
fn a_counter_table_that_the_agent_breaks_off_is_not_summed() {
    const PROFILE: &str = "
vendor: acme
match: [{sys_object_id: 1.3.6.1.4.1.99999}]
counters:
  copy_total: [{columns: [1.3.6.1.4.1.99999.10.2]}]
";
    let profiles = Arc::new(Profiles::new([Profile::parse("acme.yaml", PROFILE).unwrap()]));
    let mut device = device();
    device.extend(
        (1..=5).map(|row| (format!("1.3.6.1.4.1.99999.10.2.{row}").parse().unwrap(), Value::Unsigned(100))),
    );
    let third: Oid = "1.3.6.1.4.1.99999.10.2.3".parse().unwrap();
    let copies = |breaks: bool| {
        let mut machine = DeviceReading::new(Arc::clone(&profiles), ReadScope::Full, true);
        while let Some(request) = machine.next_request() {
            let beyond = |(oid, _): &(Oid, Value)| {
                breaks && *oid > third && oid.after(&[1, 3, 6, 1, 4, 1, 99999, 10, 2]).is_some()
            };
            let answer = match orderly(&device, &request) {
                Response::Varbinds(all) if !breaks || !request.oids().contains(&third) => {
                    Response::Varbinds(all.into_iter().take_while(|varbind| !beyond(varbind)).collect())
                }
                Response::Varbinds(_) | Response::Error(_) | Response::Timeout => Response::Timeout,
            };
            if !machine.handle_response(&request, answer) {
                break;
            }
        }
        machine.finish(circumstances(1)).reading.counters.get(&Counter::CopyTotal).copied()
    };
    assert_eq!(copies(false), Some(500));
    assert_eq!(copies(true), None, "300 of 500");
}

#[test]
fn what_a_device_had_before_changes_the_requests_and_never_the_reading() {
    let device = device();
    let counted = |hints: TableHints| {
        let mut varbinds = 0;
        let (reading, sent, hints) = run_again(ReadScope::Full, hints, |request| {
            let answer = orderly(&device, request);
            varbinds += if let Response::Varbinds(all) = &answer { all.len() } else { 0 };
            answer
        });
        (reading, sent, hints.unwrap(), varbinds)
    };
    let (first, sent_first, hints, varbinds_first) = counted(TableHints::default());
    let (again, sent_again, _, varbinds_again) = counted(hints.clone());
    assert_eq!(Reading { requests: first.requests, ..again }, first);
    assert!(sent_again <= sent_first, "{sent_again} requests, {sent_first} without");
    assert!(varbinds_again * 2 < varbinds_first, "{varbinds_again} objects, {varbinds_first} without");

    let mut grown = device.clone();
    grown.extend(
        (40..90).map(|row| (Oid::new(&[1, 3, 6, 1, 2, 1, 43, 18, 1, 1, 2, 5, row]), Value::Integer(4))),
    );
    let (grown_reading, sent, _) = run_again(ReadScope::Full, hints.clone(), |r| orderly(&grown, r));
    assert_eq!(grown_reading.alerts.len(), 50);
    assert!(sent <= sent_first + 3, "{sent}");
    let (status, ..) = run_again(ReadScope::Status, hints.clone(), |r| orderly(&grown, r));
    assert_eq!(status.alerts, grown_reading.alerts);

    let shrunk: Objects = device.into_iter().filter(|(oid, _)| oid.arcs().get(6) != Some(&43)).collect();
    let (reading, ..) = run_again(ReadScope::Full, hints, |r| orderly(&shrunk, r));
    assert_eq!(
        reading,
        Reading { requests: reading.requests, ..run(ReadScope::Full, |r| orderly(&shrunk, r)).0 }
    );
}

#[test]
fn a_device_whose_printer_is_not_row_1_is_read_whole() {
    let device = device();
    let (reading, _) = run(ReadScope::Full, |request| orderly(&device, request));
    let identity = &reading.identity;
    assert_eq!(identity.vendor.as_deref(), Some("acme"));
    assert_eq!(identity.model.as_deref(), Some("X9"));
    assert_eq!(identity.serial.as_deref(), Some("A-77"));
    assert_eq!(identity.name.as_deref(), Some("mfp-3"));
    assert_eq!(identity.mac.as_deref(), Some("00:26:73:01:02:03"));
    assert_eq!(identity.firmware_version(), Some("1.2"));
    assert_eq!(identity.firmware[1].component, "scanner");
    assert!(reading.status.printer.as_ref().unwrap().is("warmup"));
    assert_eq!(reading.status.detected_errors, ["serviceRequested"]);
    assert_eq!(reading.status.console, ["SC542"]);
    assert_eq!(reading.counters[&Counter::Total], 700);
    assert_eq!(reading.counters[&Counter::CopyColor], 31);
    assert_eq!(reading.evidence[&Counter::CopyColor].oid, "1.3.6.1.4.1.99999.7.2.1");
    assert_eq!(reading.counters[&Counter::PowerOn], 12);
    assert!(reading.counter_unit.as_ref().unwrap().is("impressions"));
    let [cyan, waste] = reading.supplies.as_slice() else { panic!("{:?}", reading.supplies) };
    assert_eq!((cyan.index.as_str(), cyan.percent, cyan.color.as_deref()), ("5.9", Some(25.0), Some("cyan")));
    assert_eq!((waste.level_state, waste.percent), (Some(LevelState::SomeRemaining), None));
    assert_eq!(reading.trays[0].name.as_deref(), Some("Tray 1"));
    let alert = &reading.alerts[0];
    assert!(
        alert.severity.as_ref().unwrap().is("critical")
            && alert.training.as_ref().unwrap().is("fieldService")
    );
    assert_eq!(alert.code_name, Some(Label::Number(30_000)));
    assert!(is_printer(&device));
}

#[test]
fn the_status_alone_takes_fewer_requests_and_names_the_same_device() {
    let device = device();
    let (whole, all) = run(ReadScope::Full, |request| orderly(&device, request));
    let (status, few) = run(ReadScope::Status, |request| orderly(&device, request));
    assert!(few < all, "{few} of {all}");
    assert_eq!(status.identity.serial, whole.identity.serial);
    assert_eq!(status.identity.vendor, whole.identity.vendor);
    assert_eq!(
        (&status.status, &status.alerts, &status.supplies),
        (&whole.status, &whole.alerts, &whole.supplies)
    );
    assert!(status.counters.is_empty() && status.trays.is_empty());
}

#[test]
fn a_device_without_a_system_group_is_known_by_its_probe() {
    let device = objects(&[
        ("1.3.6.1.4.1.99999.1.0", text("X1")),
        ("1.3.6.1.4.1.99999.6.0", Value::Integer(2_550)),
        ("1.3.6.1.2.1.43.10.2.1.4.1.1", Value::Integer(5)),
    ]);
    let (reading, _) = run(ReadScope::Full, |request| orderly(&device, request));
    assert_eq!(reading.identity.vendor.as_deref(), Some("acme"));
    assert_eq!(reading.identity.model.as_deref(), Some("X1"));
    assert_eq!(reading.counters[&Counter::Total], 5);
    assert_eq!((reading.supplies[0].index.as_str(), reading.supplies[0].percent), ("private.1", Some(25.5)));
}

#[test]
fn a_choice_of_a_profile_lasts_while_the_device_reports_the_same_and_no_guess_lasts_indefinitely() {
    let device = objects(&[
        ("1.3.6.1.2.1.1.1.0", text("X1")),
        ("1.3.6.1.4.1.99999.1.0", text("X1")),
        ("1.3.6.1.2.1.43.10.2.1.4.1.1", Value::Integer(5)),
    ]);
    let read =
        |device: &Objects, hints| run_again(ReadScope::Full, hints, |request| orderly(device, request));
    let (first, sent_first, hints) = read(&device, TableHints::default());
    let (again, sent_again, hints) = read(&device, hints.unwrap());
    assert_eq!(first, Reading { requests: first.requests, ..again });
    assert!(sent_again < sent_first, "{sent_again} of {sent_first}");
    let mut other = device.clone();
    other.insert("1.3.6.1.2.1.1.1.0".parse().unwrap(), text("Y1"));
    other.remove(&"1.3.6.1.4.1.99999.1.0".parse().unwrap());
    let (reading, ..) = read(&other, hints.clone().unwrap());
    assert_eq!(reading.identity.vendor, None);
    let mut hints = hints.unwrap();
    let sent: Vec<_> = (0..20)
        .map(|_| {
            let (reading, sent, next) = read(&device, hints.clone());
            assert_eq!(reading.identity.vendor.as_deref(), Some("acme"));
            hints = next.unwrap();
            sent
        })
        .collect();
    assert_eq!(sent.iter().filter(|sent| **sent == sent_first).count(), 1, "{sent:?}");
}

#[test]
fn something_that_is_no_printer_has_an_identity_and_nothing_else() {
    let device = objects(&[
        ("1.3.6.1.2.1.1.1.0", text("Linux")),
        ("1.3.6.1.2.1.1.2.0", oid_value("1.3.6.1.4.1.8072.3.2.10")),
    ]);
    let (reading, _) = run(ReadScope::Full, |request| orderly(&device, request));
    assert_eq!(reading.identity.sys_descr.as_deref(), Some("Linux"));
    assert!(!is_printer(&device));
}

#[test]
fn rows_that_only_get_gives_are_guessed() {
    let device = objects(&[
        ("1.3.6.1.2.1.43.11.1.1.9.1.1", Value::Integer(50)),
        ("1.3.6.1.2.1.43.11.1.1.9.1.2", Value::Integer(60)),
    ]);
    let (reading, _) = run(ReadScope::Full, |request| match request {
        Request::Get(_) => orderly(&device, request),
        Request::GetNext(_) | Request::GetBulk { .. } => orderly(&Objects::new(), request),
    });
    assert_eq!(reading.supplies.len(), 2);
}

#[test]
fn the_character_set_of_the_language_in_use_decodes_texts() {
    let device = objects(&[
        ("1.3.6.1.2.1.43.5.1.1.2.1", Value::Integer(2)),
        ("1.3.6.1.2.1.43.7.1.1.4.1.1", Value::Integer(106)),
        ("1.3.6.1.2.1.43.7.1.1.4.1.2", Value::Integer(5)),
        ("1.3.6.1.2.1.43.16.5.1.2.1.1", Value::octets(b"u\xb6pienie")),
    ]);
    let (reading, _) = run(ReadScope::Full, |request| orderly(&device, request));
    assert_eq!(reading.status.console, ["uśpienie"]);
}

#[test]
fn a_v1_agent_that_lacks_objects_is_read_all_the_same() {
    let device = device();
    let mut machine = DeviceReading::new(profiles(), ReadScope::Full, false);
    while let Some(request) = machine.next_request() {
        assert!(!matches!(request, Request::GetBulk { .. }));
        let Response::Varbinds(varbinds) = orderly(&device, &request) else { unreachable!() };
        let lacking = varbinds.iter().position(|(_, value)| !value.is_there());
        let answer = lacking
            .map_or(Response::Varbinds(varbinds), |at| Response::Error(ErrorStatus::NoSuchName(at + 1)));
        assert!(machine.handle_response(&request, answer));
    }
    assert_eq!(machine.mib().number(objects::PRT_MARKER_SUPPLIES_LEVEL, &[5, 9]), Some(50));
}

#[test]
fn one_object_shows_whether_anything_responds() {
    let mut machine = DeviceReading::new(profiles(), ReadScope::Presence, true);
    let request = machine.next_request().unwrap();
    assert_eq!(request.oids().len(), 1);
    assert!(machine.handle_response(&request, orderly(&device(), &request)));
    assert_eq!(machine.next_request(), None);
    assert!(!machine.quirks().proven, "nobody knows yet whether it answers to more");
}

#[test]
fn one_object_shows_which_profile_a_new_device_needs() {
    let device = device();
    let (whole, sent) = run(ReadScope::Full, |request| orderly(&device, request));
    let (_, _, hints) =
        run_again(ReadScope::Presence, TableHints::default(), |request| orderly(&device, request));
    let (again, sent_again, full) =
        run_again(ReadScope::Full, hints.unwrap(), |request| orderly(&device, request));
    assert_eq!(Reading { requests: whole.requests, ..again }, whole);
    assert!(sent_again < sent, "{sent_again} requests, {sent} without");
    let (_, _, none) = run_again(ReadScope::Presence, full.unwrap(), |request| orderly(&device, request));
    assert!(none.is_none(), "rows that are known are worth more");
    let (_, _, none) =
        run_again(ReadScope::Presence, TableHints::default(), |request| orderly(&Objects::new(), request));
    assert!(none.is_none(), "no profile");
}

#[test]
fn a_maker_alone_makes_no_printer() {
    let system = [
        ("1.3.6.1.2.1.1.1.0", text("Acme thing")),
        ("1.3.6.1.2.1.1.2.0", oid_value("1.3.6.1.4.1.99999.1.7")),
    ];
    let with = |more: &[(&str, Value)]| objects(&[&system, more].concat());
    assert!(!is_printer(&with(&[])));
    for proof in [
        ("1.3.6.1.2.1.43.5.1.1.17.1", text("A1")),
        ("1.3.6.1.2.1.25.3.2.1.2.7", oid_value("1.3.6.1.2.1.25.3.1.5")),
        ("1.3.6.1.2.1.25.3.5.1.1.1", Value::Integer(3)),
        ("1.3.6.1.4.1.99999.2.0", text("A1")),
        ("1.3.6.1.4.1.99999.8.1.4", text("scanner")),
    ] {
        assert!(is_printer(&with(std::slice::from_ref(&proof))), "{proof:?}");
    }
    assert!(!is_printer(&with(&[("1.3.6.1.4.1.99999.2.0", text(""))])));
    assert!(!is_printer(&with(&[("1.3.6.1.2.1.25.3.2.1.2.7", oid_value("1.3.6.1.2.1.25.3.1.3"))])));
    let mut printing = system.clone();
    printing[0].1 = text("Acme thing, prints");
    assert!(is_printer(&objects(&printing)));
    let mut beamer = system;
    beamer[0].1 = text("Acme beamer");
    let (reading, _) = run(ReadScope::Full, |request| orderly(&objects(&beamer), request));
    assert_eq!(reading.identity.vendor, None, "the profile isn't for it");
    let answers = objects(&[&beamer[..], &[("1.3.6.1.4.1.99999.1.0", text("B1"))]].concat());
    assert!(!is_printer(&answers), "not even where its probe answers");
}

#[test]
fn lines_of_a_table_have_the_identity_and_firmware_of_a_device() {
    let device = objects(&[
        ("1.3.6.1.2.1.1.2.0", oid_value("1.3.6.1.4.1.99999.1.7")),
        ("1.3.6.1.4.1.99999.9.1", text("MODEL=\"S-1\"")),
        ("1.3.6.1.4.1.99999.9.2", text("SERIAL = \"S77\"")),
        ("1.3.6.1.4.1.99999.9.3", text("ID=\"SUB\"")),
        ("1.3.6.1.4.1.99999.9.4", text("VER=\"0.1\"")),
        ("1.3.6.1.4.1.99999.9.5", text("ID=\"MAIN\"")),
        ("1.3.6.1.4.1.99999.9.6", text("VER=\"2.5\"")),
    ]);
    for scope in [ReadScope::Full, ReadScope::Status] {
        let (reading, _) = run(scope, |request| orderly(&device, request));
        assert_eq!(reading.identity.serial.as_deref(), Some("S77"), "{scope:?}");
    }
    let (reading, _) = run(ReadScope::Full, |request| orderly(&device, request));
    assert_eq!(reading.identity.model.as_deref(), Some("S-1"));
    assert_eq!(reading.identity.firmware_version(), Some("2.5"), "{:?}", reading.identity.firmware);
    assert_eq!(reading.identity.firmware[0].component, "SUB");
}

#[test]
fn a_model_is_the_same_whatever_firmware_runs() {
    let model = |text_of: &str| {
        let device = objects(&[
            ("1.3.6.1.2.1.25.3.2.1.3.1", text(text_of)),
            ("1.3.6.1.2.1.43.5.1.1.17.1", text("77X")),
        ]);
        run(ReadScope::Full, |request| orderly(&device, request)).0.identity.model
    };
    let expected = Some("Zeta 5dn".to_owned());
    for text_of in ["Zeta 5dn", "Zeta 5dn 77X LW1.AB.P1", "Zeta 5dn 77X LW2.AB.P9", "Zeta 5dn; S/N 77X"] {
        assert_eq!(model(text_of), expected, "{text_of}");
    }
    assert_eq!(model("Acme Print Server"), None);
}
