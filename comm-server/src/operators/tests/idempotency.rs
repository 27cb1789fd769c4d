//! `Idempotency-Key`: requests that are repeated, simultaneous, have another body, or an invalid key.

use axum::http::header;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::site::{Answer, Client, Site};

const CUSTOMERS: &str = "/api/v1/customers";

async fn post(site: &Site, client: &Client, path: &str, key: &str, body: &Value) -> Answer {
    let mut request = client.request("POST", path, Some(body));
    request.headers_mut().insert("idempotency-key", key.parse().unwrap());
    site.send(request).await
}

#[tokio::test]
async fn fifty_at_once_make_one_customer() {
    let (site, erin) = Site::with("administrator").await;
    let body = json!({"name": "Meyer"});
    let answers = join_all((0..50).map(|_| post(&site, &erin, CUSTOMERS, "\"one\"", &body))).await;
    let made: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert!(!made.is_empty() && answers.iter().all(|a| a.status == 201 || a.status == 409));
    assert!(made.iter().all(|answer| answer.text == made[0].text), "one answer for all");
    let list = site.get(&erin, CUSTOMERS).await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let again = post(&site, &erin, CUSTOMERS, "one", &body).await;
    assert_eq!((again.status.as_u16(), &again.text), (201, &made[0].text), "with or without quotes");
    for name in [header::LOCATION, header::ETAG, header::CONTENT_TYPE] {
        assert_eq!(again.header(name.clone()), made[0].header(name));
    }
}

#[tokio::test]
async fn a_key_is_of_one_request_of_one_caller() {
    let (site, erin) = Site::with("administrator").await;
    site.add_user("kim", "administrator", false).await;
    let kim = site.log_in("kim", super::site::PASSWORD).await;
    assert_eq!(post(&site, &erin, CUSTOMERS, "k", &json!({"name": "A"})).await.status, 201);
    let other = post(&site, &erin, CUSTOMERS, "k", &json!({"name": "B"})).await;
    assert!(other.status == 422 && other.text.contains("another request"), "{}", other.text);
    assert_eq!(post(&site, &kim, CUSTOMERS, "k", &json!({"name": "B"})).await.status, 201);
    // A refusal that would be the same is answered again; the key of one that may change later is free.
    let taken = post(&site, &erin, CUSTOMERS, "t", &json!({"name": "A"})).await;
    assert_eq!(taken.status, 409);
    assert_eq!(post(&site, &erin, CUSTOMERS, "t", &json!({"name": "A"})).await.text, taken.text);
    for bad in ["a b", "\"", "\"\"", &"x".repeat(300)] {
        let refused = post(&site, &erin, CUSTOMERS, bad, &json!({"name": "C"})).await;
        assert!(refused.status == 400 && refused.text.contains("Idempotency-Key"), "{bad}: {}", refused.text);
    }
    let secret = post(&site, &erin, "/api/v1/tokens", "k", &json!({})).await;
    assert!(secret.status == 400 && secret.text.contains("secret"), "{}", secret.text);
    assert_eq!(post(&site, &Client::default(), CUSTOMERS, "k", &json!({"name": "A"})).await.status, 401);
    let (viewer, forbidden) = (site.add_user("v", "viewer", false).await, json!({"name": "D"}));
    let () = viewer;
    let viewer = site.log_in("v", super::site::PASSWORD).await;
    assert_eq!(post(&site, &viewer, CUSTOMERS, "k", &forbidden).await.status, 403);
}
