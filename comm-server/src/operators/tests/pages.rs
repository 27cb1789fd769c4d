//! The pages: each is rendered with and without data, and text from a device is always escaped.

use axum::http::header;

use super::site::{PASSWORD, Site};

pub(super) const PAGES: [&str; 15] = [
    "/",
    "/customers",
    "/customers/01980000-0000-7000-8000-0000000000c1",
    "/sites/01980000-0000-7000-9000-0000000000c1",
    "/assets",
    "/assets/01980000-0000-7000-b000-0000000000c1",
    "/unassigned",
    "/not-read",
    "/gateways",
    "/calls",
    "/commands",
    "/rollouts",
    "/quarantine",
    "/audit",
    "/settings",
];

pub(super) const EVIL: &str = "
    INSERT INTO customers (tenant, customer, name, erp_key, version, created_ms, updated_ms)
     VALUES ('default', '01980000-0000-7000-8000-0000000000c1', '<script>alert(4)</script>', '<script>', 1, 1, 1);
    INSERT INTO addresses (tenant, address, street, postal_code, city, region, country, created_ms)
     VALUES ('default', 'a1', '<script>', '\"><script>', '<script>', '<script>', '', 1);
    INSERT INTO sites (tenant, site, customer, name, erp_key, address, version, created_ms, updated_ms)
     VALUES ('default', '01980000-0000-7000-9000-0000000000c1', '01980000-0000-7000-8000-0000000000c1',
      '<script>alert(1)</script>', '\"><script>', 'a1', 1, 1, 1);
    INSERT INTO assets (tenant, asset, name, erp_key, site, notes, version, created_ms, updated_ms)
     VALUES ('default', '01980000-0000-7000-b000-0000000000c1', '<script>alert(9)</script>', '\"><script>',
      '01980000-0000-7000-9000-0000000000c1', '<script>', 1, 1, 1);
    INSERT INTO settings (tenant, level, node, name, value, updated_ms, updated_by)
     VALUES ('default', 'site', '01980000-0000-7000-9000-0000000000c1', 'time_zone', '\"><script>', 1, 'a');
    INSERT INTO gateways (tenant, gateway, customer_id, site_id, version, first_seen_ms, last_poll_ms, next_poll_s)
     VALUES ('default', 'gw-1', '01980000-0000-7000-8000-0000000000c1', '01980000-0000-7000-9000-0000000000c1',
      '<script>', 1, 1, 3600);
    INSERT INTO lanes (tenant, gateway, lane, acknowledged, made) VALUES ('default', 'gw-1', 'bulk', 3, 5);
    INSERT INTO devices (tenant, gateway, device, vendor, model, serial, name, address, firmware, reading, read_ms,
      total, total_ms, first_seen_ms) VALUES ('default', 'gw-1', 'ricoh:E1/7', '<script>', '<script>alert(2)</script>',
      '<script>', '\"><script>', '<script>', '<script>',
      '{\"address\":\"<script>\",\"read_at\":\"2026-01-01T00:00:00Z\",\"took_ms\":1,\"requests\":1,
        \"identity\":{\"sys_descr\":\"<script>\",\"firmware\":[{\"component\":\"<script>\",\"version\":\"<script>\"}]},
        \"status\":{\"console\":[\"<script>alert(3)</script>\"]},
        \"supplies\":[{\"index\":\"1\",\"description\":\"<script>\",\"type\":\"toner\",\"color\":\"cyan\",\"percent\":5.0}],
        \"trays\":[{\"index\":\"1\",\"name\":\"<script>\",\"media\":\"<script>\",\"level\":1,\"max\":2}],
        \"alerts\":[{\"index\":\"1\",\"description\":\"<script>\"}]}', 1, 1234567, 1, 1);
    INSERT INTO counters (tenant, gateway, device, counter, read_ms, value, oid, raw, unit)
     VALUES ('default', 'gw-1', 'ricoh:E1/7', 'total', 1, 1234567, '<script>', 1234567, '<script>');
    INSERT INTO calls (tenant, gateway, raised_lane, raised_seq, device, kind, subject, detail, raised_ms, received_ms, is_open)
     VALUES ('default', 'gw-1', 'urgent', 1, 'ricoh:E1/7', 'service_call', '<script>', '<script>', 1, 1, 1);
    INSERT INTO commands (tenant, gateway, command, kind, body, created_by, created_ms, expires_ms, state, detail)
     VALUES ('default', 'gw-1', '01980000-0000-7000-8000-000000000002', 'discovery', '{}', '<script>', 1, 2, 'failed', '<script>');
    INSERT INTO rollouts (tenant, rollout, vendor, model, version, target, not_before_ms, created_by, created_ms, state)
     VALUES ('default', '01980000-0000-7000-8000-000000000001', '<script>', '<script>', '<script>', '<script>', 1, '<script>', 1, 'running');
    INSERT INTO rollout_devices (tenant, rollout, gateway, device, step, detail, version_before, version_now, updated_ms)
     VALUES ('default', '01980000-0000-7000-8000-000000000001', 'gw-1', 'ricoh:E1/7', 'failed', '<script>', '<script>', '<script>', 1);
    INSERT INTO quarantine (tenant, gateway, lane, seq, received_ms, reason, body)
     VALUES ('default', 'gw-1', 'bulk', 1, 1, '<script>', '</pre><script>');
    INSERT INTO audit (tenant, entry, at_ms, who, what, detail) VALUES ('default', 'e', 1, '<script>', '<script>', '<script>')";

pub(super) const DEVICE: &str = "/devices/gw-1/ricoh%3AE1%2F7";

/// Asserts that all scripts of a page are our own files.
fn assert_plain(path: &str, html: &str) {
    for (at, _) in html.match_indices("<script") {
        let tag: String = html.get(at..).unwrap_or_default().chars().take(24).collect();
        assert!(tag.starts_with("<script src=\"/static/"), "{path}: {tag}");
    }
    assert!(!html.contains("style=\"") && !html.contains(" onclick"), "{path}: inline style or handler");
}

#[tokio::test]
async fn text_of_a_device_is_never_markup() {
    let (site, client) = Site::with("administrator").await;
    site.sql(EVIL).await;
    let rollout = "/rollouts/01980000-0000-7000-8000-000000000001";
    for path in PAGES.into_iter().chain([DEVICE, rollout, "/?q=<script>", "/login", "/password"]) {
        let path = path.replace('<', "%3C").replace('>', "%3E");
        let page = site.get(&client, &path).await;
        assert!(page.status == 200 || page.status == 303, "{path}: {} {}", page.status, page.text);
        assert_plain(&path, &page.text);
    }
    let device = site.get(&client, DEVICE).await.text;
    for text in ["1,234,567", "Service call", "5 %", "Read counters now", "1 of 2 sheets"] {
        assert!(device.contains(text), "{text}");
    }
    assert!(device.contains("&#60;script&#62;alert(3)"), "the console's text is shown as text");
    let gateways = site.get(&client, "/gateways").await.text;
    assert!(gateways.contains("2 to come") && gateways.contains("Not polling"), "{gateways}");
    let missing = site.get(&client, "/%3Cscript%3E").await;
    assert_eq!(missing.status, 404);
    assert_plain("/<script>", &missing.text);
}

#[tokio::test]
async fn empty_pages_show_the_next_step() {
    let (site, client) = Site::with("administrator").await;
    let next = [
        ("/", "platen-pki token"),
        ("/customers", "No customers yet"),
        ("/gateways", "platen-gateway --config gateway.yaml enroll"),
        ("/calls", "No call matches"),
        ("/commands", "No commands yet"),
        ("/rollouts", "publish"),
        ("/quarantine", "Nothing is in"),
        ("/audit", ""),
        ("/settings", "UTC, this server&#39;s default"),
    ];
    for (path, text) in next {
        let page = site.get(&client, path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.text.contains(text) && !page.text.contains("platen-pki issue"), "{path}: {text}");
        assert!(page.text.contains("<html lang=\"en\">") && page.text.contains("class=\"skip\""), "{path}");
    }
}

#[tokio::test]
async fn a_person_logs_in_by_the_form_and_orders_a_reading() {
    let (site, _) = Site::with("engineer").await;
    site.sql(EVIL).await;
    let nobody = super::site::Client::default();
    let wrong = site.submit(&nobody, "/login", "user=erin&password=wrong").await;
    assert!(
        wrong.status == 401
            && wrong.text.contains("after five, wait 15 minutes")
            && wrong.text.contains("value=\"erin\"")
    );
    let form = format!("user=erin&password={}", PASSWORD.replace(' ', "+"));
    let right = site.submit(&nobody, "/login", &form).await;
    assert_eq!((right.status.as_u16(), right.header(header::LOCATION)), (303, "/"));
    let cookie = right.header(header::SET_COOKIE).split(';').next().unwrap().to_owned();
    let mut client = super::site::Client { cookie, csrf: String::new() };
    let device = site.get(&client, DEVICE).await.text;
    let (_, rest) = device.split_once("name=\"csrf\" value=\"").unwrap();
    client.csrf = rest.split('"').next().unwrap().to_owned();
    let form = format!("kind=counter_request&csrf={}", client.csrf);
    let asked = site.submit(&client, &format!("{DEVICE}/commands"), &form).await;
    assert_eq!(asked.header(header::LOCATION), format!("{DEVICE}?done=queued"));
    let commands = site.get(&client, "/api/v1/commands").await.json();
    let newest = &commands["items"][0];
    assert_eq!(newest["order"]["devices"][0], "ricoh:E1/7");
    let out = site.submit(&client, "/logout", &format!("csrf={}", client.csrf)).await;
    assert_eq!(out.header(header::LOCATION), "/login");
    assert_eq!(site.get(&client, "/").await.header(header::LOCATION), "/login");
}

#[tokio::test]
async fn a_list_is_read_page_by_page_without_a_gap() {
    let (site, client) = Site::with("viewer").await;
    site.sql(
        "INSERT INTO gateways (tenant, gateway, first_seen_ms, next_poll_s) VALUES ('default', 'gw-1', 1, 3600);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120)
         INSERT INTO devices (tenant, gateway, device, model, first_seen_ms)
          SELECT 'default', 'gw-1', printf('a:%03d/x', i), 'M', 1 FROM n",
    )
    .await;
    let (mut seen, mut path) = (Vec::new(), "/api/v1/devices".to_owned());
    loop {
        let page = site.get(&client, &path).await.json();
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|device| device["device"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/devices?page={next}");
    }
    let expected: Vec<String> = (1..=120).map(|i| format!("a:{i:03}/x")).collect();
    assert_eq!(seen, expected);
    let one = site.get(&client, "/api/v1/gateways/gw-1/devices/a%3A007%2Fx").await.json();
    assert_eq!(one["device"], "a:007/x");
    let found = site.get(&client, "/api/v1/devices?q=A:00&gateway=gw-1").await.json();
    assert_eq!(found["items"].as_array().unwrap().len(), 9);
}

const PUT_ASIDE: &str = "
    INSERT INTO gateways (tenant, gateway, first_seen_ms, next_poll_s) VALUES ('default', 'gw-1', 1, 3600);
    INSERT INTO quarantine (tenant, gateway, lane, seq, received_ms, reason, body) VALUES
     ('default', 'gw-1', 'urgent', 1, 1, 'no such kind', '{\"kind\":\"nonsense\"}'),
     ('default', 'gw-1', 'urgent', 2, 1, 'at device: an older server did not know it',
      '{\"kind\":\"call\",\"device\":\"ricoh:E1\",\"call\":\"jam\",\"edge\":\"raised\",\"detail\":\"A1\",
        \"seen_at\":\"2026-01-01T00:00:00Z\"}')";

#[tokio::test]
async fn quarantined_reports_are_tried_again_by_a_button() {
    let (site, client) = Site::with("administrator").await;
    site.sql(PUT_ASIDE).await;
    let form = format!("csrf={}&gateway=gw-1", client.csrf);
    let page = site.get(&client, "/quarantine").await.text;
    assert!(
        page.contains("action=\"/quarantine/replay\"") && page.contains("<option value=\"gw-1\">"),
        "{page}"
    );
    // Without the token, and by somebody who may not, nothing is tried.
    let forged = site.submit(&client, "/quarantine/replay", "csrf=wrong&gateway=gw-1").await;
    assert_eq!(forged.status, 403);
    site.add_user("vera", "viewer", false).await;
    let viewer = site.log_in("vera", PASSWORD).await;
    let refused = site.submit(&viewer, "/quarantine/replay", &format!("csrf={}", viewer.csrf)).await;
    assert_eq!(refused.status, 403);
    assert_eq!(site.store.of(&crate::store::testing::scope()).quarantine(None).await.unwrap().items.len(), 2);

    let other = site.submit(&client, "/quarantine/replay", &form.replace("gw-1", "gw-2")).await;
    assert!(
        other.status == 404 && other.text.contains("There is no gateway with that name"),
        "{}",
        other.text
    );
    let done = site.submit(&client, "/quarantine/replay", &form).await;
    assert_eq!((done.status.as_u16(), done.header(header::LOCATION)), (303, "/quarantine?done=partly-taken"));
    let page = site.get(&client, "/quarantine?done=partly-taken").await.text;
    assert!(
        page.contains("some could be used now") && page.contains("report 1") && !page.contains("report 2")
    );
    assert!(site.get(&client, "/calls").await.text.contains("Paper jam"));
    let audit = site.store.of(&crate::store::testing::scope()).audit(None).await.unwrap().items;
    let replay = audit.iter().find(|entry| entry.what == "quarantine.replay").unwrap();
    assert_eq!(
        (replay.who.as_str(), replay.detail.as_str()),
        ("erin", "1 reports stored, 1 still in quarantine")
    );
}
