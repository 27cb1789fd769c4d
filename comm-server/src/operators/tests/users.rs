//! Accounts: invitations, rights that end at once, and what a user of a customer can access on every route.

use axum::http::header;
use serde_json::{Value, json};

use super::site::{Answer, Client, PASSWORD, Site};

const MINE: &str = "01980000-0000-7000-8000-000000000001";
const MY_SITE: &str = "01980000-0000-7000-9000-000000000001";
const FOREIGN: &str = "01980000-0000-7000-8000-000000000002";
const FOREIGN_SITE: &str = "01980000-0000-7000-9000-000000000002";
const ROLLOUT: &str = "01980000-0000-7000-a000-000000000002";

/// Two customers, each with a site, a gateway, a device, a call, a command and a quarantined report; the second also
/// has a roll-out.
const TWO_CUSTOMERS: &str = "
    INSERT INTO customers (tenant, customer, name, version, created_ms, updated_ms) VALUES
     ('default', '01980000-0000-7000-8000-000000000001', 'Meyer', 1, 1, 1),
     ('default', '01980000-0000-7000-8000-000000000002', 'Foreign', 1, 1, 1);
    INSERT INTO sites (tenant, site, customer, name, version, created_ms, updated_ms) VALUES
     ('default', '01980000-0000-7000-9000-000000000001', '01980000-0000-7000-8000-000000000001', 'Works', 1, 1, 1),
     ('default', '01980000-0000-7000-9000-000000000002', '01980000-0000-7000-8000-000000000002', 'Foreign works', 1, 1, 1);
    INSERT INTO gateways (tenant, gateway, customer_id, site_id, first_seen_ms, next_poll_s) VALUES
     ('default', 'gw-mine', '01980000-0000-7000-8000-000000000001', '01980000-0000-7000-9000-000000000001', 1, 3600),
     ('default', 'gw-foreign', '01980000-0000-7000-8000-000000000002', '01980000-0000-7000-9000-000000000002', 1, 3600);
    INSERT INTO devices (tenant, gateway, device, vendor, model, first_seen_ms) VALUES
     ('default', 'gw-mine', 'ricoh:E1', 'ricoh', 'IM C3000', 1),
     ('default', 'gw-foreign', 'ricoh:FOREIGN', 'ricoh', 'IM C3000', 1);
    INSERT INTO counters (tenant, gateway, device, counter, read_ms, value, oid, raw, unit) VALUES
     ('default', 'gw-foreign', 'ricoh:FOREIGN', 'total', 1, 7, '1.3', 7, '');
    INSERT INTO assets (tenant, asset, name, site, version, created_ms, updated_ms) VALUES
     ('default', '01980000-0000-7000-b000-000000000001', 'Mine', '01980000-0000-7000-9000-000000000001', 1, 1, 1),
     ('default', '01980000-0000-7000-b000-000000000002', 'FOREIGN', '01980000-0000-7000-9000-000000000002', 1, 1, 1),
     ('default', '01980000-0000-7000-b000-000000000003', 'FOREIGN to all', '', 1, 1, 1);
    INSERT INTO placements (tenant, asset, device, from_ms) VALUES
     ('default', '01980000-0000-7000-b000-000000000002', 'ricoh:FOREIGN', 1);
    INSERT INTO calls (tenant, gateway, raised_lane, raised_seq, device, kind, subject, detail, raised_ms, received_ms, is_open)
     VALUES ('default', 'gw-mine', 'urgent', 1, 'ricoh:E1', 'jam', '', 'tray 1', 1, 1, 1),
      ('default', 'gw-foreign', 'urgent', 1, 'ricoh:FOREIGN', 'jam', '', 'FOREIGN tray', 1, 1, 1);
    INSERT INTO commands (tenant, gateway, command, kind, body, created_by, created_ms, expires_ms, state, detail) VALUES
     ('default', 'gw-foreign', '01980000-0000-7000-8000-000000000002', 'discovery', '{}', 'FOREIGN', 1, 2, 'failed', '');
    INSERT INTO quarantine (tenant, gateway, lane, seq, received_ms, reason, body) VALUES
     ('default', 'gw-foreign', 'bulk', 1, 1, 'FOREIGN', '{}');
    INSERT INTO rollouts (tenant, rollout, vendor, model, version, target, not_before_ms, created_by, created_ms, state) VALUES
     ('default', '01980000-0000-7000-a000-000000000002', 'ricoh', 'IM C3000', '2.0', 'FOREIGN', 1, 'a', 1, 'running');
    INSERT INTO rollout_devices (tenant, rollout, gateway, device, step, updated_ms) VALUES
     ('default', '01980000-0000-7000-a000-000000000002', 'gw-foreign', 'ricoh:FOREIGN', 'failed', 1)";

