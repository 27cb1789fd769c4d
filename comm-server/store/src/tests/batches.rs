//! Batches of reports: sequence, calls, totals and the quarantine.

use super::*;

/// The reports of the model: report n always has the same contents.
fn report(n: u64) -> Value {
    match n % 5 {
        0 => call("jam", "raised", "1"),
        1 => meters("ricoh:E1", n, n),
        2 => json!({"kind": "call", "device": 7}),
        3 => call("jam", "cleared", "1"),
        _ => information("ricoh:E1", "IM C3000", "1.0"),
    }
}

pub(super) async fn a_service_call_makes_the_very_answer_a_minute_until_its_reset() {
    let Opened { store, dir: _dir } = opened().await;
    let raised = send(&store, Lane::Urgent, 1, &[call("service_call", "raised", "1.2")]).await;
    assert_eq!((raised.acknowledged, raised.next_poll_s), (1, 60));
    assert_eq!(store.take_poll(caller("gw-1"), poll(), 0).await.unwrap().answer.next_poll_s, 60);
    assert_eq!(store.take_poll(caller("gw-2"), poll(), 0).await.unwrap().answer.next_poll_s, 3600);
    let open = CallFilter { open: Some(true), ..CallFilter::default() };
    assert_eq!(store.of(&scope()).calls(&open, None).await.unwrap().items.len(), 1);
    let reset = send(&store, Lane::Urgent, 2, &[call("service_call", "cleared", "1.2")]).await;
    assert_eq!((reset.acknowledged, reset.next_poll_s), (2, 3600));
    assert!(store.of(&scope()).calls(&open, None).await.unwrap().items.is_empty());
}

pub(super) async fn gaps_are_refused_and_duplicates_change_nothing() {
    let Opened { store, dir: _dir } = opened().await;
    let reports = [call("jam", "raised", ""), call("jam", "cleared", "")];
    send(&store, Lane::Urgent, 1, &reports).await;
    let before = state(&store).await;
    assert_eq!(send(&store, Lane::Urgent, 1, &reports).await.acknowledged, 2);
    let gap = store.ingest(caller("gw-1"), Lane::Urgent, arrivals(4, &reports)).await;
    let Err(IngestError::Batch(ingest::BatchError::Gap { expected, given })) = gap else { panic!("{gap:?}") };
    assert_eq!((expected, given), (3, 4));
    assert_eq!(state(&store).await, before);
    assert_eq!(store.of(&scope()).acknowledged(&id("gw-1"), Lane::Urgent).await.unwrap(), 2);
}

pub(super) async fn what_a_new_spool_numbers_from_the_start_is_quarantined_and_not_lost() {
    let Opened { store, dir: _dir } = opened().await;
    send(&store, Lane::Bulk, 1, &[meters("ricoh:E1", 10, 1)]).await;
    let mut other = arrivals(1, &[meters("ricoh:E1", 20, 2)]);
    other[0].at += SignedDuration::from_hours(1);
    store.ingest(caller("gw-1"), Lane::Bulk, other).await.unwrap();
    let aside = store.of(&scope()).quarantine(None).await.unwrap().items;
    assert_eq!(aside.len(), 1);
    assert!(aside[0].reason.contains("accepted before") && aside[0].body.contains("20"));
    let device = store.of(&scope()).device(&id("gw-1"), &id("ricoh:E1")).await.unwrap().unwrap();
    assert_eq!(device.device.total, Some(10));
}

pub(super) async fn a_reading_describes_the_device_and_a_falling_total_is_a_call() {
    let Opened { store, dir: _dir } = opened().await;
    let reports = [
        information("ricoh:E1", "IM C3000", "1.0"),
        meters("ricoh:E1", 100, 2),
        meters("ricoh:E1", 90, 3),
        json!({"kind": "nonsense"}),
        meters("ricoh:E1", 120, 4),
    ];
    let answer = send(&store, Lane::Bulk, 1, &reports).await;
    assert_eq!((answer.acknowledged, answer.quarantined.len(), answer.quarantined[0].seq), (5, 1, 4));
    let detail = store.of(&scope()).device(&id("gw-1"), &id("ricoh:E1")).await.unwrap().unwrap();
    let device = detail.device;
    assert_eq!(
        (device.model.as_str(), device.serial.as_str(), device.firmware.as_str()),
        ("IM C3000", "E1", "1.0")
    );
    assert_eq!(device.total, Some(120));
    assert_eq!(detail.reading.unwrap()["identity"]["name"], "Hall");
    let calls = store.of(&scope()).calls(&CallFilter::default(), None).await.unwrap().items;
    assert_eq!(calls.len(), 1);
    assert_eq!((calls[0].kind.name(), calls[0].lane.name(), calls[0].seq), ("counter_regression", "bulk", 3));
    let from = Timestamp::UNIX_EPOCH;
    let values: Vec<i64> = totals(&store, from, Timestamp::MAX).await.iter().map(|p| p.value).collect();
    assert_eq!(values, [7, 100, 90, 120]);
}

