//! Assets in the API and the pages: devices under them, versions, epochs, and devices that would be missed otherwise.

use axum::http::{Method, StatusCode, header};
use serde_json::{Value, json};

use super::site::{Answer, Client, PASSWORD, Site};

/// Two devices at one gateway: the counter of the first was set back, the second appeared later.
const DEVICES: &str = "
    INSERT INTO gateways (tenant, gateway, first_seen_ms, next_poll_s) VALUES ('default', 'gw-1', 1, 3600);
    INSERT INTO devices (tenant, gateway, device, vendor, model, serial, first_seen_ms, total_ms) VALUES
     ('default', 'gw-1', 'ricoh:E1', 'ricoh', 'IM C3000', 'E1', 1, 5000),
     ('default', 'gw-1', 'ricoh:E2', 'ricoh', 'IM C3000', 'E2', 6000, 8000);
    INSERT INTO counters (tenant, gateway, device, counter, read_ms, value, oid, raw, unit, lane, seq) VALUES
     ('default', 'gw-1', 'ricoh:E1', 'total', 1000, 182340, '1.3', 182340, '', NULL, NULL),
     ('default', 'gw-1', 'ricoh:E1', 'total', 2000, 182350, '1.3', 182350, '', 'bulk', 7),
     ('default', 'gw-1', 'ricoh:E1', 'total', 3000, 0, '1.3', 0, '', 'bulk', 8),
     ('default', 'gw-1', 'ricoh:E1', 'total', 5000, 90, '1.3', 90, '', 'bulk', 9),
     ('default', 'gw-1', 'ricoh:E2', 'total', 6000, 12, '1.3', 12, '', 'bulk', 10),
     ('default', 'gw-1', 'ricoh:E2', 'total', 8000, 20, '1.3', 20, '', 'bulk', 11)";

async fn post(site: &Site, client: &Client, path: &str, tag: &str, body: &Value) -> Answer {
    let mut request = client.request(Method::POST.as_str(), path, Some(body));
    request.headers_mut().insert(header::IF_MATCH, tag.parse().unwrap());
    site.send(request).await
}

