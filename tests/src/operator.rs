//! An operator who uses the communication server's API, as a browser or a script would.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::{Certificate, Client, Method, Response, header};
use serde_json::{Value, json};

/// A logged-in operator.
#[derive(Debug, Clone)]
pub struct Operator {
    client: Client,
    base: String,
    cookie: String,
    csrf: String,
}

/// A client for plain HTTP on loopback.
///
/// # Errors
/// The client can't be created.
pub fn plain_client() -> Result<Client> {
    install_provider();
    Ok(Client::builder().timeout(Duration::from_secs(30)).build()?)
}

fn install_provider() {
    // The second call in a process finds a provider installed, which is the same one.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

/// The maximum number of pages of a list that are read.
const MAX_PAGES: usize = 100;

impl Operator {
    /// A client that trusts the given root only.
    ///
    /// # Errors
    /// The root can't be read.
    pub fn client(root: &Path) -> Result<Client> {
        install_provider();
        let root = std::fs::read(root).with_context(|| root.display().to_string())?;
        let roots = Certificate::from_pem_bundle(&root)?;
        Ok(Client::builder().tls_certs_only(roots).timeout(Duration::from_secs(30)).build()?)
    }

    /// Logs in.
    ///
    /// # Errors
    /// The server rejects the login.
    pub async fn log_in(base: &str, root: &Path, user: &str, password: &str) -> Result<Self> {
        let client = Self::client(root)?;
        let body = json!({"user": user, "password": password});
        let response = client.post(format!("{base}/api/v1/session")).json(&body).send().await?;
        let cookies: Vec<String> = response
            .headers()
            .get_all(header::SET_COOKIE)
            .iter()
            .filter_map(|v| v.to_str().ok()?.split(';').next().map(str::to_owned))
            .collect();
        let session = answer("POST /api/v1/session", response).await?;
        let csrf = session["csrf"].as_str().context("the session has no csrf token")?.to_owned();
        Ok(Self { client, base: base.to_owned(), cookie: cookies.join("; "), csrf })
    }

    /// Logs in with the one-time password, changes it, and logs in again.
    ///
    /// # Errors
    /// The server rejects a step.
    pub async fn first_log_in(base: &str, root: &Path, one_time: &str, password: &str) -> Result<Self> {
        let first = Self::log_in(base, root, "admin", one_time).await?;
        let change = json!({"current": one_time, "new": password});
        first.send(Method::PUT, "/api/v1/account/password", Some(&change)).await?;
        Self::log_in(base, root, "admin", password).await
    }

    /// The session's cookie, as sent in requests, and its CSRF token.
    #[must_use]
    pub fn credentials(&self) -> (&str, &str) {
        (&self.cookie, &self.csrf)
    }

    /// The same session at another server's address.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// A page of the console, as HTML.
    ///
    /// # Errors
    /// The response is an error, or the server can't be reached.
    pub async fn page(&self, path: &str) -> Result<String> {
        let request = self.client.get(format!("{}{path}", self.base)).header(header::COOKIE, &self.cookie);
        Ok(request.send().await?.error_for_status()?.text().await?)
    }

    /// Requests a resource.
    ///
    /// # Errors
    /// The response is an error, or the server can't be reached.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.send(Method::GET, path, None).await
    }

    /// Posts a document.
    ///
    /// # Errors
    /// The response is an error, or the server can't be reached.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(Method::POST, path, Some(body)).await
    }

    /// All items of a list, page by page.
    ///
    /// # Errors
    /// The response is an error, or the list has no end.
    pub async fn list(&self, path: &str) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut page = path.to_owned();
        for _ in 0..MAX_PAGES {
            let answer = self.get(&page).await?;
            items.extend(answer["items"].as_array().context("a list without items")?.iter().cloned());
            let Some(next) = answer["next"].as_str() else {
                return Ok(items);
            };
            let joint = if path.contains('?') { '&' } else { '?' };
            page = format!("{path}{joint}page={next}");
        }
        bail!("{path} has more than {MAX_PAGES} pages")
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let what = format!("{method} {path}");
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .header(header::COOKIE, &self.cookie)
            .header("x-csrf-token", &self.csrf);
        if let Some(body) = body {
            request = request.json(body);
        }
        answer(&what, request.send().await?).await
    }
}

async fn answer(what: &str, response: Response) -> Result<Value> {
    let status = response.status();
    let text = response.text().await?;
    if !status.is_success() {
        bail!("{what}: {status}: {text}");
    }
    if text.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&text).with_context(|| format!("{what}: {text}"))
}
