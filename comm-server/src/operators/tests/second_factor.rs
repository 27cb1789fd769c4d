//! Second factors: set up, requested after the password, limited like passwords, required, lost and reset.

use axum::http::header;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use super::site::{Answer, Client, PASSWORD, Site};

const FACTOR: &str = "/api/v1/account/second-factor";

fn again() -> Value {
    json!({ "password": PASSWORD })
}

/// The code that an authenticator shows, `steps` away from now.
fn code(secret: &str, steps: i64) -> String {
    let totp = Builder::new().with_secret(Secret::try_from_base32(secret).unwrap()).build().unwrap();
    let time = jiff::Timestamp::now().as_second() + steps * 30;
    totp.generate(u64::try_from(time).unwrap()).to_string()
}

fn client(answer: &Answer) -> Client {
    let cookie = answer.header(header::SET_COOKIE).split(';').next().unwrap().to_owned();
    Client { cookie, csrf: answer.json()["csrf"].as_str().unwrap().to_owned() }
}

/// Sets up an authenticator; returns its secret, the recovery codes and the code that was used.
async fn set_up(site: &Site, client: &Client) -> (String, Vec<String>, String) {
    let begun = site.post(client, FACTOR, &again()).await;
    assert_eq!(begun.status, 201, "{}", begun.text);
    let secret = begun.json()["secret"].as_str().unwrap().to_owned();
    let used = code(&secret, -1);
    let confirm = json!({ "code": used });
    let confirmed = site.post(client, &format!("{FACTOR}/confirmation"), &confirm).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text);
    let codes = confirmed.json()["codes"].as_array().unwrap().clone();
    (secret, codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect(), used)
}

/// A login with the correct password, which then requires the code.
async fn with_password(site: &Site, user: &str) -> Client {
    let answer = site.try_log_in(user, PASSWORD).await;
    assert_eq!((answer.status.as_u16(), answer.json()["stage"].as_str()), (200, Some("code")));
    assert_eq!(
        answer.headers.get_all(header::SET_COOKIE).iter().count(),
        1,
        "the browser isn't recognised yet"
    );
    client(&answer)
}

async fn enter_from(site: &Site, client: &Client, code: &str, address: &str) -> Answer {
    let mut request = client.request("POST", "/api/v1/session/code", Some(&json!({ "code": code })));
    let address = format!("{address}:1").parse().unwrap();
    request.extensions_mut().insert(runtime::listener::Peer { address, id: None });
    site.send(request).await
}

async fn enter(site: &Site, client: &Client, code: &str) -> Answer {
    enter_from(site, client, code, "192.0.2.1").await
}

#[tokio::test]
async fn a_login_needs_the_code_and_no_code_works_twice() {
    let (site, erin) = Site::with("administrator").await;
    let wrong = site.post(&erin, FACTOR, &json!({"password": "wrong"})).await;
    assert_eq!(wrong.status, 403);
    let (secret, recovery, used) = set_up(&site, &erin).await;
    assert_eq!(recovery.len(), 10);
    assert_eq!(site.get(&erin, "/api/v1/gateways").await.status, 200, "the own session goes on");
    assert_eq!(site.post(&erin, FACTOR, &again()).await.status, 409, "there is one already");

    let half = with_password(&site, "erin").await;
    for path in ["/api/v1/gateways", FACTOR] {
        let refused = site.get(&half, path).await;
        assert!(refused.status == 403 && refused.text.contains("/api/v1/session/code"), "{}", refused.text);
    }
    let change = json!({"current": PASSWORD, "new": "eight quiet printers"});
    let refused = site.send(half.request("PUT", "/api/v1/account/password", Some(&change))).await;
    assert_eq!(refused.status, 403, "not even the password");
    assert_eq!(site.get(&half, "/").await.header(header::LOCATION), "/login/code");
    assert_eq!(site.get(&half, "/password").await.status, 303);

    // The code that set it up was used.
    assert_eq!(enter(&site, &half, &used).await.status, 401);
    let now = code(&secret, 0);
    let passed = enter(&site, &half, &now).await;
    assert_eq!(
        (passed.status.as_u16(), passed.json()["stage"].as_str()),
        (200, Some("open")),
        "{}",
        passed.text
    );
    let whole = client(&passed);
    assert_ne!(whole.cookie, half.cookie, "a new token");
    assert_eq!(site.get(&whole, "/api/v1/gateways").await.status, 200);
    assert_eq!(site.get(&half, "/api/v1/gateways").await.status, 401, "the old one has ended");
    assert_eq!(enter(&site, &whole, &now).await.status, 409, "no code is due");
    let half = with_password(&site, "erin").await;
    assert_eq!(enter(&site, &half, &now).await.status, 401, "used already");

    let spelled = recovery[3].to_uppercase().replace('-', " ");
    assert_eq!(enter(&site, &half, &spelled).await.status, 200);
    let half = with_password(&site, "erin").await;
    assert_eq!(enter(&site, &half, &recovery[3]).await.status, 401, "each works once");
    assert_eq!(site.get(&erin, FACTOR).await.json()["recovery_codes_left"], 9);
    let renewed = site.post(&erin, "/api/v1/account/recovery-codes", &again()).await;
    assert_eq!(renewed.status, 201);
    assert_eq!(enter(&site, &half, &recovery[4]).await.status, 401, "replaced");

    let audit = site.get(&erin, "/api/v1/audit").await.text;
    for what in ["second_factor.enroll", "recovery_codes.renew", "session.password", "by a recovery code"] {
        assert!(audit.contains(what), "{what}: {audit}");
    }
    assert!(!audit.contains(&secret) && !recovery.iter().any(|code| audit.contains(code)), "no secret");
    assert_eq!(site.post(&erin, &format!("{FACTOR}/removal"), &again()).await.status, 204);
    site.log_in("erin", PASSWORD).await;
}

