//! The messages whose encodings are the golden vectors. A released message never changes, nor does its file.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use platen_wire::command::{Command, FirmwareUpdate, Order, Response, ResponseState};
use platen_wire::ids::{CommandId, DeviceId, RolloutId, SpoolId};
use platen_wire::image::target_name;
use platen_wire::poll::{Poll, PollResponse};
use platen_wire::reading::{
    Alert, Counter, Cover, Evidence, Firmware, Identity, Label, LevelState, PrivateLevel, Reading, Status,
    Supply, Tray,
};
use platen_wire::report::{
    Batch, BatchResponse, Call, CallKind, CounterSet, DeviceInformation, Edge, Envelope, FirmwareProgress,
    FirmwareState, InformationReason, Lane, Lanes, Loss, Quarantined, Report, WaitReason,
};
use serde_json::json;
use uuid::Uuid;

pub(crate) fn at() -> Timestamp {
    "2026-01-02T03:04:05.678Z".parse().unwrap()
}

pub(crate) fn command_id(number: u128) -> CommandId {
    CommandId(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0000 + number))
}

fn rollout() -> RolloutId {
    RolloutId(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0077))
}

fn device() -> DeviceId {
    "ricoh:E174M210001".parse().unwrap()
}

fn evidence(oid: &str, value: u64) -> Evidence {
    Evidence { oid: oid.to_owned(), value }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn counters() -> BTreeMap<Counter, u64> {
    Counter::ALL.into_iter().zip(1000..).collect()
}

fn all_evidence() -> BTreeMap<Counter, Evidence> {
    let oid = |number: u64| format!("1.3.6.1.4.1.367.3.2.1.2.19.5.1.9.{number}");
    Counter::ALL.into_iter().zip(1000..).map(|(counter, n)| (counter, evidence(&oid(n), n))).collect()
}

pub(crate) fn reading() -> Reading {
    Reading {
        address: "192.0.2.7:1161".to_owned(),
        read_at: at(),
        took_ms: 421,
        requests: 17,
        identity: Identity {
            vendor: text("ricoh"),
            model: text("IM C3000"),
            serial: text("E174M210001"),
            name: text("Büro 2. OG"),
            mac: text("00:26:73:aa:bb:cc"),
            sys_descr: text("RICOH IM C3000 1.08"),
            sys_object_id: text("1.3.6.1.4.1.367.1.1"),
            firmware: vec![Firmware { component: "system".to_owned(), version: "1.08".to_owned() }],
        },
        status: Status {
            device: Some(Label::name("warning")),
            printer: Some(Label::Number(99)),
            detected_errors: vec![Cow::Borrowed("lowToner"), Cow::Borrowed("serviceRequested")],
            console: vec!["Call service".to_owned(), "SC542".to_owned()],
        },
        counters: counters(),
        counter_unit: Some(Label::name("impressions")),
        evidence: all_evidence(),
        marker_life: Some(evidence("1.3.6.1.2.1.43.10.2.1.4.1.1", 998)),
        supplies: [LevelState::Units, LevelState::Other, LevelState::Unknown, LevelState::SomeRemaining]
            .into_iter()
            .map(supply)
            .collect(),
        trays: vec![Tray {
            index: "1.2".to_owned(),
            name: text("Tray 2"),
            media: text("A4"),
            unit: Some(Label::name("sheets")),
            level: Some(-3),
            level_state: Some(LevelState::SomeRemaining),
            max: Some(550),
            status: Some(0),
        }],
        covers: vec![Cover {
            index: "1.1".to_owned(),
            description: text("Front cover"),
            status: Some(Label::name("coverOpen")),
        }],
        alerts: vec![Alert {
            index: "1.5".to_owned(),
            severity: Some(Label::name("critical")),
            training: Some(Label::name("fieldService")),
            group: Some(10),
            group_name: Some(Label::name("marker")),
            group_index: Some(1),
            location: Some(-2),
            code: Some(1104),
            code_name: Some(Label::name("markerTonerAlmostEmpty")),
            description: text("Toner almost empty {SC542}"),
        }],
    }
}

fn supply(level_state: LevelState) -> Supply {
    let units = level_state == LevelState::Units;
    Supply {
        index: "1.1".to_owned(),
        description: text("Black Toner"),
        supply_type: Some(Label::name("toner")),
        class: Some(Label::name("supplyThatIsConsumed")),
        color: text("black"),
        unit: Some(Label::name("percent")),
        level: Some(if units { 37 } else { -3 }),
        level_state: Some(level_state),
        max: Some(100),
        percent: units.then_some(37.5),
        private: units.then(|| PrivateLevel {
            oid: "1.3.6.1.4.1.367.3.2.1.2.24.1.1.5.1".to_owned(),
            standard_level: Some(-3),
            standard_max: Some(-2),
        }),
    }
}

pub(crate) fn call(call: CallKind, edge: Edge) -> Report {
    let (subject, detail) = ("1.5".to_owned(), "SC542".to_owned());
    Report::Call(Call { device: device(), call, edge, subject, detail, seen_at: at() })
}

pub(crate) fn reports() -> Vec<Report> {
    vec![
        call(CallKind::ServiceCall, Edge::Raised),
        Report::CounterSet(CounterSet {
            device: device(),
            read_at: at(),
            command: Some(command_id(1)),
            unit: Some(Label::name("impressions")),
            counters: counters(),
            evidence: all_evidence(),
        }),
        Report::DeviceInformation(Box::new(DeviceInformation {
            device: device(),
            reason: InformationReason::Requested,
            command: Some(command_id(2)),
            reading: reading(),
        })),
        Report::FirmwareState(firmware_states().remove(0)),
        Report::Loss(Loss { lane: Lane::Bulk, reports: 12, detail: "the spool was full".to_owned() }),
    ]
}

pub(crate) fn firmware_states() -> Vec<FirmwareState> {
    let version = || "2.00".to_owned();
    let all = [
        FirmwareProgress::Waiting(WaitReason::Busy),
        FirmwareProgress::Staged,
        FirmwareProgress::Pushed,
        FirmwareProgress::Verified { version: version() },
        FirmwareProgress::Failed { version: None },
        FirmwareProgress::Failed { version: Some(version()) },
        FirmwareProgress::Cancelled,
    ];
    all.into_iter()
        .map(|progress| FirmwareState {
            rollout: rollout(),
            device: (progress != FirmwareProgress::Staged).then(device),
            progress,
            at: at(),
            version_before: text("1.08"),
            detail: "the device answers nothing".to_owned(),
            panel: "Updating".to_owned(),
        })
        .collect()
}

pub(crate) fn orders() -> Vec<Order> {
    vec![
        Order::CounterRequest { devices: Some(vec![device()]) },
        Order::StatusSense { devices: None },
        Order::Diagnostics,
        Order::Discovery,
        Order::FirmwareUpdate(FirmwareUpdate {
            rollout: rollout(),
            target: target_name("ricoh", "IM C3000", "2.00"),
            version: "2.00".to_owned(),
            devices: vec![device()],
            not_before: at(),
        }),
        Order::FirmwareCancel { rollout: rollout() },
    ]
}

pub(crate) fn poll() -> Poll {
    Poll {
        at: at(),
        version: "0.1.0".to_owned(),
        spool: SpoolId(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0001)),
        made: Lanes { urgent: 7, bulk: 4242 },
        devices: 12,
        devices_offline: 1,
        uptime_s: 86_400,
        storage_problem: text("no space left on device"),
    }
}

