//! The page as a browser receives it.

use super::*;
use crate::status::{
    CertificateState, CertificateStatus, DeviceStatus, DeviceStep, FirmwareDeviceStatus, FirmwareStatus,
    ImageState, LaneStatus, LinkStatus, OpenCallStatus, SpoolStatus, SupplyStatus,
};
use jiff::{SignedDuration, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::ids::{RolloutId, SpoolId};
use wire::reading::{Label, LevelState};
use wire::report::{CallKind, Lanes};

fn now() -> Timestamp {
    "2026-11-22T09:41:12Z".parse().unwrap()
}

fn before(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

fn supplies(levels: [f64; 4]) -> Vec<SupplyStatus> {
    let colors = ["black", "cyan", "magenta", "yellow"];
    let mut supplies: Vec<SupplyStatus> = std::iter::zip(colors, levels)
        .map(|(color, percent)| SupplyStatus {
            index: format!("1.{color}"),
            is_receptacle: false,
            name: format!("{} toner", if color == "black" { "Black" } else { color }),
            supply_type: Some(Label::name("toner")),
            color: Some(color.to_owned()),
            percent: Some(percent),
            level_state: Some(LevelState::Units),
        })
        .collect();
    supplies.push(SupplyStatus {
        index: "1.waste".to_owned(),
        is_receptacle: true,
        name: "Waste toner".to_owned(),
        supply_type: Some(Label::name("wasteToner")),
        color: None,
        percent: None,
        level_state: Some(LevelState::SomeRemaining),
    });
    supplies
}

fn device(vendor: &str, model: &str, serial: &str, address: &str, levels: [f64; 4]) -> DeviceStatus {
    DeviceStatus {
        device: format!("{vendor}:{serial}").parse().unwrap(),
        address: address.to_owned(),
        vendor: Some(vendor.to_owned()),
        model: Some(model.to_owned()),
        serial: Some(serial.to_owned()),
        name: None,
        firmware: Some("2.04".to_owned()),
        online: true,
        read_at: before(42),
        printer: Some(Label::name("idle")),
        detected_errors: Vec::new(),
        console: vec!["Ready".to_owned()],
        total: Some(184_203),
        notes: Vec::new(),
        supplies: supplies(levels),
    }
}

fn devices() -> Vec<DeviceStatus> {
    let mut devices = vec![
        device("ricoh", "RICOH IM C4500", "E174M210001", "127.20.0.1", [8.0, 61.0, 55.0, 72.0]),
        device("ricoh", "RICOH IM C4500", "E174M210002", "127.20.0.2", [92.0, 88.0, 90.0, 79.0]),
        device("ricoh", "RICOH IM C6000", "E204R910117", "127.20.0.3", [43.0, 12.0, 3.0, 27.0]),
        device("kyocera", "ECOSYS M5526cdw", "VR91234567", "127.20.0.7", [100.0, 98.0, 97.0, 99.0]),
        device("kyocera", "TASKalfa 3554ci", "RVP0900431", "127.20.0.8", [35.0, 40.0, 71.0, 66.0]),
    ];
    devices[0].detected_errors = vec!["serviceRequested".to_owned()];
    devices[0].console = vec!["SC542: call service".to_owned()];
    devices[0].name = Some("Accounting, 2nd floor".to_owned());
    devices[1].printer = Some(Label::name("printing"));
    devices[2].detected_errors = vec!["lowToner".to_owned()];
    devices[2].console = vec!["Toner almost empty".to_owned()];
    devices[4].online = false;
    devices[4].read_at = before(7400);
    devices
}

fn firmware() -> FirmwareStatus {
    let step = |device: &str, state: DeviceStep, detail: &str| FirmwareDeviceStatus {
        device: device.parse().unwrap(),
        state,
        waiting_for: (state == DeviceStep::Waiting).then_some(wire::report::WaitReason::ServiceCall),
        detail: detail.to_owned(),
    };
    FirmwareStatus {
        rollout: RolloutId(uuid::Uuid::from_u128(7)),
        target: "ricoh/RICOH-IM-C4500/2.10".to_owned(),
        version: "2.10".to_owned(),
        not_before: now() + SignedDuration::from_hours(11),
        image: ImageState::Staged,
        image_detail: String::new(),
        devices: vec![
            step("ricoh:E174M210001", DeviceStep::Waiting, "waits: service call; its panel shows: SC542"),
            step("ricoh:E174M210002", DeviceStep::Verified, "2.04 before, 2.10 now"),
            step("ricoh:E204R910117", DeviceStep::Failed, "shows 2.04 after 600 s"),
        ],
    }
}

pub(super) fn status() -> Status {
    let call = |device: &str, call, detail: &str, ago| OpenCallStatus {
        device: device.parse().unwrap(),
        call,
        subject: String::new(),
        detail: detail.to_owned(),
        since: before(ago),
    };
    Status {
        gateway: "gw-demo".to_owned(),
        version: "0.1.0".to_owned(),
        site: Some("Head office".to_owned()),
        at: now(),
        uptime_s: 310_000,
        link: LinkStatus {
            url: "https://comm.example.com:8443".to_owned(),
            last_poll: Some(before(18)),
            next_poll: Some(now() + SignedDuration::from_secs(42)),
            interval_s: Some(60),
            last_error: None,
            failures: 0,
        },
        spool: SpoolStatus {
            id: SpoolId(uuid::Uuid::from_u128(1)),
            waiting_bytes: 18_300,
            disk_bytes: 4_900_000,
            limit_bytes: 256 << 20,
            problem: None,
        },
        lanes: Lanes {
            urgent: LaneStatus { made: 118, acknowledged: 118, waiting: 0 },
            bulk: LaneStatus { made: 20_412, acknowledged: 20_398, waiting: 14 },
        },
        devices: devices(),
        open_calls: vec![
            call("kyocera:RVP0900431", CallKind::DeviceOffline, "no answer to 3 readings", 7200),
            call("ricoh:E204R910117", CallKind::SupplyNearEnd, "Magenta toner 3 %", 5400),
            call("ricoh:E174M210001", CallKind::ServiceCall, "SC542", 260),
        ],
        commands: Vec::new(),
        firmware: vec![firmware()],
        certificate: Some(CertificateStatus {
            not_after: "2026-12-24T03:00:00Z".parse().unwrap(),
            state: CertificateState::Valid,
            renew_at: None,
            problem: None,
        }),
        mails_waiting: 1,
    }
}

/// Head and body as received.
async fn get_page(status: Status, uri: &str) -> (String, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        axum::serve(listener, router(move || std::future::ready(status.clone()))).await
    });
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {uri} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    server.abort();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

#[tokio::test]
async fn a_person_sees_the_state_of_everything() {
    let (head, html) = get_page(status(), "/").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("default-src 'none'") && !html.contains("style="));
    assert_eq!(
        html.matches("<script").count(),
        html.matches("<script src=\"/live.js\" defer></script>").count()
    );
    assert!(!html.contains("http-equiv"), "a reload by itself loses what is selected");
    for seen in [
        "gw-demo",
        "Head office",
        "Connected",
        "18 s ago",
        "in 42 s",
        "every minute",
        "SC542",
        "E174M210001",
        "127.20.0.3",
        "184,203",
        "some left",
        "Offline",
        "no answer to 3 readings",
        "shows 2.04 after 600 s",
        "in 11 h",
    ] {
        assert!(html.contains(seen), "{seen} is missing");
    }
    let (head, css) = get_page(status(), "/page.css").await;
    assert!(head.contains("content-type: text/css; charset=utf-8"), "{head}");
    assert!(css.contains("prefers-color-scheme: dark"));
    let (head, script) = get_page(status(), "/live.js").await;
    assert!(
        head.contains("content-type: text/javascript; charset=utf-8") && head.contains("script-src 'self'"),
        "{head}"
    );
    assert_eq!(script, SCRIPT);
}

