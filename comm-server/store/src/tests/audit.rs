//! The chain of the audit: sealed by any server, verified, shortened by retention, and restored.

use comm_server_core::audit::{Broken, ChainHash, Fault, Known};
use comm_server_core::tenancy::Scope;

use super::several_servers::another;
use super::*;
use crate::backup::{backup, restore};

fn entry(second: i64, who: &str, what: &str) -> AuditEntry {
    AuditEntry::new(NOW + SignedDuration::from_secs(second), who, what, format!("{what} {second}"))
        .changing(Some(json!({"n": second})), Some(json!({"n": second + 1, "text": "ä"})))
}

/// A store with this number of entries, all sealed.
async fn sealed(entries: i64) -> Opened {
    let opened = opened().await;
    let own = opened.store.of(&scope());
    for n in 0..entries {
        own.append_audit(entry(n, "erin", "test.change")).await.unwrap();
    }
    assert_eq!(opened.store.seal_audit().await.unwrap(), entries.unsigned_abs());
    opened
}

async fn run(opened: &Opened, sql: &'static str) {
    let database = raw(opened).await;
    sqlx::raw_sql(sql).execute(&database).await.unwrap();
    database.close().await;
}

async fn verified(store: &Store) -> AuditChain {
    store.of(&scope()).verify_audit(None).await.unwrap()
}

fn broken(number: u64, fault: Fault) -> Option<Broken> {
    Some(Broken { number, fault })
}

/// All sealed entries, oldest first.
async fn chain(store: &Store) -> Vec<Recorded> {
    store.of(&scope()).audit_portion(&AuditFilter::default(), 0).await.unwrap()
}

pub(super) async fn entries_are_sealed_in_the_order_of_their_ids() {
    let opened = opened().await;
    let (store, own) = (&opened.store, opened.store.of(&scope()));
    assert_eq!(
        verified(store).await,
        AuditChain { head: comm_server_core::audit::Head::START, broken: None }
    );
    // More than a transaction seals.
    for n in 0..210 {
        own.append_audit(entry(n, "erin", "test.change")).await.unwrap();
    }
    let waiting = own.audit(None).await.unwrap().items;
    assert!(waiting.iter().all(|entry| entry.number.is_none() && entry.hash.is_none()));
    assert_eq!(own.seal_audit().await.unwrap(), 210);
    assert_eq!(own.seal_audit().await.unwrap(), 0);
    let chain = chain(store).await;
    assert!(chain.is_sorted_by(|one, next| one.entry < next.entry));
    let numbers: Vec<i64> = chain.iter().filter_map(|entry| entry.number).collect();
    assert_eq!(numbers, (1..=210).collect::<Vec<_>>());
    let AuditChain { head, broken } = verified(store).await;
    assert_eq!((head.number, head.first_number, broken), (210, 1, None));
    assert_eq!(chain.last().unwrap().hash, Some(head.hash.to_string()));
    // A note of an entry is compared, and one of another chain differs.
    let known = |number, hash: &str| Some(Known { number, hash: hash.parse().unwrap() });
    let seventh = chain[6].hash.as_deref().unwrap();
    assert_eq!(own.verify_audit(known(7, seventh)).await.unwrap().broken, None);
    let other = ChainHash::START.to_string();
    assert_eq!(own.verify_audit(known(7, &other)).await.unwrap().broken, self::broken(7, Fault::NotKnown));
}

pub(super) async fn what_is_changed_past_the_server_is_found() {
    let ways: [(&str, u64, Fault); 12] = [
        ("UPDATE audit SET who = 'mallory' WHERE number = 2", 2, Fault::Changed),
        ("UPDATE audit SET detail = detail || ' ' WHERE number = 1", 1, Fault::Changed),
        ("UPDATE audit SET at_ms = at_ms + 1 WHERE number = 3", 3, Fault::Changed),
        ("UPDATE audit SET before_json = NULL WHERE number = 3", 3, Fault::Changed),
        ("UPDATE audit SET after_json = '{' WHERE number = 4", 4, Fault::Changed),
        ("UPDATE audit SET hash = NULL WHERE number = 2", 2, Fault::Changed),
        ("DELETE FROM audit WHERE number = 3", 3, Fault::Missing),
        ("DELETE FROM audit WHERE number >= 4", 4, Fault::Missing),
        ("UPDATE audit SET number = NULL WHERE number = 2", 2, Fault::Missing),
        (
            "UPDATE audit SET number = 9 WHERE number = 2; UPDATE audit SET number = 2 WHERE number = 3; \
             UPDATE audit SET number = 3 WHERE number = 9",
            2,
            Fault::Changed,
        ),
        (
            "INSERT INTO audit (tenant, entry, at_ms, who, what, detail, number, hash) \
             VALUES ('default', 'x', 1, 'x', 'x', 'x', 6, 'x')",
            6,
            Fault::BehindHead,
        ),
        ("DELETE FROM audit_heads", 1, Fault::BehindHead),
    ];
    let opened = sealed(5).await;
    run(&opened, "CREATE TABLE audit_copy AS SELECT * FROM audit").await;
    run(&opened, "CREATE TABLE heads_copy AS SELECT * FROM audit_heads").await;
    for (sql, number, fault) in ways {
        run(
            &opened,
            "DELETE FROM audit; INSERT INTO audit SELECT * FROM audit_copy; \
             DELETE FROM audit_heads; INSERT INTO audit_heads SELECT * FROM heads_copy",
        )
        .await;
        assert_eq!(verified(&opened.store).await.broken, None, "{sql}");
        run(&opened, sql).await;
        assert_eq!(verified(&opened.store).await.broken, broken(number, fault), "{sql}");
        // What is recorded later neither hides it nor fails.
        opened.store.of(&scope()).append_audit(entry(9, "erin", "later")).await.unwrap();
        opened.store.seal_audit().await.unwrap();
        assert_eq!(verified(&opened.store).await.broken, broken(number, fault), "{sql}");
        assert!(opened.store.of(&scope()).audit(None).await.is_ok(), "{sql}");
    }
}

