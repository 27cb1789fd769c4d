//! The configuration of all HTTPS clients of the gateway.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Proxy, Url};
use runtime::error::chain;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// Validates the URL of a server.
///
/// # Errors
/// What was expected.
pub(crate) fn check_url(text: &str) -> Result<Url, String> {
    let expected = || format!("{text:?} is not valid: expected https://HOST:PORT");
    let url = Url::parse(text).map_err(|_| expected())?;
    let plain = url.path() == "/" && url.query().is_none() && url.username().is_empty();
    if url.scheme() == "https" && url.has_host() && plain { Ok(url) } else { Err(expected()) }
}

/// A client over `tls`, through `proxy` (`http://[USER:PASSWORD@]HOST:PORT`) if there is one; HTTP/1.1, without
/// redirects.
pub(crate) fn client(
    mut tls: rustls::ClientConfig,
    proxy: Option<&str>,
    more: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Result<Client, String> {
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(true)
        .http1_only()
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIMEOUT);
    let builder = match proxy {
        // The proxy's URL may contain a password, so the error doesn't repeat it.
        Some(proxy) => builder.proxy(
            Proxy::all(proxy).map_err(|_| "proxy: expected http://[USER:PASSWORD@]HOST:PORT".to_owned())?,
        ),
        None => builder.no_proxy(),
    };
    more(builder).build().map_err(|error| chain(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_checked() {
        assert!(check_url("https://127.0.0.1:8443").is_ok());
        for wrong in ["http://a", "https://", "https://a/path", "a:1", "https://u@a"] {
            assert!(check_url(wrong).unwrap_err().contains("expected https://HOST:PORT"), "{wrong}");
        }
    }
}
