//! Large PostgreSQL databases: runs the steps of `docs/scaling.md` exactly as documented.

use std::collections::BTreeSet;

use super::engines::{on_postgresql, script};
use super::*;
use comm_server_core::retention::Retention;

/// The documentation for operators of the service.
const PAGE: &str = include_str!("../../../../docs/scaling.md");

/// The script in a section of the documentation.
fn script_of(title: &str) -> &'static str {
    let (_, section) = PAGE.split_once(title).expect("the page has the section");
    let (_, script) = section.split_once("```sql\n").expect("the section has a script");
    script.split_once("```").expect("the script ends").0
}

async fn names(opened: &Opened, sql: &'static str) -> BTreeSet<String> {
    let rows = sqlx::query(sql).fetch_all(&raw(opened).await).await.unwrap();
    rows.iter().map(|r| row::text(r, "name").unwrap()).collect()
}

const PARTITIONS: &str = "SELECT CAST(inhrelid::regclass AS TEXT) AS name FROM pg_inherits \
     WHERE inhparent = 'reports'::regclass";

/// Ingest, retention, replay, lists and a backup work with partitions.
pub(super) async fn reports_are_put_into_partitions_as_the_page_says() {
    if !on_postgresql() {
        return;
    }
    let opened = filled().await;
    let store = &opened.store;
    let before = state(store).await;
    script(&opened.dir, script_of(": partitions by month\n"));
    assert_eq!(state(store).await, before);

    let (now, retention) = (Timestamp::now(), Retention::default());
    let later = |days: i64| now + SignedDuration::from_hours(24 * days);
    assert!(store.apply_retention(retention, now).await.unwrap() >= 2, "months are made ahead");
    assert_eq!(names(&opened, PARTITIONS).await.len(), 3, "all before, and two months after it");
    assert_eq!(store.apply_retention(retention, now).await.unwrap(), 0);

    // What comes twice changes nothing, and what comes later lands in its month.
    let again = [call("jam", "raised", "1"), json!({"kind": "nonsense"}), call("jam", "cleared", "1")];
    let answer = send(store, Lane::Urgent, 1, &again).await;
    assert_eq!((answer.acknowledged, state(store).await), (3, before.clone()));
    let from = Caller { now: later(70), ..caller("gw-1") };
    let reports = arrivals(4, &[call("jam", "raised", "2"), json!({"kind": "nonsense"})]);
    store.ingest(from, Lane::Urgent, reports).await.unwrap();
    assert_eq!(state(store).await["reports"].len(), before["reports"].len() + 1);
    let replayed = store.of(&scope()).replay_quarantine(None, "admin", later(70)).await.unwrap();
    assert_eq!(replayed.taken, 0);

    // The page of the device and the lists read on.
    assert!(!series(store).await.is_empty());
    assert!(!store.of(&scope()).calls(&CallFilter::default(), None).await.unwrap().items.is_empty());

    // The old table goes as a whole when its newest report is too old, and not before.
    store.apply_retention(retention, later(400)).await.unwrap();
    assert!(names(&opened, PARTITIONS).await.contains("reports_before"));
    store.apply_retention(retention, later(400 + 63)).await.unwrap();
    assert!(!names(&opened, PARTITIONS).await.contains("reports_before"));
    assert_eq!(state(store).await["reports"].len(), 1, "the later one is there yet");

    // Newer programs find their tables; what was stored is stored once.
    let two = another(&opened).await;
    assert_eq!(two.of(&scope()).acknowledged(&id("gw-1"), Lane::Urgent).await.unwrap(), 5);
}

/// Tables whose key doesn't begin with the tenant, each with the reason.
const OTHER_KEYS: &[(&str, &str)] = &[
    ("_sqlx_migrations", "the program's own steps, a row for each release"),
    ("server_keys", "they belong to the servers, and are a handful"),
    ("sessions", "found by the cookie's token before anybody knows whose it is; ended within 12 hours"),
];

/// Tables whose rows belong to a tenant but not to a gateway, each with the reason.
const NO_GATEWAY: &[(&str, &str)] = &[
    ("tenants", "is the tenant"),
    ("rollouts", "of many gateways"),
    ("rollout_devices", "read by roll-out; each row's change is found by roll-out and gateway"),
    ("users", "work for the whole tenant"),
    ("login_failures", "of users"),
    ("idempotency_keys", "of users and tokens"),
    ("totp_secrets", "of users"),
    ("recovery_codes", "of users"),
    ("enrollments", "found by the token; the gateway may be a new one"),
    ("audit", "of everything in the tenant"),
    ("audit_heads", "of everything in the tenant"),
    ("customers", "above its gateways"),
    ("sites", "above its gateways"),
    ("api_tokens", "found by the token"),
    ("invitations", "found by the token"),
    ("addresses", "of sites"),
    ("assets", "devices come and go under them"),
    ("placements", "of a device, whichever gateway sees it"),
    ("swaps", "of an asset"),
    ("swap_readings", "of a swap; an index begins with the gateway"),
    ("settings", "of every level of the tree"),
];

/// Keys begin with the tenant, so that rows can be distributed by tenant, and a large tenant's by gateway.
pub(super) async fn every_key_begins_with_the_tenant() {
    if !on_postgresql() {
        return;
    }
    let opened = opened().await;
    let rows = sqlx::query(
        "SELECT CAST(c.relname AS TEXT) AS name, (SELECT string_agg(a.attname, ',' ORDER BY k.place) \
         FROM unnest(i.indkey) WITH ORDINALITY AS k(attnum, place) \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum) AS key \
         FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary \
         WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace",
    )
    .fetch_all(&raw(&opened).await)
    .await
    .unwrap();
    assert!(rows.len() >= 16, "{}", rows.len());
    for found in &rows {
        let (table, key) = (row::text(found, "name").unwrap(), row::text(found, "key").unwrap());
        if OTHER_KEYS.iter().any(|(name, _)| *name == table) {
            continue;
        }
        let mut columns = key.split(',');
        assert_eq!(columns.next(), Some("tenant"), "{table} ({key})");
        if !NO_GATEWAY.iter().any(|(name, _)| *name == table) {
            assert_eq!(columns.next(), Some("gateway"), "{table} ({key})");
        }
    }
    let tables = "SELECT CAST(tablename AS TEXT) AS name FROM pg_tables WHERE schemaname = 'public'";
    let sequences = "SELECT CAST(relname AS TEXT) AS name FROM pg_class WHERE relkind = 'S'";
    assert_eq!(names(&opened, tables).await.len(), rows.len(), "every table has a key");
    assert_eq!(names(&opened, sequences).await, BTreeSet::new(), "no table-wide sequence");
}
