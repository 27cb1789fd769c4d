use super::*;
use std::borrow::Cow;
use uuid::Uuid;
use wire::command::FirmwareUpdate;
use wire::ids::CommandId;
use wire::reading::Label;

const RULES: UpdateRules = UpdateRules {
    restart_limit: SignedDuration::from_secs(600),
    read_back: SignedDuration::from_secs(10),
    push_pause: SignedDuration::from_secs(15),
    report_pause: SignedDuration::from_secs(60),
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn id(name: &str) -> DeviceId {
    name.parse().unwrap()
}

fn update(devices: &[&str]) -> Update {
    let order = FirmwareUpdate {
        rollout: RolloutId(Uuid::from_u128(1)),
        target: "v/m/2.0".into(),
        version: "2.0".into(),
        devices: devices.iter().map(|name| id(name)).collect(),
        not_before: at(100),
    };
    Update::new(CommandId(Uuid::from_u128(2)), order, at(0))
}

fn status(printer: &'static str, error: &'static str) -> Status {
    Status {
        device: None,
        printer: Some(Label::name(printer)),
        detected_errors: if error.is_empty() { vec![] } else { vec![Cow::Borrowed(error)] },
        console: vec![],
    }
}

fn short(effects: &[Effect]) -> Vec<String> {
    let one = |effect: &Effect| match effect {
        Effect::Stage => "stage".to_owned(),
        Effect::Push(device) => format!("push {device}"),
        Effect::ReadBack(device) => format!("read {device}"),
        Effect::Report(state) => {
            let device = state.device.as_ref().map_or("-", DeviceId::as_str);
            match &state.progress {
                FirmwareProgress::Waiting(reason) => format!("wait {} {device}", reason.name()),
                FirmwareProgress::Staged
                | FirmwareProgress::Pushed
                | FirmwareProgress::Verified { .. }
                | FirmwareProgress::Failed { .. }
                | FirmwareProgress::Cancelled => format!("{} {device}", state.progress.step().name()),
            }
        }
        Effect::Running(_) => "running".to_owned(),
        Effect::Finished(well, _) => format!("finished {well}"),
    };
    effects.iter().map(one).collect()
}

fn next(update: &mut Update, seconds: i64, status: &Status) -> Vec<String> {
    let view = |_: &DeviceId| Some(DeviceView { answers: true, status, version: Some("1.0") });
    short(&update.next(at(seconds), &RULES, view))
}

/// A device that shows a version, and whose panel is empty.
fn shows(version: &str) -> Option<Shown<'_>> {
    static QUIET: std::sync::LazyLock<Status> = std::sync::LazyLock::new(Status::default);
    Some(Shown { version: Some(version), status: &QUIET })
}

fn failure(why: &str, reach: Reach) -> Result<(), PushFailure> {
    Err(PushFailure { why: why.to_owned(), reach })
}

fn staged(update: &mut Update) {
    assert_eq!(next(update, 0, &status("idle", "")), ["stage"]);
    let effects = update.on_staged("ab".into(), 9, at(1));
    assert_eq!(short(&effects), ["staged -", "running"]);
}

#[test]
fn an_update_waits_for_its_date_and_an_idle_device_and_is_read_back() {
    let mut update = update(&["a:1", "a:2"]);
    staged(&mut update);
    assert!(next(&mut update, 99, &status("idle", "")).is_empty());
    assert_eq!(next(&mut update, 100, &status("printing", "")), ["wait busy a:1", "wait busy a:2"]);
    assert!(next(&mut update, 101, &status("idle", "jammed")).is_empty(), "at most once a minute");
    assert_eq!(next(&mut update, 160, &status("idle", "jammed")), ["wait jam a:1", "wait jam a:2"]);
    assert_eq!(next(&mut update, 100, &status("idle", "")), ["push a:1"]);
    assert!(next(&mut update, 101, &status("idle", "")).is_empty(), "one at a time");
    assert_eq!(short(&update.on_pushed(&id("a:1"), Ok(()), at(102), &RULES)), ["pushed a:1"]);
    assert!(update.is_under_way(&id("a:1")) && !update.is_under_way(&id("a:2")));
    assert_eq!(next(&mut update, 102, &status("idle", "")), ["read a:1"]);
    assert!(next(&mut update, 103, &status("idle", "")).is_empty());
    assert!(update.on_read_back(&id("a:1"), None, at(103), &RULES).is_empty());
    assert_eq!(next(&mut update, 112, &status("idle", "")), ["read a:1"]);
    let verified = update.on_read_back(&id("a:1"), shows("2.0"), at(113), &RULES);
    assert_eq!(short(&verified), ["verified a:1"]);
    let Effect::Report(state) = &verified[0] else { panic!("{verified:?}") };
    assert_eq!((state.version_before.as_deref(), state.progress.version()), (Some("1.0"), Some("2.0")));
    assert_eq!(next(&mut update, 114, &status("idle", "")), ["push a:2"]);
    let failed = update.on_pushed(&id("a:2"), failure("status 403", Reach::Refused), at(115), &RULES);
    assert_eq!(short(&failed), ["failed a:2", "finished false"]);
    assert!(update.is_over() && next(&mut update, 116, &status("idle", "")).is_empty());
}

