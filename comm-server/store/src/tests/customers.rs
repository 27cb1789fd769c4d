//! Customers, sites and settings: rejected changes, each user's part of the tree, and the resulting polling
//! intervals.

use comm_server_core::customers::{Address, CustomerSpec, ImportRow, ImportSite, SiteSpec};
use comm_server_core::settings::{Level, Setting};
use comm_server_core::tenancy::{CustomerId, Part, Scope, SiteId};
use comm_server_core::tree::Node;

use super::*;

const GATEWAY: &str = "gw-1";
const OTHER: &str = "gw-2";

fn author() -> Author {
    Author { by: "erin".to_owned(), now: NOW }
}

fn named(name: &str, erp_key: &str) -> CustomerSpec {
    CustomerSpec { name: name.to_owned(), erp_key: erp_key.to_owned() }
}

fn site(name: &str) -> SiteSpec {
    SiteSpec { name: name.to_owned(), ..SiteSpec::default() }
}

/// Two customers, each with a site, a gateway and a device.
async fn two_customers(store: &Store) -> [(CustomerId, SiteId); 2] {
    let own = store.of(&scope());
    let mut places = Vec::new();
    for (customer, gateway) in [("Meyer", GATEWAY), ("Sato", OTHER)] {
        let customer = own.create_customer(named(customer, ""), author()).await.unwrap();
        let site = own.create_site(customer, site("Works"), author()).await.unwrap();
        store.take_poll(caller(gateway), poll(), 0).await.unwrap();
        own.assign_gateway(id(gateway), Some(site), author()).await.unwrap();
        places.push((customer, site));
    }
    [places[0], places[1]]
}

pub(super) async fn a_name_or_a_key_belongs_to_one_customer() {
    let opened = opened().await;
    let own = opened.store.of(&scope());
    let meyer = own.create_customer(named("Meyer", "K-1"), author()).await.unwrap();
    let sato = own.create_customer(named("Sato", ""), author()).await.unwrap();
    for taken in [named("Meyer", "K-2"), named("Other", "K-1")] {
        let refused = own.create_customer(taken, author()).await.unwrap_err();
        assert!(matches!(refused, ChangeError::Taken { .. }), "{refused}");
        assert!(refused.to_string().contains("already used by customer Meyer"), "{refused}");
    }
    assert!(own.change_customer(sato, None, named("Meyer", ""), author()).await.is_err());
    own.change_customer(sato, Some(1), named("Sato KK", ""), author()).await.unwrap();
    let stale = own.change_customer(sato, Some(1), named("Sato Inc", ""), author()).await.unwrap_err();
    assert!(matches!(stale, ChangeError::Version { current: 2 }), "{stale}");
    own.change_customer(sato, Some(2), named("Sato KK", ""), author()).await.unwrap();
    assert_eq!(own.customer(sato).await.unwrap().unwrap().version, 2, "nothing differed");

    let works = own.create_site(meyer, site("Works"), author()).await.unwrap();
    assert!(own.create_site(meyer, site("Works"), author()).await.is_err());
    own.create_site(sato, site("Works"), author()).await.unwrap();
    let refused = own.delete_customer(meyer, None, author()).await.unwrap_err();
    assert_eq!(refused.to_string(), "Meyer has 1 sites: move or delete them first");
    own.delete_site(works, Some(1), author()).await.unwrap();
    own.delete_customer(meyer, None, author()).await.unwrap();
    assert!(own.customer(meyer).await.unwrap().is_none());
    let audit = own.audit(None).await.unwrap().items;
    let changed = audit.iter().find(|entry| entry.what == "customer.change").unwrap();
    assert_eq!(changed.before, Some(json!({"name": "Sato", "erp_key": ""})));
    assert_eq!(changed.after, Some(json!({"name": "Sato KK", "erp_key": ""})));
}

pub(super) async fn an_edited_address_is_a_new_one() {
    let opened = opened().await;
    let own = opened.store.of(&scope());
    let customer = own.create_customer(named("Meyer", ""), author()).await.unwrap();
    let in_berlin = |street: &str| SiteSpec {
        address: Address { street: street.to_owned(), city: "Berlin".to_owned(), ..Address::default() },
        ..site("Works")
    };
    let id = own.create_site(customer, in_berlin("Gate 1"), author()).await.unwrap();
    own.change_site(id, Some(1), in_berlin("Gate 2"), author()).await.unwrap();
    let found = own.site(id).await.unwrap().unwrap();
    assert_eq!((found.version, found.spec.address.line().as_str()), (2, "Gate 2, Berlin"));
    let sql = "SELECT street FROM addresses ORDER BY street";
    let rows = sqlx::query(sql).fetch_all(&mut *opened.store.reader().await.unwrap()).await.unwrap();
    assert_eq!(rows.len(), 2, "what was sent to the first still names it");
}

