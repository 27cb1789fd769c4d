//! HTTP on an open stream: handles requests until either side closes the connection, a deadline passes, the
//! connection is evicted, or the peer's certificate is no longer accepted.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode, Version, header};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::graceful::GracefulConnection;
use pki::rejection::Rejection;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use wire::problem::{Problem, ProblemCode};

use super::Peer;
use super::activity::{Activity, Expired};
use super::deadlines::Deadlines;
use super::limiter::Permit;
use super::peer_check::PeerCheck;
use super::response_body::ResponseBody;
use super::{request_body, strict};
use crate::problem_response::ProblemResponse;

/// The maximum size of a request's head in HTTP/1 and HTTP/2; a larger one gets 431.
const HEAD_BYTES: u32 = 64 << 10;

/// Read and write buffer of a connection.
const BUFFER_BYTES: usize = 128 << 10;

/// Concurrent streams of a connection (RFC 9113 §5.1.2 recommends at least 100), and the flow-control windows of a
/// stream and of the connection.
const STREAMS: u32 = 100;
const STREAM_WINDOW_BYTES: u32 = 64 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 256 << 10;

/// Time between GOAWAY and the end of an idle connection.
const GOODBYE: Duration = Duration::from_secs(1);

/// Why the server ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Expired(Expired),
    Evicted,
    Shutdown,
}

impl Ended {
    /// Name for logs and metrics.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Expired(expired) => expired.label(),
            Self::Evicted => "evicted",
            Self::Shutdown => "shutdown",
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired(Expired::Handshake) => "the handshake took too long",
            Self::Expired(Expired::Head) => "no request was received in time",
            Self::Expired(Expired::Idle) => "the connection was idle for too long",
            Self::Expired(Expired::Stall) => "the peer neither read nor sent anything for too long",
            Self::Evicted => "closed in favour of a newer connection",
            Self::Shutdown => "the program shuts down",
        })
    }
}

/// A connection's permit, activity and deadlines.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) listener: &'static str,
    pub(super) address: SocketAddr,
    pub(super) activity: Activity,
    pub(super) deadlines: Deadlines,
    pub(super) permit: Permit,
    pub(super) shutdown: CancellationToken,
}

impl Connection {
    /// Completes when the connection must end.
    pub(super) async fn ended(&self) -> Ended {
        tokio::select! {
            expired = self.activity.expired(&self.deadlines) => Ended::Expired(expired),
            () = self.permit.evicted.cancelled() => Ended::Evicted,
            () = self.shutdown.cancelled() => Ended::Shutdown,
        }
    }
}

/// State shared by the requests of a connection.
#[derive(Debug)]
struct Shared {
    router: Router,
    peer: Peer,
    peer_check: PeerCheck,
    activity: Activity,
    deadlines: Deadlines,
}

/// The HTTP version of a stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    /// By ALPN; HTTP/1 without it.
    pub(super) http2: bool,
    /// Header names of HTTP/1 responses in title case.
    pub(super) title_case: bool,
}

/// Serves a connection's requests.
pub(super) async fn exchange<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    (peer, peer_check): (Peer, PeerCheck),
    router: Router,
    dialect: Dialect,
    connection: Connection,
) {
    let Connection { activity, deadlines, .. } = &connection;
    let watched_peer = peer_check.clone();
    let named = peer.clone();
    let shared =
        Arc::new(Shared { router, peer, peer_check, activity: activity.clone(), deadlines: *deadlines });
    let service = service_fn(move |request| respond(Arc::clone(&shared), request));
    let io = TokioIo::new(stream);
    let watched = Watch { peer_check: watched_peer, peer: named, connection: &connection };
    if dialect.http2 {
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.max_concurrent_streams(STREAMS)
            .max_header_list_size(HEAD_BYTES)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(BUFFER_BYTES);
        watched.drive(http.serve_connection(io, service)).await;
    } else {
        let mut http = http1::Builder::new();
        // The deadline for heads is the listener's own.
        http.header_read_timeout(None)
            .max_header_size(HEAD_BYTES as usize)
            .max_buf_size(BUFFER_BYTES)
            .title_case_headers(dialect.title_case);
        watched.drive(http.serve_connection(io, service)).await;
    }
}

/// Waits for the first octet of a connection; `false` if it ended before. HTTP's state, 20 KiB, is made only then: a
/// connection that waits costs less memory.
pub(super) async fn has_begun<S: AsyncBufRead + AsyncWrite + Unpin>(
    stream: &mut S,
    (peer, peer_check): (&Peer, &PeerCheck),
    connection: &Connection,
) -> bool {
    let watch = Watch { peer_check: peer_check.clone(), peer: peer.clone(), connection };
    let ended = tokio::select! {
        received = stream.fill_buf() => return received.is_ok_and(|octets| !octets.is_empty()),
        refused = peer_check.clone().rejected() => {
            watch.close(refused.label(), &refused.to_string(), true);
            return false;
        }
        ended = connection.ended() => ended,
    };
    watch.log(ended);
    if ended == Ended::Shutdown {
        // In time or not, it ends.
        drop(tokio::time::timeout(GOODBYE, stream.shutdown()).await);
    }
    false
}

