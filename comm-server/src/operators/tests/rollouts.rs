//! Roll-outs by the form and the API: which are rejected, what is ordered, and what the pages show.

use axum::http::header;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::site::{Answer, Client, Site};

const FLEET: &str = "
    INSERT INTO customers (tenant, customer, name, version, created_ms, updated_ms)
     VALUES ('default', '01980000-0000-7000-8000-000000000001', 'Example AG', 1, 1, 1);
    INSERT INTO sites (tenant, site, customer, name, version, created_ms, updated_ms) VALUES ('default',
     '01980000-0000-7000-9000-000000000001', '01980000-0000-7000-8000-000000000001', 'Berlin', 1, 1, 1);
    INSERT INTO gateways (tenant, gateway, customer_id, site_id, first_seen_ms, next_poll_s)
     VALUES ('default', 'gw-1', '01980000-0000-7000-8000-000000000001', '01980000-0000-7000-9000-000000000001', 1, 3600);
    INSERT INTO devices (tenant, gateway, device, vendor, model, serial, name, firmware, first_seen_ms) VALUES
     ('default', 'gw-1', 'ricoh:E1', 'ricoh', 'IM C3000', 'E1', 'Hall', '1.0', 1),
     ('default', 'gw-1', 'ricoh:E2', 'ricoh', 'IM C3000', 'E2', '', '1.0', 1)";

async fn site() -> (Site, Client) {
    let (site, client) = Site::with("firmware_manager").await;
    site.sql(FLEET).await;
    let published =
        [("ricoh", "IM C3000", "2.0"), ("ricoh", "IM C3000", "0.9"), ("ricoh", "IM C3000", "1.0")];
    (site.publishing(Ok(&published)), client)
}

async fn plan(site: &Site, client: &Client, version: &str, more: &str) -> Answer {
    let form = format!("model=ricoh%09IM+C3000&version={version}&csrf={}{more}", client.csrf);
    site.submit(client, "/rollouts", &form).await
}

/// A date some days from now, as the form sends it.
fn in_days(days: i64) -> String {
    (Timestamp::now() + SignedDuration::from_hours(24 * days)).strftime("%Y-%m-%d").to_string()
}

#[tokio::test]
async fn a_roll_out_is_planned_and_cancelled() {
    let (site, client) = site().await;
    let none = plan(&site, &client, "1.0", "").await;
    assert!(
        none.status == 409 && none.text.contains("of ricoh IM C3000 already show version 1.0"),
        "{}",
        none.text
    );
    let date = in_days(30);
    let planned = plan(&site, &client, "2.0", &format!("&date={date}&time=02%3A30&zone=Asia%2FTokyo")).await;
    assert_eq!(planned.status, 303, "{}", planned.text);
    let path = planned.header(header::LOCATION).split('?').next().unwrap().to_owned();
    let detail = site.get(&client, &format!("/api/v1{path}")).await.json();
    let meant: Timestamp = format!("{date}T02:30:00+09:00").parse().unwrap();
    assert_eq!(detail["not_before"], meant.to_string());
    assert_eq!(detail["state"], "scheduled");
    assert_eq!(
        detail["progress"],
        json!({"devices": 2, "pending": 2, "staged": 0, "pushed": 0, "verified": 0,
        "failed": 0, "cancelled": 0})
    );
    assert_eq!(detail["devices"][1]["waiting_for"], "date");
    let page = site.get(&client, &path).await.text;
    for text in
        ["Yes, cancel it", "0 of 2 verified", "aria-label=\"2 devices: 2 waiting\"", "Waits for its date"]
    {
        assert!(page.contains(text), "{text}: {page}");
    }
    // The row says which device that is and where, and the bar has no filled part.
    assert!(
        page.contains("IM C3000</a>") && page.contains("E1 · Hall") && page.contains("Example AG · Berlin")
    );
    assert!(!page.contains("class=\"part-good\"") && !page.contains("class=\"part-busy\""), "{page}");
    let cancelled = site.submit(&client, &format!("{path}/cancel"), &format!("csrf={}", client.csrf)).await;
    assert_eq!(cancelled.status, 303, "{}", cancelled.text);
    assert_eq!(site.get(&client, &format!("/api/v1{path}")).await.json()["state"], "cancelled");
    let again = site.send(client.request("POST", &format!("/api/v1{path}/cancel"), None)).await;
    assert_eq!(again.status, 409, "{}", again.text);
}

