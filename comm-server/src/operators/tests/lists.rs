//! Lists: how long a page is, a whole list as a table, and what changed since a time.

use axum::http::{Method, header};

use super::site::{Client, Site};

/// Customers, one each second after the epoch.
async fn customers(number: u32) -> (Site, Client) {
    let (site, client) = Site::with("viewer").await;
    let rows: Vec<String> = (1..=number)
        .map(|n| {
            format!("('default', '00000000-0000-7000-8000-{n:012}', '=C {n:04}', 'k{n}', 1, {n}000, {n}000)")
        })
        .collect();
    let insert =
        "INSERT INTO customers (tenant, customer, name, erp_key, version, created_ms, updated_ms) VALUES ";
    site.sql(format!("{insert}{}", rows.join(", ")).leak()).await;
    (site, client)
}

#[tokio::test]
async fn a_page_is_as_long_as_requested() {
    let (site, client) = customers(7).await;
    let mut seen = Vec::new();
    let mut path = "/api/v1/customers?limit=3".to_owned();
    loop {
        let page = site.get(&client, &path).await.json();
        let items = page["items"].as_array().unwrap();
        seen.push(items.len());
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/customers?limit=3&page={}", next.replace(' ', "%20").replace('=', "%3D"));
    }
    assert_eq!(seen, [3, 3, 1]);
    for (query, expected) in [
        ("limit=0", "limit is \"0\": expected 1 to 500"),
        ("limit=x", "limit is \"x\": expected 1 to 500"),
        ("limit=1&limit=2", "limit is there more than once"),
        ("colour=1", "unknown field `colour`"),
        ("format=xml", "format: expected json or csv"),
        ("updated_since=yesterday", "updated_since"),
    ] {
        let refused = site.get(&client, &format!("/api/v1/customers?{query}")).await;
        assert_eq!(refused.status, 400, "{query}");
        assert!(refused.json()["detail"].as_str().unwrap().contains(expected), "{query}: {}", refused.text);
    }
}

#[tokio::test]
async fn a_table_has_all_pages() {
    let (site, client) = customers(1_203).await;
    let table = site.get(&client, "/api/v1/customers?format=csv&limit=2").await;
    assert_eq!(table.status, 200, "{}", table.text);
    assert_eq!(table.header(header::CONTENT_TYPE), "text/csv; charset=utf-8");
    assert_eq!(table.header(header::CONTENT_DISPOSITION), "attachment; filename=\"customers.csv\"");
    let rows: Vec<&str> = table.text.split("\r\n").collect();
    assert_eq!(rows.len(), 1 + 1_203 + 1, "head, rows, and nothing after the last line end");
    assert!(rows[0].starts_with("customer,name,erp_key,sites,gateways,devices,"), "{}", rows[0]);
    assert!(rows[1].starts_with("00000000-0000-7000-8000-000000000001,'=C 0001,k1,0,0,0,"), "{}", rows[1]);
    assert!(rows[1_203].contains(",'=C 1203,k1203,"), "{}", rows[1_203]);

    let filtered =
        site.get(&client, "/api/v1/customers?q=12&updated_since=1970-01-01T00:20:01Z&format=csv").await;
    assert_eq!(filtered.text.split("\r\n").count(), 1 + 3 + 1, "{}", filtered.text);
    let mut request = client.request(Method::GET.as_str(), "/api/v1/customers?q=0009", None);
    request.headers_mut().insert(header::ACCEPT, "text/csv".parse().unwrap());
    let accepted = site.send(request).await;
    assert!(accepted.text.split("\r\n").count() == 3 && accepted.text.contains("k9,"), "{}", accepted.text);

    let refused = site.get(&client, "/api/v1/customers?format=csv&page=garbage").await;
    assert_eq!(
        (refused.status.as_u16(), refused.header(header::CONTENT_TYPE)),
        (400, "application/problem+json")
    );
    let nobody = site.get(&Client::default(), "/api/v1/customers?format=csv").await;
    assert_eq!(nobody.status, 401);
}

#[tokio::test]
async fn every_list_is_a_table_with_a_head() {
    let (site, client) = Site::with("administrator").await;
    for (list, first) in [
        ("assets", "asset,name,"),
        ("audit", "entry,"),
        ("calls", "gateway,device,device_model,"),
        ("commands", "command,"),
        ("devices", "gateway,device,vendor,"),
        ("gateways", "gateway,"),
        ("not-read", "gateway,device,"),
        ("quarantine", "gateway,lane,seq,"),
        ("rollouts", "rollout,"),
        ("sites", "site,"),
        ("tokens", "token,"),
        ("unassigned-devices", "gateway,device,"),
        ("users", "name,"),
    ] {
        let table = site.get(&client, &format!("/api/v1/{list}?format=csv")).await;
        assert!(
            table.status == 200 && table.text.starts_with(first),
            "{list}: {} {}",
            table.status,
            table.text
        );
        assert_eq!(table.header(header::CONTENT_DISPOSITION), format!("attachment; filename=\"{list}.csv\""));
    }
}