pub(super) async fn an_entry_older_than_a_sealed_one_is_sealed_next() {
    let opened = sealed(2).await;
    // As a server whose transaction took long, or whose clock is behind, commits it.
    run(
        &opened,
        "INSERT INTO audit (tenant, entry, at_ms, who, what, detail) \
         VALUES ('default', '00000000-0000-7000-8000-000000000001', 1, 'slow', 'test.late', '')",
    )
    .await;
    assert_eq!(opened.store.seal_audit().await.unwrap(), 1);
    let authors: Vec<String> = chain(&opened.store).await.into_iter().map(|entry| entry.who).collect();
    assert_eq!(authors, ["erin", "erin", "slow"]);
    assert_eq!(verified(&opened.store).await.broken, None);
}

pub(super) async fn retention_moves_the_beginning_of_the_chain() {
    let opened = opened().await;
    let (store, own) = (&opened.store, opened.store.of(&scope()));
    let days = |days: i64| days * 24 * 3600;
    // The third is older than the second: it was recorded by another clock.
    for second in [0, days(100), days(50), days(300), days(301)] {
        own.append_audit(entry(second, "erin", "test.change")).await.unwrap();
    }
    let keep = async |after_days: i64| {
        let retention = comm_server_core::retention::Retention { audit_days: 30, ..Default::default() };
        store.apply_retention(retention, NOW + SignedDuration::from_secs(days(after_days))).await.unwrap()
    };
    // 70 days: the first is gone; the third waits for the second, so that the chain has no gap.
    for (after_days, deleted, first) in [(20, 0, 1), (90, 1, 2), (90, 0, 2), (131, 2, 4)] {
        assert_eq!(keep(after_days).await, deleted, "{after_days}");
        let AuditChain { head, broken } = verified(store).await;
        assert_eq!((head.number, head.first_number, broken), (5, first, None), "{after_days}");
        assert_eq!(chain(store).await[0].number, i64::try_from(first).ok());
    }
    // What is kept is still watched, and so is what retention left.
    assert_eq!(keep(400).await, 2);
    assert_eq!(verified(store).await.broken, None);
    own.append_audit(entry(days(400), "erin", "test.change")).await.unwrap();
    store.seal_audit().await.unwrap();
    assert_eq!(verified(store).await.head.number, 6);
    assert_eq!(verified(store).await.broken, None);
    run(&opened, "UPDATE audit_heads SET first_previous = hash").await;
    assert_eq!(verified(store).await.broken, broken(6, Fault::Changed));
}

pub(super) async fn two_servers_that_seal_at_once_make_one_chain() {
    let opened = opened().await;
    let (one, two) = (&opened.store, another(&opened).await);
    for round in 0..10 {
        let add = async |store: &Store, who: &str| {
            for n in 0..7 {
                store.of(&scope()).append_audit(entry(round * 10 + n, who, "test.change")).await.unwrap();
            }
            store.seal_audit().await.unwrap()
        };
        let (here, there) = tokio::join!(add(one, "one"), add(&two, "two"));
        let rest = one.seal_audit().await.unwrap();
        assert_eq!(here + there + rest, 14, "{round}");
    }
    let AuditChain { head, broken } = verified(one).await;
    assert_eq!((head.number, broken), (140, None));
    assert_eq!(chain(&two).await.len(), 140);
}

pub(super) async fn each_tenant_has_a_chain_of_its_own() {
    let opened = sealed(3).await;
    run(&opened, "INSERT INTO tenants (tenant, name, created_ms) VALUES ('other', 'other', 0)").await;
    let other = opened.store.of(&Scope::of_tenant(id("other")));
    other.append_audit(entry(1, "erin", "test.change")).await.unwrap();
    assert_eq!(opened.store.seal_audit().await.unwrap(), 1);
    assert_eq!(other.verify_audit(None).await.unwrap().head.number, 1);
    run(&opened, "UPDATE audit SET who = 'x' WHERE tenant = 'default' AND number = 2").await;
    assert_eq!(other.verify_audit(None).await.unwrap().broken, None);
    assert_eq!(verified(&opened.store).await.broken, broken(2, Fault::Changed));
    // An entry can't be moved to another tenant with its place.
    run(&opened, "DELETE FROM audit WHERE tenant = 'other'").await;
    run(&opened, "UPDATE audit SET tenant = 'other' WHERE number = 1").await;
    assert_eq!(other.verify_audit(None).await.unwrap().broken, broken(1, Fault::Changed));
}