#[tokio::test]
async fn a_date_in_the_past_orders_nothing_by_the_form_and_the_api() {
    let (site, client) = site().await;
    let past = plan(&site, &client, "2.0", "&date=2020-01-01&time=20%3A00&zone=UTC").await;
    assert_eq!(past.status, 400, "{}", past.text);
    for text in
        ["2020-01-01T20:00:00Z is in the past", "leave it empty", "value=\"2020-01-01\"", "value=\"2.0\""]
    {
        assert!(past.text.contains(text), "{text}: {}", past.text);
    }
    let half = plan(&site, &client, "2.0", "&time=20%3A00").await;
    assert!(half.status == 400 && half.text.contains("the time has no date"), "{}", half.text);
    let order = |not_before: &str| json!({"vendor": "ricoh", "model": "IM C3000", "version": "2.0", "not_before": not_before});
    for (date, text) in
        [("2020-01-01T00:00:00Z", "omit it"), ("tomorrow 8pm", "RFC 3339 with the zone, such as")]
    {
        let refused = site.post(&client, "/api/v1/rollouts", &order(date)).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
        assert!(refused.json()["detail"].as_str().unwrap().contains(text), "{}", refused.text);
    }
    assert_eq!(site.get(&client, "/api/v1/rollouts").await.json()["items"], json!([]));
    let now = plan(&site, &client, "2.0", "").await;
    assert_eq!(now.status, 303, "an empty date means now: {}", now.text);
}

#[tokio::test]
async fn an_unlikely_order_must_be_confirmed() {
    let (site, client) = site().await;
    let downgrade = plan(&site, &client, "0.9", "").await;
    assert!(
        downgrade.status == 409 && downgrade.text.contains("tick “Allow a downgrade”"),
        "{}",
        downgrade.text
    );
    let meant = plan(&site, &client, "0.9", "&allow_downgrade=1").await;
    assert_eq!(meant.status, 303, "{}", meant.text);
    let overlap = plan(&site, &client, "2.0", "").await;
    assert!(
        overlap.status == 409 && overlap.text.contains("2 of 2 devices are in roll-out"),
        "{}",
        overlap.text
    );
    let unknown = json!({"vendor": "ricoh", "model": "IM C300", "version": "2.0"});
    let unknown = site.post(&client, "/api/v1/rollouts", &unknown).await;
    assert_eq!(unknown.status, 409);
    assert!(unknown.text.contains("there are: ricoh IM C3000"), "{}", unknown.text);
    let short = site.get(&client, "/api/v1/rollouts/0198").await;
    assert!(short.status == 404 && short.text.contains("36 characters"), "{}", short.text);
}

#[tokio::test]
async fn a_version_that_is_not_known_to_be_published_is_refused() {
    let (site, client) = site().await;
    let unpublished = plan(&site, &client, "7.77", "").await;
    assert_eq!(unpublished.status, 409);
    for text in ["no image ricoh/IM-C3000/7.77", "it has for this model: 2.0, 0.9, 1.0", "24.0 MiB"] {
        assert!(unpublished.text.contains(text), "{text}: {}", unpublished.text);
    }
    assert!(!site.get(&client, "/rollouts").await.text.contains("no-global-server"));
    let away = site.publishing(Err("the global server can't be reached: connection refused"));
    let unreachable = plan(&away, &client, "2.0", "").await;
    assert_eq!(unreachable.status, 503);
    let said = &unreachable.text;
    assert!(said.contains("connection refused") && said.contains("nothing was ordered"), "{said}");
    let (without, client) = Site::with("firmware_manager").await;
    without.sql(FLEET).await;
    let none = plan(&without, &client, "2.0", "").await;
    assert!(none.status == 409 && none.text.contains("global_server: {url:"), "{}", none.text);
    let page = without.get(&client, "/rollouts").await.text;
    assert!(page.contains("no-global-server") && page.contains("url: https://HOST:PORT"), "{page}");
    assert!(!page.contains("Plan roll-out"), "a form that can't be used: {page}");
    assert_eq!(without.get(&client, "/api/v1/rollouts").await.json()["items"], json!([]));
}