#[test]
fn a_withdrawn_image_is_pushed_to_no_further_device() {
    let mut update = update(&["a:1", "a:2"]);
    staged(&mut update);
    assert_eq!(next(&mut update, 100, &status("idle", "")), ["push a:1"]);
    let why = "the firmware repository has no image";
    let effects = update.on_pushed(&id("a:1"), failure(why, Reach::Withdrawn), at(101), &RULES);
    assert_eq!(short(&effects), ["failed -", "failed a:1", "failed a:2", "finished false"]);
    assert!(update.devices.iter().all(|device| device.detail == format!("not pushed: {why}")), "{update:?}");
    assert!(update.devices.iter().all(|device| device.pushes == 0), "{update:?}");
}

#[test]
fn without_the_global_servers_confirmation_a_device_waits_however_long_it_takes() {
    let mut update = update(&["a:1"]);
    staged(&mut update);
    let mut reports = Vec::new();
    for round in 0..100 {
        let second = 100 + round * 61;
        assert_eq!(next(&mut update, second, &status("idle", "")), ["push a:1"], "{round}");
        let failed = failure("no whole answer", Reach::Unconfirmed);
        reports.extend(short(&update.on_pushed(&id("a:1"), failed, at(second + 1), &RULES)));
        assert!(next(&mut update, second + 60, &status("idle", "")).is_empty(), "{round}");
    }
    assert_eq!(reports, ["wait confirmation a:1"]);
    assert_eq!((update.devices[0].tries, update.devices[0].pushes), (0, 0));
}

#[test]
fn a_device_that_keeps_its_version_has_failed() {
    let mut update = update(&["a:1"]);
    staged(&mut update);
    next(&mut update, 100, &status("idle", ""));
    update.on_pushed(&id("a:1"), Ok(()), at(101), &RULES);
    let mut old = |seconds| short(&update.on_read_back(&id("a:1"), shows("1.0"), at(seconds), &RULES));
    for seconds in 102..120 {
        assert!(old(seconds).is_empty(), "it has not restarted yet");
    }
    assert_eq!(old(702), ["failed a:1", "finished false"]);
    let detail = &update.devices[0].detail;
    assert_eq!(detail, "it shows 1.0 after the push, not 2.0");
}

#[test]
fn a_device_that_restarted_with_its_old_version_fails_soon_and_a_dead_one_in_time() {
    for dead in [false, true] {
        let mut update = update(&["a:1"]);
        staged(&mut update);
        next(&mut update, 100, &status("idle", ""));
        update.on_pushed(&id("a:1"), Ok(()), at(100), &RULES);
        let shown = if dead { None } else { shows("1.0") };
        assert!(update.on_read_back(&id("a:1"), None, at(110), &RULES).is_empty());
        let ended = (120..1000)
            .step_by(10)
            .find(|seconds| !update.on_read_back(&id("a:1"), shown, at(*seconds), &RULES).is_empty());
        assert_eq!(ended, Some(if dead { 710 } else { 160 }));
    }
}

#[test]
fn a_restart_of_the_gateway_never_pushes_twice_blindly() {
    let restart = |update: &Update, now| {
        let mut update: Update = serde_json::from_value(serde_json::to_value(update).unwrap()).unwrap();
        update.resume(now);
        update
    };
    let idle = status("idle", "");
    let mut update = update(&["a:1"]);
    next(&mut update, 0, &idle);
    // Killed while staging: it begins again.
    let mut update = restart(&update, at(5));
    assert_eq!(next(&mut update, 5, &idle), ["stage"]);
    update.on_staged("ab".into(), 9, at(6));
    let mut update = restart(&update, at(50));
    assert_eq!(next(&mut update, 100, &idle), ["push a:1"]);
    // Killed while pushing: read first. It took the image after all.
    let mut taken = restart(&update, at(101));
    assert_eq!(next(&mut taken, 101, &idle), ["read a:1"]);
    let verified = taken.on_read_back(&id("a:1"), shows("2.0"), at(102), &RULES);
    assert_eq!(short(&verified), ["verified a:1", "finished true"]);
    // It did not: once more, and only once.
    let mut lost = restart(&update, at(101));
    assert!(lost.on_read_back(&id("a:1"), shows("1.0"), at(102), &RULES).is_empty());
    assert!(lost.on_read_back(&id("a:1"), shows("1.0"), at(900), &RULES).is_empty());
    assert_eq!(next(&mut lost, 901, &idle), ["push a:1"]);
    let mut again = restart(&lost, at(902));
    assert!(again.on_read_back(&id("a:1"), shows("1.0"), at(903), &RULES).is_empty());
    let failed = again.on_read_back(&id("a:1"), shows("1.0"), at(2000), &RULES);
    assert_eq!(short(&failed), ["failed a:1", "finished false"]);
}

