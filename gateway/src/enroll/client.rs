//! The asking side of EST (RFC 7030): certificates of the authority, and of this gateway.

use std::time::Duration;

use pki::est::{self, EST_BYTES, InvalidBody};
use pki::spiffe::PartyKind;
use reqwest::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, RequestBuilder};
use runtime::error::{cause, tls_failure};
use rustls_pki_types::CertificateDer;
use secrecy::{ExposeSecret as _, SecretString};
use wire::problem::Problem;

use crate::https_client;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Where the operations are (RFC 7030 §3.2.2).
const PATH: &str = "/.well-known/est";

/// Of a refusal, so much is shown.
const DETAIL_CHARS: usize = 300;

/// What answers without a problem document is no communication server's enrollment.
const NOT_EST: &str = "that is not the answer of an enrollment port: is it the operators' port, another service, or a proxy \
                       between? Enrollment has a port of its own, `enrollment.listen` of the communication server (8445 in \
                       the examples)";

/// What a person can do about a connection that failed.
fn advice(error: &reqwest::Error) -> &'static str {
    match pki::tls::tls_error_in(error) {
        Some(rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired)) => {
            ": this port asks for a certificate, so it is probably the gateways' port: enroll at `enrollment.listen` of \
             the communication server (8445 in the examples)"
        }
        Some(_) => "",
        None if error.is_connect() => ": is the address right, and the server running?",
        None => "",
    }
}

/// Why the server gives no certificates.
#[derive(Debug, thiserror::Error)]
pub enum EstError {
    /// The client can't be made.
    #[error("the client can't be made: {0}")]
    Setup(String),
    /// No answer, or a server that is refused.
    #[error("{what}: no answer from {url}: {problem}")]
    Unreachable {
        /// What was asked.
        what: &'static str,
        /// Whom.
        url: String,
        /// Why.
        problem: String,
    },
    /// The server refuses.
    #[error("{what}: the server refuses with status {status}: {detail}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// HTTP status.
        status: u16,
        /// Its words.
        detail: String,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The answer isn't what RFC 7030 says.
    #[error("{what}: the answer is {source}")]
    Answer {
        /// What was asked.
        what: &'static str,
        /// What is wrong.
        source: InvalidBody,
    },
}

/// A server of certificates.
pub(crate) struct Est {
    http: Client,
    url: String,
}

impl Est {
    /// At `https://HOST:PORT`, through `proxy` where there is one.
    pub(crate) fn new(url: &str, proxy: Option<&str>, tls: rustls::ClientConfig) -> Result<Self, EstError> {
        let url = https_client::check_url(url).map_err(EstError::Setup)?;
        let http = https_client::client(tls, proxy, |builder| builder.timeout(REQUEST_TIMEOUT));
        let http = http.map_err(EstError::Setup)?;
        Ok(Self { http, url: url.as_str().trim_end_matches('/').to_owned() })
    }

    /// The authority's own certificates.
    pub(crate) async fn cacerts(&self) -> Result<Vec<CertificateDer<'static>>, EstError> {
        let request = self.http.get(format!("{}{PATH}/cacerts", self.url));
        self.ask("certificates of the authority", request).await
    }

    /// The first certificate, for a token.
    pub(crate) async fn enroll(
        &self,
        request: &[u8],
        gateway: &str,
        token: &SecretString,
    ) -> Result<Vec<CertificateDer<'static>>, EstError> {
        let asked = self.post("simpleenroll", request).basic_auth(gateway, Some(token.expose_secret()));
        self.ask("enrollment", asked).await
    }

    /// A new certificate, for the one that the connection shows.
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
        let mut response =
            request.header(ACCEPT, "application/pkcs7-mime").send().await.map_err(unreachable)?;
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|value| value.trim().parse().ok()).map(Duration::from_secs);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > EST_BYTES {
                return Err(EstError::Answer { what, source: InvalidBody::TooLarge });
            }
            body.extend_from_slice(&chunk);
        }
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
