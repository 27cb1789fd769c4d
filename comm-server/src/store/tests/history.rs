//! What becomes of counters with time.

use super::*;

pub(super) async fn series(store: &Store) -> Vec<(String, i64)> {
    let (from, to) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
    let found = store.counter_series(DEFAULT_TENANT, "gw-1", "ricoh:E1", "total", from, to).await.unwrap();
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
    assert_eq!(store.tidy(retention, after(9)).await.unwrap(), 0);
    let (here, there) = tokio::join!(store.tidy(retention, after(12)), two.tidy(retention, after(12)));
    assert_eq!(here.unwrap() + there.unwrap(), 3, "the first stays, and the last of each hour");
    let times = |series: Vec<(String, i64)>| series.into_iter().map(|(_, value)| value).collect::<Vec<_>>();
    assert_eq!(times(series(store).await), [1, 3, 6, 7, 8, 3]);
    assert_eq!(store.tidy(retention, after(12)).await.unwrap(), 0, "one turn a day");
    assert_eq!(store.tidy(retention, after(22)).await.unwrap(), 1, "what a fall was from stays");
    assert_eq!(times(series(store).await), [1, 6, 7, 8, 3]);
    assert!(state(store).await["reports"].len() == 9);
    assert_eq!(store.tidy(retention, after(95)).await.unwrap(), 9, "the reports' time is over");
    let device = store.device(DEFAULT_TENANT, "gw-1", "ricoh:E1").await.unwrap().unwrap().device;
    assert_eq!(device.total, Some(3));
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
    let week = store.counter_series(
        DEFAULT_TENANT,
        "gw-1",
        "ricoh:E1",
        "total",
        NOW,
        NOW + SignedDuration::from_hours(48),
    );
    assert_eq!(week.await.unwrap().len(), 5, "a short span has every value");
}
