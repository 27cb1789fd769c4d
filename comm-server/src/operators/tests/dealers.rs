//! Dealers: created, renamed and disabled by the provider, who invites the first administrator of each.

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};

use super::site::{Answer, Client, PASSWORD, Site};

const DEALERS: &str = "/api/v1/dealers";
const NORTH: &str = "/api/v1/dealers/north";

async fn with_provider() -> (Site, Client) {
    let site = Site::new().await;
    site.add_provider("pat").await;
    let pat = site.log_in("pat", PASSWORD).await;
    (site, pat)
}

async fn patch(site: &Site, client: &Client, version: Option<&str>, body: Value) -> Answer {
    let mut request = client.request("PATCH", NORTH, Some(&body));
    if let Some(version) = version {
        request.headers_mut().insert(header::IF_MATCH, version.parse().unwrap());
    }
    site.send(request).await
}

async fn with_key(site: &Site, client: &Client, path: &str, body: &Value) -> Answer {
    let mut request = client.request("POST", path, Some(body));
    request.headers_mut().insert("idempotency-key", "\"one\"".parse().unwrap());
    site.send(request).await
}

async fn accept(site: &Site, path: &str) -> Answer {
    let token = path.split_once("token=").unwrap().1;
    let form = format!("token={token}&new={0}&again={0}", PASSWORD.replace(' ', "+"));
    site.submit(&Client::default(), "/invitation", &form).await
}

async fn by_token(site: &Site, token: &str) -> u16 {
    let request = Request::get("/api/v1/customers").header(header::AUTHORIZATION, format!("Bearer {token}"));
    site.send(request.body(Body::empty()).unwrap()).await.status.as_u16()
}

/// A dealer `north` with the administrator `kim`, who has an API token.
async fn with_north(site: &Site, pat: &Client) -> (Client, String) {
    let made = site.post(pat, DEALERS, &json!({"dealer": "north", "name": "North"})).await;
    assert_eq!((made.status.as_u16(), made.header(header::LOCATION)), (201, NORTH), "{}", made.text);
    let invited = site.post(pat, &format!("{NORTH}/administrator"), &json!({"name": "kim"})).await;
    assert_eq!(invited.status, 201, "{}", invited.text);
    assert_eq!(accept(site, invited.json()["path"].as_str().unwrap()).await.status, 303);
    let kim = site.log_in("kim", PASSWORD).await;
    let expires_at = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
    let token = json!({"name": "erp", "role": "viewer", "expires_at": expires_at});
    let token = site.post(&kim, "/api/v1/tokens", &token).await.json()["secret"].as_str().unwrap().to_owned();
    (kim, token)
}

#[tokio::test]
async fn a_change_of_a_dealer_names_its_version() {
    let (site, pat) = with_provider().await;
    with_north(&site, &pat).await;
    assert_eq!(patch(&site, &pat, None, json!({"name": "x"})).await.status, 428);
    let renamed = patch(&site, &pat, Some("\"1\""), json!({"name": "North Office"})).await;
    assert_eq!((renamed.status.as_u16(), renamed.header(header::ETAG)), (200, "\"2\""), "{}", renamed.text);
    assert_eq!(patch(&site, &pat, Some("\"1\""), json!({"name": "x"})).await.status, 412);
    assert_eq!(patch(&site, &pat, Some("*"), json!({"name": ""})).await.status, 400);
    assert_eq!(
        patch(&site, &pat, Some("*"), json!({"dealer": "south"})).await.status,
        400,
        "an id never changes"
    );
    let list = site.get(&pat, DEALERS).await.json();
    let ids: Vec<_> = list["items"].as_array().unwrap().iter().map(|dealer| &dealer["dealer"]).collect();
    assert_eq!(ids, ["default", "north"]);
    for (body, status) in [
        (json!({"dealer": "north", "name": "Other"}), 409),
        (json!({"dealer": "south", "name": "North Office"}), 409),
        (json!({"dealer": "provider", "name": "Other"}), 409),
        (json!({"dealer": "South Side", "name": "Other"}), 400),
    ] {
        assert_eq!(site.post(&pat, DEALERS, &body).await.status, status, "{body}");
    }
    let again = site.post(&pat, &format!("{NORTH}/administrator"), &json!({"name": "lee"})).await;
    assert!(again.status == 409 && again.text.contains("has an administrator"), "{}", again.text);
    let nowhere = site.get(&pat, "/api/v1/dealers/provider").await;
    assert_eq!(nowhere.status, 404, "the provider's own tenant is no dealer");
}

