//! The store on a database file.

use std::collections::BTreeMap;

use comm_server_core::cadence::Cadence;
use comm_server_core::commands::CommandState;
use comm_server_core::ingest::{self, Arrival};
use jiff::{SignedDuration, Timestamp};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use wire::command::{Order, Response, ResponseState};
use wire::ids::CommandId;
use wire::poll::Poll;
use wire::reading::Counter;
use wire::report::{Batch, BatchResponse, Lane, Lanes};

use crate::db::row;
use crate::testing::{id, scope};
use crate::*;

mod assets;
mod audit;
mod batches;
mod customers;
pub(crate) mod engines;
mod history;
mod idempotency;
mod large;
mod polls;
mod rollouts;
mod several_servers;
mod tenants;

use assets::*;
use audit::*;
use batches::*;
use customers::*;
use engines::{database, direct, on_every_engine};
use history::*;
use idempotency::*;
use large::*;
use polls::*;
use rollouts::*;
use several_servers::*;
use tenants::*;

on_every_engine! {
    a_gateway_is_registered_at_its_first_poll_and_its_meters_are_requested,
    meters_are_requested_once_a_day_and_never_twice_at_once,
    answers_to_commands_are_idempotent_and_the_first_final_one_stays,
    a_service_call_makes_the_very_answer_a_minute_until_its_reset,
    gaps_are_refused_and_duplicates_change_nothing,
    what_a_new_spool_numbers_from_the_start_is_quarantined_and_not_lost,
    a_reading_describes_the_device_and_a_falling_total_is_a_call,
    a_rollout_goes_from_its_command_to_done,
    devices_of_a_failed_command_have_failed_with_its_reason,
    an_expired_command_fails_its_devices,
    cancelling_withdraws_what_never_went_out_and_follows_what_did,
    a_rollout_with_nothing_to_update_is_rejected,
    a_commands_summary_never_overwrites_what_devices_reported,
    verified_counts_only_with_the_version_that_was_ordered,
    why_a_device_waits_is_shown_until_its_next_step,
    failed_devices_are_ordered_again_as_a_roll_out_of_their_own,
    another_gateways_word_about_a_rollout_changes_nothing,
    lists_are_paged_to_their_end,
    a_failed_change_takes_no_other_with_it,
    a_store_is_opened_again_as_it_was,
    a_closed_store_makes_what_waits_and_takes_no_more,
    any_order_of_batches_gives_the_same_state,
    fifty_requests_with_one_key_are_carried_out_once,
    two_servers_ask_for_meters_once,
    a_batch_that_two_servers_get_at_once_is_stored_once,
    an_answer_through_another_server_outlives_the_expiry,
    a_token_given_to_two_servers_at_once_is_used_once,
    a_newer_database_is_refused,
    what_can_be_used_again_leaves_the_quarantine,
    meters_are_thinned_and_nothing_that_bills_goes,
    each_source_of_a_counter_keeps_its_own_meters,
    one_meter_of_each_month_stays_for_ever_and_other_rows_until_their_time,
    a_plot_of_years_has_a_value_of_each_day,
    a_call_that_a_lost_spool_forgot_ends_when_its_device_is_found,
    reports_are_put_into_partitions_as_the_page_says,
    every_key_begins_with_the_tenant,
    polls_that_come_together_are_answered_each_with_its_own,
    a_gateway_that_polls_twice_at_once_is_one,
    a_poll_that_cannot_be_taken_spoils_no_other,
    a_name_or_a_key_belongs_to_one_customer,
    an_edited_address_is_a_new_one,
    a_part_of_the_tree_shows_nothing_else,
    a_setting_counts_below_the_place_that_has_it,
    a_row_of_a_table_is_taken_whole_or_refused_whole,
    entries_are_sealed_in_the_order_of_their_ids,
    what_is_changed_past_the_server_is_found,
    an_entry_older_than_a_sealed_one_is_sealed_next,
    retention_moves_the_beginning_of_the_chain,
    two_servers_that_seal_at_once_make_one_chain,
    each_tenant_has_a_chain_of_its_own,
    a_restored_chain_is_whole,
    entries_are_found_by_time_author_and_kind,
    changes_say_what_they_changed,
    a_swap_is_a_record_with_both_evidences,
    retention_changes_no_sum_of_an_asset,
    the_first_reading_of_a_new_device_completes_its_swap,
    a_device_under_an_asset_is_under_no_other,
    a_part_of_the_tree_has_its_own_assets,
    what_is_not_read_is_listed_with_the_reason,
    a_dealer_has_an_id_and_a_name_of_its_own,
    a_gateway_and_a_login_belong_to_one_tenant,
    the_first_administrator_of_a_dealer_is_invited_by_the_provider,
    a_disabled_dealer_keeps_its_reports_and_gets_no_commands,
    a_database_of_one_tenant_comes_over,
}

