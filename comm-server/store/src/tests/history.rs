//! Counters over time.

use super::*;

/// The totals of device `ricoh:E1` read from one source: the given one, or that of the device's total.
async fn totals_of(store: &Store, (from, to): (Timestamp, Timestamp), source: Option<&str>) -> CounterSeries {
    let (gateway, device, counter) = (id("gw-1"), id("ricoh:E1"), Counter::Total);
    let query = SeriesQuery { gateway: &gateway, device: &device, counter, from, to, source };
    store.of(&scope()).counter_series(query).await.unwrap()
}

pub(super) async fn totals(store: &Store, from: Timestamp, to: Timestamp) -> Vec<CounterPoint> {
    totals_of(store, (from, to), None).await.points
}

pub(super) async fn series(store: &Store) -> Vec<(String, i64)> {
    let (from, to) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
    let found = totals(store, from, to).await;
    found.iter().map(|point| (point.at.to_string(), point.value)).collect()
}

pub(super) async fn meters_are_thinned_and_nothing_that_bills_goes() {
    let opened = opened().await;
    let (store, two) = (&opened.store, another(&opened).await);
    // Every 20 minutes of two hours; then one that falls within its hour.
    let totals = [1, 2, 3, 4, 5, 6, 7, 8, 3];
    let reports: Vec<Value> =
        totals.iter().zip(0..).map(|(&total, n)| meters("ricoh:E1", total, n * 1200)).collect();
    send(store, Lane::Bulk, 1, &reports).await;
    let retention = comm_server_core::retention::Retention {
        meters_raw_days: 10,
        meters_hourly_days: 20,
        meters_daily_days: 80,
        reports_days: 90,
        ..Default::default()
    };
    let after = |days: i64| NOW + SignedDuration::from_hours(24 * days);
    assert_eq!(store.apply_retention(retention, after(9)).await.unwrap(), 0);
    let (here, there) =
        tokio::join!(store.apply_retention(retention, after(12)), two.apply_retention(retention, after(12)));
    assert_eq!(here.unwrap() + there.unwrap(), 4, "the first stays, the last of each hour, and a fall");
    let times = |series: Vec<(String, i64)>| series.into_iter().map(|(_, value)| value).collect::<Vec<_>>();
    assert_eq!(times(series(store).await), [1, 3, 6, 8, 3]);
    assert_eq!(store.apply_retention(retention, after(12)).await.unwrap(), 0, "one turn a day");
    assert_eq!(store.apply_retention(retention, after(22)).await.unwrap(), 2, "what a fall was from stays");
    assert_eq!(times(series(store).await), [1, 8, 3]);
    assert!(state(store).await["reports"].len() == 9);
    assert_eq!(store.apply_retention(retention, after(95)).await.unwrap(), 9, "the reports' time is over");
    let device = store.of(&scope()).device(&id("gw-1"), &id("ricoh:E1")).await.unwrap().unwrap().device;
    assert_eq!(device.total, Some(3));
}

pub(super) async fn each_source_of_a_counter_keeps_its_own_meters() {
    let Opened { store, dir: _dir } = opened().await;
    let from = |oid: &str, total: u64, n: u64| {
        let mut set = meters("ricoh:E1", total, n * 600);
        set["evidence"]["total"]["oid"] = json!(oid);
        set
    };
    // Within one hour: the maker's own total, and once the standard one, which counts more and is the last.
    let reports = [from("1.9", 10, 0), from("1.9", 11, 1), from("1.9", 12, 2), from("1.8", 20, 3)];
    send(&store, Lane::Bulk, 1, &reports).await;
    let total = || async {
        store.of(&scope()).device(&id("gw-1"), &id("ricoh:E1")).await.unwrap().unwrap().device.total
    };
    assert_eq!(total().await, Some(12), "another source doesn't take its place");
    send(&store, Lane::Bulk, 5, &[from("1.9", 13, 4)]).await;
    assert_eq!(total().await, Some(13));
    let calls = store.of(&scope()).calls(&Default::default(), None).await.unwrap().items;
    assert!(calls.is_empty(), "13 is not a fall from 20: {calls:?}");
    let retention = comm_server_core::retention::Retention { meters_raw_days: 1, ..Default::default() };
    store.apply_retention(retention, NOW + SignedDuration::from_hours(24 * 3)).await.unwrap();
    let kept: Vec<i64> = series(&store).await.into_iter().map(|(_, value)| value).collect();
    assert_eq!(kept, [10, 13], "the first and the last of the total's source");
    let all = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
    let other = totals_of(&store, all, Some("1.8")).await;
    assert_eq!(other.points.iter().map(|point| point.value).collect::<Vec<_>>(), [20]);
    let sources: Vec<_> = other.sources.iter().map(|source| (source.oid.as_str(), source.values)).collect();
    assert_eq!((other.source.as_str(), sources), ("1.8", vec![("1.9", 2), ("1.8", 1)]));
    assert_eq!(totals_of(&store, all, Some("1.7")).await.points, []);
    let days = NOW + SignedDuration::from_hours(24 * 3);
    let mut later = from("1.8", 30, 0);
    later["read_at"] = json!(days.to_string());
    send(&store, Lane::Bulk, 6, &[later]).await;
    assert_eq!(total().await, Some(30), "what was gone so long is gone for good");
}

pub(super) async fn one_meter_of_each_month_stays_for_ever_and_other_rows_until_their_time() {
    let Opened { store, dir: _dir } = opened().await;
    // A meter each third day of half a year, from January on; the 49th one falls.
    let reports: Vec<Value> =
        (0..60).map(|n| meters("ricoh:E1", if n == 49 { 3 } else { n }, n * 3 * 86_400)).collect();
    send(&store, Lane::Bulk, 1, &reports).await;
    send(&store, Lane::Urgent, 1, &[json!({"kind": "nonsense"})]).await;
    let entry =
        |days: i64| AuditEntry::new(NOW + SignedDuration::from_hours(24 * days), "admin", "test", "an entry");
    store.of(&scope()).append_audit(entry(0)).await.unwrap();
    store.of(&scope()).append_audit(entry(300)).await.unwrap();
    let retention = comm_server_core::retention::Retention {
        meters_raw_days: 10,
        meters_hourly_days: 20,
        meters_daily_days: 30,
        quarantine_days: 100,
        audit_days: 200,
        ..Default::default()
    };
    store.apply_retention(retention, NOW + SignedDuration::from_hours(24 * 390)).await.unwrap();
    // The first of all, the last of January to June, and what the fall was from.
    let kept: Vec<i64> = series(&store).await.into_iter().map(|(_, value)| value).collect();
    assert_eq!(kept, [0, 10, 19, 29, 39, 48, 3, 50, 59]);
    assert!(store.of(&scope()).quarantine(None).await.unwrap().items.is_empty());
    let audit = store.of(&scope()).audit(None).await.unwrap().items;
    assert_eq!(audit.iter().filter(|entry| entry.what == "test").count(), 1);
}

pub(super) async fn a_plot_of_years_has_a_value_of_each_day() {
    let opened = opened().await;
    let store = &opened.store;
    // Two values on each of 100 days.
    let reports: Vec<Value> = (0..200).map(|n| meters("ricoh:E1", n, n * 43_200)).collect();
    send(store, Lane::Bulk, 1, &reports).await;
    let days = series(store).await;
    assert_eq!(days.len(), 100);
    assert_eq!((days[0].1, days[99].1), (1, 199));
    let week = totals(store, NOW, NOW + SignedDuration::from_hours(48)).await;
    assert_eq!(week.len(), 5, "a short span has every value");
}
