//! The live regions of a page: they contain no secret, are sent only when they have changed, and are the only
//! compressed responses.

use axum::http::header;
use serde_json::json;

use super::pages::{DEVICE, EVIL, PAGES};
use super::site::{PASSWORD, Site};

const LIVE: &str = runtime::live::HEADER;

/// Pages with live regions.
const LIVELY: [&str; 5] = ["/", "/gateways", "/calls", "/commands", DEVICE];

#[tokio::test]
async fn only_what_holds_no_secret_is_compressed() {
    let (site, client) = Site::with("administrator").await;
    site.sql(EVIL).await;
    for path in PAGES.into_iter().chain([DEVICE, "/password", "/nothing", "/calls?state=foo"]) {
        let page = site.browse(&client, path, &[]).await;
        assert!(page.text.contains(&client.csrf), "{path} has forms");
        assert_eq!(page.header(header::CONTENT_ENCODING), "", "{path} holds the session's token");
    }
    let login = json!({"user": "erin", "password": PASSWORD});
    let mut request = client.request("POST", "/api/v1/session", Some(&login));
    request.headers_mut().insert(header::ACCEPT_ENCODING, "gzip".parse().unwrap());
    let login = site.send(request).await;
    assert!(login.text.contains("csrf"), "{}", login.text);
    assert_eq!(login.header(header::CONTENT_ENCODING), "");
    for path in ["/static/console.css", "/static/console.js", "/static/live.js", "/static/plot.js"] {
        assert_eq!(site.browse(&client, path, &[]).await.header(header::CONTENT_ENCODING), "gzip", "{path}");
    }
}

#[tokio::test]
async fn regions_come_without_the_page_and_only_when_they_changed() {
    let (site, client) = Site::with("administrator").await;
    site.sql(EVIL).await;
    for path in LIVELY {
        let regions = site.browse(&client, path, &[(LIVE, "refresh")]).await;
        assert_eq!(
            (regions.status.as_u16(), regions.header(header::CONTENT_ENCODING)),
            (200, "gzip"),
            "{path}"
        );
        assert_eq!(regions.header(header::CACHE_CONTROL), "no-store", "{path}");
        let mut request = client.request("GET", path, None);
        request.headers_mut().insert(LIVE, "refresh".parse().unwrap());
        let plain = site.send(request).await;
        assert!(
            plain.text.contains("data-live=\"5\"") && !plain.text.contains("<html"),
            "{path}: {}",
            plain.text
        );
        assert!(!plain.text.contains("csrf") && !plain.text.contains(&client.csrf), "{path}: {}", plain.text);
        let tag = regions.header(header::ETAG).to_owned();
        let known = [(LIVE, "refresh"), ("if-none-match", tag.as_str())];
        let same = site.browse(&client, path, &known).await;
        assert_eq!((same.status.as_u16(), same.text.len()), (304, 0), "{path}");
        // The whole page has each region as well, for who has no script.
        let page = site.get(&client, path).await.text;
        assert!(page.contains("data-live=\"5\"") && page.contains("id=\"live\""), "{path}");
    }
    let tag = site.browse(&client, "/", &[(LIVE, "refresh")]).await.header(header::ETAG).to_owned();
    site.sql("UPDATE devices SET total = total + 1").await;
    let changed = site.browse(&client, "/", &[(LIVE, "refresh"), ("if-none-match", tag.as_str())]).await;
    assert_eq!(changed.status, 200);
}

#[tokio::test]
async fn a_script_is_sent_to_the_login_as_a_whole() {
    let (site, client) = Site::with("viewer").await;
    site.sql("UPDATE sessions SET expires_ms = 1").await;
    let lapsed = site.browse(&client, "/calls?state=open", &[(LIVE, "refresh")]).await;
    let to = lapsed.header(header::LOCATION);
    assert_eq!((lapsed.status.as_u16(), to), (401, "/login?next=%2Fcalls%3Fstate%3Dopen"));
}
