//! Roll-outs and what gateways tell of them.

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
        vendor: "ricoh".to_owned(),
        model: "IM C3000".to_owned(),
        version: "2.0".to_owned(),
        not_before: NOW + SignedDuration::from_hours(1),
        created_by: "admin".to_owned(),
    };
    let id = store.create_rollout(DEFAULT_TENANT, new, NOW).await.unwrap();
    (opened, id)
}

pub(super) fn firmware(rollout: wire::ids::RolloutId, device: Option<&str>, step: &str) -> Value {
    let mut report = json!({"kind": "firmware_state", "rollout": rollout, "step": step, "at": at(9),
        "detail": "because"});
    if let Some(device) = device {
        report["device"] = json!(device);
        report["version_now"] = json!("2.0");
    }
    report
}

pub(super) async fn rollout_state(store: &Store, id: wire::ids::RolloutId) -> (String, Vec<String>) {
    let rollout = store.rollout(DEFAULT_TENANT, id).await.unwrap().unwrap();
    let devices = store.rollout_devices(DEFAULT_TENANT, id, None).await.unwrap().items;
    (rollout.state, devices.into_iter().map(|d| format!("{}:{}", d.device, d.step)).collect())
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
    let cancelled = store.cancel_rollout(DEFAULT_TENANT, id, "admin", NOW).await;
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
    store.cancel_rollout(DEFAULT_TENANT, id, "admin", NOW).await.unwrap();
    assert_eq!(rollout_state(&store, id).await.0, "cancelled");
    assert!(store.take_poll(caller("gw-1"), poll(), 0).await.unwrap().answer.commands.is_empty());

    let (Opened { store, dir: _dir }, id) = with_two_devices().await;
    store.take_poll(caller("gw-1"), poll(), 0).await.unwrap();
    store.cancel_rollout(DEFAULT_TENANT, id, "admin", NOW).await.unwrap();
    let commands = store.take_poll(caller("gw-1"), poll(), 0).await.unwrap().answer.commands;
    let orders: Vec<Order> = commands.iter().map(|c| c.parse().unwrap()).collect();
    assert_eq!(orders.last(), Some(&Order::FirmwareCancel { rollout: id }));
    let audit = store.audit(DEFAULT_TENANT, None).await.unwrap().items;
    assert!(audit.iter().any(|entry| entry.what == "rollout.cancel" && entry.who == "admin"));
}

pub(super) async fn nothing_to_update_is_said() {
    let (Opened { store, dir: _dir }, _) = with_two_devices().await;
    let new = |model: &str| NewRollout {
        vendor: "ricoh".to_owned(),
        model: model.to_owned(),
        version: "1.0".to_owned(),
        not_before: NOW,
        created_by: "admin".to_owned(),
    };
    let none = store.create_rollout(DEFAULT_TENANT, new("MP 5055"), NOW).await.unwrap_err();
    assert_eq!(none.to_string(), "no device of ricoh MP 5055 lacks version 1.0");
    assert!(matches!(
        store.create_rollout(DEFAULT_TENANT, new(" "), NOW).await,
        Err(RolloutError::Field { field: "model", .. })
    ));
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
