//! Requests to a repository.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Body, Client, Response, StatusCode, Url};
use runtime::bounded_body::{self, BoundedBodyError};
use runtime::error::chain;
use tuf::{Refusal, RoleName};

use super::error::RepositoryError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// A response without data for this time counts as interrupted.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// An HTTP client. Plain HTTP is allowed, because everything received is verified by signatures and hashes.
#[derive(Debug)]
pub(super) struct Http(Client);

impl Http {
    pub(super) fn new() -> Result<Self, RepositoryError> {
        // An earlier call may have installed it.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let client = Client::builder()
            .http1_only()
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            // A server that handles one connection at a time isn't blocked by an idle one.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("platen-gateway/", env!("CARGO_PKG_VERSION")))
            .build();
        client.map(Self).map_err(|error| RepositoryError::Setup { what: chain(&error) })
    }

    /// A metadata file of at most `limit` bytes; `None` if the repository doesn't have it (status 404, and 403, with which
    /// object stores respond for a missing object).
    pub(super) async fn metadata(
        &self,
        url: Url,
        role: &RoleName,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, RepositoryError> {
        let Some(response) = self.get(&url).await? else { return Ok(None) };
        let size = usize::try_from(limit).unwrap_or(usize::MAX);
        match bounded_body::read(Body::from(response), size).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(BoundedBodyError::TooLarge { .. }) => {
                Err(Refusal::TooLarge { role: role.clone(), limit }.into())
            }
            Err(BoundedBodyError::Connection(source)) => Err(RepositoryError::unreachable(&url, source)),
        }
    }

    /// The response with a target's content; its status is 200.
    pub(super) async fn target(&self, url: &Url) -> Result<Response, RepositoryError> {
        let missing = || RepositoryError::Rejected { url: url.to_string(), status: 404 };
        self.get(url).await?.ok_or_else(missing)
    }

    async fn get(&self, url: &Url) -> Result<Option<Response>, RepositoryError> {
        let unreachable = |source| RepositoryError::unreachable(url, source);
        let response = self.0.get(url.clone()).send().await.map_err(unreachable)?;
        match response.status() {
            StatusCode::OK => Ok(Some(response)),
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => Ok(None),
            status => Err(RepositoryError::Rejected { url: url.to_string(), status: status.as_u16() }),
        }
    }
}

/// The URL of a file below a base URL. `path` is percent-encoded.
pub(super) fn below(base: &str, path: &str) -> Result<Url, RepositoryError> {
    let expected = || RepositoryError::Setup {
        what: format!("{base:?} is not valid: expected http://HOST[:PORT][/PATH] or https://..."),
    };
    let url = Url::parse(&format!("{}/{path}", base.trim_end_matches('/'))).map_err(|_| expected())?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() { Ok(url) } else { Err(expected()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_requested_below_the_base() {
        for (base, path, url) in [
            ("http://a/metadata", "1.%2Fa.json", "http://a/metadata/1.%2Fa.json"),
            ("http://a/", "1.%3F.json", "http://a/1.%3F.json"),
            ("https://a:1/x/", "y/z%20.bin", "https://a:1/x/y/z%20.bin"),
        ] {
            assert_eq!(below(base, path).unwrap().as_str(), url);
        }
        for wrong in ["", "a/b", "file:///etc", "ftp://a"] {
            assert!(below(wrong, "x").unwrap_err().to_string().contains("expected http://"), "{wrong}");
        }
    }
}