async fn with_admin() -> (Site, Client) {
    let (site, admin) = Site::with("administrator").await;
    site.sql(TWO_CUSTOMERS).await;
    (site, admin)
}

async fn patch(site: &Site, client: &Client, name: &str, body: Value) -> Answer {
    let mut request = client.request("PATCH", &format!("/api/v1/users/{name}"), Some(&body));
    request.headers_mut().insert(header::IF_MATCH, "*".parse().unwrap());
    site.send(request).await
}

/// Creates a user and accepts the invitation; returns the user's client, logged in.
async fn invite(site: &Site, admin: &Client, body: Value) -> Client {
    let made = site.post(admin, "/api/v1/users", &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let path = made.json()["path"].as_str().unwrap().to_owned();
    let nobody = Client::default();
    let page = site.get(&nobody, &path).await;
    assert!(page.status == 200 && page.text.contains(body["name"].as_str().unwrap()), "{}", page.text);
    let token = path.split_once("token=").unwrap().1;
    let weak = site.submit(&nobody, "/invitation", &format!("token={token}&new=short&again=short")).await;
    assert_eq!(weak.status, 400);
    let form = format!("token={token}&new={0}&again={0}", PASSWORD.replace(' ', "+"));
    assert_eq!(site.submit(&nobody, "/invitation", &form).await.status, 303);
    let again = site.submit(&nobody, "/invitation", &form).await;
    assert!(again.status == 404 && again.text.contains("already used"), "{}", again.text);
    site.log_in(body["name"].as_str().unwrap(), PASSWORD).await
}

#[tokio::test]
async fn a_user_is_invited_changed_and_disabled() {
    let (site, admin) = with_admin().await;
    let kim =
        invite(&site, &admin, json!({"name": "kim", "role": "dispatcher", "mail": "kim@d.example"})).await;
    let taken = site.post(&admin, "/api/v1/users", &json!({"name": "kim", "role": "viewer"})).await;
    assert_eq!(taken.status, 409, "{}", taken.text);
    assert_eq!(site.get(&kim, "/api/v1/users").await.status, 403);
    assert_eq!(site.get(&kim, "/users").await.status, 403);

    // What a role allows ends with the next request.
    let new = json!({"gateway": "gw-mine", "order": {"kind": "status_sense"}});
    assert_eq!(site.post(&kim, "/api/v1/commands", &new).await.status, 201);
    let changed = patch(&site, &admin, "kim", json!({"role": "viewer"})).await;
    assert_eq!((changed.status, changed.json()["role"].as_str()), (200.try_into().unwrap(), Some("viewer")));
    assert_eq!(site.post(&kim, "/api/v1/commands", &new).await.status, 403);

    let sessions = site.get(&admin, "/api/v1/users/kim/sessions").await.json();
    assert_eq!(sessions["items"].as_array().unwrap().len(), 1);
    assert_eq!(patch(&site, &admin, "kim", json!({"disabled": true})).await.status, 200);
    assert_eq!(site.get(&kim, "/api/v1/gateways").await.status, 401);
    let refused = site.try_log_in("kim", PASSWORD).await;
    let unknown = site.try_log_in("nobody", PASSWORD).await;
    assert_eq!(
        (refused.status, refused.text),
        (unknown.status, unknown.text),
        "nobody learns who is disabled"
    );
    assert_eq!(patch(&site, &admin, "kim", json!({"disabled": false})).await.status, 200);
    site.log_in("kim", PASSWORD).await;
    let ended = site.send(admin.request("DELETE", "/api/v1/users/kim/sessions", None)).await;
    assert_eq!(ended.status, 204);
    let audit = site.get(&admin, "/api/v1/audit").await.text;
    for what in ["user.create", "user.invite", "user.change", "user.disable", "user.enable", "sessions.end"] {
        assert!(audit.contains(what), "{what}");
    }
    assert!(!audit.contains(PASSWORD) && !audit.contains("argon2"), "no secret");
}

#[tokio::test]
async fn nobody_is_locked_out_and_nobody_raises_themselves() {
    let (site, admin) = with_admin().await;
    for change in [json!({"role": "viewer"}), json!({"disabled": true}), json!({"customer": MINE})] {
        let refused = patch(&site, &admin, "erin", change).await;
        assert!(refused.status == 409 && refused.text.contains("another administrator"), "{}", refused.text);
    }
    assert_eq!(patch(&site, &admin, "erin", json!({"full_name": "Erin"})).await.status, 200);
    let other = invite(&site, &admin, json!({"name": "kim", "role": "administrator"})).await;
    assert_eq!(patch(&site, &other, "erin", json!({"disabled": true})).await.status, 200);
    // Whoever is left is the last one, for the command line as well.
    let services =
        crate::services::Services::new(&site.store, comm_server_core::cadence::Cadence::default(), None)
            .unwrap();
    let cli = crate::services::Actor::command_line(crate::store::testing::scope());
    let kim = services.accounts.read(&cli, "kim").await.unwrap();
    let refused = services.accounts.change(&cli, "kim", None, (&kim.spec(), true)).await.unwrap_err();
    assert!(refused.to_string().contains("last administrator"), "{refused}");
    for (bad, said) in [
        (json!({"name": "x", "role": "root"}), "there is no such role: expected one of viewer, "),
        (json!({"name": "x", "role": "customer_viewer"}), "a customer or a site"),
        (json!({"name": "a\nb", "role": "viewer"}), "is not a login name"),
        (json!({"name": "x", "role": "viewer", "mail": "nowhere"}), "erin@dealer.example"),
        (
            json!({"name": "x", "role": "viewer", "customer": FOREIGN.replace('2', "9")}),
            "there is no customer",
        ),
    ] {
        let refused = site.post(&other, "/api/v1/users", &bad).await;
        assert!(refused.status.is_client_error() && refused.text.contains(said), "{}", refused.text);
    }
}

#[tokio::test]
async fn an_administrator_of_a_customer_gives_no_more_than_that() {
    let (site, admin) = with_admin().await;
    let own = json!({"name": "kim", "role": "administrator", "customer": MINE});
    let kim = invite(&site, &admin, own).await;
    let users = site.get(&kim, "/api/v1/users").await.json();
    assert_eq!(users["items"].as_array().unwrap().len(), 1, "{users}");
    for body in [
        json!({"name": "x", "role": "administrator"}),
        json!({"name": "x", "role": "viewer", "customer": FOREIGN}),
        json!({"name": "x", "role": "viewer", "site": FOREIGN_SITE}),
    ] {
        assert_eq!(site.post(&kim, "/api/v1/users", &body).await.status, 404, "{body}");
    }
    invite(&site, &kim, json!({"name": "sam", "role": "customer_buyer", "site": MY_SITE})).await;
    assert_eq!(patch(&site, &kim, "erin", json!({"full_name": "x"})).await.status, 404);
    assert_eq!(
        patch(&site, &kim, "sam", json!({"role": "viewer", "site": null})).await.status,
        404,
        "not beyond the own part"
    );
    assert_eq!(site.get(&kim, "/api/v1/audit").await.status, 403, "the audit is of the whole company");
    assert_eq!(site.post(&kim, "/api/v1/customers", &json!({"name": "X"})).await.status, 403);
}

/// Ids of another customer.
const NAMES: [(&str, &str); 7] = [
    ("{gateway}", "gw-foreign"),
    ("{device}", "ricoh:FOREIGN"),
    ("{customer}", FOREIGN),
    ("{site}", FOREIGN_SITE),
    ("{asset}", "01980000-0000-7000-b000-000000000002"),
    ("{rollout}", ROLLOUT),
    ("{user}", "erin"),
];

/// Ids that do not exist.
const UNKNOWN: [(&str, &str); 7] = [
    ("{gateway}", "gw-nowhere"),
    ("{device}", "ricoh:NOWHERE"),
    ("{customer}", "01980000-0000-7000-8000-0000000000ff"),
    ("{site}", "01980000-0000-7000-9000-0000000000ff"),
    ("{asset}", "01980000-0000-7000-b000-0000000000ff"),
    ("{rollout}", "01980000-0000-7000-a000-0000000000ff"),
    ("{user}", "nobody"),
];

/// On every documented route, ids of another customer get the same response as unknown ids: nothing is shown or
/// changed.
#[tokio::test]
async fn a_customers_own_login_reaches_nothing_else_on_any_route() {
    let (site, admin) = with_admin().await;
    let viewer =
        invite(&site, &admin, json!({"name": "v", "role": "customer_viewer", "customer": MINE})).await;
    let head = invite(&site, &admin, json!({"name": "h", "role": "administrator", "site": MY_SITE})).await;
    let document = site.get(&viewer, "/api/v1/openapi.json").await.json();
    let filled = |path: &str, with: &[(&str, &str)]| {
        with.iter().fold(path.to_owned(), |path, (name, id)| path.replace(name, id))
    };
    let ask = async |client: &Client, method: &str, path: &str| {
        let body = (!matches!(method, "get" | "delete")).then(|| json!({}));
        let mut request = client.request(&method.to_uppercase(), path, body.as_ref());
        request.headers_mut().insert(header::IF_MATCH, "*".parse().unwrap());
        site.send(request).await
    };
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            // Logging out would end the test's own session.
            if path == "/api/v1/session" {
                continue;
            }
            for client in [&viewer, &head] {
                let answer = ask(client, method, &filled(path, &NAMES)).await;
                let name = format!("{method} {path}: {} {}", answer.status, answer.text);
                assert!(!answer.text.to_lowercase().contains("foreign"), "{name}");
                assert!(!answer.status.is_server_error(), "{name}");
                if path.contains('{') {
                    let nowhere = ask(client, method, &filled(path, &UNKNOWN)).await;
                    let without = |text: &str, ids: &[(&str, &str)]| {
                        ids.iter().fold(text.to_owned(), |text, (name, id)| text.replace(id, name))
                    };
                    let (known, nowhere) = (
                        (answer.status, without(&answer.text, &NAMES)),
                        (nowhere.status, without(&nowhere.text, &UNKNOWN)),
                    );
                    assert_eq!(known, nowhere, "{name}");
                }
                asked += 1;
            }
        }
    }
    assert!(asked > 70, "{asked}");
    let pages = ["/", "/customers", "/tokens", "/users", "/gateways", "/calls", "/commands", "/rollouts"];
    for page in pages.into_iter().chain(["/assets", "/unassigned", "/not-read"]) {
        for query in ["".to_owned(), format!("?customer={FOREIGN}"), format!("?site={FOREIGN_SITE}")] {
            for client in [&viewer, &head] {
                let shown = site.get(client, &format!("{page}{query}")).await;
                assert!(!shown.text.to_lowercase().contains("foreign"), "{page}{query}: {}", shown.text);
            }
        }
    }
    let assets = site.get(&viewer, "/api/v1/assets").await.json();
    assert_eq!(assets["items"][0]["name"], "Mine", "{assets}");
    let gateways = site.get(&viewer, "/api/v1/gateways").await.json();
    assert_eq!(gateways["items"][0]["gateway"], "gw-mine", "{gateways}");
    let calls = site.get(&viewer, "/api/v1/calls").await.json();
    assert_eq!(calls["items"].as_array().unwrap().len(), 1);
    assert_eq!(site.get(&viewer, "/api/v1/rollouts").await.json()["items"], json!([]));
}