async fn create(site: &Site, client: &Client, body: Value) -> String {
    let made = site.post(client, "/api/v1/assets", &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()["asset"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_asset_counts_on_over_a_swap_and_a_counter_that_was_set_back() {
    let (site, client) = Site::with("meter_clerk").await;
    site.sql(DEVICES).await;
    let unassigned = site.get(&client, "/api/v1/unassigned-devices").await.json();
    assert_eq!(unassigned["items"].as_array().unwrap().len(), 2);
    let since = "1970-01-01T00:00:01Z";
    let id =
        create(&site, &client, json!({"name": "Hall", "device": "ricoh:E1", "device_since": since})).await;
    let path = format!("/api/v1/assets/{id}");
    let swap = json!({"device": "ricoh:E2", "reason": "drum"});
    let missing = site.post(&client, &format!("{path}/swap"), &swap).await;
    assert_eq!(missing.status, 428, "{}", missing.text);
    let swapped = post(&site, &client, &format!("{path}/swap"), "\"1\"", &swap).await;
    assert_eq!((swapped.status, swapped.header(header::ETAG)), (StatusCode::OK, "\"2\""), "{}", swapped.text);
    let stale = post(&site, &client, &format!("{path}/swap"), "\"1\"", &swap).await;
    assert_eq!(stale.status, 412, "{}", stale.text);
    let found = swapped.json();
    assert_eq!(
        (&found["device"], &found["placements"][0]["to"]),
        (&json!("ricoh:E2"), &json!("1970-01-01T00:00:06Z"))
    );
    let (old, new) = (&found["swaps"][0]["old"][0], &found["swaps"][0]["new"][0]);
    assert_eq!((&old["value"], &old["seq"], &old["oid"]), (&json!(90), &json!(9), &json!("1.3")));
    assert_eq!((&new["value"], &new["seq"], &new["lane"]), (&json!(12), &json!(10), &json!("bulk")));

    let epochs = site.get(&client, &format!("{path}/epochs")).await.json();
    assert_eq!(epochs["usage"], 10 + 90 + 8, "{epochs}");
    let opened: Vec<_> = epochs["items"].as_array().unwrap().iter().map(|e| e["opened_by"].clone()).collect();
    assert_eq!(opened, ["placement", "fall", "placement"]);
    assert_eq!(epochs["items"][0]["begin"]["seq"], Value::Null, "from before reports were named");
    let usage = async |from: &str, to: &str| {
        let path = format!("{path}/epochs?from={from}&to={to}");
        site.get(&client, &path).await.json()["usage"].as_u64().unwrap()
    };
    let (first, middle, last) = ("1970-01-01T00:00:01Z", "1970-01-01T00:00:04Z", "1970-01-01T00:00:08Z");
    let (whole, parts) = (usage(first, last).await, [usage(first, middle).await, usage(middle, last).await]);
    assert_eq!((whole, parts), (108, [10, 98]));
    let refused = site.get(&client, &format!("{path}/epochs?counter=power_on")).await;
    assert_eq!(refused.status, 400, "{}", refused.text);

    let other = json!({"name": "Other", "device": "ricoh:E2"});
    let refused = site.post(&client, "/api/v1/assets", &other).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    let late = json!({"at": "2999-01-01T00:00:00Z"});
    let refused = post(&site, &client, &format!("{path}/remove"), "*", &late).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    let retired = post(&site, &client, &format!("{path}/retire"), "\"2\"", &json!({})).await;
    assert_eq!(retired.json()["state"], "retired", "{}", retired.text);
    let listed = site.get(&client, "/api/v1/assets?state=retired&q=hal").await.json();
    assert_eq!(listed["items"][0]["asset"], json!(id));
    assert_eq!(site.get(&client, "/api/v1/assets?state=gone").await.status, 400);
}

#[tokio::test]
async fn a_key_belongs_to_one_asset_and_fields_are_checked() {
    let (site, client) = Site::with("meter_clerk").await;
    create(&site, &client, json!({"name": "Hall", "erp_key": "K-1"})).await;
    let id = create(&site, &client, json!({"name": "Hall"})).await;
    for (body, status) in [
        (json!({"name": "X", "erp_key": "K-1"}), 409),
        (json!({"name": ""}), 400),
        (json!({"name": "X", "site": "01980000-0000-7000-9000-0000000000ff"}), 404),
        (json!({"name": "X", "device": "ricoh:NONE"}), 404),
        (json!({"name": "X", "device": "no blanks"}), 400),
    ] {
        let refused = site.post(&client, "/api/v1/assets", &body).await;
        assert_eq!(refused.status, status, "{body}: {}", refused.text);
    }
    let patch = json!({"erp_key": "K-2", "notes": "one\ntwo"});
    let mut request = client.request("PATCH", &format!("/api/v1/assets/{id}"), Some(&patch));
    request.headers_mut().insert(header::IF_MATCH, "\"1\"".parse().unwrap());
    let changed = site.send(request).await;
    assert_eq!((changed.status, &changed.json()["notes"]), (StatusCode::OK, &json!("one\ntwo")));
    site.add_user("vi", "viewer", false).await;
    let viewer = site.log_in("vi", PASSWORD).await;
    let refused = site.post(&viewer, "/api/v1/assets", &json!({"name": "X"})).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert_eq!(site.get(&viewer, "/api/v1/assets").await.json()["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_not_read_for_days_is_listed() {
    let (site, client) = Site::with("viewer").await;
    site.sql(DEVICES).await;
    let listed = site.get(&client, "/api/v1/not-read").await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert_eq!(listed["items"][0]["reason"], "gateway_silent", "{listed}");
    for days in ["0", "3661", "x"] {
        let refused = site.get(&client, &format!("/api/v1/not-read?days={days}")).await;
        assert_eq!(refused.status, 400, "{days}");
    }
    let page = site.get(&client, "/not-read?days=30").await;
    assert!(
        page.text.contains("its gateway does not poll") && page.text.contains("ricoh:E2"),
        "{}",
        page.text
    );
}

#[tokio::test]
async fn forms_make_swap_and_retire_an_asset() {
    let (site, client) = Site::with("meter_clerk").await;
    site.sql(DEVICES).await;
    let page = site.get(&client, "/unassigned").await.text;
    assert!(page.contains("New asset") && page.contains("ricoh:E1"), "{page}");
    let form = |fields: &str| format!("csrf={}&{fields}", client.csrf);
    let made = site.submit(&client, "/assets", &form("name=Hall&device=ricoh%3AE1&at=1970-01-01")).await;
    assert_eq!(made.status, 303, "{}", made.text);
    let path = made.header(header::LOCATION).split('?').next().unwrap().to_owned();
    let page = site.get(&client, &path).await.text;
    assert!(page.contains("Swap the device") && page.contains("the counter fell"), "{page}");
    let swap = form("version=1&device=ricoh%3AE2&reason=drum&at=");
    assert_eq!(site.submit(&client, &format!("{path}/swap"), &swap).await.status, 303);
    let page = site.get(&client, &path).await.text;
    assert!(page.contains("drum") && page.contains("gw-1 bulk 10"), "{page}");
    let stale = site.submit(&client, &format!("{path}/remove"), &form("version=1")).await;
    assert_eq!(stale.status, 412, "{}", stale.text);
    assert_eq!(site.submit(&client, &format!("{path}/retire"), &form("version=2")).await.status, 303);
    let list = site.get(&client, "/assets?state=retired").await.text;
    assert!(list.contains("Hall") && !list.contains("No asset"), "{list}");
}