#[tokio::test]
async fn wrong_codes_lock_like_wrong_passwords_and_a_right_password_gives_no_more_tries() {
    let (site, erin) = Site::with("viewer").await;
    let (secret, ..) = set_up(&site, &erin).await;
    for attempt in 0..5 {
        // Each try with a login of its own: the right password doesn't forget the wrong codes.
        let half = with_password(&site, "erin").await;
        let bad = ["000000", "aaaa-aaaa-aaaa-aaaa", "", "not a code", "999999"][attempt];
        assert_eq!(enter(&site, &half, bad).await.status.as_u16() / 100, 4, "{bad}");
    }
    let locked = site.try_log_in("erin", PASSWORD).await;
    assert_eq!(locked.status, 401, "{}", locked.text);
    // Elsewhere the person gets in.
    let answer = site.try_log_in_from("198.51.100.7", "", "erin", PASSWORD).await;
    let half = client(&answer);
    assert_eq!(enter_from(&site, &half, &code(&secret, 0), "198.51.100.7").await.status, 200);
}

#[tokio::test]
async fn a_stored_requirement_that_is_unknown_lets_nobody_in() {
    let (site, admin) = Site::with("administrator").await;
    let require = admin.request("PATCH", "/api/v1/settings", Some(&json!({"require_totp": "everybody"})));
    assert_eq!(site.send(require).await.status, 200);
    site.sql("UPDATE settings SET value = 'all' WHERE name = 'require_totp'").await;
    assert_eq!(site.try_log_in("erin", PASSWORD).await.status, 500);
}

#[tokio::test]
async fn an_administrator_requires_and_resets_second_factors() {
    let (site, admin) = Site::with("administrator").await;
    site.add_user("kim", "meter_clerk", false).await;
    let kim = site.log_in("kim", PASSWORD).await;
    let require = json!({"require_totp": "everybody"});
    let patch = |client: &Client, body: &Value| client.request("PATCH", "/api/v1/settings", Some(body));
    assert_eq!(site.send(patch(&kim, &require)).await.status, 403, "who keeps customers doesn't decide this");
    assert_eq!(site.send(patch(&admin, &json!({"require_totp": "all"}))).await.status, 400);
    assert_eq!(site.send(patch(&admin, &require)).await.status, 200);
    let form = format!("csrf={}&level=tenant&node=&time_zone=Asia/Tokyo", kim.csrf);
    assert_eq!(site.submit(&kim, "/settings", &form).await.status, 303, "other settings are still kim's");

    let answer = site.try_log_in("kim", PASSWORD).await;
    assert_eq!(answer.json()["stage"], "enroll");
    let kim = client(&answer);
    let refused = site.get(&kim, "/api/v1/gateways").await;
    assert!(refused.status == 403 && refused.text.contains(FACTOR), "{}", refused.text);
    assert!(site.get(&kim, "/").await.header(header::LOCATION).starts_with("/second-factor"));
    let (_, recovery, _) = set_up(&site, &kim).await;
    assert_eq!(site.get(&kim, "/api/v1/gateways").await.status, 200);
    assert_eq!(site.post(&kim, &format!("{FACTOR}/removal"), &again()).await.status, 409, "it is required");

    assert!(site.get(&admin, "/users/kim").await.text.contains("Remove the second factor"));
    let reset = |client: &Client, user: &str| {
        client.request("DELETE", &format!("/api/v1/users/{user}/second-factor"), None)
    };
    assert_eq!(site.send(reset(&admin, "erin")).await.status, 409, "not one's own");
    assert_eq!(site.send(reset(&kim, "erin")).await.status, 403);
    assert_eq!(site.send(reset(&admin, "nobody")).await.status, 404);
    assert_eq!(site.send(reset(&admin, "kim")).await.status, 204);
    assert_eq!(site.get(&kim, "/api/v1/gateways").await.status, 401, "sessions have ended");
    let again = site.try_log_in("kim", PASSWORD).await;
    assert_eq!(again.json()["stage"], "enroll");
    assert_eq!(enter(&site, &client(&again), &recovery[0]).await.status, 409);
    let audit = site.get(&admin, "/api/v1/audit").await.json();
    let entry =
        audit["items"].as_array().unwrap().iter().find(|e| e["what"] == "second_factor.reset").unwrap();
    assert_eq!(
        (&entry["before"]["second_factor"], &entry["after"]["second_factor"]),
        (&json!(true), &json!(false))
    );
}