/// Batches in any order, repeated, overlapping and with gaps result in the same state as one pass in order.
pub(super) async fn any_order_of_batches_gives_the_same_state() {
    let mut runner = TestRunner::default();
    for _ in 0..if engines::on_postgresql() { 4 } else { 12 } {
        let batches = proptest::collection::vec((1_u64..14, 1_u64..6), 1..25);
        let batches = batches.new_tree(&mut runner).unwrap().current();
        let messy = opened().await;
        for &(first, count) in &batches {
            let reports: Vec<Value> = (first..first + count).map(report).collect();
            match messy.store.ingest(caller("gw-1"), Lane::Bulk, arrivals(first, &reports)).await {
                Ok(_) | Err(IngestError::Batch(ingest::BatchError::Gap { .. })) => {}
                Err(other) => panic!("{other}"),
            }
        }
        let taken = messy.store.of(&scope()).acknowledged(&id("gw-1"), Lane::Bulk).await.unwrap();
        let clean = opened().await;
        for n in 1..=taken {
            send(&clean.store, Lane::Bulk, n, &[report(n)]).await;
        }
        assert_eq!(state(&messy.store).await, state(&clean.store).await, "{batches:?}");
    }
}

pub(super) async fn what_can_be_used_again_leaves_the_quarantine() {
    let opened = opened().await;
    let store = &opened.store;
    let bad = json!({"kind": "nonsense"});
    send(store, Lane::Bulk, 1, &[meters("ricoh:E1", 10, 1), bad.clone(), bad, meters("ricoh:E1", 30, 3)])
        .await;
    // An impostor bears the number of a report that was accepted: it can't take its place later.
    let mut other = arrivals(1, &[meters("ricoh:E1", 20, 2)]);
    other[0].at += SignedDuration::from_hours(1);
    store.ingest(caller("gw-1"), Lane::Bulk, other).await.unwrap();
    assert_eq!(store.of(&scope()).quarantine(None).await.unwrap().items.len(), 3);

    let nothing = store.of(&scope()).replay_quarantine(None, "admin", NOW).await.unwrap();
    assert_eq!(nothing, Replayed { taken: 0, kept: 3 });
    // A newer program knows the second one.
    sqlx::query("UPDATE quarantine SET body = $1 WHERE seq = 2")
        .bind(meters("ricoh:E1", 20, 2).to_string())
        .execute(&raw(&opened).await)
        .await
        .unwrap();
    let some = store.of(&scope()).replay_quarantine(Some(&id("gw-1")), "admin", NOW).await.unwrap();
    assert_eq!(some, Replayed { taken: 1, kept: 2 });
    assert_eq!(store.of(&scope()).replay_quarantine(None, "admin", NOW).await.unwrap().taken, 0);
    let (from, to) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
    let series = totals(store, from, to).await;
    assert_eq!(series.iter().map(|p| p.value).collect::<Vec<_>>(), [10, 20, 30]);
    let device = store.of(&scope()).device(&id("gw-1"), &id("ricoh:E1")).await.unwrap().unwrap().device;
    assert_eq!((device.total, device.open_calls), (Some(30), 0));
    let audit = store.of(&scope()).audit(None).await.unwrap().items;
    let replays: Vec<_> = audit.iter().filter(|entry| entry.what == "quarantine.replay").collect();
    assert_eq!((replays.len(), replays[0].who.as_str()), (1, "admin"));
}

pub(super) async fn a_call_that_a_lost_spool_forgot_ends_when_its_device_is_found() {
    let opened = opened().await;
    let store = &opened.store;
    let later = |seconds: i64| Caller { now: NOW + SignedDuration::from_secs(seconds), ..caller("gw-1") };
    let with = |spool: &str| Poll { spool: spool.parse().unwrap(), ..poll() };
    let (first, second) = ("01980000-0000-7000-8000-000000000001", "01980000-0000-7000-8000-000000000002");
    store.take_poll(later(0), with(first), 0).await.unwrap();
    let found = || information("ricoh:E1", "IM C3000", "1.0");
    let open = || async {
        let filter = CallFilter { open: Some(true), ..CallFilter::default() };
        let calls = store.of(&scope()).calls(&filter, None).await.unwrap().items;
        calls.into_iter().map(|call| call.subject).collect::<Vec<_>>()
    };
    let ingest = |at, lane, seq, reports: Vec<Value>| store.ingest(later(at), lane, arrivals(seq, &reports));
    let raised = vec![call("service_call", "raised", "gone"), call("service_call", "raised", "still")];
    ingest(1, Lane::Urgent, 1, raised).await.unwrap();
    // The device is found for the first time after its calls were reported: they are still there.
    ingest(2, Lane::Bulk, 1, vec![found()]).await.unwrap();
    assert_eq!(open().await.len(), 2);

    // The spool is lost. A new one has no id at its first poll, and one of its own at the next.
    store.take_poll(later(10), with("00000000-0000-0000-0000-000000000000"), 0).await.unwrap();
    ingest(11, Lane::Urgent, 3, vec![call("service_call", "raised", "still")]).await.unwrap();
    store.take_poll(later(12), with(second), 0).await.unwrap();
    ingest(13, Lane::Urgent, 4, vec![call("service_call", "raised", "new")]).await.unwrap();
    ingest(14, Lane::Bulk, 2, vec![found()]).await.unwrap();
    let mut left = open().await;
    left.sort();
    assert_eq!(left, ["new", "still"]);
    ingest(15, Lane::Bulk, 3, vec![found()]).await.unwrap();
    assert_eq!(open().await.len(), 2);
}