const NOW: Timestamp = Timestamp::constant(1_767_225_600, 0);

pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) dir: tempfile::TempDir,
}

pub(crate) async fn opened() -> Opened {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_detached(&database(&dir)).await.unwrap();
    Opened { store, dir }
}

/// A store with rows in most tables.
pub(crate) async fn filled() -> Opened {
    let (opened, _) = with_two_devices().await;
    let reports = [call("jam", "raised", "1"), json!({"kind": "nonsense"}), call("jam", "cleared", "1")];
    send(&opened.store, Lane::Urgent, 1, &reports).await;
    send(&opened.store, Lane::Bulk, 5, &[meters("ricoh:E1", 10, 1), meters("ricoh:E1", 20, 2)]).await;
    opened.store.take_poll(caller("gw-1"), poll(), 0).await.unwrap();
    opened
}

fn caller(gateway: &str) -> Caller {
    Caller {
        tenant: scope().tenant().clone(),
        gateway: gateway.parse().unwrap(),
        cadence: Cadence::default(),
        now: NOW,
    }
}

fn at(second: u64) -> String {
    (NOW + SignedDuration::from_secs(i64::try_from(second).unwrap())).to_string()
}

fn call(kind: &str, edge: &str, subject: &str) -> Value {
    json!({"kind": "call", "device": "ricoh:E1", "call": kind, "edge": edge, "subject": subject,
        "detail": "SC542", "seen_at": at(0)})
}

fn meters(device: &str, total: u64, second: u64) -> Value {
    json!({"kind": "counter_set", "device": device, "read_at": at(second), "counters": {"total": total},
        "evidence": {"total": {"oid": "1.3.6.1.2.1.43.10.2.1.4.1.1", "value": total}}, "unit": "impressions"})
}

fn information(device: &str, model: &str, version: &str) -> Value {
    json!({"kind": "device_information", "device": device, "reason": "found", "reading": {
        "address": "127.0.0.9", "read_at": at(1), "took_ms": 12, "requests": 4,
        "identity": {"vendor": "ricoh", "model": model, "serial": "E1\u{0}", "name": "Hall",
            "firmware": [{"component": "system", "version": version}]},
        "status": {"detected_errors": [], "console": []},
        "counters": {"total": 7}, "evidence": {"total": {"oid": "1.3.6.1.2.1.43.10.2.1.4.1.1", "value": 7}}}})
}

fn arrivals(first: u64, reports: &[Value]) -> Vec<Arrival> {
    let envelopes: Vec<Value> = reports
        .iter()
        .zip(first..)
        .map(|(report, seq)| json!({"seq": seq, "at": at(seq), "report": report}))
        .collect();
    let batch: Batch = serde_json::from_value(json!({"reports": envelopes})).unwrap();
    ingest::check_sequence(&batch.reports).unwrap();
    ingest::parse(&batch)
}

async fn send(store: &Store, lane: Lane, first: u64, reports: &[Value]) -> BatchResponse {
    store.ingest(caller("gw-1"), lane, arrivals(first, reports)).await.unwrap().answer
}

fn poll() -> Poll {
    Poll {
        at: NOW,
        version: "0.1.0".to_owned(),
        spool: "01980000-0000-7000-8000-000000000001".parse().unwrap(),
        made: Lanes { urgent: 3, bulk: 9 },
        devices: 2,
        devices_offline: 1,
        uptime_s: 60,
        storage_problem: None,
    }
}

