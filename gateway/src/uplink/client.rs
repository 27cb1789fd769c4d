//! Requests to the communication server over mutual TLS.
//!
//! HTTP/1.1: for one poll on a new connection it needs fewer bytes than HTTP/2 with its preface and settings.

use std::sync::Arc;
use std::time::Duration;

use gateway_core::uplink::RequestError;
use pki::Identity;
use pki::spiffe::PartyKind;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Body, Client};
use runtime::bounded_body::{self, BoundedBodyError};
use runtime::error::{cause, chain, tls_failure};
use runtime::identity::{IdentityBound, LiveIdentity};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::codec::{self, CodecError};
use wire::command::{CommandResponseAck, Response};
use wire::ids::CommandId;
use wire::limits::{BODY_BYTES, MESSAGE_BYTES};
use wire::poll::{Poll, PollResponse};
use wire::problem::Problem;
use wire::report::{Batch, BatchResponse, Lane};

use crate::https_client;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Idle time after which a connection is closed, if the next request isn't due within a minute.
const IDLE_AFTER_REGULAR: Duration = Duration::from_secs(5);

/// Idle time during a service call: the next poll uses the same connection.
const IDLE_AFTER_SERVICE_CALL: Duration = Duration::from_secs(75);

/// The client can't be created.
#[derive(Debug, thiserror::Error)]
#[error("the client of the communication server can't be created: {0}")]
pub(crate) struct SetupError(String);

/// The client of the communication server.
#[derive(Debug)]
pub(crate) struct CommServer {
    clients: IdentityBound<Clients>,
    url: String,
}

/// The HTTP clients with one certificate.
#[derive(Debug)]
struct Clients {
    regular: Client,
    service_call: Client,
}

impl CommServer {
    /// Creates a client with the gateway's certificate, through `proxy` if there is one. Its connections are replaced
    /// when the certificate was renewed; a request in flight ends on the old connection.
    ///
    /// # Errors
    /// The URL, the proxy or the identity can't be used.
    pub(crate) fn new(
        url: &str,
        proxy: Option<&str>,
        identity: Arc<LiveIdentity>,
    ) -> Result<Self, SetupError> {
        let url = https_client::check_url(url).map_err(SetupError)?;
        let proxy = proxy.map(str::to_owned);
        let clients = IdentityBound::new(identity, move |own| Clients::new(own, proxy.as_deref()))
            .map_err(SetupError)?;
        Ok(Self { clients, url: url.as_str().trim_end_matches('/').to_owned() })
    }

    /// Polls. `soon` is whether the next request follows within a minute.
    ///
    /// # Errors
    /// There is no response, or the server rejects the request.
    pub(crate) async fn poll(&self, poll: &Poll, soon: bool) -> Result<PollResponse, RequestError> {
        self.post("poll", wire::POLLS_PATH, poll, soon).await
    }

    /// Sends a batch.
    ///
    /// # Errors
    /// There is no response, or the server rejects the request.
    pub(crate) async fn report(
        &self,
        lane: Lane,
        batch: &Batch,
        soon: bool,
    ) -> Result<BatchResponse, RequestError> {
        let path = wire::REPORTS_PATH.replace("{lane}", lane.name());
        self.post("reports", &path, batch, soon).await
    }

    /// Sends the response to a command.
    ///
    /// # Errors
    /// There is no response, or the server rejects the request.
    pub(crate) async fn respond(
        &self,
        command: CommandId,
        response: &Response,
        soon: bool,
    ) -> Result<CommandResponseAck, RequestError> {
        let path = wire::RESPONSES_PATH.replace("{command_id}", &command.to_string());
        self.post("response", &path, response, soon).await
    }

    async fn post<Q: Serialize, A: DeserializeOwned>(
        &self,
        what: &'static str,
        path: &str,
        question: &Q,
        soon: bool,
    ) -> Result<A, RequestError> {
        let encoded = codec::encode(question).map_err(|source| RequestError::Codec { what, source })?;
        if encoded.bytes.len() > BODY_BYTES {
            let source = CodecError::TooLarge { limit: BODY_BYTES };
            return Err(RequestError::Codec { what, source });
        }
        let clients = self.clients.now();
        let client = if soon { &clients.service_call } else { &clients.regular };
        let mut request = client
            .post(format!("{}{path}", self.url))
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if encoded.compressed {
            request = request.header(CONTENT_ENCODING, HeaderValue::from_static(codec::ZSTD));
        }
        let unreachable = |error: reqwest::Error| unreachable(what, &error);
        let response = request.body(encoded.bytes).send().await.map_err(unreachable)?;
        let status = response.status();
        let headers = response.headers().clone();
        let body =
            bounded_body::read(Body::from(response), BODY_BYTES).await.map_err(|error| match error {
                BoundedBodyError::TooLarge { limit } => {
                    RequestError::Codec { what, source: CodecError::TooLarge { limit } }
                }
                BoundedBodyError::Connection(error) => unreachable(error),
            })?;
        if !status.is_success() {
            return Err(refusal(what, status.as_u16(), &headers, &body));
        }
        let encoding = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok());
        codec::decode(&body, encoding, MESSAGE_BYTES).map_err(|source| RequestError::Codec { what, source })
    }
}

impl Clients {
    fn new(identity: &Identity, proxy: Option<&str>) -> Result<Self, String> {
        let tls = pki::tls::client_config(identity, PartyKind::CommServer).map_err(|error| chain(&error))?;
        let client = |idle| {
            https_client::client(tls.clone(), proxy, |builder| {
                builder.timeout(REQUEST_TIMEOUT).pool_max_idle_per_host(1).pool_idle_timeout(idle)
            })
        };
        Ok(Self { regular: client(IDLE_AFTER_REGULAR)?, service_call: client(IDLE_AFTER_SERVICE_CALL)? })
    }
}

/// The error for a missing response. A certificate that either side rejected is counted by its reason, and explained.
fn unreachable(what: &'static str, error: &reqwest::Error) -> RequestError {
    let problem =
        tls_failure(error, PartyKind::CommServer).map_or_else(|| cause(error), |why| format!("TLS: {why}"));
    RequestError::Unreachable { what, problem }
}

fn refusal(what: &'static str, status: u16, headers: &HeaderMap, body: &[u8]) -> RequestError {
    let retry_after = headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    match codec::decode::<Problem>(body, None, MESSAGE_BYTES) {
        Ok(problem) => RequestError::Refused { what, problem, retry_after },
        Err(_) => RequestError::NotAServer { what, status, retry_after },
    }
}
