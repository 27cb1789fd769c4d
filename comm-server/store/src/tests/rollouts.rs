//! Roll-outs, and the steps that gateways report.

use comm_server_core::rollouts::{RolloutSpec, Start};
use wire::report::WaitReason;

use super::*;

pub(super) async fn with_two_devices() -> (Opened, wire::ids::RolloutId) {
    let opened = opened().await;
    let store = &opened.store;
    let reports = [
        information("ricoh:E1", "IM C3000", "1.0"),
        information("ricoh:E2", "IM C3000", "1.0"),
        information("ricoh:E3", "IM C3000", "2.0"),
        information("ricoh:E4", "MP 5055", "1.0"),
    ];
    send(store, Lane::Bulk, 1, &reports).await;
    let new = NewRollout {
        spec: RolloutSpec { start: later(), ..spec("IM C3000", "2.0") },
        ..new("IM C3000", "2.0")
    };
    let id = store.of(&scope()).create_rollout(new, NOW).await.unwrap();
    (opened, id)
}

fn later() -> Start {
    Start::NotBefore(NOW + SignedDuration::from_hours(1))
}

fn spec(model: &str, version: &str) -> RolloutSpec {
    RolloutSpec {
        vendor: "ricoh".to_owned(),
        model: model.to_owned(),
        version: version.to_owned(),
        start: Start::Now,
        allow_downgrade: false,
        only: None,
    }
}

fn new(model: &str, version: &str) -> NewRollout {
    NewRollout {
        spec: spec(model, version),
        target: wire::image::target_name("ricoh", model, version),
        retry_of: None,
        created_by: "admin".to_owned(),
    }
}

pub(super) fn firmware(rollout: wire::ids::RolloutId, device: Option<&str>, step: &str) -> Value {
    let mut report = json!({"kind": "firmware_state", "rollout": rollout, "step": step, "at": at(9),
        "detail": "because"});
    if let Some(device) = device {
        report["device"] = json!(device);
        if step == "verified" {
            report["version_now"] = json!("2.0");
        }
    }
    report
}

pub(super) async fn rollout_state(store: &Store, id: wire::ids::RolloutId) -> (String, Vec<String>) {
    let rollout = store.of(&scope()).rollout(id).await.unwrap().unwrap();
    let devices = store.of(&scope()).rollout_devices(id, None, None).await.unwrap().items;
    (
        rollout.state.to_string(),
        devices
            .into_iter()
            .map(|d| format!("{}:{}", d.device.map(String::from).unwrap_or_default(), d.step.name()))
            .collect(),
    )
}

pub(super) async fn a_rollout_goes_from_its_command_to_done() {
    let (Opened { store, dir: _dir }, id) = with_two_devices().await;
    assert_eq!(
        rollout_state(&store, id).await,
        (
            "scheduled".to_owned(),
            [":pending", "ricoh:E1:pending", "ricoh:E2:pending"].map(str::to_owned).to_vec()
        )
    );
    let commands = store.take_poll(caller("gw-1"), poll(), 0).await.unwrap().answer.commands;
    let Order::FirmwareUpdate(update) = commands[0].parse().unwrap() else { panic!("{commands:?}") };
    assert_eq!((update.target.as_str(), update.devices.len()), ("ricoh/IM-C3000/2.0", 2));

    send(&store, Lane::Bulk, 5, &[firmware(id, None, "staged")]).await;
    assert_eq!(rollout_state(&store, id).await.0, "running");
    send(&store, Lane::Bulk, 6, &[firmware(id, Some("ricoh:E1"), "verified")]).await;
    send(&store, Lane::Bulk, 7, &[firmware(id, Some("ricoh:E2"), "pushed")]).await;
    let expected = [":staged", "ricoh:E1:verified", "ricoh:E2:pushed"].map(str::to_owned).to_vec();
    assert_eq!(rollout_state(&store, id).await, ("running".to_owned(), expected));
    send(&store, Lane::Bulk, 8, &[firmware(id, Some("ricoh:E2"), "verified")]).await;
    assert_eq!(rollout_state(&store, id).await.0, "done");
    let cancelled = store.of(&scope()).cancel_rollout(id, "admin", NOW).await;
    assert!(matches!(cancelled, Err(RolloutError::Ended { .. })));
}

pub(super) async fn devices_of_a_failed_command_have_failed_with_its_reason() {
    let (Opened { store, dir: _dir }, id) = with_two_devices().await;
    let command = store.take_poll(caller("gw-1"), poll(), 0).await.unwrap().answer.commands[0].id;
    send(&store, Lane::Bulk, 5, &[firmware(id, Some("ricoh:E1"), "verified")]).await;
    answer(&store, command, ResponseState::Failed).await.unwrap();
    let (state, devices) = rollout_state(&store, id).await;
    assert_eq!(state, "failed");
    assert_eq!(devices[1..], ["ricoh:E1:verified", "ricoh:E2:failed"]);
}

