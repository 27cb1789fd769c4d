//! The operator interface on a new store, and a client that keeps its cookie.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use comm_server_core::cadence::Cadence;
use comm_server_core::tenancy::{Scope, TenantId};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use runtime::listener::Peer;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::operators::{OperatorState, router};
use crate::services::{Image, Images, Services, password};
use crate::store::testing::Database;
use crate::store::testing::account;
use crate::store::{NewUser, Store};

/// The network from which users are created.
const HERE: wire::network::Network = wire::network::Network::V4(std::net::Ipv4Addr::LOCALHOST);

pub(super) const PASSWORD: &str = "seven quiet printers";

/// A store in a folder, and the router that uses it.
pub(super) struct Site {
    _dir: TempDir,
    url: String,
    pub(super) store: Store,
    pub(super) router: Router,
}

/// A response.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: axum::http::HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub(super) fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A client with a cookie.
#[derive(Clone, Default)]
pub(super) struct Client {
    pub(super) cookie: String,
    pub(super) csrf: String,
}

impl Site {
    pub(super) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("platen.db").display());
        let store = Store::open_detached(&url).await.unwrap();
        let router = router(OperatorState::new(Services::new(&store, Cadence::default(), None).unwrap()));
        Self { _dir: dir, url, store, router }
    }

    /// The same site with the images that the global server has published, or with the reason why they are unknown.
    pub(super) fn publishing(self, published: Result<&[(&str, &str, &str)], &str>) -> Self {
        let image = |(vendor, model, version): &(&str, &str, &str)| Image {
            target: wire::image::target_name(vendor, model, version),
            vendor: (*vendor).to_owned(),
            model: (*model).to_owned(),
            version: (*version).to_owned(),
            bytes: 25_165_898,
            sha256: "ab".repeat(32),
            published_at: Timestamp::UNIX_EPOCH,
        };
        let list = published.map(|list| list.iter().map(image).collect()).map_err(str::to_owned);
        let images = Some(Images::fixed(list));
        let router =
            router(OperatorState::new(Services::new(&self.store, Cadence::default(), images).unwrap()));
        Self { router, ..self }
    }

    /// A site and a client that is logged in as a user with this role.
    pub(super) async fn with(role: &str) -> (Self, Client) {
        let site = Self::new().await;
        site.add_user("erin", role, false).await;
        let client = site.log_in("erin", PASSWORD).await;
        (site, client)
    }

    pub(super) async fn add_user(&self, name: &str, role: &str, must_change: bool) {
        self.add_user_of(&TenantId::default_tenant(), name, role, must_change).await;
    }

    pub(super) async fn add_user_of(&self, tenant: &TenantId, name: &str, role: &str, must_change: bool) {
        let new = NewUser {
            name: name.parse().unwrap(),
            spec: account(role.parse().unwrap()),
            password_hash: password::Hasher::new().unwrap().hash(PASSWORD, HERE).await.unwrap(),
            must_change,
            created_at: Timestamp::now(),
        };
        assert!(self.store.of(&Scope::of_tenant(tenant.clone())).create_user(new).await.unwrap());
    }

    /// A login of the provider.
    pub(super) async fn add_provider(&self, name: &str) {
        self.add_user_of(&TenantId::provider(), name, "provider", false).await;
    }

    pub(super) async fn first_login(&self) -> String {
        Services::new(&self.store, Cadence::default(), None)
            .unwrap()
            .users
            .first_login()
            .await
            .unwrap()
            .unwrap()
    }

    /// Executes SQL, to create rows that another part of the server would store.
    pub(super) async fn sql(&self, sql: &'static str) {
        let database = Database::connect(&self.url).await.unwrap();
        database.execute(sql).await.unwrap();
        database.close().await;
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let response: Response<Body> = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    pub(super) async fn try_log_in(&self, user: &str, password: &str) -> Answer {
        self.try_log_in_from("192.0.2.1", "", user, password).await
    }

    /// Logs in from this address, with the cookies of a browser.
    pub(super) async fn try_log_in_from(
        &self,
        address: &str,
        cookie: &str,
        user: &str,
        password: &str,
    ) -> Answer {
        let body = json!({"user": user, "password": password});
        let client = Client { cookie: cookie.to_owned(), ..Client::default() };
        let mut request = client.request("POST", "/api/v1/session", Some(&body));
        let address = format!("{address}:1").parse().unwrap();
        request.extensions_mut().insert(Peer { address, id: None });
        self.send(request).await
    }

    pub(super) async fn log_in(&self, user: &str, password: &str) -> Client {
        let answer = self.try_log_in(user, password).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let cookie = answer.header(header::SET_COOKIE).split(';').next().unwrap().to_owned();
        Client { cookie, csrf: answer.json()["csrf"].as_str().unwrap().to_owned() }
    }

    pub(super) async fn get(&self, client: &Client, path: &str) -> Answer {
        self.send(client.request("GET", path, None)).await
    }

    /// Sends a request as a browser does: accepts compressed responses, and has the given headers.
    pub(super) async fn browse(&self, client: &Client, path: &str, own: &[(&'static str, &str)]) -> Answer {
        let mut request = client.request("GET", path, None);
        request.headers_mut().insert(header::ACCEPT_ENCODING, "gzip, deflate, br, zstd".parse().unwrap());
        for (name, value) in own {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        self.send(request).await
    }

    pub(super) async fn post(&self, client: &Client, path: &str, body: &Value) -> Answer {
        self.send(client.request("POST", path, Some(body))).await
    }

    pub(super) async fn submit(&self, client: &Client, path: &str, form: &str) -> Answer {
        let request = Request::post(path)
            .header(header::COOKIE, &client.cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()));
        self.send(request.unwrap()).await
    }
}

impl Client {
    pub(super) fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Request<Body> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::COOKIE, &self.cookie)
            .header("x-csrf-token", &self.csrf);
        match body {
            None => request.body(Body::empty()),
            Some(body) => {
                request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string()))
            }
        }
        .unwrap()
    }
}