#[test]
fn cancelling_stops_what_is_not_pushed() {
    let mut update = update(&["a:1", "a:2", "a:3"]);
    staged(&mut update);
    assert_eq!(next(&mut update, 100, &status("other", "")), ["push a:1"]);
    let (stopped, effects) = update.cancel(at(101));
    assert_eq!((stopped, short(&effects)), (2, vec!["cancelled a:2".to_owned(), "cancelled a:3".to_owned()]));
    update.on_pushed(&id("a:1"), Ok(()), at(102), &RULES);
    let ended = update.on_read_back(&id("a:1"), shows("2.0"), at(103), &RULES);
    assert_eq!(short(&ended), ["verified a:1", "finished false"]);
}

#[test]
fn staging_is_repeated_when_that_may_help() {
    let idle = status("idle", "");
    let mut first = update(&["a:1"]);
    assert_eq!(next(&mut first, 0, &idle), ["stage"]);
    assert_eq!(short(&first.on_staging_failed("cut", true, at(1), &RULES)), ["wait staging -", "running"]);
    assert_eq!(first.staging(), "retried: cut");
    assert!(next(&mut first, 20, &idle).is_empty());
    assert_eq!(next(&mut first, 31, &idle), ["stage"]);
    let failed = first.on_staging_failed("not signed", false, at(32), &RULES);
    assert_eq!(short(&failed), ["failed -", "failed a:1", "finished false"]);
}

#[test]
fn a_device_that_shows_the_version_already_is_not_pushed_to() {
    let mut update = update(&["a:1", "a:9"]);
    staged(&mut update);
    let status = status("idle", "");
    let view = |device: &DeviceId| {
        (device.as_str() == "a:1").then_some(DeviceView {
            answers: true,
            status: &status,
            version: Some("2.0"),
        })
    };
    let effects = update.next(at(100), &RULES, view);
    assert_eq!(short(&effects), ["verified a:1", "failed a:9", "finished false"]);
}

#[test]
fn a_device_that_refuses_connections_is_tried_again_with_growing_pauses() {
    let idle = status("idle", "");
    let mut update = update(&["a:1"]);
    staged(&mut update);
    let (mut now, mut pushes, mut reports) = (100, Vec::new(), Vec::new());
    while !update.is_over() && now < 100_000 {
        for effect in next(&mut update, now, &idle) {
            if effect.starts_with("push") {
                pushes.push(now - 100);
                let refused = failure("connection refused", Reach::Nothing);
                reports.extend(short(&update.on_pushed(&id("a:1"), refused, at(now), &RULES)));
            }
        }
        now += 1;
    }
    assert_eq!(pushes, [0, 15, 45, 105, 225, 465, 945, 1845, 2745, 3645]);
    assert_eq!(reports.last().map(String::as_str), Some("finished false"));
    assert!(reports.len() < 12, "{reports:?}");
    assert_eq!(
        update.devices[0].detail,
        "no connection for the push in 10 attempts; the last: connection refused"
    );
}

#[test]
fn a_device_that_accepts_again_is_updated_after_all() {
    let idle = status("idle", "");
    let mut update = update(&["a:1"]);
    staged(&mut update);
    assert_eq!(next(&mut update, 100, &idle), ["push a:1"]);
    let refused = update.on_pushed(&id("a:1"), failure("refused", Reach::Nothing), at(100), &RULES);
    assert_eq!(short(&refused), ["wait no_connection a:1"]);
    let wait = update.wait_of(&update.devices[0], None, at(101)).unwrap();
    assert_eq!(wait.text(), "waits: no connection for the push, will be retried (attempt 1 of 10: refused)");
    assert!(next(&mut update, 114, &idle).is_empty());
    assert_eq!(next(&mut update, 115, &idle), ["push a:1"]);
    assert_eq!(short(&update.on_pushed(&id("a:1"), Ok(()), at(116), &RULES)), ["pushed a:1"]);
    let verified = update.on_read_back(&id("a:1"), shows("2.0"), at(117), &RULES);
    assert_eq!(short(&verified), ["verified a:1", "finished true"]);
}