pub(super) async fn an_expired_command_fails_its_devices() {
    let (Opened { store, dir: _dir }, id) = with_two_devices().await;
    assert_eq!(store.expire_commands(NOW + SignedDuration::from_hours(168)).await.unwrap(), 0);
    assert_eq!(store.begin_due_rollouts(NOW + SignedDuration::from_hours(1)).await.unwrap(), 1);
    assert_eq!(store.expire_commands(NOW + SignedDuration::from_hours(169)).await.unwrap(), 1);
    assert_eq!(rollout_state(&store, id).await.0, "failed");
}

pub(super) async fn cancelling_withdraws_what_never_went_out_and_follows_what_did() {
    let (Opened { store, dir: _dir }, id) = with_two_devices().await;
    store.of(&scope()).cancel_rollout(id, "admin", NOW).await.unwrap();
    assert_eq!(rollout_state(&store, id).await.0, "cancelled");
    assert!(store.take_poll(caller("gw-1"), poll(), 0).await.unwrap().answer.commands.is_empty());

    let (Opened { store, dir: _dir }, id) = with_two_devices().await;
    store.take_poll(caller("gw-1"), poll(), 0).await.unwrap();
    store.of(&scope()).cancel_rollout(id, "admin", NOW).await.unwrap();
    let commands = store.take_poll(caller("gw-1"), poll(), 0).await.unwrap().answer.commands;
    let orders: Vec<Order> = commands.iter().map(|c| c.parse().unwrap()).collect();
    assert_eq!(orders.last(), Some(&Order::FirmwareCancel { rollout: id }));
    let audit = store.of(&scope()).audit(None).await.unwrap().items;
    assert!(audit.iter().any(|entry| entry.what == "rollout.cancel" && entry.who == "admin"));
}

pub(super) async fn a_rollout_with_nothing_to_update_is_rejected() {
    let (Opened { store, dir: _dir }, open) = with_two_devices().await;
    let refused = async |new: NewRollout| {
        let refused = store.of(&scope()).create_rollout(new.clone(), NOW).await.unwrap_err();
        let checked = store.of(&scope()).check_rollout(&new.spec, NOW).await.unwrap_err();
        assert_eq!(refused.to_string(), checked.to_string());
        refused.to_string()
    };
    let none = refused(new("MP 5055", "1.0")).await;
    assert_eq!(none, "nothing to update: all 1 devices of ricoh MP 5055 already show version 1.0");
    assert!(refused(new(" ", "1.0")).await.starts_with("model \" \" is not usable"));
    let overlap = refused(new("IM C3000", "3.0")).await;
    assert!(overlap.starts_with(&format!("2 of 3 devices are in roll-out {open} of")), "{overlap}");
    assert!(refused(new("MP 5055", "0.9")).await.contains("downgrade"));
    let mut past = new("MP 5055", "2.0");
    past.spec.start = Start::NotBefore(NOW - SignedDuration::from_hours(1));
    assert!(refused(past).await.contains("is in the past"));
    assert_eq!(store.of(&scope()).rollouts(None).await.unwrap().items.len(), 1);
    // Once it has ended, its devices are free again.
    store.of(&scope()).cancel_rollout(open, "admin", NOW).await.unwrap();
    store.of(&scope()).create_rollout(new("IM C3000", "3.0"), NOW).await.unwrap();
}

pub(super) async fn a_commands_summary_never_overwrites_what_devices_reported() {
    // The end of the command among, before and after the devices' own reports.
    for place in 0..=3 {
        let (Opened { store, dir: _dir }, id) = with_two_devices().await;
        let command = store.take_poll(caller("gw-1"), poll(), 0).await.unwrap().answer.commands[0].id;
        let reports = [
            firmware(id, Some("ricoh:E1"), "pushed"),
            firmware(id, Some("ricoh:E2"), "cancelled"),
            firmware(id, Some("ricoh:E1"), "verified"),
        ];
        for (seq, (n, report)) in (5..).zip(reports.iter().enumerate()) {
            if n == place {
                answer(&store, command, ResponseState::Failed).await.unwrap();
            }
            send(&store, Lane::Bulk, seq, std::slice::from_ref(report)).await;
        }
        if place == reports.len() {
            answer(&store, command, ResponseState::Failed).await.unwrap();
        }
        let (state, devices) = rollout_state(&store, id).await;
        assert_eq!(devices[1..], ["ricoh:E1:verified", "ricoh:E2:cancelled"], "the command ended at {place}");
        assert_eq!(state, "cancelled", "the command ended at {place}");
        let rollout = store.of(&scope()).rollout(id).await.unwrap().unwrap();
        assert_eq!((rollout.verified, rollout.failed, rollout.cancelled), (1, 0, 1));
    }
    // Cancelled by an operator before the gateway's own report and its command's end.
    let (Opened { store, dir: _dir }, id) = with_two_devices().await;
    let command = store.take_poll(caller("gw-1"), poll(), 0).await.unwrap().answer.commands[0].id;
    store.of(&scope()).cancel_rollout(id, "admin", NOW).await.unwrap();
    answer(&store, command, ResponseState::Failed).await.unwrap();
    let (state, devices) = rollout_state(&store, id).await;
    assert_eq!(
        (state.as_str(), &devices[1..]),
        ("cancelled", &["ricoh:E1:cancelled".to_owned(), "ricoh:E2:cancelled".to_owned()][..])
    );
}