pub(crate) fn poll_response() -> PollResponse {
    let commands = orders().into_iter().zip(1..);
    let commands = commands.map(|(order, n)| Command::new(command_id(n), at(), &order).unwrap());
    PollResponse {
        next_poll_s: 3600,
        acknowledged: Lanes { urgent: 7, bulk: 4240 },
        commands: commands.collect(),
    }
}

pub(crate) fn wrapped(reports: &[Report]) -> Batch {
    let reports = reports.iter().zip(41..).map(|(report, seq)| Envelope::new(seq, at(), report).unwrap());
    Batch { reports: reports.collect(), at: Some(at()) }
}

pub(crate) fn batch_response() -> BatchResponse {
    let reason = "at kind: unknown variant `x`".to_owned();
    BatchResponse { acknowledged: 45, next_poll_s: 60, quarantined: vec![Quarantined { seq: 43, reason }] }
}

pub(crate) fn command_responses() -> Vec<Response> {
    let of = |state, detail: &str, result| Response { state, at: at(), detail: detail.to_owned(), result };
    vec![
        of(ResponseState::Accepted, "", None),
        of(ResponseState::Running, "waits for ricoh:E174M210001", None),
        of(ResponseState::Done, "", Some(json!({"version": "0.1.0", "devices": 12}))),
        of(ResponseState::Failed, "unsupported: unknown field `dry_run`", None),
    ]
}
