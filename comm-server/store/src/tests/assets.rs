//! Assets: devices under them, their usage, and what remains of it after retention.

use comm_server_core::assets::{AssetSpec, Opening, PlacementError, UnreadReason};
use comm_server_core::customers::{CustomerSpec, SiteSpec};
use comm_server_core::retention::Retention;
use comm_server_core::tenancy::{AssetId, Part, Scope};

use super::*;

const DAY: u64 = 86_400;

fn after(days: u64) -> Timestamp {
    NOW + SignedDuration::from_secs(i64::try_from(days * DAY).unwrap())
}

fn author(days: u64) -> Author {
    Author { by: "erin".to_owned(), now: after(days) }
}

fn named(name: &str) -> AssetSpec {
    AssetSpec { name: name.to_owned(), ..AssetSpec::default() }
}

fn placed(device: &str, days: u64) -> Option<DevicePlace> {
    Some(DevicePlace { device: id(device), at: Some(after(days)) })
}

async fn send_of(store: &Store, gateway: &str, first: u64, reports: &[Value]) {
    store.ingest(caller(gateway), Lane::Bulk, arrivals(first, reports)).await.unwrap();
}

async fn usage(store: &Store, asset: AssetId, from: u64, to: u64) -> u64 {
    let history = store.of(&scope()).asset_history(asset, Counter::Total).await.unwrap().unwrap();
    history.usage(after(from), after(to))
}

/// A device that was swapped and whose counter was set back; for a while another gateway read it.
async fn swapped(store: &Store) -> AssetId {
    let own = store.of(&scope());
    let old: Vec<Value> = (0..10).map(|day| meters("ricoh:E1", 1000 + 10 * day, day * DAY)).collect();
    send_of(store, "gw-1", 1, &old).await;
    let asset = own.create_asset(named("Hall"), placed("ricoh:E1", 0), author(9)).await.unwrap();
    // The new one came from another customer's network, and moves.
    send_of(store, "gw-2", 1, &[meters("ricoh:E2", 70, 8 * DAY), meters("ricoh:E2", 75, 10 * DAY)]).await;
    let new: Vec<Value> = (11..20).map(|day| meters("ricoh:E2", 75 + 5 * (day - 10), day * DAY)).collect();
    send_of(store, "gw-1", 11, &new).await;
    let swap = NewSwap { device: id("ricoh:E2"), at: None, reason: "drum".to_owned() };
    own.swap_device(asset, Some(1), swap, author(20)).await.unwrap();
    // Set back: 120 is its last value before.
    let low: Vec<Value> = (21..30).map(|day| meters("ricoh:E2", 3 * (day - 21), day * DAY)).collect();
    send_of(store, "gw-1", 20, &low).await;
    asset
}

pub(super) async fn a_swap_is_a_record_with_both_evidences() {
    let opened = opened().await;
    let store = &opened.store;
    let asset = swapped(store).await;
    let found = store.of(&scope()).asset(asset).await.unwrap().unwrap();
    assert_eq!(found.asset.version, 2);
    let placements: Vec<_> = found.placements.iter().map(|p| (p.device.as_str(), p.from, p.to)).collect();
    assert_eq!(placements, [("ricoh:E1", after(0), Some(after(10))), ("ricoh:E2", after(10), None)]);
    let [swap] = found.swaps.as_slice() else { panic!("{found:?}") };
    assert_eq!((swap.by.as_str(), swap.reason.as_str(), swap.at), ("erin", "drum", after(10)));
    let [old] = swap.old.as_slice() else { panic!("{swap:?}") };
    let [new] = swap.new.as_slice() else { panic!("{swap:?}") };
    assert_eq!((old.meter.value, old.meter.at, old.meter.gateway.as_str()), (1090, after(9), "gw-1"));
    assert_eq!((new.meter.value, new.meter.raw, new.meter.gateway.as_str()), (75, 75, "gw-2"));
    assert_eq!(old.meter.source, "1.3.6.1.2.1.43.10.2.1.4.1.1");
    let reports = [old, new].map(|reading| reading.meter.report.map(|report| (report.lane, report.seq)));
    assert_eq!(reports, [Some((Lane::Bulk, 10)), Some((Lane::Bulk, 2))]);

    let history = store.of(&scope()).asset_history(asset, Counter::Total).await.unwrap().unwrap();
    let epochs: Vec<_> = history.epochs.iter().map(|e| (e.opening, e.begin().value, e.end().value)).collect();
    let expected = [(Opening::Placement, 1000, 1090), (Opening::Placement, 75, 120), (Opening::Fall, 0, 24)];
    assert_eq!(epochs, expected);
    assert_eq!(usage(store, asset, 0, 40).await, 90 + 45 + 24);
    let audit = store.of(&scope()).audit(None).await.unwrap().items;
    let entry = audit.iter().find(|entry| entry.what == "asset.swap").unwrap();
    assert_eq!(entry.before.as_ref().unwrap()["device"], "ricoh:E1");
    assert_eq!(entry.after.as_ref().unwrap()["reason"], "drum");
}