/// The state: every row of every table, without the times of receipt.
async fn state(store: &Store) -> BTreeMap<&'static str, Vec<String>> {
    let queries = [
        ("lanes", "SELECT gateway || lane || acknowledged AS line FROM lanes ORDER BY 1"),
        ("reports", "SELECT lane || seq || kind || body AS line FROM reports ORDER BY 1"),
        ("quarantine", "SELECT lane || seq || reason AS line FROM quarantine ORDER BY 1"),
        ("counters", "SELECT device || counter || read_ms || '=' || value AS line FROM counters ORDER BY 1"),
        ("calls", "SELECT raised_lane || raised_seq || kind || is_open AS line FROM calls ORDER BY 1"),
        ("devices", "SELECT device || COALESCE(total, 0) || offline AS line FROM devices ORDER BY 1"),
    ];
    let mut tables = BTreeMap::new();
    for (table, sql) in queries {
        let rows = sqlx::query(sql).fetch_all(&mut *store.reader().await.unwrap()).await.unwrap();
        tables.insert(table, rows.iter().map(|r| row::text(r, "line").unwrap()).collect());
    }
    tables
}

async fn a_gateway_is_registered_at_its_first_poll_and_its_meters_are_requested() {
    let Opened { store, dir: _dir } = opened().await;
    let polled = store.take_poll(caller("gw-1"), poll(), 0).await.unwrap();
    assert!(polled.registered);
    assert_eq!((polled.answer.next_poll_s, polled.answer.acknowledged), (3600, Lanes::default()));
    let orders: Vec<Order> = polled.answer.commands.iter().map(|c| c.parse().unwrap()).collect();
    assert_eq!(orders, [Order::CounterRequest { devices: None }]);

    let again = store.take_poll(caller("gw-1"), poll(), 0).await.unwrap();
    assert!(!again.registered);
    assert_eq!(again.answer.commands.len(), 1, "delivered again until answered");
    let gateway = store.of(&scope()).gateway(&id("gw-1")).await.unwrap().unwrap();
    assert_eq!((gateway.devices, gateway.devices_offline, gateway.last_poll), (2, 1, Some(NOW)));
    assert_eq!(gateway.meters_due.unwrap().to_string(), "2026-01-02T00:00:00Z");
    // What it says of its disk is seen until it says no more of it.
    let said = async |problem: Option<&str>| {
        let told = Poll { storage_problem: problem.map(str::to_owned), ..poll() };
        store.take_poll(caller("gw-1"), told, 0).await.unwrap();
        store.of(&scope()).gateway(&id("gw-1")).await.unwrap().unwrap().storage_problem
    };
    assert_eq!(gateway.storage_problem, "");
    assert_eq!(said(Some("no room on the disk")).await, "no room on the disk");
    assert_eq!(said(None).await, "");
}

async fn meters_are_requested_once_a_day_and_never_twice_at_once() {
    let opened = opened().await;
    let store = &opened.store;
    let polled = store.take_poll(caller("gw-1"), poll(), 0).await.unwrap();
    let tomorrow = NOW + SignedDuration::from_hours(24);
    assert_eq!(store.request_due_meters(tomorrow - SignedDuration::from_secs(1), || 0).await.unwrap(), 0);
    let id = polled.answer.commands[0].id;
    answer(store, id, ResponseState::Done).await.unwrap();
    assert_eq!(store.request_due_meters(tomorrow, || 0).await.unwrap(), 1);
    assert_eq!(store.request_due_meters(tomorrow, || 0).await.unwrap(), 0);
    let open = store.of(&scope()).commands(Some(&testing::id("gw-1")), None).await.unwrap().items;
    assert_eq!(open.iter().filter(|c| c.state.name() == "queued").count(), 1);
    // The next day the first one is still open, though not expired: no gateway gets two requests.
    sqlx::query("UPDATE commands SET expires_ms = expires_ms * 2")
        .execute(&raw(&opened).await)
        .await
        .unwrap();
    assert_eq!(store.request_due_meters(NOW + SignedDuration::from_hours(48), || 0).await.unwrap(), 0);
}

/// A separate connection of the test.
async fn raw(opened: &Opened) -> sqlx::AnyPool {
    sqlx::AnyPool::connect(&direct(&opened.dir)).await.unwrap()
}

async fn answer(store: &Store, id: CommandId, state: ResponseState) -> Result<u64, AnswerError> {
    let response = Response { state, at: NOW, detail: "x".to_owned(), result: Some(json!({"a": 1})) };
    store.answer_command(&caller("gw-1"), id, response).await
}