/// Two sites with a gateway, a command and a roll-out each.
const SITES: &str = "
    INSERT INTO customers (tenant, customer, name, version, created_ms, updated_ms) VALUES
     ('default', '00000000-0000-7000-8000-000000000001', 'Acme', 1, 1, 1);
    INSERT INTO sites (tenant, site, customer, name, version, created_ms, updated_ms) VALUES
     ('default', '00000000-0000-7000-8000-00000000000a', '00000000-0000-7000-8000-000000000001', 'Hall', 1, 1, 1),
     ('default', '00000000-0000-7000-8000-00000000000b', '00000000-0000-7000-8000-000000000001', 'Shed', 1, 1, 1);
    INSERT INTO gateways (tenant, gateway, first_seen_ms, next_poll_s, customer_id, site_id) VALUES
     ('default', 'gw-a', 1, 3600, '00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-00000000000a'),
     ('default', 'gw-b', 1, 3600, '00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-00000000000b');
    INSERT INTO commands (tenant, gateway, command, kind, body, created_by, created_ms, expires_ms, state) VALUES
     ('default', 'gw-a', '00000000-0000-7000-8000-0000000000c1', 'discovery', '{\"kind\":\"discovery\"}', 'erin', 1, 2, 'done'),
     ('default', 'gw-b', '00000000-0000-7000-8000-0000000000c2', 'discovery', '{\"kind\":\"discovery\"}', 'erin', 1, 2, 'done');
    INSERT INTO rollouts (tenant, rollout, vendor, model, version, target, not_before_ms, created_by, created_ms, state) VALUES
     ('default', '00000000-0000-7000-8000-0000000000d1', 'ricoh', 'IM C1', '2.0', 'ricoh/IM C1/2.0', 1, 'erin', 1, 'running'),
     ('default', '00000000-0000-7000-8000-0000000000d2', 'ricoh', 'IM C2', '2.0', 'ricoh/IM C2/2.0', 1, 'erin', 1, 'running');
    INSERT INTO rollout_devices (tenant, rollout, gateway, device, step, updated_ms) VALUES
     ('default', '00000000-0000-7000-8000-0000000000d1', 'gw-a', 'ricoh:E1', 'pending', 1),
     ('default', '00000000-0000-7000-8000-0000000000d2', 'gw-b', 'ricoh:E2', 'pending', 1);";

#[tokio::test]
async fn commands_and_rollouts_are_narrowed_to_a_part_of_the_tree() {
    let (site, client) = Site::with("administrator").await;
    site.sql(SITES).await;
    let (customer, hall) =
        ("customer=00000000-0000-7000-8000-000000000001", "site=00000000-0000-7000-8000-00000000000a");
    for (list, own, other) in [("commands", "gw-a", "gw-b"), ("rollouts", "IM C1", "IM C2")] {
        for (query, has_other) in [(customer, true), (hall, false)] {
            let api = site.get(&client, &format!("/api/v1/{list}?{query}")).await;
            assert_eq!(
                api.json()["items"].as_array().unwrap().len(),
                1 + usize::from(has_other),
                "{}",
                api.text
            );
            assert!(api.text.contains(own) && api.text.contains(other) == has_other, "{}", api.text);
            let page = site.get(&client, &format!("/{list}?{query}")).await;
            assert_eq!(page.status, 200, "{}", page.text);
            let (_, shown) = page.text.split_once("Show all").unwrap();
            assert!(shown.contains(own) && shown.contains(other) == has_other, "{shown}");
            assert!(shown.contains(&format!("/api/v1/{list}?{query}&#38;format=csv")), "{shown}");
        }
        let unknown = "site=00000000-0000-7000-8000-0000000000ff";
        assert_eq!(site.get(&client, &format!("/{list}?{unknown}")).await.status, 404);
    }
    let page = site.get(&client, &format!("/sites/{}", hall.trim_start_matches("site="))).await;
    assert!(
        page.text.contains(&format!("/commands?{hall}")) && page.text.contains(&format!("/rollouts?{hall}"))
    );
}