pub(super) async fn retention_changes_no_sum_of_an_asset() {
    let opened = opened().await;
    let store = &opened.store;
    let asset = swapped(store).await;
    let retention = Retention {
        meters_raw_days: 40,
        meters_hourly_days: 50,
        meters_daily_days: 60,
        reports_days: 90,
        ..Default::default()
    };
    assert!(store.apply_retention(retention, after(200)).await.unwrap() > 20);
    assert_eq!(usage(store, asset, 0, 40).await, 90 + 45 + 24);
    assert_eq!(usage(store, asset, 10, 40).await, 45 + 24, "what the swap begins with is kept");
    // A reading that a swap names stays, though the month has later ones.
    let found = store.of(&scope()).asset(asset).await.unwrap().unwrap();
    assert_eq!(found.swaps[0].new[0].meter.value, 75);
    let history = store.of(&scope()).asset_history(asset, Counter::Total).await.unwrap().unwrap();
    assert_eq!(history.epochs[1].begin(), &found.swaps[0].new[0].meter);
    assert_eq!(history.epochs[0].end(), &found.swaps[0].old[0].meter);
}

pub(super) async fn the_first_reading_of_a_new_device_completes_its_swap() {
    let opened = opened().await;
    let (store, own) = (&opened.store, opened.store.of(&scope()));
    send_of(store, "gw-1", 1, &[meters("ricoh:E1", 10, 0), meters("ricoh:E2", 5, 0)]).await;
    let asset = own.create_asset(named("Hall"), placed("ricoh:E1", 0), author(1)).await.unwrap();
    let swap = |device: &str| NewSwap { device: id(device), at: Some(after(1)), reason: String::new() };
    own.swap_device(asset, None, swap("ricoh:E2"), author(1)).await.unwrap();
    assert_eq!(store.complete_swaps().await.unwrap(), 0);
    send_of(store, "gw-1", 3, &[meters("ricoh:E2", 9, 2 * DAY), meters("ricoh:E2", 12, 3 * DAY)]).await;
    let two = another(&opened).await;
    let (here, there) = tokio::join!(store.complete_swaps(), two.complete_swaps());
    assert_eq!(here.unwrap() + there.unwrap(), 1);
    let found = own.asset(asset).await.unwrap().unwrap();
    assert_eq!(found.swaps[0].new[0].meter.value, 9);
    assert_eq!(store.complete_swaps().await.unwrap(), 0);
    let refused = own.swap_device(asset, None, swap("ricoh:E2"), author(4)).await.unwrap_err();
    assert!(matches!(refused, ChangeError::Placement(PlacementError::Occupied { .. })), "{refused}");
}

pub(super) async fn a_device_under_an_asset_is_under_no_other() {
    let opened = opened().await;
    let (store, own) = (&opened.store, opened.store.of(&scope()));
    send_of(store, "gw-1", 1, &[meters("ricoh:E1", 10, 0), meters("addr:10.0.0.5", 5, 0)]).await;
    let listed = async || {
        let page = own.unassigned_devices("", None).await.unwrap();
        page.items.into_iter().map(|d| (d.device.to_string(), d.placeable)).collect::<Vec<_>>()
    };
    let both = [("addr:10.0.0.5".to_owned(), false), ("ricoh:E1".to_owned(), true)];
    assert_eq!(listed().await, both);
    let hall = own.create_asset(named("Hall"), placed("ricoh:E1", 0), author(1)).await.unwrap();
    let address = own.create_asset(named("Other"), placed("addr:10.0.0.5", 0), author(1)).await.unwrap_err();
    assert!(matches!(address, ChangeError::Placement(PlacementError::NoIdentity { .. })), "{address}");
    assert_eq!(listed().await, both[..1]);
    let other = own.create_asset(named("Other"), None, author(1)).await.unwrap();
    let device = |days| DevicePlace { device: id("ricoh:E1"), at: Some(after(days)) };
    let refused = own.place_device(other, None, device(1), author(1)).await.unwrap_err();
    assert!(matches!(refused, ChangeError::Placement(PlacementError::Placed { .. })), "{refused}");
    let unknown = DevicePlace { device: id("ricoh:NONE"), at: None };
    let refused = own.place_device(other, None, unknown, author(1)).await.unwrap_err();
    assert!(matches!(refused, ChangeError::NotFound { what: "device" }), "{refused}");

    own.remove_device(hall, Some(1), Some(after(2)), author(3)).await.unwrap();
    let stale = own.remove_device(hall, Some(1), None, author(3)).await.unwrap_err();
    assert!(matches!(stale, ChangeError::Version { current: 2 }), "{stale}");
    let early = own.place_device(other, None, device(1), author(3)).await.unwrap_err();
    assert!(matches!(early, ChangeError::Placement(PlacementError::Time { .. })), "{early}");
    own.place_device(other, None, device(2), author(3)).await.unwrap();
    own.retire_asset(other, None, author(4)).await.unwrap();
    let refused = own.place_device(other, None, device(4), author(4)).await.unwrap_err();
    assert!(matches!(refused, ChangeError::Placement(PlacementError::Retired)), "{refused}");
    assert_eq!(listed().await, both);
    let retired = AssetFilter { state: Some(AssetState::Retired), ..AssetFilter::default() };
    let found = own.assets(&retired, None).await.unwrap().items;
    assert_eq!(found.iter().map(|a| a.spec.name.as_str()).collect::<Vec<_>>(), ["Other"]);
}