pub(super) async fn a_part_of_the_tree_shows_nothing_else() {
    let opened = opened().await;
    let store = &opened.store;
    let places = two_customers(store).await;
    for gateway in [GATEWAY, OTHER] {
        store.ingest(caller(gateway), Lane::Bulk, arrivals(1, &[meters("ricoh:E1", 7, 1)])).await.unwrap();
    }
    for ((customer, site), gateway) in places.into_iter().zip([GATEWAY, OTHER]) {
        let tenant = scope().tenant().clone();
        for part in [Part::Customer(customer), Part::Site(site)] {
            let own = store.of(&Scope::of_part(tenant.clone(), part));
            let gateways = own.gateways(None).await.unwrap().items;
            assert_eq!(gateways.iter().map(|g| g.gateway.as_str()).collect::<Vec<_>>(), [gateway]);
            assert_eq!(own.customers(&CustomerFilter::default(), None).await.unwrap().items.len(), 1);
            assert_eq!(own.sites(&SiteFilter::default(), None).await.unwrap().items.len(), 1);
            let devices = own.devices(&DeviceFilter::default(), None).await.unwrap().items;
            assert!(devices.iter().all(|d| d.gateway.as_str() == gateway), "{devices:?}");
            let numbers = own.fleet_numbers(NOW).await.unwrap();
            assert_eq!(numbers.gateways, 1);
            let other = if gateway == GATEWAY { OTHER } else { GATEWAY };
            assert!(own.gateway(&id(other)).await.unwrap().is_none());
            let new = NewCommand { gateway: id(other), order: Order::Discovery, created_by: "a".to_owned() };
            assert_eq!(own.create_command(new, NOW).await.unwrap(), None);
            let refused = own.assign_gateway(id(other), Some(site), author()).await.unwrap_err();
            assert!(matches!(refused, ChangeError::NotFound { what: "gateway" }), "{refused}");
        }
    }
    let [(first, _), (_, foreign)] = places;
    let own = store.of(&Scope::of_part(scope().tenant().clone(), Part::Customer(first)));
    assert!(own.site(foreign).await.unwrap().is_none());
    assert!(own.create_site(places[1].0, site("Annex"), author()).await.is_err());
    let narrowed = store
        .of(&Scope::of_part(scope().tenant().clone(), Part::Customer(first)).narrowed(Part::Site(foreign)));
    assert!(narrowed.gateways(None).await.unwrap().items.is_empty(), "a choice never widens");
}

pub(super) async fn a_setting_counts_below_the_place_that_has_it() {
    let opened = opened().await;
    let store = &opened.store;
    let [(customer, site), _] = two_customers(store).await;
    let own = store.of(&scope());
    let interval = async || store.take_poll(caller(GATEWAY), poll(), 0).await.unwrap().answer.next_poll_s;
    let set = async |node: Node, value: Option<&str>| {
        own.set_setting(node, Setting::PollInterval, value.map(str::to_owned), author()).await.unwrap();
    };
    assert_eq!(interval().await, 3600);
    set(Node::Tenant, Some("1800")).await;
    assert_eq!(interval().await, 1800);
    set(Node::Customer(customer), Some("900")).await;
    set(Node::Site(site), Some("600")).await;
    assert_eq!(interval().await, 600);
    set(Node::Gateway(id(GATEWAY)), Some("300")).await;
    assert_eq!(interval().await, 300);
    let values = own.own_values(&Node::Gateway(id(GATEWAY))).await.unwrap().unwrap();
    assert_eq!(values.iter().map(|own| own.level).max(), Some(Level::Gateway));
    assert_eq!(values.len(), 4);
    set(Node::Gateway(id(GATEWAY)), None).await;
    own.assign_gateway(id(GATEWAY), None, author()).await.unwrap();
    assert_eq!(interval().await, 1800, "only the service company is above it");
    let other = store.take_poll(caller(OTHER), poll(), 0).await.unwrap().answer;
    assert_eq!(other.next_poll_s, 1800);
}

pub(super) async fn a_row_of_a_table_is_taken_whole_or_refused_whole() {
    let opened = opened().await;
    let store = &opened.store;
    store.take_poll(caller(GATEWAY), poll(), 0).await.unwrap();
    let own = store.of(&scope());
    let row = |customer: CustomerSpec, site_name: &str, gateways: &[&str]| ImportRow {
        customer,
        site: Some(ImportSite {
            spec: site(site_name),
            time_zone: Some("Asia/Tokyo".to_owned()),
            gateways: gateways.iter().map(|gateway| id(gateway)).collect(),
        }),
    };
    let rows = vec![
        row(named("Meyer", "K-1"), "Works", &[GATEWAY]),
        row(named("Meyer", "K-1"), "Annex", &[]),
        row(named("Sato", ""), "Works", &["gw-unknown"]),
        row(named("Other", "K-1"), "Works", &[]),
    ];
    let outcome = |all: Vec<Result<Imported, ChangeError>>| -> Vec<String> {
        all.into_iter()
            .map(|one| one.map_or_else(|error| error.to_string(), |done| format!("{done:?}")))
            .collect()
    };
    let checked = outcome(own.import_customers(rows.clone(), true, author()).await.unwrap());
    assert_eq!(checked[0], "Created");
    assert!(
        own.customers(&CustomerFilter::default(), None).await.unwrap().items.is_empty(),
        "a check changes nothing"
    );
    let taken = outcome(own.import_customers(rows.clone(), false, author()).await.unwrap());
    assert_eq!(taken[..2], ["Created", "Created"]);
    assert!(taken[2].contains("no gateway"), "{taken:?}");
    // The key is that of the customer that an earlier row made: it is renamed.
    assert_eq!(taken[3], "Changed");
    let names: Vec<String> = own
        .customers(&CustomerFilter::default(), None)
        .await
        .unwrap()
        .items
        .into_iter()
        .map(|c| c.spec.name)
        .collect();
    assert_eq!(names, ["Other"], "nothing of the refused row is there");
    let again = outcome(own.import_customers(vec![rows[3].clone()], false, author()).await.unwrap());
    assert_eq!(again, ["Unchanged"]);
    let gateway = own.gateway(&id(GATEWAY)).await.unwrap().unwrap();
    assert_eq!((gateway.customer.as_str(), gateway.site.as_str()), ("Other", "Works"));
}
