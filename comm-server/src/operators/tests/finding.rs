//! Searches in lists, and the texts of pages without results.

use axum::http::header;

use super::pages::{DEVICE, EVIL};
use super::site::Site;

const MANY: &str = "
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 150)
    INSERT INTO customers (tenant, customer, name, version, created_ms, updated_ms)
     SELECT DISTINCT 'default', printf('01980000-0000-7000-8000-%012d', i / 3), printf('Customer %d', i / 3), 1, 1, 1
     FROM n;
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 150)
    INSERT INTO sites (tenant, site, customer, name, version, created_ms, updated_ms)
     SELECT 'default', printf('01980000-0000-7000-9000-%012d', i), printf('01980000-0000-7000-8000-%012d', i / 3),
      printf('Works %d', i), 1, 1, 1 FROM n;
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 150)
    INSERT INTO gateways (tenant, gateway, customer_id, site_id, first_seen_ms, last_poll_ms, next_poll_s)
     SELECT 'default', printf('gw-%04d-site', i), printf('01980000-0000-7000-8000-%012d', i / 3),
      printf('01980000-0000-7000-9000-%012d', i), 1,
      CAST(strftime('%s', 'now') AS INTEGER) * 1000 - 900000, 3600 FROM n;
    INSERT INTO devices (tenant, gateway, device, first_seen_ms) VALUES ('default', 'gw-0140-site', 'a:1', 1)";

#[tokio::test]
async fn any_of_many_gateways_can_get_a_command() {
    let (site, client) = Site::with("administrator").await;
    site.sql(MANY).await;
    let all = site.get(&client, "/commands").await.text;
    assert_eq!(all.matches("<option value=\"gw-").count(), 50);
    assert!(all.contains("The first 50 are listed"), "the list says that it isn't all");
    for (q, found) in [
        ("gw-0149", "gw-0149-site"),
        ("works+148", "gw-0148-site"),
        ("CUSTOMER+49+works+147", "gw-0147-site"),
    ] {
        let page = site.get(&client, &format!("/commands?q={q}")).await.text;
        assert_eq!(page.matches("<option value=\"gw-").count(), 1, "{q}");
        assert!(page.contains(&format!("<option value=\"{found}\">{found} · Customer 49")), "{q}: {page}");
        assert!(page.contains("1 gateway matches."), "{q}");
        assert_eq!(
            site.get(&client, &format!("/gateways?q={q}")).await.text.matches("data-key=").count(),
            1,
            "{q}"
        );
    }
    assert!(site.get(&client, "/commands?q=nowhere").await.text.contains("No gateway matches"));
    assert!(site.get(&client, "/gateways?q=nowhere").await.text.contains("No gateway matches"));
    let form = format!("gateway=gw-0149-site&kind=discovery&csrf={}", client.csrf);
    let asked = site.submit(&client, "/commands", &form).await;
    assert_eq!(asked.header(header::LOCATION), "/commands?gateway=gw-0149-site&done=queued");
    let own = site.get(&client, asked.header(header::LOCATION)).await.text;
    assert!(
        own.contains("Commands of gw-0149-site only") && own.contains("<option value=\"gw-0149-site\">"),
        "{own}"
    );
}

#[tokio::test]
async fn the_delivery_time_of_a_queued_command_is_shown() {
    let (site, client) = Site::with("administrator").await;
    site.sql(MANY).await;
    let page = site.get(&client, "/devices/gw-0140-site/a%3A1?done=queued").await.text;
    let text = "Queued. gw-0140-site receives it with its next poll, in 45 min. <a href=\"/commands?gateway=gw-0140-site\">";
    assert!(page.contains(text), "{page}");
    site.sql("UPDATE gateways SET last_poll_ms = 1").await;
    let page = site.get(&client, "/devices/gw-0140-site/a%3A1?done=queued").await.text;
    assert!(page.contains("gw-0140-site has missed its polls"), "{page}");
    let other = site.get(&client, "/devices/gw-0140-site/a%3A1?done=other").await.text;
    assert!(!other.contains("Queued."), "{other}");
}

#[tokio::test]
async fn unknown_filters_are_refused_with_what_was_expected() {
    let (site, client) = Site::with("viewer").await;
    let table = [
        ("/?state=foo", "state in the address is “foo”: expected attention, offline, supplies, or none"),
        ("/calls?state=foo", "state in the address is “foo”: expected open, closed, or none"),
        ("/calls?kind=foo", "kind in the address is “foo”: expected service_call, jam,"),
        ("/gateways?page=a&page=b", "duplicate field `page`"),
    ];
    for (path, text) in table {
        let page = site.get(&client, path).await;
        assert_eq!(page.status, 400, "{path}");
        assert!(page.text.contains(text), "{path}: {}", page.text);
        assert!(page.text.contains("aria-label=\"Main\""), "{path}: the navigation is there");
    }
    for (path, status) in [("/nothing", 404), ("/quarantine", 403), ("/devices/gw-9/x", 404)] {
        let page = site.get(&client, path).await;
        assert_eq!(page.status, status, "{path}");
        assert!(page.text.contains("aria-label=\"Main\"") && page.text.contains("Sign out"), "{path}");
    }
    let nobody = site.get(&super::site::Client::default(), "/nothing").await;
    assert!(nobody.status == 404 && !nobody.text.contains("aria-label=\"Main\""));
}

