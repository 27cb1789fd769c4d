//! Several tenants on one server.

use comm_server_core::roles::Role;
use comm_server_core::tenancy::{Scope, TenantId};

use super::*;
use crate::testing::account;

fn author() -> Author {
    Author { by: "pat".to_owned(), now: NOW }
}

fn of(store: &Store, tenant: &TenantId) -> Scoped {
    store.of(&Scope::of_tenant(tenant.clone()))
}

async fn with_north() -> (Opened, TenantId) {
    let opened = opened().await;
    let north: TenantId = id("north");
    opened.store.create_dealer(north.clone(), "North Office".to_owned(), author()).await.unwrap();
    (opened, north)
}

fn administrator(name: &str) -> NewUser {
    NewUser {
        name: id(name),
        spec: account(Role::Administrator),
        password_hash: String::new(),
        must_change: false,
        created_at: NOW,
    }
}

fn link(hash: &str) -> Invitation {
    Invitation { token_hash: hash.to_owned(), expires_at: NOW + SignedDuration::from_hours(72) }
}

fn change(name: &str, disabled: bool, version: Option<i64>) -> DealerChange {
    DealerChange { name: name.to_owned(), disabled, version }
}

pub(super) async fn a_dealer_has_an_id_and_a_name_of_its_own() {
    let opened = opened().await;
    let store = &opened.store;
    let default = TenantId::default_tenant();
    assert_eq!(
        store.only_dealer().await.unwrap(),
        Some(default.clone()),
        "the provider's tenant is no dealer"
    );
    for (dealer, name, field) in
        [("provider", "x", "dealer"), ("default", "x", "dealer"), ("x", "default", "name")]
    {
        let refused = store.create_dealer(id(dealer), name.to_owned(), author()).await.unwrap_err();
        assert!(matches!(&refused, ChangeError::Taken { field: f, .. } if *f == field), "{refused}");
    }
    let north: TenantId = id("north");
    store.create_dealer(north.clone(), "North".to_owned(), author()).await.unwrap();
    assert_eq!(store.only_dealer().await.unwrap(), None);
    assert_eq!(store.dealer_ids().await.unwrap(), [default, north.clone()]);
    store.change_dealer(north.clone(), change("North Office", false, Some(1)), author()).await.unwrap();
    let stale = store.change_dealer(north.clone(), change("Other", false, Some(1)), author()).await;
    assert!(matches!(stale, Err(ChangeError::Version { current: 2 })), "{stale:?}");
    let taken = store.change_dealer(north.clone(), change("default", false, None), author()).await;
    assert!(matches!(taken, Err(ChangeError::Taken { field: "name", .. })), "{taken:?}");
    let provider = store.change_dealer(TenantId::provider(), change("x", true, None), author()).await;
    assert!(matches!(provider, Err(ChangeError::NotFound { .. })), "{provider:?}");
    let audit = of(store, &TenantId::provider()).audit(None).await.unwrap().items;
    let whats: Vec<_> = audit.iter().map(|entry| entry.what.as_str()).collect();
    assert_eq!(whats, ["dealer.change", "dealer.create"]);
    assert!(of(store, &north).audit(None).await.unwrap().items.is_empty());
}

pub(super) async fn a_gateway_and_a_login_belong_to_one_tenant() {
    let (opened, north) = with_north().await;
    let store = &opened.store;
    let own = Caller { tenant: north.clone(), ..caller("gw-1") };
    assert!(store.take_poll(own, poll(), 0).await.unwrap().registered);
    assert_eq!(store.tenant_of(&id("gw-1")).await.unwrap(), Some(north.clone()));
    assert!(!store.take_poll(caller("gw-1"), poll(), 0).await.unwrap().registered, "it is another tenant's");
    assert!(store.of(&scope()).gateways(None).await.unwrap().items.is_empty());

    let named = |name: &str| NewUser { password_hash: "h".to_owned(), ..administrator(name) };
    assert!(of(store, &north).create_user(named("erin")).await.unwrap());
    assert!(!store.of(&scope()).create_user(named("erin")).await.unwrap());
    assert_eq!(store.user_by_login(&id("erin")).await.unwrap().unwrap().tenant, north);
    assert!(store.of(&scope()).user(&id("erin")).await.unwrap().is_none());
}