#[tokio::test]
async fn after_a_restore_a_second_factor_is_set_up_again() {
    let (site, erin) = Site::with("viewer").await;
    set_up(&site, &erin).await;
    // A backup has no secrets.
    site.sql("DELETE FROM totp_secrets; DELETE FROM recovery_codes").await;
    assert_eq!(
        site.try_log_in("erin", PASSWORD).await.json()["stage"],
        "enroll",
        "never by the password alone"
    );
}

#[tokio::test]
async fn the_pages_lead_through_it() {
    let (site, erin) = Site::with("viewer").await;
    let begin = site.get(&erin, "/second-factor").await.text;
    assert!(begin.contains("Set up an authenticator"), "{begin}");
    let form = |rest: &str| format!("csrf={}&{rest}", erin.csrf);
    let password = PASSWORD.replace(' ', "+");
    let refused = site.submit(&erin, "/second-factor", &form("do=begin&password=wrong")).await;
    assert!(
        refused.status == 400 && refused.text.contains("The current password is wrong"),
        "{}",
        refused.text
    );
    let shown =
        site.submit(&erin, "/second-factor", &form(&format!("do=begin&password={password}"))).await.text;
    assert!(shown.contains("<svg") && !shown.contains("<?xml"), "{shown}");
    let secret: String =
        shown.split("class=\"secret\">").nth(1).unwrap().split('<').next().unwrap().replace(' ', "");
    let wrong = site.submit(&erin, "/second-factor", &form("do=confirm&code=000000")).await;
    assert!(wrong.status == 400 && wrong.text.contains("The code is wrong") && wrong.text.contains("<svg"));
    let on = form(&format!("do=confirm&code={}", code(&secret, -1)));
    let on = site.submit(&erin, "/second-factor", &on).await;
    assert!(on.status == 200 && on.text.contains("recovery codes are shown only here"), "{}", on.text);
    assert!(site.get(&erin, "/second-factor").await.text.contains("10 recovery codes are left"));
    assert_eq!(site.submit(&erin, "/second-factor", &form("do=other")).await.status, 400);

    let login = format!("user=erin&password={password}&next=%2Fcalls");
    let half = site.submit(&Client::default(), "/login", &login).await;
    assert!(
        half.header(header::LOCATION).starts_with("/login/code?next="),
        "{}",
        half.header(header::LOCATION)
    );
    let cookie = half.header(header::SET_COOKIE).split(';').next().unwrap().to_owned();
    let half = Client { cookie, csrf: String::new() };
    let page = site.get(&half, "/login/code?next=%2Fcalls").await.text;
    let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let wrong = site.submit(&half, "/login/code", &format!("csrf={csrf}&code=000000&next=%2Fcalls")).await;
    assert!(wrong.status == 401 && wrong.text.contains("The code is wrong"), "{}", wrong.text);
    let right = format!("csrf={csrf}&code={}&next=%2Fcalls", code(&secret, 0));
    let right = site.submit(&half, "/login/code", &right).await;
    assert_eq!((right.status.as_u16(), right.header(header::LOCATION)), (303, "/calls"));
}