#[test]
fn a_push_that_broke_off_is_read_back_before_it_is_repeated_once() {
    let idle = status("idle", "");
    let broken = || failure("reset after 9 of 9 bytes", Reach::Unknown);
    let mut first = update(&["a:1"]);
    staged(&mut first);
    next(&mut first, 100, &idle);
    let effects = first.on_pushed(&id("a:1"), broken(), at(101), &RULES);
    assert_eq!(short(&effects), ["wait restarting a:1"]);
    // It had taken the whole image.
    let mut taken = first.clone();
    assert_eq!(next(&mut taken, 102, &idle), ["read a:1"]);
    assert!(short(&taken.on_read_back(&id("a:1"), None, at(110), &RULES)).is_empty());
    let verified = taken.on_read_back(&id("a:1"), shows("2.0"), at(120), &RULES);
    assert_eq!(short(&verified), ["verified a:1", "finished true"]);
    // It had not: pushed once more, and then given up with both reasons.
    assert!(first.on_read_back(&id("a:1"), shows("1.0"), at(130), &RULES).is_empty());
    assert!(first.on_read_back(&id("a:1"), shows("1.0"), at(800), &RULES).is_empty());
    assert_eq!(next(&mut first, 801, &idle), ["push a:1"]);
    first.on_pushed(&id("a:1"), broken(), at(802), &RULES);
    let failed = first.on_read_back(&id("a:1"), shows("1.0"), at(1500), &RULES);
    assert_eq!(short(&failed), ["failed a:1", "finished false"]);
    let detail = &first.devices[0].detail;
    assert_eq!(
        detail,
        "the push was interrupted: reset after 9 of 9 bytes; it shows 1.0 after the push, not 2.0"
    );
}

#[test]
fn the_panel_text_of_a_rejected_image_is_reported_and_stays_with_the_failure() {
    let panel = |text: &str| Status { console: vec![text.into()], ..status("idle", "") };
    let mut update = update(&["a:1"]);
    staged(&mut update);
    assert_eq!(next(&mut update, 100, &panel("Ready")), ["push a:1"]);
    update.on_pushed(&id("a:1"), Ok(()), at(101), &RULES);
    let mut read = |text: &str, seconds| {
        let status = panel(text);
        let shown = Shown { version: Some("1.0"), status: &status };
        update.on_read_back(&id("a:1"), Some(shown), at(seconds), &RULES)
    };
    assert!(read("Ready", 102).is_empty());
    let refused = read("Update refused: device is busy", 103);
    assert_eq!(short(&refused), ["wait restarting a:1"]);
    let Effect::Report(state) = &refused[0] else { panic!("{refused:?}") };
    assert_eq!(state.panel, "Update refused: device is busy");
    // It shows that for a moment only.
    assert!(read("Ready", 110).is_empty());
    let failed = read("Ready", 702);
    let Effect::Report(state) = &failed[0] else { panic!("{failed:?}") };
    assert_eq!(state.detail, "it shows 1.0 after the push, not 2.0");
    assert_eq!(state.panel, "Update refused: device is busy");
}

#[test]
fn an_image_that_is_gone_is_staged_again() {
    let idle = status("idle", "");
    let mut update = update(&["a:1"]);
    staged(&mut update);
    assert_eq!(next(&mut update, 100, &idle), ["push a:1"]);
    update.on_pushed(&id("a:1"), failure("no such file", Reach::NoImage), at(101), &RULES);
    assert_eq!(next(&mut update, 102, &idle), ["stage"]);
    update.on_staged("ab".into(), 9, at(103));
    assert_eq!(next(&mut update, 116, &idle), ["push a:1"]);
}

#[test]
fn staging_is_reported_in_steps() {
    let mut update = update(&["a:1"]);
    assert_eq!(next(&mut update, 0, &status("idle", "")), ["stage"]);
    let mut here = |bytes, seconds| short(&update.on_staging(bytes, 1000, at(seconds), &RULES));
    assert!(here(99, 1).is_empty());
    assert_eq!(here(100, 1), ["wait staging -"]);
    assert!(here(199, 300).is_empty());
    assert!(here(900, 30).is_empty(), "at most once a minute");
    assert_eq!(here(1000, 61), ["wait staging -"]);
    assert_eq!(update.staging(), "100 %");
    let text = update.wait_of(&update.devices[0], None, at(62)).unwrap().text();
    assert_eq!(text, "waits for the image, which is being staged (100 %)");
}

#[test]
fn a_former_versions_record_is_read() {
    let mut value = serde_json::to_value(update(&["a:1"])).unwrap();
    let device = value["devices"][0].as_object_mut().unwrap();
    for new in ["tries", "retry_at", "retry_for", "panel_before", "panel", "reported"] {
        device.remove(new).unwrap();
    }
    value.as_object_mut().unwrap().remove("reported").unwrap();
    value["image"].as_object_mut().unwrap().remove("detail").unwrap();
    assert_eq!(serde_json::from_value::<Update>(value).unwrap(), update(&["a:1"]));
}