pub(super) async fn a_part_of_the_tree_has_its_own_assets() {
    let opened = opened().await;
    let (store, own) = (&opened.store, opened.store.of(&scope()));
    let mut parts = Vec::new();
    for (name, gateway, device) in [("Meyer", "gw-1", "ricoh:E1"), ("Sato", "gw-2", "ricoh:E2")] {
        let spec = CustomerSpec { name: name.to_owned(), erp_key: String::new() };
        let customer = own.create_customer(spec, author(0)).await.unwrap();
        let spec = SiteSpec { name: "Works".to_owned(), ..SiteSpec::default() };
        let site = own.create_site(customer, spec, author(0)).await.unwrap();
        send_of(store, gateway, 1, &[meters(device, 10, 0)]).await;
        own.assign_gateway(id(gateway), Some(site), author(0)).await.unwrap();
        let spec = AssetSpec { site: Some(site), erp_key: format!("K-{name}"), ..named(name) };
        let asset = own.create_asset(spec, None, author(1)).await.unwrap();
        parts.push((Part::Customer(customer), site, asset));
    }
    own.create_asset(named("Nowhere"), None, author(1)).await.unwrap();
    assert_eq!(own.assets(&AssetFilter::default(), None).await.unwrap().items.len(), 3);
    let [(first, site, asset), (_, foreign_site, foreign)] = parts[..] else { panic!() };
    let meyer = store.of(&Scope::of_part(scope().tenant().clone(), first));
    let seen = meyer.assets(&AssetFilter::default(), None).await.unwrap().items;
    assert_eq!(seen.iter().map(|a| a.spec.name.as_str()).collect::<Vec<_>>(), ["Meyer"]);
    assert!(meyer.asset(foreign).await.unwrap().is_none());
    assert!(meyer.asset_history(foreign, Counter::Total).await.unwrap().is_none());
    assert_eq!(meyer.unassigned_devices("", None).await.unwrap().items.len(), 1);
    for spec in [AssetSpec { site: Some(foreign_site), ..named("A") }, named("A")] {
        assert!(meyer.create_asset(spec, None, author(1)).await.is_err());
    }
    let taken = AssetSpec { site: Some(site), erp_key: "K-Sato".to_owned(), ..named("A") };
    let refused = meyer.create_asset(taken, None, author(1)).await.unwrap_err();
    assert!(refused.to_string().contains("already used by another asset"), "{refused}");
    let theirs = DevicePlace { device: id("ricoh:E2"), at: None };
    let refused = meyer.place_device(asset, None, theirs, author(1)).await.unwrap_err();
    assert!(matches!(refused, ChangeError::NotFound { what: "device" }), "{refused}");
    let refused = meyer.change_asset(foreign, None, named("B"), author(1)).await.unwrap_err();
    assert!(matches!(refused, ChangeError::NotFound { what: "asset" }), "{refused}");
    let refused = own.delete_site(site, None, author(1)).await.unwrap_err();
    assert!(refused.to_string().starts_with("Works has 1 "), "{refused}");
}

pub(super) async fn what_is_not_read_is_listed_with_the_reason() {
    let opened = opened().await;
    let (store, own) = (&opened.store, opened.store.of(&scope()));
    send_of(store, "gw-1", 1, &[meters("ricoh:E1", 10, 0), meters("ricoh:E2", 10, 9 * DAY)]).await;
    store.ingest(caller("gw-1"), Lane::Urgent, arrivals(1, &[call("jam", "raised", "1")])).await.unwrap();
    let mut offline = call("device_offline", "raised", "");
    offline["device"] = json!("ricoh:E3");
    store.ingest(caller("gw-1"), Lane::Urgent, arrivals(2, &[offline])).await.unwrap();
    own.create_asset(named("Hall"), placed("ricoh:E1", 0), author(9)).await.unwrap();
    let listed = async |now: Timestamp| {
        let before = now - SignedDuration::from_hours(24 * 7);
        let page = own.unread_devices((before, now), None).await.unwrap();
        page.items.into_iter().map(|d| (d.device.to_string(), d.reason, d.asset_name)).collect::<Vec<_>>()
    };
    let row = |device: &str, reason, asset: &str| (device.to_owned(), reason, asset.to_owned());
    assert_eq!(listed(after(6)).await, []);
    let silent = UnreadReason::GatewaySilent;
    assert_eq!(listed(after(10)).await, [row("ricoh:E1", silent, "Hall"), row("ricoh:E3", silent, "")]);
    let polling = Caller { now: after(10), ..caller("gw-1") };
    store.take_poll(polling, poll(), 0).await.unwrap();
    let expected =
        [row("ricoh:E1", UnreadReason::DeviceSilent, "Hall"), row("ricoh:E3", UnreadReason::NeverRead, "")];
    assert_eq!(listed(after(10)).await, expected);
}