#[tokio::test]
async fn only_an_open_call_marks_a_supply() {
    let mut status = status();
    status.devices.truncate(1);
    status.devices[0].supplies[4].percent = Some(92.0);
    status.open_calls.clear();
    let low = "<li class=\"low\">";
    let (_, html) = get_page(status.clone(), "/").await;
    assert!(!html.contains(low) && html.contains("reports 92 %") && html.contains("8 %"), "{html}");
    for (subject, call, level) in [
        ("1.black", CallKind::SupplyNearEnd, "8 %"),
        ("1.waste", CallKind::SupplyNearEnd, "almost full"),
        ("1.waste", CallKind::SupplyEnd, "full"),
    ] {
        status.open_calls = vec![OpenCallStatus {
            device: status.devices[0].device.clone(),
            call,
            subject: subject.to_owned(),
            detail: String::new(),
            since: before(60),
        }];
        let (_, html) = get_page(status.clone(), "/").await;
        let (_, marked) = html.split_once(low).unwrap();
        assert!(marked.split("</li>").next().unwrap().contains(&format!(">{level}<")), "{marked}");
        assert_eq!(html.matches(low).count(), 1);
    }
}

#[tokio::test]
async fn text_of_a_device_is_escaped() {
    let mut status = status();
    status.devices[0].model = Some("<script>alert(1)</script>".to_owned());
    status.open_calls[2].detail = "<img src=x>".to_owned();
    status.link.last_error = Some("<b>".to_owned());
    let (_, html) = get_page(status, "/?q=%22%3E%3Cscript%3E").await;
    assert!(!html.contains("<script>") && !html.contains("<img") && !html.contains("<b>"), "{html}");
    assert!(html.contains("Connection lost"));
}