#[tokio::test]
async fn old_values_are_marked() {
    let (site, client) = Site::with("viewer").await;
    site.sql(EVIL).await;
    site.sql("UPDATE gateways SET last_poll_ms = CAST(strftime('%s', 'now') AS INTEGER) * 1000").await;
    let fresh = site.get(&client, DEVICE).await.text;
    assert!(!fresh.contains("class=\"stale\"") && fresh.contains("Console text of the device"), "{fresh}");
    site.sql("UPDATE devices SET offline = 1").await;
    let page = site.get(&client, DEVICE).await.text;
    for text in [
        "class=\"stale\"",
        "does not respond to its gateway",
        "1970-01-01 00:00:00 UTC",
        "at its last reading",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(site.get(&client, "/").await.text.contains("class=\"stale\""));
    site.sql("UPDATE devices SET offline = 0; UPDATE gateways SET last_poll_ms = 1").await;
    assert!(site.get(&client, DEVICE).await.text.contains("Its gateway has missed its polls."));
    assert!(site.get(&client, "/").await.text.contains("gateway does not poll"));
}

#[tokio::test]
async fn tile_badge_and_bar_agree_on_what_is_near_its_end() {
    let (site, client) = Site::with("viewer").await;
    site.sql(EVIL).await;
    site.sql("UPDATE calls SET is_open = 0").await;
    // 5 % and no call: the gateway has not judged it to be low, and nothing says so.
    let low = "supply-level low";
    assert!(!site.get(&client, DEVICE).await.text.contains(low));
    assert_eq!(site.get(&client, "/?state=supplies").await.text.matches("data-key=").count(), 0);
    site.sql(
        "INSERT INTO calls (tenant, gateway, raised_lane, raised_seq, device, kind, subject, detail, raised_ms, received_ms, is_open)
          VALUES ('default', 'gw-1', 'urgent', 2, 'ricoh:E1/7', 'supply_near_end', '1', 'low', 1, 1, 1)",
    )
    .await;
    let page = site.get(&client, DEVICE).await.text;
    assert!(page.contains(low) && page.contains("Supply low"), "{page}");
    let fleet = site.get(&client, "/?state=supplies").await.text;
    assert!(fleet.contains("mini-text low") && fleet.contains("Supply low"), "{fleet}");
}

/// The text of the badge that follows a marker.
fn badge_after<'a>(html: &'a str, marker: &str) -> &'a str {
    let (_, rest) = html.split_once(marker).unwrap_or_else(|| panic!("{marker}: {html}"));
    let (_, rest) = rest.split_once("<span class=\"badge").unwrap();
    let (_, rest) = rest.split_once("<span>").unwrap();
    rest.split_once("</span>").unwrap().0
}

#[tokio::test]
async fn the_fleet_and_the_device_page_show_the_same_call_of_many() {
    let (site, client) = Site::with("viewer").await;
    site.sql(
        "INSERT INTO gateways (tenant, gateway, first_seen_ms, last_poll_ms, next_poll_s)
          VALUES ('default', 'gw-1', 1, CAST(strftime('%s', 'now') AS INTEGER) * 1000, 3600);
         INSERT INTO devices (tenant, gateway, device, first_seen_ms) VALUES ('default', 'gw-1', 'a:1', 1);
         INSERT INTO calls (tenant, gateway, raised_lane, raised_seq, device, kind, subject, detail, raised_ms,
          received_ms, is_open) VALUES ('default', 'gw-1', 'urgent', 1000, 'a:1', 'device_offline', '', '', 9000, 9000, 1)",
    )
    .await;
    let shown = async || {
        let fleet = site.get(&client, "/").await.text;
        let device = site.get(&client, "/devices/gw-1/a%3A1").await.text;
        let of_fleet = badge_after(&fleet, "data-label=\"Status\"").to_owned();
        (of_fleet, badge_after(&device, "id=\"status-title\"").to_owned())
    };
    let both = |word: &str| (word.to_owned(), word.to_owned());
    assert_eq!(shown().await, both("Not read yet"), "a call that no badge names");
    // The one that matters is older than the 60 that follow it.
    site.sql(
        "INSERT INTO calls (tenant, gateway, raised_lane, raised_seq, device, kind, subject, detail, raised_ms,
          received_ms, is_open) VALUES ('default', 'gw-1', 'urgent', 1, 'a:1', 'service_call', '', '', 1, 1, 1);
         WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 61)
         INSERT INTO calls (tenant, gateway, raised_lane, raised_seq, device, kind, subject, detail, raised_ms,
          received_ms, is_open)
          SELECT 'default', 'gw-1', 'urgent', i, 'a:1', 'supply_near_end', '1.' || i, '', i, i, 1 FROM n",
    )
    .await;
    assert_eq!(shown().await, both("Service call"));
    site.sql("UPDATE calls SET is_open = 0, cleared_ms = 9000 WHERE kind = 'service_call'").await;
    assert_eq!(shown().await, both("Supply low"));
}

#[tokio::test]
async fn a_query_with_nul_is_refused_on_every_engine() {
    let (site, client) = Site::with("administrator").await;
    for path in ["/?q=a%00b", "/gateways?page=%00", "/api/v1/customers?q=%00", "/api/v1/users?page=%00"] {
        let refused = site.get(&client, path).await;
        assert!(refused.status == 400 && refused.text.contains("NUL"), "{path}: {}", refused.text);
    }
}
