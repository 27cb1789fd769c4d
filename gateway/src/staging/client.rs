//! The client of the global server: metadata and ranges of images over mutual TLS.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pki::Identity;
use pki::spiffe::PartyKind;
use reqwest::header::{CONTENT_ENCODING, IF_RANGE, RANGE};
use reqwest::{Body, Client, Response, StatusCode};
use runtime::bounded_body::{self, BoundedBodyError};
use runtime::identity::{IdentityBound, LiveIdentity};
use serde::Deserialize;
use tokio::sync::{Mutex, MutexGuard};
use tuf::{Refusal, RoleName};
use wire::problem::Problem;

use super::error::StagingError;
use crate::https_client;
use crate::repository::Source;

/// A download without data for this time counts as interrupted.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Maximum part of an error response that is read, bytes.
const PROBLEM_BYTES: usize = 8 << 10;

/// Section `global_server` of the gateway's configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalServerConfig {
    /// `https://HOST:PORT`.
    pub url: String,
    /// Trusted root metadata, provisioned in advance. Newer roots are followed from it.
    pub root: PathBuf,
}

/// A client of the global server.
#[derive(Debug)]
pub struct StagingClient {
    http: Http,
    url: String,
    root: PathBuf,
    turn: Mutex<()>,
    metadata_turn: Mutex<()>,
}

impl StagingClient {
    /// A client with the gateway's certificate, through `proxy` (`http://[user:password@]host:port`) if there is one.
    /// Its connections are replaced when the certificate is renewed.
    ///
    /// # Errors
    /// The identity, the URL or the proxy is invalid.
    pub fn new(
        config: &GlobalServerConfig,
        identity: Arc<LiveIdentity>,
        proxy: Option<&str>,
    ) -> Result<Self, StagingError> {
        let setup = |what: String| StagingError::Setup { what };
        if !config.url.starts_with("https://") {
            return Err(setup("url: expected https://HOST:PORT".to_owned()));
        }
        let proxy = proxy.map(str::to_owned);
        let http = IdentityBound::new(identity, move |identity| client(identity, proxy.as_deref()))
            .map_err(setup)?;
        Ok(Self::at(&config.url, &config.root, Http::Live(http)))
    }

    /// A client with another transport, for tests.
    #[cfg(test)]
    pub(super) fn with_builder(
        builder: reqwest::ClientBuilder,
        url: &str,
        root: &Path,
    ) -> Result<Self, StagingError> {
        let setup = |error: reqwest::Error| StagingError::Setup { what: error.to_string() };
        let http = patient(builder).build().map_err(setup)?;
        Ok(Self::at(url, root, Http::Fixed(Arc::new(http))))
    }

    fn at(url: &str, root: &Path, http: Http) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        Self { http, url, root: root.to_owned(), turn: Mutex::new(()), metadata_turn: Mutex::new(()) }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The turn to download an image.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// The turn to read metadata and to store what is trusted.
    pub(super) async fn metadata_turn(&self) -> MutexGuard<'_, ()> {
        self.metadata_turn.lock().await
    }

    /// The octets of an image from `offset` on: status 206, or 200 for the whole image. `None`: there are none after
    /// `offset` (status 416).
    pub(super) async fn image(&self, sha256: &str, offset: u64) -> Result<Option<Response>, StagingError> {
        let mut request = self.http.now().get(format!("{}/v1/images/{sha256}", self.url));
        if offset > 0 {
            request =
                request.header(RANGE, format!("bytes={offset}-")).header(IF_RANGE, format!("\"{sha256}\""));
        }
        match self.ask(sha256, request).await {
            Ok(response) if response.headers().contains_key(CONTENT_ENCODING) => {
                Err(StagingError::WrongAnswer {
                    what: sha256.to_owned(),
                    problem: "it has a content encoding".to_owned(),
                })
            }
            Ok(response) => Ok(Some(response)),
            Err(StagingError::Refused { status: 416, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn ask(&self, what: &str, request: reqwest::RequestBuilder) -> Result<Response, StagingError> {
        let unreachable = |source| {
            if let Some(why) = runtime::error::tls_failure(&source, PartyKind::GlobalServer) {
                tracing::warn!(why, "TLS with the global server failed");
            }
            StagingError::Unreachable { what: what.to_owned(), source }
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        if matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
            return Ok(response);
        }
        let detail = match body(response, what, PROBLEM_BYTES).await {
            Ok(bytes) => serde_json::from_slice(&bytes).map_or_else(|_| String::new(), |p: Problem| p.detail),
            Err(_) => String::new(),
        };
        let detail = wire::text::without_hidden(&detail, 200);
        Err(StagingError::Refused { what: what.to_owned(), status: status.as_u16(), detail })
    }
}

impl Source<StagingError> for StagingClient {
    async fn metadata(
        &self,
        path: &str,
        role: &RoleName,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, StagingError> {
        let request = self.http.now().get(format!("{}/v1/metadata/{path}", self.url));
        let response = match self.ask(path, request).await {
            Ok(response) => response,
            Err(StagingError::Refused { status: 404, .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let size = usize::try_from(limit).unwrap_or(usize::MAX);
        match bounded_body::read(Body::from(response), size).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(BoundedBodyError::TooLarge { .. }) => {
                Err(Refusal::TooLarge { role: role.clone(), limit }.into())
            }
            Err(BoundedBodyError::Connection(source)) => {
                Err(StagingError::Unreachable { what: path.to_owned(), source })
            }
        }
    }
}

/// A client for the current identity.
#[derive(Debug)]
enum Http {
    Live(IdentityBound<Client>),
    #[cfg(test)]
    Fixed(Arc<Client>),
}

impl Http {
    fn now(&self) -> Arc<Client> {
        match self {
            Self::Live(remade) => remade.now(),
            #[cfg(test)]
            Self::Fixed(client) => Arc::clone(client),
        }
    }
}

fn client(identity: &Identity, proxy: Option<&str>) -> Result<Client, String> {
    let tls = pki::tls::client_config(identity, PartyKind::GlobalServer)
        .map_err(|error| format!("identity: {error}"))?;
    https_client::client(tls, proxy, patient)
}

fn patient(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    builder.read_timeout(READ_TIMEOUT).user_agent(concat!("platen-gateway/", env!("CARGO_PKG_VERSION")))
}

/// Reads a complete response of at most `limit` bytes.
async fn body(response: Response, what: &str, limit: usize) -> Result<Vec<u8>, StagingError> {
    let what = || what.to_owned();
    bounded_body::read(Body::from(response), limit).await.map_err(|error| match error {
        BoundedBodyError::TooLarge { limit } => {
            StagingError::WrongAnswer { what: what(), problem: format!("larger than {limit} bytes") }
        }
        BoundedBodyError::Connection(source) => StagingError::Unreachable { what: what(), source },
    })
}
