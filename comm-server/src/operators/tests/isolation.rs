//! Nothing of one dealer is reachable by another: a test of every route, method and id, made from the OpenAPI document.
//!
//! Each request is made twice by the second dealer: with ids of the first one, and with ids that nobody has. Both answers
//! are the same apart from the ids, and no answer has a word of the first dealer.

mod requests;
mod rows;

use axum::body::Body;
use axum::http::{Request, header};
use comm_server_core::tenancy::TenantId;
use serde_json::{Value, json};

use super::site::{Answer, Client, PASSWORD, Site};
use crate::store::testing::id;
use requests::{Operation, Planned, operations};
use rows::{Ids, fill};

/// The first dealer, the second one, and nobody.
const FIRST: Ids = Ids::new("alfa", 1);
const SECOND: Ids = Ids::new("beta", 2);
const NOBODY: Ids = Ids::new("zeta", 3);

/// Pages of the console, with ids as in the API.
const PAGES: &[&str] = &[
    "/?q={q}",
    "/?customer={customer}",
    "/?site={site}",
    "/customers?q={q}",
    "/customers/{customer}",
    "/sites/{site}",
    "/customers/export.csv",
    "/assets?q={q}",
    "/assets/{asset}",
    "/unassigned?q={q}",
    "/not-read",
    "/gateways?q={q}",
    "/gateways?site={site}",
    "/devices/{gateway}/{device}",
    "/calls",
    "/calls?gateway={gateway}",
    "/commands",
    "/commands?gateway={gateway}",
    "/rollouts",
    "/rollouts/{rollout}",
    "/quarantine",
    "/audit?who={who}",
    "/audit/export.csv",
    "/users?q={q}",
    "/users/{user}",
    "/tokens",
    "/settings",
    "/dealers",
    "/dealers/default",
];

/// Somebody of the second dealer: a session, or a program with a token.
enum Person {
    Session(Client),
    Token(String),
}

impl Person {
    fn request(&self, planned: &Planned) -> Request<Body> {
        let client = match self {
            Self::Session(client) => client.clone(),
            Self::Token(_) => Client::default(),
        };
        let mut request = client.request(planned.method, &planned.path, None);
        let headers = request.headers_mut();
        if let Self::Token(token) = self {
            headers.remove(header::COOKIE);
            headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        }
        headers.insert(header::IF_MATCH, "*".parse().unwrap());
        if let Some((media, body)) = &planned.body {
            headers.insert(header::CONTENT_TYPE, media.parse().unwrap());
            *request.body_mut() = Body::from(body.clone());
        }
        request
    }
}

async fn two_dealers() -> Site {
    let site = Site::new().await.publishing(Ok(&[("ricoh", "beta model", "2")]));
    let north: TenantId = id("north");
    let author = crate::store::Author { by: "pat".to_owned(), now: jiff::Timestamp::now() };
    site.store.create_dealer(north.clone(), "North".to_owned(), author).await.unwrap();
    fill(&site, &TenantId::default_tenant(), &FIRST).await;
    fill(&site, &north, &SECOND).await;
    site
}

async fn token(site: &Site, client: &Client) -> String {
    let expires_at = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
    let new = json!({"name": "erp", "role": "administrator", "expires_at": expires_at});
    let made = site.post(client, "/api/v1/tokens", &new).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()["secret"].as_str().unwrap().to_owned()
}

/// An answer without ids; `Date` and the like are no part of it.
fn told(answer: &Answer, ids: &Ids) -> (u16, String) {
    (answer.status.as_u16(), ids.hidden(&answer.text))
}

/// Everything of the first dealer that its administrator can list.
async fn everything(site: &Site, client: &Client) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for operation in operations() {
        if operation.is_list() && !operation.path.contains("export") && !operation.path.contains("audit") {
            let answer = site.get(client, &operation.path).await;
            assert_eq!(answer.status, 200, "{} {}", operation.path, answer.text);
            all.push((operation.path, answer.json()));
        }
    }
    all
}