#[tokio::test]
async fn a_disabled_dealers_people_and_programs_are_refused_at_once() {
    let (site, pat) = with_provider().await;
    let (kim, token) = with_north(&site, &pat).await;
    assert_eq!(
        (site.get(&kim, "/api/v1/customers").await.status.as_u16(), by_token(&site, &token).await),
        (200, 200)
    );
    let link = site.post(&kim, "/api/v1/users", &json!({"name": "lee", "role": "viewer"})).await.json();
    assert_eq!(patch(&site, &pat, Some("*"), json!({"disabled": true})).await.status, 200);
    assert_eq!(site.get(&kim, "/api/v1/customers").await.status, 401);
    assert_eq!(by_token(&site, &token).await, 401);
    let (refused, wrong) = (site.try_log_in("kim", PASSWORD).await, site.try_log_in("kim", "wrong").await);
    assert_eq!(
        (refused.status, &refused.text),
        (wrong.status, &wrong.text),
        "nobody learns that it is disabled"
    );
    assert_eq!(accept(&site, link["path"].as_str().unwrap()).await.status, 404);
    assert_eq!(patch(&site, &pat, Some("*"), json!({"disabled": false})).await.status, 200);
    assert_eq!(site.get(&kim, "/api/v1/customers").await.status, 401, "what ended stays ended");
    site.log_in("kim", PASSWORD).await;
    assert_eq!(by_token(&site, &token).await, 200);
}

#[tokio::test]
async fn dealers_are_kept_by_the_provider_alone() {
    let (site, pat) = with_provider().await;
    let (kim, _) = with_north(&site, &pat).await;
    let (there, nowhere) = (site.get(&kim, NORTH).await, site.get(&kim, "/api/v1/dealers/nowhere").await);
    assert_eq!((there.status.as_u16(), &there.text), (403, &nowhere.text));
    let new = json!({"dealer": "x", "name": "x"});
    assert_eq!(site.post(&kim, DEALERS, &new).await.status, 403);
    let raised = site.post(&kim, "/api/v1/users", &json!({"name": "sam", "role": "provider"})).await;
    assert!(raised.status == 400 && raised.text.contains("role"), "{}", raised.text);
    let inside = site.post(&pat, "/api/v1/users", &json!({"name": "sam", "role": "administrator"})).await;
    assert_eq!(inside.status, 400, "{}", inside.text);

    let (one, two) = (with_key(&site, &pat, DEALERS, &new).await, with_key(&site, &pat, DEALERS, &new).await);
    assert_eq!((one.status.as_u16(), &one.text), (201, &two.text));
    let secret = with_key(&site, &pat, "/api/v1/dealers/x/administrator", &json!({"name": "lee"})).await;
    assert_eq!(secret.status, 400, "its answer is a secret");

    let home = site.get(&pat, "/").await;
    assert_eq!((home.status.as_u16(), home.header(header::LOCATION)), (303, "/dealers"));
    let page = site.get(&pat, "/dealers").await;
    assert!(page.text.contains("North") && !page.text.contains("href=\"/customers\""), "{}", page.text);
    assert_eq!(site.get(&kim, "/dealers").await.status, 403);
    for own in ["/dealers/north", "/users", "/users/pat", "/tokens", "/audit"] {
        let page = site.get(&pat, own).await;
        assert_eq!(page.status, 200, "{own}: {}", page.text);
    }
    let audit = site.get(&pat, "/api/v1/audit").await.text;
    assert!(audit.contains("dealer.create") && !audit.contains("user.create"), "{audit}");
    let audit = site.get(&kim, "/api/v1/audit").await.text;
    assert!(audit.contains("provider:pat") && !audit.contains("dealer.create"), "{audit}");
}