async fn answers_to_commands_are_idempotent_and_the_first_final_one_stays() {
    let Opened { store, dir: _dir } = opened().await;
    let id = store.take_poll(caller("gw-1"), poll(), 0).await.unwrap().answer.commands[0].id;
    for (given, expected) in [
        (ResponseState::Accepted, "accepted"),
        (ResponseState::Running, "running"),
        (ResponseState::Accepted, "running"),
        (ResponseState::Done, "done"),
        (ResponseState::Failed, "done"),
    ] {
        answer(&store, id, given).await.unwrap();
        let command = store.of(&scope()).command(&testing::id("gw-1"), id).await.unwrap().unwrap();
        assert_eq!(command.state.name(), expected);
    }
    assert!(store.take_poll(caller("gw-1"), poll(), 0).await.unwrap().answer.commands.is_empty());
    let foreign = CommandId(uuid::Uuid::nil());
    assert!(matches!(answer(&store, foreign, ResponseState::Done).await, Err(AnswerError::NotFound { .. })));
}

async fn lists_are_paged_to_their_end() {
    let Opened { store, dir: _dir } = opened().await;
    let devices: Vec<Value> = (1..=120).map(|n| meters(&format!("ricoh:D{n:03}"), n, n)).collect();
    send(&store, Lane::Bulk, 1, &devices).await;
    let (mut seen, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let filter = DeviceFilter { text: Some("RICOH:d".to_owned()), ..DeviceFilter::default() };
        let page = store.of(&scope()).devices(&filter, cursor.as_deref()).await.unwrap();
        seen.extend(page.items.into_iter().map(|d| d.device));
        pages += 1;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((seen.len(), pages), (120, 3));
    seen.dedup();
    assert_eq!(seen.len(), 120);
    let none = DeviceFilter { text: Some("%".to_owned()), ..DeviceFilter::default() };
    assert!(store.of(&scope()).devices(&none, None).await.unwrap().items.is_empty());
}

async fn a_failed_change_takes_no_other_with_it() {
    let Opened { store, dir: _dir } = opened().await;
    let bad = store.writer().write(|connection| {
        Box::pin(async move {
            sqlx::query("INSERT INTO tenants (tenant, name, created_ms) VALUES ('x', 'x', 0)")
                .execute(&mut *connection)
                .await
                .map_err(failed("insert tenant"))?;
            Err::<(), _>(StoreError::Range { what: "a test" })
        })
    });
    let good = store.take_poll(caller("gw-1"), poll(), 0);
    let (bad, good) = tokio::join!(bad, good);
    assert!(matches!(bad, Err(StoreError::Range { what: "a test" })));
    assert!(good.unwrap().registered);
    let tenants = sqlx::query("SELECT tenant FROM tenants WHERE tenant = 'x'")
        .fetch_all(&mut *store.reader().await.unwrap())
        .await;
    assert!(tenants.unwrap().is_empty());
}

#[tokio::test]
async fn readers_cannot_write() {
    let Opened { store, dir: _dir } = opened().await;
    let written = sqlx::query("DELETE FROM users").execute(&mut *store.reader().await.unwrap()).await;
    assert!(written.unwrap_err().to_string().contains("readonly"));
}

async fn a_store_is_opened_again_as_it_was() {
    let Opened { store, dir } = opened().await;
    send(&store, Lane::Urgent, 1, &[call("jam", "raised", "")]).await;
    let before = state(&store).await;
    drop(store);
    let store = Store::open_detached(&database(&dir)).await.unwrap();
    assert_eq!(state(&store).await, before);
}

async fn a_closed_store_makes_what_waits_and_takes_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let (store, writer) = Store::open(&database(&dir)).await.unwrap();
    let waiting = store.take_poll(caller("gw-1"), poll(), 0);
    let (waiting, ()) = tokio::join!(waiting, async { store.close() });
    assert!(waiting.unwrap().registered);
    writer.await.unwrap();
    assert!(matches!(store.take_poll(caller("gw-1"), poll(), 0).await, Err(StoreError::Closed)));
}

#[tokio::test]
async fn a_wrong_url_is_named_without_its_secret() {
    let error = Store::open("mysql://root:secret@db/platen").await.unwrap_err().to_string();
    assert!(error.contains("db/platen") && !error.contains("secret"), "{error}");
}

async fn a_newer_database_is_refused() {
    let opened = opened().await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         SELECT 9999, description, success, checksum, execution_time FROM _sqlx_migrations WHERE version = 1",
    )
    .execute(&raw(&opened).await)
    .await
    .unwrap();
    let refused = Store::open_detached(&database(&opened.dir)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Newer { given: 9999, .. }), "{refused}");
}
