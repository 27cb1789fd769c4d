//! Golden vectors: every wire message as the bytes in `v1/`, which are never changed after a release.

#![expect(clippy::unwrap_used, reason = "a vector that can't be made fails the test")]

#[path = "golden/messages.rs"]
mod messages;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::PathBuf;

use messages::{at, command_responses, firmware_states, orders, reports, wrapped};
use platen_wire::codec::{self, ZSTD};
use platen_wire::command::{Command, CommandResponseAck, Order, Response, ResponseState};
use platen_wire::image::ImageFacts;
use platen_wire::limits::BATCH_BYTES;
use platen_wire::poll::{Poll, PollResponse};
use platen_wire::problem::{Problem, ProblemCode};
use platen_wire::report::{
    Batch, BatchResponse, CallKind, Edge, FirmwareStep, InformationReason, Lane, Report, WaitReason,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tuf::{Document, RoleName, Targets, TrustedSet};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/v1").join(name)
}

/// The file's bytes. With `PLATEN_WRITE_VECTORS` set, a file that doesn't exist is written from `made` first.
fn file(name: &str, made: &[u8]) -> Vec<u8> {
    let path = path(name);
    if std::env::var_os("PLATEN_WRITE_VECTORS").is_some() && !path.exists() {
        std::fs::write(&path, made).unwrap();
    }
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}: see README.md there", path.display()))
}

/// Checks that the value is encoded as the file and the file is decoded to the value; large files also compressed.
fn check<T: Serialize + DeserializeOwned + Debug>(name: &str, value: &T) {
    let mut json = serde_json::to_vec(value).unwrap();
    json.push(b'\n');
    let stored = file(&format!("{name}.json"), &json);
    assert_eq!(String::from_utf8_lossy(&stored), String::from_utf8_lossy(&json), "{name}: encoding changed");
    let read: T = codec::decode(&stored, None, BATCH_BYTES).unwrap();
    // Raw JSON has no equality of its own.
    assert_eq!(format!("{read:?}"), format!("{value:?}"), "{name}: decoding changed");
    let encoded = codec::encode(value).unwrap();
    if encoded.compressed {
        let stored = file(&format!("{name}.json.zst"), &encoded.bytes);
        for compressed in [&stored, &encoded.bytes] {
            let read: T = codec::decode(compressed, Some(ZSTD), BATCH_BYTES).unwrap();
            assert_eq!(format!("{read:?}"), format!("{value:?}"), "{name}: decompression changed");
        }
    }
}

/// File of a report. A new kind of report causes a compiler error here until it has a file.
const fn report_name(report: &Report) -> &'static str {
    match report {
        Report::Call(_) => "report-call",
        Report::CounterSet(_) => "report-counter-set",
        Report::DeviceInformation(_) => "report-device-information",
        Report::FirmwareState(_) => "report-firmware-state",
        Report::Loss(_) => "report-loss",
    }
}

/// File of an order. A new kind of order causes a compiler error here until it has a file.
const fn order_name(order: &Order) -> &'static str {
    match order {
        Order::CounterRequest { .. } => "order-counter-request",
        Order::StatusSense { .. } => "order-status-sense",
        Order::Diagnostics => "order-diagnostics",
        Order::Discovery => "order-discovery",
        Order::FirmwareUpdate(_) => "order-firmware-update",
        Order::FirmwareCancel { .. } => "order-firmware-cancel",
    }
}

/// The number of kinds above.
const REPORT_KINDS: usize = 5;
const ORDER_KINDS: usize = 6;

#[test]
fn every_kind_of_report() {
    let reports = reports();
    let names: BTreeSet<_> = reports.iter().map(report_name).collect();
    assert_eq!(names.len(), REPORT_KINDS, "a kind has no vector: {names:?}");
    assert_eq!(reports.len(), REPORT_KINDS);
    for report in &reports {
        check(report_name(report), report);
    }
}

#[test]
fn every_kind_of_call_and_reason_within_reports() {
    let calls: Vec<Report> = CallKind::ALL
        .into_iter()
        .flat_map(|kind| [Edge::Raised, Edge::Cleared].map(|edge| messages::call(kind, edge)))
        .collect();
    check("reports-calls", &calls);
    let states = firmware_states();
    let steps: BTreeSet<FirmwareStep> = states.iter().map(|state| state.progress.step()).collect();
    assert_eq!(steps.len(), FirmwareStep::Cancelled as usize + 1, "a step has no vector: {steps:?}");
    check("reports-firmware-states", &states);
    let first = WaitReason::ALL.into_iter().filter(|reason| *reason != WaitReason::Confirmation);
    check("wait-reasons", &first.collect::<Vec<_>>());
    check("wait-reasons-2", &WaitReason::ALL.to_vec());
    let reasons = [InformationReason::Found, InformationReason::Changed, InformationReason::Requested];
    check("information-reasons", &reasons.to_vec());
}