/// Makes the requests of an operation; how many pairs were compared.
async fn compare(site: &Site, person: &Person, operation: &Operation, wrong: &mut Vec<String>) -> usize {
    let slots = operation.slots();
    let mut expect = |is_so: bool, what: String| {
        if !is_so {
            wrong.push(what)
        }
    };
    for slot in &slots {
        let (foreign, unknown) =
            (operation.with(slot, &FIRST, &SECOND), operation.with(slot, &NOBODY, &SECOND));
        let first = site.send(person.request(&foreign)).await;
        let second = site.send(person.request(&unknown)).await;
        let (one, two) = (told(&first, &FIRST), told(&second, &NOBODY));
        let what = format!("{} {} with another dealer's {slot:?}: {one:?}", foreign.method, foreign.path);
        let others = first.text.replace(&slot.value(&FIRST), "");
        let status = first.status.as_u16();
        expect(one == two && !FIRST.is_in(&others), format!("{what}, with what nobody has: {two:?}"));
        expect(!slot.is_in_path() || status == 404, format!("{what}, expected 404"));
        expect(status < 500 && status != 401 && status != 403, format!("{what}: the test proves nothing"));
    }
    for own in [Some(operation.own(&SECOND)), operation.as_table(&SECOND)].into_iter().flatten() {
        let answer = site.send(person.request(&own)).await;
        expect(!FIRST.is_in(&answer.text), format!("{} has another dealer's: {}", own.path, answer.text));
    }
    slots.len()
}

/// Compares the responses to a user of the second dealer for foreign and unknown ids, for every operation. Returns the
/// number of pairs.
async fn compare_all(with_token: bool) -> usize {
    let site = two_dealers().await;
    let head = site.log_in("alfa-head", PASSWORD).await;
    let before = everything(&site, &head).await;
    assert!(before.iter().filter(|(_, list)| list.to_string().contains("alfa")).count() > 10, "{before:?}");
    let client = site.log_in("beta-head", PASSWORD).await;
    let person =
        if with_token { Person::Token(token(&site, &client).await) } else { Person::Session(client) };
    let (mut compared, mut wrong) = (0, Vec::new());
    for operation in operations() {
        compared += compare(&site, &person, &operation, &mut wrong).await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(everything(&site, &head).await, before, "nothing of the first dealer was changed");
    println!("{compared} pairs of requests");
    compared
}

#[tokio::test]
async fn nothing_of_one_dealer_is_reachable_by_another() {
    assert!(compare_all(false).await > 50);
}

#[tokio::test]
async fn no_token_reaches_anything_of_another_dealer() {
    assert!(compare_all(true).await > 50);
}

#[tokio::test]
async fn pages_show_nothing_of_another_dealer() {
    let site = two_dealers().await;
    let client = site.log_in("beta-head", PASSWORD).await;
    for page in PAGES {
        let path = |ids: &Ids| requests::filled(page, ids);
        let (foreign, unknown) = (path(&FIRST), path(&NOBODY));
        let (first, second) = (site.get(&client, &foreign).await, site.get(&client, &unknown).await);
        assert_eq!(told(&first, &FIRST), told(&second, &NOBODY), "{foreign}");
        assert!(first.status != 401 && first.status.as_u16() < 500, "{foreign}: {}", first.status);
        let own = site.get(&client, &path(&SECOND)).await;
        assert!(!FIRST.is_in(&own.text), "{foreign}");
    }
}

#[tokio::test]
async fn the_provider_sees_nothing_inside_a_dealer() {
    let site = two_dealers().await;
    site.add_provider("pat").await;
    let person = Person::Session(site.log_in("pat", PASSWORD).await);
    let kept = ["/api/v1/users", "/api/v1/tokens", "/api/v1/audit"];
    for operation in operations() {
        let answer = site.send(person.request(&operation.own(&FIRST))).await;
        let is_kept = kept.iter().any(|path| operation.path.starts_with(path));
        let status = answer.status.as_u16();
        assert!(is_kept || matches!(status, 400 | 403 | 404), "{} {status}", operation.path);
        assert!(!is_kept || operation.slots().iter().all(|slot| !slot.is_in_path()) || status == 404);
        assert!(status != 200 || !FIRST.is_in(&answer.text), "{} {}", operation.path, answer.text);
    }
}