#[tokio::test]
async fn many_devices_come_a_page_at_a_time_and_are_found_by_a_word() {
    let mut status = status();
    status.devices = (0..250)
        .map(|n| device("ricoh", "IM C3000", &format!("E9{n:04}"), &format!("10.0.0.{n}"), [50.0; 4]))
        .collect();
    let rows = |html: &str| html.matches("class=\"device\"").count();
    let (_, first) = get_page(status.clone(), "/").await;
    assert_eq!(rows(&first), 100);
    assert!(first.contains("page=2"));
    let (_, last) = get_page(status.clone(), "/?page=99").await;
    assert_eq!(rows(&last), 50);
    let (_, found) = get_page(status, "/?q=e90017").await;
    assert_eq!(rows(&found), 1);
}

#[tokio::test]
async fn an_empty_gateway_shows_the_next_step() {
    let mut status = status();
    (status.devices, status.open_calls, status.firmware) = (Vec::new(), Vec::new(), Vec::new());
    (status.link.last_poll, status.link.next_poll, status.link.interval_s) = (None, None, None);
    let (_, html) = get_page(status, "/").await;
    for seen in ["Not polled yet", "No open calls", "No devices found yet"] {
        assert!(html.contains(seen), "{seen} is missing");
    }
}

/// Serves the page for inspection in a browser:
/// `PLATEN_PAGE_ADDRESS=127.0.0.1:9200 cargo test -p platen-gateway --lib local_page -- --ignored`.
#[tokio::test]
#[ignore = "serves the page to a browser until it is stopped"]
async fn serve_for_eyes() {
    let address = std::env::var("PLATEN_PAGE_ADDRESS").unwrap_or_else(|_| "127.0.0.1:9200".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    axum::serve(listener, router(|| std::future::ready(status()))).await.unwrap();
}

#[test]
fn a_supply_at_its_end_is_not_listed_as_near_it_too() {
    let mut status = status();
    let near = status.open_calls[1].clone();
    status.open_calls.push(OpenCallStatus { call: CallKind::SupplyEnd, ..near.clone() });
    status.open_calls.push(OpenCallStatus { subject: "1.9".to_owned(), ..near });
    let page = Page::of(&status, &Asked::default());
    let titles: Vec<_> = page.calls.iter().map(|call| call.title).collect();
    assert_eq!(titles, ["Device offline", "Service call", "Supply end", "Supply near end"]);
}