pub(super) async fn verified_counts_only_with_the_version_that_was_ordered() {
    let (Opened { store, dir: _dir }, id) = with_two_devices().await;
    let mut without = firmware(id, Some("ricoh:E1"), "verified");
    without.as_object_mut().unwrap().remove("version_now");
    let mut other = firmware(id, Some("ricoh:E2"), "verified");
    other["version_now"] = json!("1.9");
    let answer = send(&store, Lane::Bulk, 5, &[without, other]).await;
    assert_eq!((answer.acknowledged, answer.quarantined.len()), (6, 1));
    assert!(answer.quarantined[0].reason.contains("version_now"), "{answer:?}");
    let (_, devices) = rollout_state(&store, id).await;
    assert_eq!(devices[1..], ["ricoh:E1:pending", "ricoh:E2:failed"]);
    let rows = store.of(&scope()).rollout_devices(id, None, None).await.unwrap().items;
    assert_eq!(rows[2].detail, "reported as verified with version 1.9, but 2.0 was ordered");
    assert_eq!(rows[2].version_now, "1.9");
}

pub(super) async fn why_a_device_waits_is_shown_until_its_next_step() {
    let (Opened { store, dir: _dir }, id) = with_two_devices().await;
    let waiting = |reason: &str, panel: &str| {
        let mut report = firmware(id, Some("ricoh:E1"), "waiting");
        report["waiting_for"] = json!(reason);
        report["panel"] = json!(panel);
        report["detail"] = json!("");
        report
    };
    let shown = async || {
        let rows = store.of(&scope()).rollout_devices(id, None, None).await.unwrap().items;
        let row = rows[1].clone();
        assert_eq!((row.model.as_str(), row.serial.as_str(), row.name.as_str()), ("IM C3000", "E1", "Hall"));
        (row.step.name(), row.waiting_for.map_or("", WaitReason::name), row.panel)
    };
    let is = |step: &'static str, reason: &'static str, panel: &str| (step, reason, panel.to_owned());
    send(&store, Lane::Bulk, 5, &[firmware(id, None, "staged"), waiting("service_call", "C7990")]).await;
    assert_eq!(shown().await, is("staged", "service_call", "C7990"));
    send(&store, Lane::Bulk, 7, &[waiting("a_reason_of_a_later_version", "")]).await;
    assert_eq!(shown().await, is("staged", "other", ""));
    send(
        &store,
        Lane::Bulk,
        8,
        &[firmware(id, Some("ricoh:E1"), "pushed"), waiting("restarting", "Update refused")],
    )
    .await;
    assert_eq!(shown().await, is("pushed", "restarting", "Update refused"));
    let mut failed = firmware(id, Some("ricoh:E1"), "failed");
    failed["panel"] = json!("Update refused");
    // What was waited for before is not news after the end.
    send(&store, Lane::Bulk, 10, &[failed, waiting("busy", "Printing")]).await;
    assert_eq!(shown().await, is("failed", "", "Update refused"));
}

pub(super) async fn failed_devices_are_ordered_again_as_a_roll_out_of_their_own() {
    let (Opened { store, dir: _dir }, id) = with_two_devices().await;
    let reports = [firmware(id, Some("ricoh:E1"), "verified"), firmware(id, Some("ricoh:E2"), "failed")];
    send(&store, Lane::Bulk, 5, &reports).await;
    let only = store.of(&scope()).failed_devices(id).await.unwrap();
    assert_eq!(only, [(testing::id("gw-1"), testing::id("ricoh:E2"))].into());
    let mut again = new("IM C3000", "2.0");
    again.spec.only = Some(only);
    again.retry_of = Some(id);
    let retried = store.of(&scope()).create_rollout(again, NOW).await.unwrap();
    assert_eq!(rollout_state(&store, retried).await.1, [":pending", "ricoh:E2:pending"]);
    let of = async |id| store.of(&scope()).rollout(id).await.unwrap().unwrap();
    assert_eq!(of(retried).await.retry_of, Some(id));
    assert_eq!(of(id).await.retried_by, Some(retried));
    let audit = store.of(&scope()).audit(None).await.unwrap().items;
    assert!(audit.iter().any(|entry| entry.what == "rollout.retry" && entry.detail.contains("1 devices")));
}

pub(super) async fn another_gateways_word_about_a_rollout_changes_nothing() {
    let (Opened { store, dir: _dir }, id) = with_two_devices().await;
    store.take_poll(caller("gw-1"), poll(), 0).await.unwrap();
    let before = rollout_state(&store, id).await;
    let told = [
        firmware(id, None, "failed"),
        firmware(id, Some("ricoh:E1"), "verified"),
        firmware(id, Some("ricoh:E2"), "failed"),
    ];
    let taken = store.ingest(caller("gw-2"), Lane::Bulk, arrivals(1, &told)).await.unwrap().answer;
    assert_eq!(taken.acknowledged, 3);
    assert_eq!(rollout_state(&store, id).await, before);
}
