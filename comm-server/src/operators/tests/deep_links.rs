//! A login returns to the requested page, and only to pages of the console.

use axum::body::Body;
use axum::http::{Request, header};

use super::pages::{DEVICE, EVIL};
use super::site::{Client, PASSWORD, Site};

fn form(next: &str) -> String {
    let next: String = next.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("user=erin&password={}&next={next}", PASSWORD.replace(' ', "+"))
}

#[tokio::test]
async fn a_login_returns_to_the_page_that_was_wanted() {
    let (site, _) = Site::with("viewer").await;
    site.sql(EVIL).await;
    let nobody = Client::default();
    for path in [DEVICE, "/calls?state=open&kind=jam", "/?q=a%20b&page=x%2Cy"] {
        let sent = site.get(&nobody, path).await;
        let login = sent.header(header::LOCATION).to_owned();
        assert_eq!(sent.status, 303);
        let page = site.get(&nobody, &login).await.text;
        let (_, rest) = page.split_once("name=\"next\" value=\"").unwrap();
        let next = rest.split('"').next().unwrap().replace("&#38;", "&");
        assert_eq!(next, path);
        // A wrong password keeps the target.
        let wrong = site.submit(&nobody, "/login", &form(&next).replace("password=", "password=x")).await;
        assert!(wrong.status == 401 && wrong.text.contains("name=\"next\""), "{}", wrong.text);
        let right = site.submit(&nobody, "/login", &form(&next)).await;
        assert_eq!((right.status.as_u16(), right.header(header::LOCATION)), (303, path));
    }
    for evil in ["//evil.test", "https://evil.test", "/\\evil.test", "/a\r\nb", "/login", ""] {
        let right = site.submit(&nobody, "/login", &form(evil)).await;
        assert_eq!((right.status.as_u16(), right.header(header::LOCATION)), (303, "/"), "{evil:?}");
    }
}

#[tokio::test]
async fn a_lapsed_form_returns_to_its_page_and_changes_nothing() {
    let (site, client) = Site::with("administrator").await;
    site.sql(EVIL).await;
    site.sql("UPDATE sessions SET expires_ms = 1").await;
    let request = Request::post(format!("{DEVICE}/commands"))
        .header(header::COOKIE, &client.cookie)
        .header(header::HOST, "platen.test")
        .header(header::REFERER, format!("https://platen.test{DEVICE}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(format!("kind=counter_request&csrf={}", client.csrf)));
    let lapsed = site.send(request.unwrap()).await;
    let login = format!("/login?next={}", DEVICE.replace('%', "%25").replace('/', "%2F"));
    assert_eq!((lapsed.status.as_u16(), lapsed.header(header::LOCATION)), (303, login.as_str()));
    assert_eq!(
        site.store.of(&crate::store::testing::scope()).commands(None, None).await.unwrap().items.len(),
        1,
        "the one of before"
    );
}

#[tokio::test]
async fn a_one_time_password_is_changed_on_the_way() {
    let site = Site::new().await;
    let one_time = site.first_login().await;
    let nobody = Client::default();
    let hint = "That password works once";
    assert!(site.get(&nobody, "/login").await.text.contains(hint), "a first login is to come");
    let sent = site.submit(&nobody, "/login", &format!("user=admin&password={one_time}&next=%2Fcalls")).await;
    assert_eq!(sent.header(header::LOCATION), "/password?next=%2Fcalls");
    let cookie = sent.header(header::SET_COOKIE).split(';').next().unwrap().to_owned();
    let client = Client { cookie, csrf: String::new() };
    let page = site.get(&client, "/password?next=%2Fcalls").await.text;
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    let csrf = rest.split('"').next().unwrap();
    let new = PASSWORD.replace(' ', "+");
    let form = format!("csrf={csrf}&current={one_time}&new={new}&again={new}&next=%2Fcalls");
    let changed = site.submit(&client, "/password", &form).await;
    assert_eq!((changed.status.as_u16(), changed.header(header::LOCATION)), (303, "/calls"));
    assert!(!site.get(&nobody, "/login").await.text.contains(hint), "nobody waits for a first login");
}