#[test]
fn a_whole_reading() {
    check("reading", &messages::reading());
}

#[test]
fn every_kind_of_order_and_the_poll_response_that_carries_them() {
    let orders = orders();
    let names: BTreeSet<_> = orders.iter().map(order_name).collect();
    assert_eq!(names.len(), ORDER_KINDS, "a kind has no vector: {names:?}");
    for order in &orders {
        check(order_name(order), order);
        let command = Command::new(messages::command_id(1), at(), order).unwrap();
        assert_eq!(command.parse().unwrap(), *order);
    }
    check("poll-response", &messages::poll_response());
    let read: PollResponse = codec::decode(&file("poll-response.json", &[]), None, BATCH_BYTES).unwrap();
    let read: Vec<Order> = read.commands.iter().map(|command| command.parse().unwrap()).collect();
    assert_eq!(read, orders);
}

#[test]
fn polls_batches_and_responses() {
    check::<Poll>("poll", &messages::poll());
    check::<Batch>("batch", &wrapped(&reports()));
    check::<BatchResponse>("batch-response", &messages::batch_response());
    for lane in Lane::ALL {
        assert_eq!(serde_json::to_value(lane).unwrap(), lane.name());
    }
    let responses = command_responses();
    let states: BTreeSet<ResponseState> = responses.iter().map(|response| response.state).collect();
    assert_eq!(states.len(), ResponseState::Failed as usize + 1, "a state has no vector: {states:?}");
    for response in &responses {
        check::<Response>(&format!("response-{}", response.state.name()), response);
    }
    check("response-ack", &CommandResponseAck { next_poll_s: 60 });
}

#[test]
fn every_problem() {
    let problem = |code| Problem {
        expected_seq: (code == ProblemCode::SequenceGap).then_some(43),
        ..Problem::new(code, "what was found, and what was expected")
    };
    let added = [ProblemCode::PreconditionFailed, ProblemCode::PreconditionRequired];
    let first: Vec<Problem> =
        ProblemCode::ALL.into_iter().filter(|code| !added.contains(code)).map(problem).collect();
    check("problems", &first);
    check("problems-preconditions", &added.map(problem).to_vec());
}

/// Metadata of a former repository, signed once by keys that exist no more: gateways trust such roots, and `migrate` reads
/// such targets. The `-signed` files are what is signed.
#[test]
fn signed_metadata() {
    let now = "2026-06-01T00:00:00Z".parse().unwrap();
    let root = TrustedSet::from_anchor(&file("metadata-root.json", &[]), now).unwrap().root().clone();
    assert!(root.roles.timestamp.key_ids.is_empty() && root.roles.snapshot.key_ids.is_empty());
    let name = RoleName::targets();
    let document = Document::parse::<Targets>(&name, &file("metadata-targets.json", &[])).unwrap();
    assert!(document.is_signed(&root.keys, &root.roles.targets));
    let targets: Targets = document.role(&name).unwrap();
    let target = &targets.targets["ricoh/IM-C3000/2.00"];
    let facts: ImageFacts = serde_json::from_value(target.custom.clone().unwrap()).unwrap();
    let expected = ImageFacts {
        vendor: "ricoh".into(),
        model: "IM C3000".into(),
        version: "2.00".into(),
        published_at: at(),
    };
    assert_eq!((&facts, targets.version.get(), target.length), (&expected, 3, 1 << 20));
    let value = |name: &str| serde_json::from_slice::<serde_json::Value>(&file(name, &[])).unwrap();
    for (whole, signed) in [
        ("metadata-root.json", "metadata-root-signed.json"),
        ("metadata-targets.json", "metadata-targets-signed.json"),
    ] {
        assert_eq!(value(whole)["signed"], value(signed), "{whole}");
    }
}

/// Every file is used by a test: `check` is called by name, and would not find an unused file.
#[test]
fn no_file_is_left_alone() {
    let known = include_str!("golden.rs");
    for entry in std::fs::read_dir(path("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let stem = name.split('.').next().unwrap_or_default();
        let is_response = stem.strip_prefix("response-").is_some();
        assert!(name == "README.md" || is_response || known.contains(&format!("\"{stem}")), "{name}");
    }
}