pub(super) async fn the_first_administrator_of_a_dealer_is_invited_by_the_provider() {
    let (opened, north) = with_north().await;
    let store = &opened.store;
    let invite = |name: &str, hash: &str| {
        store.invite_first_administrator(id("north"), administrator(name), link(hash), author())
    };
    invite("kim", "one").await.unwrap();
    invite("kim", "two").await.unwrap();
    assert_eq!(store.invited("one", NOW).await.unwrap(), None, "an earlier link no longer works");
    assert_eq!(store.accept_invitation("two", "hash".to_owned(), NOW).await.unwrap(), Some(id("kim")));
    let refused = invite("lee", "three").await.unwrap_err();
    assert!(matches!(refused, ChangeError::HasAdministrator), "{refused}");
    let own = of(store, &north).audit(None).await.unwrap().items;
    assert!(own.iter().any(|entry| entry.who == "provider:pat" && entry.what == "user.create"), "{own:?}");
}

pub(super) async fn a_disabled_dealer_keeps_its_reports_and_gets_no_commands() {
    let (opened, north) = with_north().await;
    let store = &opened.store;
    let own = || Caller { tenant: id("north"), ..caller("gw-1") };
    let first = store.take_poll(own(), poll(), 0).await.unwrap().answer.commands;
    assert_eq!(first.len(), 1, "its meters are requested");
    let kim = NewUser { password_hash: "h".to_owned(), ..administrator("kim") };
    of(store, &north).create_user(kim).await.unwrap();
    let session = NewSession {
        token_hash: "s".to_owned(),
        user: id("kim"),
        csrf: String::new(),
        created_at: NOW,
        expires_at: NOW + SignedDuration::from_hours(1),
        address: String::new(),
        agent: String::new(),
        stage: comm_server_core::second_factor::Stage::Open,
    };
    let source = comm_server_core::logins::Source::Device("d".to_owned());
    let attempt = Attempt { user: Some(id("kim")), source, now: NOW };
    let begun = AuditEntry::new(NOW, "kim", "session.begin", "");
    assert!(of(store, &north).begin_session(attempt, session, begun).await.unwrap());
    assert!(store.session("s", NOW).await.unwrap().is_some());

    store.change_dealer(north.clone(), change("North", true, None), author()).await.unwrap();
    assert!(store.session("s", NOW).await.unwrap().is_none());
    assert!(store.user_by_login(&id("kim")).await.unwrap().unwrap().disabled_at.is_some());
    let reports = arrivals(1, &[call("jam", "raised", "")]);
    assert_eq!(store.ingest(own(), Lane::Urgent, reports).await.unwrap().answer.acknowledged, 1);
    let later = Caller { now: NOW + SignedDuration::from_hours(30), ..own() };
    let polled = store.take_poll(later.clone(), poll(), 0).await.unwrap().answer;
    assert!(polled.commands.is_empty(), "{polled:?}");
    assert_eq!(store.request_due_meters(later.now, || 0).await.unwrap(), 0);

    store.change_dealer(north, change("North", false, None), author()).await.unwrap();
    assert!(store.session("s", NOW).await.unwrap().is_none(), "what ended stays ended");
    assert_eq!(store.take_poll(own(), poll(), 0).await.unwrap().answer.commands.len(), 1);
}

pub(super) async fn a_database_of_one_tenant_comes_over() {
    let dir = tempfile::tempdir().unwrap();
    if database(&dir) != direct(&dir) {
        return; // Through a pooler, no table is changed.
    }
    sqlx::any::install_default_drivers();
    let (engine, url) = Engine::of(&database(&dir)).unwrap();
    let old = engine.pool(&url, 1, false).await.unwrap();
    migrations::run_to(engine, &old, 77).await.unwrap();
    for sql in [
        "INSERT INTO tenants (tenant, name, created_ms) VALUES ('default', 'default', 5)",
        "INSERT INTO gateways (tenant, gateway, first_seen_ms, next_poll_s) VALUES ('default', 'gw-1', 5, 3600)",
        "INSERT INTO users (tenant, name, role, password_hash, must_change, created_ms) \
         VALUES ('default', 'admin', 'administrator', 'h', 0, 5)",
    ] {
        sqlx::query(sql).execute(&old).await.unwrap();
    }
    old.close().await;
    let store = Store::open_detached(&database(&dir)).await.unwrap();
    let default = TenantId::default_tenant();
    let dealer = store.dealer(&default).await.unwrap().unwrap();
    assert_eq!((dealer.name.as_str(), dealer.version, dealer.disabled_at), ("default", 1, None));
    assert_eq!(store.tenant_of(&id("gw-1")).await.unwrap(), Some(default.clone()));
    assert_eq!(store.user_by_login(&id("admin")).await.unwrap().unwrap().tenant, default);
    assert!(!store.take_poll(caller("gw-1"), poll(), 0).await.unwrap().registered);
}