/// Sends a request with a token, from an address.
async fn with_token(site: &Site, token: &str, (method, path): (&str, &str), address: &str) -> Answer {
    let body = (method == "POST").then(|| json!({"name": "Sato"}));
    let mut request = Client::default().request(method, path, body.as_ref());
    request.headers_mut().remove(header::COOKIE);
    request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    let address = format!("{address}:1").parse().unwrap();
    request.extensions_mut().insert(runtime::listener::Peer { address, id: None });
    site.send(request).await
}

#[tokio::test]
async fn a_program_has_a_token_with_role_reach_networks_and_end() {
    let (site, admin) = with_admin().await;
    let in_a_day = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24)).to_string();
    let new =
        json!({"name": "ERP", "role": "meter_clerk", "expires_at": in_a_day, "networks": "192.0.2.0/24"});
    let made = site.post(&admin, "/api/v1/tokens", &new).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let (id, token) = (
        made.json()["token"].as_str().unwrap().to_owned(),
        made.json()["secret"].as_str().unwrap().to_owned(),
    );
    assert_eq!(site.post(&admin, "/api/v1/tokens", &new).await.status, 409, "names are unique");
    let list = ("GET", "/api/v1/gateways");
    assert_eq!(with_token(&site, &token, list, "192.0.2.9").await.status, 200);
    // No cookie, and so no CSRF token is needed.
    assert_eq!(with_token(&site, &token, ("POST", "/api/v1/customers"), "192.0.2.9").await.status, 201);
    assert_eq!(with_token(&site, &token, ("GET", "/api/v1/users"), "192.0.2.9").await.status, 403);
    for (given, from) in [(token.as_str(), "198.51.100.1"), ("platen_at_x", "192.0.2.9"), ("", "192.0.2.9")] {
        assert_eq!(with_token(&site, given, list, from).await.status, 401, "{given} {from}");
    }
    assert_eq!(with_token(&site, &token, ("DELETE", "/api/v1/session"), "192.0.2.9").await.status, 403);
    let password = ("PUT", "/api/v1/account/password");
    assert!(with_token(&site, &token, password, "192.0.2.9").await.status.is_client_error());
    assert_eq!(with_token(&site, &token, ("GET", "/"), "192.0.2.9").await.status, 303, "not for pages");

    let listed = site.get(&admin, "/api/v1/tokens").await;
    assert!(
        listed.json()["items"][0]["used_at"].is_string() && !listed.text.contains(&token),
        "{}",
        listed.text
    );
    let audit = site.get(&admin, "/api/v1/audit").await.text;
    assert!(
        audit.contains("token:ERP") && audit.contains("token.create") && !audit.contains(&token),
        "{audit}"
    );
    let revoked = site.send(admin.request("DELETE", &format!("/api/v1/tokens/{id}"), None)).await;
    assert_eq!(revoked.status, 204);
    assert_eq!(with_token(&site, &token, list, "192.0.2.9").await.status, 401);

    for (field, value, said) in [
        ("expires_at", json!("2000-01-01T00:00:00Z"), "within the next 366 days"),
        ("networks", json!("10.0.0.0/99"), "CIDR"),
        ("role", json!("root"), "no such role"),
        ("name", json!(""), "1 to 200 bytes"),
    ] {
        let mut bad = new.clone();
        bad[field] = value;
        let refused = site.post(&admin, "/api/v1/tokens", &bad).await;
        assert!(refused.status == 400 && refused.text.contains(said), "{}", refused.text);
    }
    let form = format!("csrf={}&name=Page&days=30&role=viewer&part=customer+{MINE}", admin.csrf);
    let page = site.submit(&admin, "/tokens", &form).await.text;
    let shown = page.split("<code>platen_at_").nth(1).unwrap().split('<').next().unwrap();
    let gateways = with_token(&site, &format!("platen_at_{shown}"), list, "192.0.2.9").await;
    assert!(gateways.text.contains("gw-mine") && !gateways.text.contains("gw-foreign"), "{}", gateways.text);
}