/// The events that end a connection.
struct Watch<'a> {
    peer_check: PeerCheck,
    peer: Peer,
    connection: &'a Connection,
}

impl Watch<'_> {
    /// Runs HTTP until it ends. (An upgrade needs `with_upgrades` here, and [`Activity::upgraded`].)
    async fn drive<H: GracefulConnection>(self, http: H)
    where
        H::Error: fmt::Display,
    {
        let mut http = pin!(http);
        let peer_check = self.peer_check.clone();
        let ended = tokio::select! {
            done = http.as_mut() => {
                if let Err(error) = done {
                    tracing::debug!(peer.address = %self.peer.address, error = %error, "connection ended");
                }
                return;
            }
            refused = peer_check.rejected() => return self.close(refused.label(), &refused.to_string(), true),
            ended = self.connection.ended() => ended,
        };
        let patience = match ended {
            Ended::Expired(Expired::Idle) => GOODBYE,
            Ended::Shutdown => super::DRAIN_TIMEOUT,
            Ended::Expired(Expired::Handshake | Expired::Head | Expired::Stall) | Ended::Evicted => {
                Duration::ZERO
            }
        };
        self.log(ended);
        if !patience.is_zero() {
            http.as_mut().graceful_shutdown();
            tokio::select! {
                // In time or not, it ends.
                _ = tokio::time::timeout(patience, http.as_mut()) => {}
                () = self.connection.permit.evicted.cancelled() => {}
            }
        }
    }

    /// Counts and logs why the server ends the connection, unless it stops.
    fn log(&self, ended: Ended) {
        if ended != Ended::Shutdown {
            let is_odd = ended == Ended::Evicted && self.peer.id.is_some();
            self.close(ended.label(), &ended.to_string(), is_odd);
        }
    }

    /// Counts and logs that the server ended the connection.
    fn close(&self, reason: &'static str, why: &str, is_odd: bool) {
        let listener = self.connection.listener;
        metrics::counter!("platen_connections_closed_total", "listener" => listener, "reason" => reason)
            .increment(1);
        let (address, id) = (self.peer.address, self.peer.id.as_ref().map(ToString::to_string));
        if is_odd {
            tracing::warn!(listener, peer.address = %address, peer.id = id, reason, why, "connection closed");
        } else {
            tracing::debug!(listener, peer.address = %address, peer.id = id, reason, why, "connection closed");
        }
    }
}

/// Handles a request.
async fn respond(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody<Body>>, Infallible> {
    let open = shared.activity.request();
    let is_http2 = request.version() == Version::HTTP_2;
    let (parts, body) = request.into_parts();
    let response = if let Err(refused) = shared.peer_check.check() {
        ending(forbidden(&refused), is_http2)
    } else if let Err(ambiguous) = strict::check(&parts) {
        ending(
            ProblemResponse::new(ProblemCode::MalformedBody, ambiguous.to_string()).into_response(),
            is_http2,
        )
    } else {
        handle(&shared, Request::from_parts(parts, body), is_http2).await
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        shared.activity.upgraded();
    }
    Ok(response.map(|body| ResponseBody::new(body, open, is_http2)))
}

async fn handle(shared: &Shared, mut request: Request<Incoming>, is_http2: bool) -> Response {
    request.extensions_mut().insert(shared.peer.clone());
    let (parts, body) = request.into_parts();
    let (body, unread) = request_body::lend(&parts.headers, body, &shared.activity, shared.deadlines);
    let response = shared.router.clone().oneshot(Request::from_parts(parts, body)).await;
    let late = unread.drain().await;
    let Ok(response) = response;
    match late {
        Some(after) => ending(timed_out(after), is_http2),
        None => response,
    }
}

/// Marks a response as the connection's last.
fn ending(mut response: Response, is_http2: bool) -> Response {
    if !is_http2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The response to a body that arrived too slowly.
fn timed_out(after: Duration) -> Response {
    let detail = format!("the body did not arrive within {} s", after.as_secs());
    let status = StatusCode::REQUEST_TIMEOUT.as_u16();
    ProblemResponse(Problem { status, ..Problem::new(ProblemCode::MalformedBody, detail) }).into_response()
}

/// The response to a peer that is no longer accepted.
fn forbidden(refused: &Rejection) -> Response {
    metrics::counter!("platen_requests_refused_total", "reason" => refused.label()).increment(1);
    ProblemResponse::new(ProblemCode::Forbidden, refused.to_string()).into_response()
}