pub(super) async fn a_restored_chain_is_whole() {
    let opened = sealed(4).await;
    let file = opened.dir.path().join("backup.zst");
    backup(&database(&opened.dir), &file).await.unwrap();
    let other = tempfile::tempdir().unwrap();
    let sqlite = format!("sqlite://{}", other.path().join("restored.db").display());
    restore(&sqlite, &file).await.unwrap();
    let restored = Store::open_detached(&sqlite).await.unwrap();
    assert_eq!(verified(&restored).await, verified(&opened.store).await);
    restored.of(&scope()).append_audit(entry(9, "erin", "test.change")).await.unwrap();
    assert_eq!(restored.seal_audit().await.unwrap(), 1);
    let AuditChain { head, broken } = verified(&restored).await;
    assert_eq!((head.number, broken), (5, None));
}

pub(super) async fn entries_are_found_by_time_author_and_kind() {
    let opened = opened().await;
    let own = opened.store.of(&scope());
    for (second, who, what) in [
        (0, "erin", "rollout.create"),
        (10, "mia", "rollout.cancel"),
        (20, "erin", "rollouts.other"),
        (30, "cli", "customer.change"),
    ] {
        own.append_audit(entry(second, who, what)).await.unwrap();
    }
    own.seal_audit().await.unwrap();
    let at = |second| Some(NOW + SignedDuration::from_secs(second));
    let text = |text: &str| Some(text.to_owned());
    let table = [
        (AuditFilter::default(), vec![30, 20, 10, 0]),
        (AuditFilter { who: text("erin"), ..Default::default() }, vec![20, 0]),
        (AuditFilter { what: text("rollout"), ..Default::default() }, vec![10, 0]),
        (AuditFilter { what: text("rollout.create"), ..Default::default() }, vec![0]),
        (AuditFilter { who: text("\0"), what: text("\0"), ..Default::default() }, vec![]),
        (AuditFilter { what: text("%"), ..Default::default() }, vec![]),
        (AuditFilter { from: at(10), to: at(30), ..Default::default() }, vec![20, 10]),
        (
            AuditFilter { who: text("mia"), what: text("rollout"), from: at(10), ..Default::default() },
            vec![10],
        ),
    ];
    for (filter, expected) in table {
        let seconds =
            |found: &[Recorded]| found.iter().map(|e| (e.at - NOW).get_seconds()).collect::<Vec<i64>>();
        let page = own.find_audit(&filter, None).await.unwrap();
        assert_eq!(seconds(&page.items), expected, "{filter:?}");
        let mut exported = seconds(&own.audit_portion(&filter, 0).await.unwrap());
        exported.reverse();
        assert_eq!(exported, expected, "{filter:?}");
        let count = i64::try_from(expected.len()).unwrap();
        assert!(!own.has_more_audit_than(&filter, count).await.unwrap());
        assert_eq!(own.has_more_audit_than(&filter, 0).await.unwrap(), count > 0);
    }
    let all = own.audit(None).await.unwrap().items;
    assert_eq!(all[0].before, Some(json!({"n": 30})));
    assert_eq!(all[0].after, Some(json!({"n": 31, "text": "ä"})));
}

pub(super) async fn changes_say_what_they_changed() {
    let (opened, rollout) = with_two_devices().await;
    let own = opened.store.of(&scope());
    opened.store.take_poll(caller("gw-1"), poll(), 0).await.unwrap();
    let new = NewCommand {
        gateway: id("gw-1"),
        order: Order::StatusSense { devices: None },
        created_by: "erin".to_owned(),
    };
    own.create_command(new, NOW).await.unwrap().unwrap();
    own.cancel_rollout(rollout, "erin", NOW).await.unwrap();
    let all = own.audit(None).await.unwrap().items;
    let of = |what: &str| all.iter().find(|entry| entry.what == what).unwrap();
    let queued = json!({"gateway": "gw-1", "kind": "status_sense", "state": "queued"});
    assert_eq!((&of("command.create").before, &of("command.create").after), (&None, &Some(queued)));
    let created = of("rollout.create").after.clone().unwrap();
    assert_eq!((created["state"].as_str(), created["devices"].as_u64()), (Some("scheduled"), Some(2)));
    let cancel = of("rollout.cancel");
    assert_eq!(cancel.before.as_ref().unwrap()["state"], "scheduled");
    assert_eq!(cancel.after.as_ref().unwrap()["state"], "cancelled");
}
