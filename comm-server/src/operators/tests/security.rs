//! Login, lock-out, cross-site requests, the one-time password, roles and tenants.

use axum::body::Body;
use axum::http::{Request, header};
use comm_server_core::cadence::Cadence;
use serde_json::json;

use super::site::{Client, PASSWORD, Site};
use crate::services::{Services, Users};

#[tokio::test]
async fn the_one_time_password_opens_nothing_but_its_change() {
    let site = Site::new().await;
    let one_time = site.first_login().await;
    assert!(
        Users::new(&site.store).unwrap().first_login().await.unwrap().is_none(),
        "only at the first start"
    );
    let first = site.try_log_in("admin", &one_time).await;
    assert_eq!(first.json()["must_change_password"], true);
    assert_eq!(first.json()["role"], "administrator");
    let client = site.log_in("admin", &one_time).await;
    let gated = site.get(&client, "/api/v1/devices").await;
    assert_eq!((gated.status.as_u16(), gated.json()["code"].as_str()), (403, Some("forbidden")));
    assert!(gated.text.contains("one-time password"), "{}", gated.text);
    let page = site.get(&client, "/").await;
    assert_eq!((page.status.as_u16(), page.header(header::LOCATION)), (303, "/password"));
    assert_eq!(site.get(&client, "/password").await.status, 200);

    let change = |new: &str| json!({"current": one_time, "new": new});
    let path = "/api/v1/account/password";
    let weak = site.send(client.request("PUT", path, Some(&change("short")))).await;
    assert_eq!(weak.status, 400, "{}", weak.text);
    let other = site.log_in("admin", &one_time).await;
    assert_eq!(site.send(client.request("PUT", path, Some(&change(PASSWORD)))).await.status, 204);
    assert_eq!(site.get(&client, "/api/v1/devices").await.status, 200, "the own session goes on");
    assert_eq!(site.get(&other, "/api/v1/devices").await.status, 401, "other sessions end");
    assert_eq!(site.try_log_in("admin", &one_time).await.status, 401);
    assert_eq!(site.try_log_in("admin", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn five_failures_lock_for_their_network_and_the_response_has_no_reason() {
    let (site, _) = Site::with("viewer").await;
    let unknown = site.try_log_in("nobody", PASSWORD).await;
    assert_eq!(unknown.status, 401);
    for _ in 0..5 {
        let wrong = site.try_log_in("erin", "not this one").await;
        assert_eq!((wrong.status, &wrong.text), (unknown.status, &unknown.text));
    }
    let locked = site.try_log_in("erin", PASSWORD).await;
    assert_eq!((locked.status, &locked.text), (unknown.status, &unknown.text));
    let elsewhere = site.try_log_in_from("192.0.2.2", "", "erin", PASSWORD).await;
    assert_eq!(elsewhere.status, 200, "nobody locks others out");
    site.sql("UPDATE login_failures SET last_ms = 1").await;
    assert_eq!(site.try_log_in("erin", PASSWORD).await.status, 200, "the lock ends");
}

fn device_cookie(answer: &super::site::Answer) -> String {
    let cookies = answer.headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap());
    let device = cookies.filter_map(|cookie| cookie.split(';').next());
    device.filter(|cookie| cookie.starts_with("__Host-platen_device=")).collect()
}

#[tokio::test]
async fn a_known_browser_gets_in_while_many_networks_guess() {
    let (mut site, _) = Site::with("viewer").await;
    let first = site.try_log_in_from("192.0.2.1", "", "erin", PASSWORD).await;
    let known = device_cookie(&first);
    assert!(!known.is_empty());
    let mut guesses = 0;
    for network in 1..=11 {
        for _ in 0..5 {
            let address = format!("198.51.100.{network}");
            guesses += u32::from(site.try_log_in_from(&address, "", "erin", "wrong").await.status == 401);
        }
    }
    assert_eq!(guesses, 55);
    let fresh = site.try_log_in_from("203.0.113.1", "", "erin", PASSWORD).await;
    assert_eq!(fresh.status, 401, "the account is guessed at from everywhere");
    let forged = format!("{known}0");
    assert_eq!(site.try_log_in_from("203.0.113.2", &forged, "erin", PASSWORD).await.status, 401);
    let by_known = site.try_log_in_from("203.0.113.3", &known, "erin", PASSWORD).await;
    assert_eq!(by_known.status, 200, "{}", by_known.text);
    // At another server of the same database too.
    let other =
        crate::operators::OperatorState::new(Services::new(&site.store, Cadence::default(), None).unwrap());
    site.router = crate::operators::router(other);
    let there = site.try_log_in_from("203.0.113.3", &known, "erin", PASSWORD).await;
    assert_eq!(there.status, 200, "{}", there.text);
}

#[tokio::test]
async fn a_form_that_is_too_large_is_413() {
    let site = Site::new().await;
    let form = format!("user=admin&password={}", "x".repeat(70_000));
    let answer = site.submit(&Client::default(), "/login", &form).await;
    assert_eq!(answer.status, 413, "{}", answer.text);
}

#[tokio::test]
async fn many_logins_from_one_address_are_slowed_down() {
    let site = Site::new().await;
    let mut last = site.try_log_in("nobody", "x").await;
    for _ in 0..40 {
        last = site.try_log_in("nobody", "x").await;
    }
    assert_eq!((last.status.as_u16(), last.json()["code"].as_str()), (429, Some("overloaded")));
    assert!(!last.header(header::RETRY_AFTER).is_empty());
}

#[tokio::test]
async fn sessions_end_by_logout_and_by_time() {
    let (site, client) = Site::with("viewer").await;
    assert_eq!(site.get(&client, "/api/v1/calls").await.status, 200);
    let out = site.send(client.request("DELETE", "/api/v1/session", None)).await;
    assert_eq!(out.status, 204);
    assert!(out.header(header::SET_COOKIE).contains("Max-Age=0"));
    assert_eq!(site.get(&client, "/api/v1/calls").await.status, 401);
    let client = site.log_in("erin", PASSWORD).await;
    site.sql("UPDATE sessions SET expires_ms = 1").await;
    assert_eq!(site.get(&client, "/api/v1/calls").await.status, 401);
    let page = site.get(&client, "/calls").await;
    assert_eq!((page.status.as_u16(), page.header(header::LOCATION)), (303, "/login?next=%2Fcalls"));
}

#[tokio::test]
async fn a_forged_change_is_refused() {
    let (site, client) = Site::with("administrator").await;
    let order = json!({"gateway": "gw-1", "order": {"kind": "discovery"}});
    for csrf in ["", "0", &"0".repeat(64)] {
        let forger = Client { csrf: csrf.to_owned(), ..client.clone() };
        assert_eq!(site.post(&forger, "/api/v1/commands", &order).await.status, 403, "{csrf}");
    }
    assert_eq!(site.post(&client, "/api/v1/commands", &order).await.status, 404, "no such gateway");
    assert_eq!(site.submit(&client, "/commands", "gateway=gw-1&kind=discovery").await.status, 403);
    assert_eq!(site.submit(&client, "/commands", "gateway=gw-1&kind=discovery&csrf=00").await.status, 403);
    let mut request = client.request("POST", "/api/v1/commands", Some(&order));
    request.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
    assert_eq!(site.send(request).await.status, 403);
    let mut request =
        client.request("POST", "/api/v1/session", Some(&json!({"user": "erin", "password": PASSWORD})));
    request.headers_mut().insert(header::HOST, "platen.test".parse().unwrap());
    request.headers_mut().insert(header::ORIGIN, "https://evil.test".parse().unwrap());
    assert_eq!(site.send(request).await.status, 403);
}

#[tokio::test]
async fn a_role_has_exactly_the_permissions_of_its_table() {
    let (site, client) = Site::with("viewer").await;
    site.sql("INSERT INTO gateways (tenant, gateway, first_seen_ms, next_poll_s) VALUES ('default', 'gw-1', 1, 3600)")
        .await;
    let order = |kind: &str| json!({"gateway": "gw-1", "order": {"kind": kind}});
    for kind in ["counter_request", "status_sense", "discovery", "diagnostics"] {
        assert_eq!(site.post(&client, "/api/v1/commands", &order(kind)).await.status, 403, "{kind}");
    }
    let rollout = json!({"vendor": "ricoh", "model": "IM C3000", "version": "2.0"});
    assert_eq!(site.post(&client, "/api/v1/rollouts", &rollout).await.status, 403);
    for path in ["/api/v1/quarantine", "/api/v1/audit", "/quarantine", "/audit"] {
        assert_eq!(site.get(&client, path).await.status, 403, "{path}");
    }
    site.add_user("mia", "meter_clerk", false).await;
    let clerk = site.log_in("mia", PASSWORD).await;
    let made = site.post(&clerk, "/api/v1/commands", &order("counter_request")).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let listed = site.get(&clerk, "/api/v1/commands?gateway=gw-1").await.json();
    assert_eq!(listed["items"][0]["command"], made.json()["command"]);
    assert_eq!(listed["items"][0]["created_by"], "mia");
    assert_eq!(site.post(&clerk, "/api/v1/commands", &order("status_sense")).await.status, 403);
    let firmware = json!({"gateway": "gw-1", "order": {"kind": "firmware_cancel", "rollout": "x"}});
    assert_eq!(site.post(&clerk, "/api/v1/commands", &firmware).await.status, 400);
}

#[tokio::test]
async fn nobody_sees_another_tenant() {
    let (site, client) = Site::with("administrator").await;
    site.sql(
        "INSERT INTO gateways (tenant, gateway, first_seen_ms, next_poll_s) VALUES ('other', 'gw-o', 1, 3600);
         INSERT INTO devices (tenant, gateway, device, model, first_seen_ms) VALUES ('other', 'gw-o', 'a:1', 'Secret', 1);
         INSERT INTO counters (tenant, gateway, device, counter, read_ms, value, oid, raw) VALUES ('other', 'gw-o', 'a:1', 'total', 1, 5, '1.3', 5);
         INSERT INTO quarantine (tenant, gateway, lane, seq, received_ms, reason, body) VALUES ('other', 'gw-o', 'bulk', 1, 1, 'Secret', '{}');
         INSERT INTO rollouts (tenant, rollout, vendor, model, version, target, not_before_ms, created_by, created_ms, state)
          VALUES ('other', '01980000-0000-7000-8000-000000000001', 'v', 'Secret', '1', 't', 1, 'x', 1, 'running');
         INSERT INTO audit (tenant, entry, at_ms, who, what, detail) VALUES ('other', 'e', 1, 'x', 'y', 'Secret')",
    )
    .await;
    for path in ["devices", "gateways", "calls", "commands", "rollouts", "quarantine", "audit"] {
        let list = site.get(&client, &format!("/api/v1/{path}")).await;
        assert_eq!(list.status, 200, "{path}: {}", list.text);
        assert!(!list.text.contains("Secret") && !list.text.contains("gw-o"), "{path}: {}", list.text);
    }
    for path in [
        "/api/v1/gateways/gw-o",
        "/api/v1/gateways/gw-o/devices/a%3A1",
        "/api/v1/gateways/gw-o/devices/a%3A1/counters",
        "/api/v1/rollouts/01980000-0000-7000-8000-000000000001",
        "/devices/gw-o/a%3A1",
        "/rollouts/01980000-0000-7000-8000-000000000001",
    ] {
        assert_eq!(site.get(&client, path).await.status, 404, "{path}");
    }
    let order = json!({"gateway": "gw-o", "order": {"kind": "discovery"}});
    assert_eq!(site.post(&client, "/api/v1/commands", &order).await.status, 404);
    let cancel = "/api/v1/rollouts/01980000-0000-7000-8000-000000000001/cancel";
    assert_eq!(site.send(client.request("POST", cancel, None)).await.status, 404);
    for path in ["/", "/gateways", "/calls", "/commands", "/rollouts", "/quarantine", "/audit"] {
        assert!(!site.get(&client, path).await.text.contains("Secret"), "{path}");
    }
}

#[tokio::test]
async fn responses_to_wrong_requests_have_the_reason() {
    let (site, client) = Site::with("administrator").await;
    let refused = |path: &'static str| site.get(&client, path);
    let long = format!("/api/v1/devices?q={}", "x".repeat(101));
    assert_eq!(site.get(&client, &long).await.status, 400);
    assert_eq!(refused("/api/v1/calls?kind=coffee").await.status, 400);
    assert_eq!(refused("/api/v1/calls?state=ajar").await.status, 400);
    assert_eq!(refused("/api/v1/devices?page=nonsense").await.status, 400);
    assert_eq!(refused("/api/v1/nothing").await.json()["code"], "not_found");
    assert_eq!(site.send(client.request("PUT", "/api/v1/devices", None)).await.status, 405);
    let unknown = json!({"gateway": "gw-1", "order": {"kind": "make_coffee"}});
    let unknown = site.post(&client, "/api/v1/commands", &unknown).await;
    assert!(unknown.status == 400 && unknown.text.contains("make_coffee"), "{}", unknown.text);
    let request = Request::post("/api/v1/session").body(Body::from("{}")).unwrap();
    assert_eq!(site.send(request).await.status, 415);
    let huge = json!({"user": "x".repeat(70_000), "password": ""});
    let huge = site.post(&client, "/api/v1/session", &huge).await;
    assert_eq!((huge.status.as_u16(), huge.header(header::CONTENT_TYPE)), (413, "application/problem+json"));
}

#[tokio::test]
async fn every_answer_carries_the_headers() {
    let site = Site::new().await;
    for path in ["/login", "/api/v1/devices", "/nothing", "/static/console.css"] {
        let answer = site.get(&Client::default(), path).await;
        let policy = answer.header(header::CONTENT_SECURITY_POLICY);
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{path}");
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{path}");
        assert!(!answer.header(header::STRICT_TRANSPORT_SECURITY).is_empty(), "{path}");
    }
}