#[tokio::test]
async fn failed_devices_of_a_finished_roll_out_are_ordered_again_by_a_button() {
    let (site, client) = site().await;
    let planned = plan(&site, &client, "2.0", "").await;
    let path = planned.header(header::LOCATION).split('?').next().unwrap().to_owned();
    let form = format!("csrf={}", client.csrf);
    let early = site.submit(&client, &format!("{path}/retry"), &form).await;
    assert!(early.status == 409 && early.text.contains("when it has ended"), "{}", early.text);
    site.sql(
        "UPDATE rollout_devices SET step = 'verified', version_now = '2.0' WHERE device = 'ricoh:E1';
         UPDATE rollout_devices SET step = 'failed', detail = 'it shows 1.0 after the push, not 2.0',
          panel = 'Update refused: device is busy' WHERE device = 'ricoh:E2';
         UPDATE rollouts SET state = 'failed'",
    )
    .await;
    let page = site.get(&client, &path).await.text;
    for text in
        ["Retry failed devices", "1 of 2 verified", "Update refused: device is busy", "1 verified, 1 failed"]
    {
        assert!(page.contains(text), "{text}: {page}");
    }
    let retried = site.submit(&client, &format!("{path}/retry"), &form).await;
    assert_eq!(retried.status, 303, "{}", retried.text);
    let again = retried.header(header::LOCATION).split('?').next().unwrap().to_owned();
    let detail = site.get(&client, &format!("/api/v1{again}")).await.json();
    assert_eq!(detail["progress"]["devices"], 1);
    assert_eq!(detail["devices"][1]["device"], "ricoh:E2");
    assert!(path.ends_with(detail["retry_of"].as_str().unwrap()));
    let old = site.get(&client, &path).await.text;
    assert!(old.contains(&format!("href=\"{again}\"")), "{old}");
    let twice = site.post(&client, &format!("/api/v1{path}/retry"), &json!({})).await;
    assert_eq!(twice.status, 409, "they are under way: {}", twice.text);
    // Somebody who may not, may not.
    site.add_user("vera", "viewer", false).await;
    let viewer = site.log_in("vera", super::site::PASSWORD).await;
    assert_eq!(site.post(&viewer, &format!("/api/v1{path}/retry"), &json!({})).await.status, 403);
    assert!(!site.get(&viewer, &path).await.text.contains("Retry failed devices"));
}

/// A roll-out of three devices that ended: one verified, two failed.
async fn ended(site: &Site, client: &Client) -> String {
    site.sql(
        "INSERT INTO devices (tenant, gateway, device, vendor, model, serial, name, firmware, first_seen_ms) VALUES
         ('default', 'gw-1', 'ricoh:E3', 'ricoh', 'IM C3000', 'E3', '', '1.0', 1)",
    )
    .await;
    let planned = plan(site, client, "2.0", "").await;
    site.sql(
        "UPDATE rollout_devices SET step = 'verified' WHERE device = 'ricoh:E1';
         UPDATE rollout_devices SET step = 'failed' WHERE device IN ('ricoh:E2', 'ricoh:E3');
         UPDATE rollouts SET state = 'failed'",
    )
    .await;
    planned.header(header::LOCATION).split('?').next().unwrap().to_owned()
}

#[tokio::test]
async fn devices_of_a_roll_out_are_filtered_by_step() {
    let (site, client) = site().await;
    let path = ended(&site, &client).await;
    let devices = async |query: &str| {
        let detail = site.get(&client, &format!("/api/v1{path}{query}")).await.json();
        let rows = detail["devices"].as_array().unwrap().clone();
        rows.iter().map(|row| row["device"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(devices("").await, ["", "ricoh:E1", "ricoh:E2", "ricoh:E3"]);
    assert_eq!(devices("?step=failed").await, ["ricoh:E2", "ricoh:E3"]);
    assert_eq!(devices("?step=cancelled").await, [""; 0]);
    let unknown = site.get(&client, &format!("/api/v1{path}?step=broken")).await;
    assert!(unknown.status == 400 && unknown.text.contains("broken"), "{}", unknown.text);
    let page = site.get(&client, &format!("{path}?step=failed")).await.text;
    assert!(page.contains("E2</") || page.contains("E2 "), "{page}");
    assert!(!page.contains("E1 · Hall"), "{page}");
    assert_eq!(site.get(&client, &format!("{path}?step=broken")).await.status, 400);
}

#[tokio::test]
async fn a_retry_names_the_failed_devices_that_it_leaves_out() {
    let (site, client) = site().await;
    let path = ended(&site, &client).await;
    site.sql("DELETE FROM devices WHERE device = 'ricoh:E3'").await;
    let retried = site.post(&client, &format!("/api/v1{path}/retry"), &json!({})).await.json();
    let again = format!("/rollouts/{}", retried["rollout"].as_str().unwrap());
    let detail = site.get(&client, &format!("/api/v1{again}")).await.json();
    assert_eq!(detail["progress"]["devices"], 1);
    let left_out =
        json!([{"gateway": "gw-1", "device": "ricoh:E3", "reason": "it is no longer in the fleet"}]);
    assert_eq!(detail["left_out"], left_out);
    let page = site.get(&client, &again).await.text;
    assert!(page.contains("ricoh:E3</code> at gw-1: it is no longer in the fleet"), "{page}");
    assert_eq!(site.get(&client, &format!("/api/v1{path}")).await.json()["left_out"], json!([]));
}
