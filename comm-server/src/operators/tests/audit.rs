//! The audit in the API and on the page: filters, differences, the chain, and its export.

use axum::http::header;
use serde_json::{Value, json};

use super::site::{Client, Site};

/// A customer that was created and renamed, all entries sealed.
async fn renamed() -> (Site, Client) {
    let (site, client) = Site::with("administrator").await;
    let made = site.post(&client, "/api/v1/customers", &json!({"name": "Meyer"})).await;
    let path = format!("/api/v1/customers/{}", made.json()["customer"].as_str().unwrap());
    let mut request = client.request("PATCH", &path, Some(&json!({"name": "=Meyer <b>"})));
    request.headers_mut().insert(header::IF_MATCH, "\"1\"".parse().unwrap());
    assert_eq!(site.send(request).await.status, 200);
    site.store.seal_audit().await.unwrap();
    (site, client)
}

async fn items(site: &Site, client: &Client, query: &str) -> Vec<Value> {
    let list = site.get(client, &format!("/api/v1/audit?{query}")).await;
    assert_eq!(list.status, 200, "{query}: {}", list.text);
    list.json()["items"].as_array().unwrap().clone()
}

async fn verified(site: &Site, client: &Client, query: &str) -> Value {
    let verified = site.get(client, &format!("/api/v1/audit/verify{query}")).await;
    assert_eq!(verified.status, 200, "{}", verified.text);
    verified.json()
}

#[tokio::test]
async fn entries_have_what_changed_and_their_place() {
    let (site, client) = renamed().await;
    let all = items(&site, &client, "").await;
    // The login, the creation and the change, newest first.
    let kinds: Vec<&str> = all.iter().map(|entry| entry["what"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["customer.change", "customer.create", "session.begin"]);
    assert_eq!(all[0]["before"]["name"], "Meyer");
    assert_eq!(all[0]["after"]["name"], "=Meyer <b>");
    assert_eq!((&all[1]["before"], &all[2]["after"]), (&Value::Null, &Value::Null));
    for (entry, number) in all.iter().zip([3, 2, 1]) {
        assert_eq!((&entry["number"], entry["hash"].as_str().unwrap().len()), (&json!(number), 64));
    }
    for (query, count) in [
        ("what=customer", 2),
        ("what=customer.change&who=erin", 1),
        ("who=nobody", 0),
        ("from=2020-01-01T00:00:00Z&to=2021-01-01T00:00:00Z", 0),
        ("from=2020-01-01T00:00:00Z", 3),
    ] {
        assert_eq!(items(&site, &client, query).await.len(), count, "{query}");
    }
    let long = format!("who={}", "x".repeat(201));
    for wrong in ["from=soon", "page=x", "kind=x", &long] {
        assert_eq!(site.get(&client, &format!("/api/v1/audit?{wrong}")).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_changed_entry_is_named_by_the_api_and_the_page() {
    let (site, client) = renamed().await;
    let whole = verified(&site, &client, "").await;
    assert_eq!(
        (&whole["whole"], &whole["number"], &whole["first_number"]),
        (&json!(true), &json!(3), &json!(1))
    );
    assert_eq!(whole["broken"], Value::Null);
    let page = site.get(&client, "/audit").await.text;
    assert!(page.contains("The chain is intact, from entry 1 to entry 3."), "{page}");
    let known = format!("3:{}", whole["hash"].as_str().unwrap());
    assert!(page.contains(&known), "{page}");
    assert_eq!(verified(&site, &client, &format!("?known={known}")).await["whole"], true);
    let other = format!("?known=2:{}", whole["hash"].as_str().unwrap());
    assert_eq!(verified(&site, &client, &other).await["broken"]["fault"], "not_known");
    assert_eq!(site.get(&client, "/api/v1/audit/verify?known=3").await.status, 400);

    site.sql("UPDATE audit SET who = 'mallory' WHERE number = 2").await;
    let broken = verified(&site, &client, "").await;
    assert_eq!((&broken["whole"], &broken["broken"]["number"]), (&json!(false), &json!(2)));
    assert_eq!(broken["broken"]["fault"], "changed");
    let page = site.get(&client, "/audit").await.text;
    assert!(page.contains("The chain is broken: audit entry 2 was changed"), "{page}");
    let asked = site.get(&client, "/audit?verify=now").await.text;
    assert!(asked.contains("The chain is broken: audit entry 2 was changed"), "{asked}");
}

#[tokio::test]
async fn the_table_runs_nothing_and_has_the_order_of_the_chain() {
    let (site, client) = renamed().await;
    let table = site.get(&client, "/api/v1/audit/export?what=customer").await;
    assert_eq!((table.status.as_u16(), table.header(header::CONTENT_TYPE)), (200, "text/csv; charset=utf-8"));
    let mut reader = csv::Reader::from_reader(table.text.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.iter().map(|row| &row[0]).collect::<Vec<_>>(), ["2", "3"]);
    assert!(rows[1][4].starts_with("'=Meyer <b>: "), "{}", &rows[1][4]);
    let after: Value = serde_json::from_str(&rows[1][6]).unwrap();
    assert_eq!(after["name"], "=Meyer <b>");
    let file = site.get(&client, "/audit/export.csv?who=nobody").await;
    assert_eq!(file.text, "\u{feff}number,at,who,what,detail,before,after,entry,hash\n");
    // What isn't sealed yet is sealed before it is exported.
    site.post(&client, "/api/v1/customers", &json!({"name": "Sato"})).await;
    assert!(site.get(&client, "/api/v1/audit/export").await.text.contains("\n4,"));
}

#[tokio::test]
async fn the_page_shows_what_differs() {
    let (site, client) = renamed().await;
    let page = site.get(&client, "/audit?what=customer.change&from=2020-01-01").await.text;
    let change = "<b>name</b> <del>Meyer</del> → <ins>=Meyer &#60;b&#62;</ins>";
    assert!(page.contains(change), "{page}");
    assert!(!page.contains("<b>erp_key</b>") && !page.contains("session.begin"), "{page}");
    assert!(page.contains("/audit/export.csv?what=customer.change&#38;from=2020-01-01"), "{page}");
    assert!(page.contains("value=\"customer.change\"") && page.contains("Show all"), "{page}");
    let none = site.get(&client, "/audit?to=2020-01-01").await.text;
    assert!(none.contains("Nothing matches"), "{none}");
    let wrong = site.get(&client, "/audit?from=soon").await;
    assert!(wrong.status == 400 && wrong.text.contains("the time is not valid"), "{}", wrong.text);
}

#[tokio::test]
async fn only_administrators_read_it() {
    let (site, client) = Site::with("engineer").await;
    for path in
        ["/api/v1/audit", "/api/v1/audit/verify", "/api/v1/audit/export", "/audit", "/audit/export.csv"]
    {
        assert_eq!(site.get(&client, path).await.status, 403, "{path}");
    }
}
