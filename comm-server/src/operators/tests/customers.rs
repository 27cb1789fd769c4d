//! Customers, sites and settings in the API and the pages: versions, tables, and each user's part of the tree.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};

use super::site::{Answer, Client, Site};

const GATEWAYS: &str = "INSERT INTO gateways (tenant, gateway, first_seen_ms, next_poll_s) VALUES
    ('default', 'gw-1', 1, 3600), ('default', 'gw-2', 1, 3600)";

async fn send(
    site: &Site,
    client: &Client,
    (method, path): (&str, &str),
    tag: Option<&str>,
    body: Option<&Value>,
) -> Answer {
    let mut request = client.request(method, path, body);
    if let Some(tag) = tag {
        request.headers_mut().insert(header::IF_MATCH, tag.parse().unwrap());
    }
    site.send(request).await
}

async fn create(site: &Site, client: &Client, name: &str) -> String {
    let made = site.post(client, "/api/v1/customers", &json!({"name": name})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.header(header::ETAG), "\"1\"");
    let id = made.json()["customer"].as_str().unwrap().to_owned();
    assert_eq!(made.header(header::LOCATION), format!("/api/v1/customers/{id}"));
    id
}

async fn create_site(site: &Site, client: &Client, customer: &str, name: &str) -> String {
    let made = site.post(client, "/api/v1/sites", &json!({"customer": customer, "name": name})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()["site"].as_str().unwrap().to_owned()
}

/// Imports a table: the body is the CSV file.
async fn import(site: &Site, client: &Client, mode: &str, table: impl Into<Body>) -> Answer {
    let request = Request::post(format!("/api/v1/customers/import?mode={mode}"))
        .header(header::COOKIE, &client.cookie)
        .header("x-csrf-token", &client.csrf)
        .header(header::CONTENT_TYPE, "text/csv; charset=utf-8")
        .body(table.into());
    site.send(request.unwrap()).await
}

#[tokio::test]
async fn two_people_who_edit_one_customer_lose_nothing() {
    let (site, client) = Site::with("administrator").await;
    let id = create(&site, &client, "Meyer").await;
    let path = format!("/api/v1/customers/{id}");
    let change =
        async |tag: Option<&str>, body: Value| send(&site, &client, ("PATCH", &path), tag, Some(&body)).await;
    assert_eq!(change(None, json!({"name": "A"})).await.status, 428);
    let first = change(Some("\"1\""), json!({"erp_key": "K-1"})).await;
    assert_eq!((first.status, first.header(header::ETAG)), (StatusCode::OK, "\"2\""));
    assert_eq!(first.json()["name"], "Meyer", "what the patch leaves out stays");
    let second = change(Some("\"1\""), json!({"name": "Meier"})).await;
    assert_eq!(second.status, 412);
    assert_eq!(second.json()["code"], "precondition_failed");
    let cleared = change(Some("\"2\""), json!({"erp_key": null})).await;
    assert_eq!(cleared.json()["erp_key"], "", "null takes a value away (RFC 7396)");
    for (bad, said) in [
        (json!({"name": null}), "missing field `name`"),
        (json!({"name": "a\u{202e}b"}), "expected 1 to 200 bytes"),
        (json!({"name": "x".repeat(10_000)}), "expected 1 to 200 bytes"),
        (json!({"color": "red"}), "unknown field"),
        (json!([]), "the patch is not a JSON object"),
    ] {
        let refused = change(Some("*"), bad).await;
        assert!(refused.status == 400 && refused.text.contains(said), "{}", refused.text);
    }
    let other = create(&site, &client, "Sato").await;
    let taken = send(
        &site,
        &client,
        ("PATCH", &format!("/api/v1/customers/{other}")),
        Some("*"),
        Some(&json!({"name": "Meyer"})),
    )
    .await;
    assert_eq!(taken.status, 409, "{}", taken.text);
    create_site(&site, &client, &id, "Works").await;
    let full = send(&site, &client, ("DELETE", &path), Some("*"), None).await;
    assert!(full.status == 409 && full.text.contains("Meyer has 1 sites"), "{}", full.text);
}

#[tokio::test]
async fn a_setting_shows_where_it_comes_from() {
    let (site, client) = Site::with("meter_clerk").await;
    site.sql(GATEWAYS).await;
    let customer = create(&site, &client, "Meyer").await;
    let works = create_site(&site, &client, &customer, "Works").await;
    let assigned =
        send(&site, &client, ("PATCH", "/api/v1/gateways/gw-1"), None, Some(&json!({"site": works}))).await;
    assert_eq!(assigned.json()["site"], "Works", "{}", assigned.text);
    let set = async |query: &str, body: Value| {
        send(&site, &client, ("PATCH", &format!("/api/v1/settings{query}")), None, Some(&body)).await
    };
    assert_eq!(set("", json!({"time_zone": "Europe/Berlin"})).await.status, 200);
    let own =
        set(&format!("?site={works}"), json!({"time_zone": "Asia/Tokyo", "poll_interval_s": 900})).await;
    assert_eq!(own.json()["time_zone"]["inherited"], json!({"value": "Europe/Berlin", "from": "tenant"}));
    let gateway = site.get(&client, "/api/v1/settings?gateway=gw-1").await.json();
    assert_eq!(gateway["poll_interval_s"]["effective"], json!({"value": "900", "from": "site"}));
    assert_eq!(gateway["time_zone"], Value::Null, "a gateway is where its site is");
    for bad in
        [json!({"time_zone": "Mars/Olympus"}), json!({"poll_interval_s": 5}), json!({"poll_interval_s": "x"})]
    {
        let refused = set(&format!("?site={works}"), bad).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
    }
    let page = site.get(&client, &format!("/sites/{works}")).await.text;
    assert!(page.contains("Asia/Tokyo, set at this site"), "{page}");
    assert!(page.contains("Europe/Berlin, set for the whole service company"), "{page}");
    assert_eq!(site.get(&client, &format!("/api/v1/settings?site={works}&gateway=gw-1")).await.status, 400);
}

#[tokio::test]
async fn a_table_with_a_wrong_row_changes_nothing_and_names_it() {
    let (site, client) = Site::with("administrator").await;
    site.sql(GATEWAYS).await;
    let table = "\u{feff}customer;customer_erp_key;site;time_zone;city;gateways\r\n\
        Meyer;K-1;Works;Europe/Berlin;Berlin;gw-1 gw-2\r\n\
        Sato;K-2;Works;Mars/Olympus;Tokyo;\r\n\
        \r\n\
        Ünal;K-1;Works;;;\r\n\
        =cmd|' /C calc'!A0;;;;;\r\n";
    let refused = import(&site, &client, "whole", table).await.json();
    let wrong: Vec<(i64, &str)> = refused["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["line"].as_i64().unwrap(), e["column"].as_str().unwrap()))
        .collect();
    assert_eq!(wrong, [(3, "time_zone"), (5, "customer_erp_key")], "{refused}");
    assert_eq!(refused["applied"], false);
    assert_eq!(site.get(&client, "/api/v1/customers").await.json()["items"], json!([]));

    let taken = import(&site, &client, "skip_wrong", table).await.json();
    assert_eq!((&taken["created"], &taken["wrong"], &taken["applied"]), (&json!(2), &json!(2), &json!(true)));
    let exported = site.get(&client, "/api/v1/customers/export").await.text;
    assert!(exported.contains("Meyer,K-1,Works,,Europe/Berlin,,,Berlin,,,gw-1 gw-2"), "{exported}");
    assert!(exported.contains("'=cmd|"), "a formula is guarded: {exported}");
    let again = import(&site, &client, "whole", exported).await.json();
    assert_eq!((&again["unchanged"], &again["wrong"]), (&json!(2), &json!(0)), "{again}");

    for (bad, said) in [
        (&b"customer,colour\nMeyer,red\n"[..], "colour"),
        (b"site\nWorks\n", "no column"),
        (b"customer\nM\xe9yer\n", "not UTF-8"),
        (b"", "no column"),
    ] {
        let refused = import(&site, &client, "whole", bad.to_vec()).await;
        assert!(refused.status == 400 && refused.text.contains(said), "{}", refused.text);
    }
}

#[tokio::test]
async fn the_pages_of_the_tree_do_what_the_api_does() {
    let (site, client) = Site::with("administrator").await;
    site.sql(GATEWAYS).await;
    let csrf = &client.csrf;
    let made = site.submit(&client, "/customers", &format!("csrf={csrf}&name=Meyer+%26+S%C3%B6hne")).await;
    assert_eq!(made.status, 303, "{}", made.text);
    let customer = made.header(header::LOCATION).split('?').next().unwrap().to_owned();
    let form = format!("csrf={csrf}&name=Works&city=Berlin&country=de");
    let made = site.submit(&client, &format!("{customer}/sites"), &form).await;
    let works = made.header(header::LOCATION).split('?').next().unwrap().to_owned();
    let page = site.get(&client, &works).await.text;
    assert!(page.contains("Meyer &#38; Söhne") && page.contains("Berlin, DE"), "{page}");
    assert!(page.contains("<option value=\"gw-2\">"), "gateways without a site are offered");
    let assigned =
        site.submit(&client, &format!("{works}/gateways"), &format!("csrf={csrf}&gateway=gw-1")).await;
    assert_eq!(assigned.status, 303, "{}", assigned.text);
    let id = works.rsplit('/').next().unwrap();
    let list = site.get(&client, &format!("/gateways?site={id}")).await.text;
    assert_eq!(list.matches("data-key=").count(), 1);
    assert!(list.contains("Of <a href=\"/sites/"), "the list says that it is narrowed");
    let unassigned = site.get(&client, "/gateways?unassigned=yes").await.text;
    assert!(unassigned.contains("data-key=\"gw-2\"") && !unassigned.contains("data-key=\"gw-1\""));
    let stale = site.submit(&client, &works, &format!("csrf={csrf}&version=7&name=Hall")).await;
    assert!(stale.status == 412 && stale.text.contains("changed meanwhile"), "{}", stale.text);
    for path in ["/customers", "/customers?q=meyer", "/settings", &customer] {
        assert_eq!(site.get(&client, path).await.status, 200, "{path}");
    }
    let gone = "01980000-0000-7000-8000-00000000dead";
    for path in [format!("/customers/{gone}"), format!("/sites/{gone}"), format!("/?customer={gone}")] {
        assert_eq!(site.get(&client, &path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn who_may_not_change_customers_sees_no_form() {
    let (site, client) = Site::with("viewer").await;
    let refused = site.post(&client, "/api/v1/customers", &json!({"name": "Meyer"})).await;
    assert_eq!(refused.status, 403);
    let page = site.get(&client, "/customers").await.text;
    assert!(!page.contains("New customer") && !page.contains("href=\"/settings\""), "{page}");
    assert_eq!(import(&site, &client, "check", "customer\nMeyer\n").await.status, 403);
}
