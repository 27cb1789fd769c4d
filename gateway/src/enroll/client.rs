//! The client side of EST (RFC 7030): gets the authority's certificates, and the gateway's own.

use std::time::Duration;

use pki::est::{self, EST_BYTES, InvalidBody};
use pki::spiffe::PartyKind;
use reqwest::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Body, Client, RequestBuilder};
use runtime::bounded_body::{self, BoundedBodyError};
use runtime::error::{cause, tls_failure};
use rustls_pki_types::CertificateDer;
use secrecy::{ExposeSecret as _, SecretString};
use wire::problem::Problem;

use crate::https_client;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// The path of all operations (RFC 7030 §3.2.2).
const PATH: &str = "/.well-known/est";

/// Maximum length of an error response's text that is shown, characters.
const DETAIL_CHARS: usize = 300;

/// The detail for a response without a problem document, which doesn't come from a communication server's enrollment.
const NOT_EST: &str = "the response is not that of an enrollment port, but perhaps of the operators' \
                       port, another service, or a proxy. Enrollment has a port of its own, `enrollment.listen` of the communication server (8445 in \
                       the examples)";

/// Advice for a failed connection.
fn advice(error: &reqwest::Error) -> &'static str {
    match pki::tls::tls_error_in(error) {
        Some(rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired)) => {
            ": this port requires a certificate, so it is probably the gateways' port: enroll at `enrollment.listen` of \
             the communication server (8445 in the examples)"
        }
        Some(_) => "",
        None if error.is_connect() => ": is the address right, and the server running?",
        None => "",
    }
}

/// Why an EST operation failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EstError {
    /// The client can't be created.
    #[error("the client can't be created: {0}")]
    Setup(String),
    /// There is no response, or the server is not trusted.
    #[error("{what}: no response from {url}: {problem}")]
    Unreachable {
        /// The operation.
        what: &'static str,
        /// The server's URL.
        url: String,
        /// The cause.
        problem: String,
    },
    /// The server rejected the request.
    #[error("{what}: the server responded with status {status}: {detail}")]
    Refused {
        /// The operation.
        what: &'static str,
        /// HTTP status.
        status: u16,
        /// The detail of the response.
        detail: String,
        /// The value of `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The response doesn't conform to RFC 7030.
    #[error("{what}: the response is {source}")]
    Answer {
        /// The operation.
        what: &'static str,
        /// The cause.
        source: InvalidBody,
    },
}

/// An EST client of one server.
pub(crate) struct Est {
    http: Client,
    url: String,
}

impl Est {
    /// For `https://HOST:PORT`, through `proxy` if there is one.
    pub(crate) fn new(url: &str, proxy: Option<&str>, tls: rustls::ClientConfig) -> Result<Self, EstError> {
        let url = https_client::check_url(url).map_err(EstError::Setup)?;
        let http = https_client::client(tls, proxy, |builder| builder.timeout(REQUEST_TIMEOUT));
        let http = http.map_err(EstError::Setup)?;
        Ok(Self { http, url: url.as_str().trim_end_matches('/').to_owned() })
    }

    /// The authority's certificates (RFC 7030 §4.1).
    pub(crate) async fn cacerts(&self) -> Result<Vec<CertificateDer<'static>>, EstError> {
        let request = self.http.get(format!("{}{PATH}/cacerts", self.url));
        self.ask("certificates of the authority", request).await
    }

    /// The first certificate, with a token (RFC 7030 §4.2.1).
    pub(crate) async fn enroll(
        &self,
        request: &[u8],
        gateway: &str,
        token: &SecretString,
    ) -> Result<Vec<CertificateDer<'static>>, EstError> {
        let asked = self.post("simpleenroll", request).basic_auth(gateway, Some(token.expose_secret()));
        self.ask("enrollment", asked).await
    }

    /// A new certificate, authenticated by the current one (RFC 7030 §4.2.2).
    pub(crate) async fn reenroll(&self, request: &[u8]) -> Result<Vec<CertificateDer<'static>>, EstError> {
        self.ask("renewal", self.post("simplereenroll", request)).await
    }

    fn post(&self, operation: &str, request: &[u8]) -> RequestBuilder {
        self.http
            .post(format!("{}{PATH}/{operation}", self.url))
            .header(CONTENT_TYPE, "application/pkcs10")
            .header("content-transfer-encoding", "base64")
            .body(est::to_base64(request))
    }

    async fn ask(
        &self,
        what: &'static str,
        request: RequestBuilder,
    ) -> Result<Vec<CertificateDer<'static>>, EstError> {
        let unreachable = |error: reqwest::Error| {
            let problem = tls_failure(&error, PartyKind::CommServer).unwrap_or_else(|| cause(&error));
            let advice = advice(&error);
            EstError::Unreachable { what, url: self.url.clone(), problem: format!("{problem}{advice}") }
        };
        let response = request.header(ACCEPT, "application/pkcs7-mime").send().await.map_err(unreachable)?;
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|value| value.trim().parse().ok()).map(Duration::from_secs);
        let body =
            bounded_body::read(Body::from(response), EST_BYTES).await.map_err(|error| match error {
                BoundedBodyError::TooLarge { .. } => EstError::Answer { what, source: InvalidBody::TooLarge },
                BoundedBodyError::Connection(error) => unreachable(error),
            })?;
        if status.as_u16() != 200 {
            let detail = match wire::codec::from_json::<Problem>(&body) {
                Ok(problem) => problem.detail,
                Err(_) => NOT_EST.to_owned(),
            };
            let detail = wire::text::without_hidden(&detail, DETAIL_CHARS);
            return Err(EstError::Refused { what, status: status.as_u16(), detail, retry_after });
        }
        let wrong = |source| EstError::Answer { what, source };
        est::parse_certs_only(&est::from_base64(&body).map_err(wrong)?).map_err(wrong)
    }
}
