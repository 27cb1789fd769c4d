//! The TLS listener: accepts, shakes hands, and gives every request the peer that its certificate names.
//!
//! A peer that was let in is asked again on each request, and its connection is closed once it may no longer stay.

mod crowd;
mod door;
mod guard;
mod heard;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, Request, header};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use pki::leaf::Refused;
use pki::spiffe::SpiffeId;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use wire::problem::ProblemCode;

use crate::refusal::Refusal;
use crowd::{Crowd, Place};
pub use door::{Asks, Door};
use guard::Guard;

/// Connections at once; the next one waits in the system's queue.
const MAX_CONNECTIONS: usize = 10_000;

/// Handshakes under way at once; one more ends the oldest.
const MAX_HANDSHAKES: usize = 1_000;

/// Connections of one certificate at once; one more ends the oldest.
const MAX_OF_A_PEER: usize = 16;

/// A handshake that takes longer is ended.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A request head that takes longer is ended.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long open requests may take once the program drains.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// After an error of `accept` (no file descriptors left), wait so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who sent a request: an [`axum::Extension`] of every request.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Where from.
    pub address: SocketAddr,
    /// Name in the certificate; `None` where the listener asks for none, or the client showed none.
    pub id: Option<SpiffeId>,
}

/// Serves `router` over TLS until `shutdown`, then lets open requests end.
pub async fn serve(listener: TcpListener, door: Door, router: Router, shutdown: CancellationToken) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let handshakes = Crowd::new(MAX_HANDSHAKES);
    let peers = Arc::new(Crowd::new(MAX_OF_A_PEER));
    let following = tokio::spawn(door.clone().follow(shutdown.clone()));
    loop {
        let Some((socket, address, place)) = next(&listener, &places, &shutdown).await else {
            break;
        };
        let handshake = Handshake { door: door.clone(), socket, address, place: handshakes.enter(()) };
        let (router, watcher, peers) = (router.clone(), graceful.watcher(), Arc::clone(&peers));
        let title_case = door.title_case;
        tokio::spawn(async move {
            let _place = place;
            if let Some((stream, peer, guard)) = handshake.shake().await {
                let own = peer.id.clone().map(|id| peers.enter(id));
                let crowded_out = own.as_ref().map(|own| own.lost.clone()).unwrap_or_default();
                answer(stream, (peer, guard, crowded_out), (router, title_case), watcher).await;
            }
        });
    }
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end while draining");
    }
    following.abort();
}

async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    loop {
        let place = tokio::select! {
            place = Arc::clone(places).acquire_owned() => place.ok()?,
            () = shutdown.cancelled() => return None,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => return None,
        };
        match accepted {
            Ok((socket, address)) => return Some((socket, address, place)),
            Err(error) => {
                tracing::warn!(error = %error, "a connection can't be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A connection before its handshake.
struct Handshake {
    door: Door,
    socket: TcpStream,
    address: SocketAddr,
    place: Place<()>,
}

impl Handshake {
    /// The stream and its peer; `None` when it is refused, which is told.
    async fn shake(self) -> Option<(TlsStream<TcpStream>, Peer, Guard)> {
        let Self { door, socket, address, place } = self;
        let refuse = |label: &'static str, why: String| {
            let listener = door.name;
            metrics::counter!("platen_handshakes_refused_total", "listener" => listener, "reason" => label)
                .increment(1);
            tracing::warn!(listener, peer.address = %address, reason = label, why, "handshake refused");
        };
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(peer.address = %address, error = %error, "TCP_NODELAY is refused");
        }
        let accepting = TlsAcceptor::from(door.tls()).accept(socket);
        let accepted = tokio::select! {
            accepted = tokio::time::timeout(HANDSHAKE_TIMEOUT, accepting) => accepted,
            () = place.lost.cancelled() => {
                refuse("crowded_out", format!("more than {MAX_HANDSHAKES} handshakes were under way"));
                return None;
            }
        };
        drop(place);
        let stream = match accepted {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                let (label, why) = reason(&error);
                refuse(label, why);
                return None;
            }
            Err(_) => {
                refuse("timeout", format!("no handshake within {} s", HANDSHAKE_TIMEOUT.as_secs()));
                return None;
            }
        };
        match admit(&stream, address, &door) {
            Ok((peer, guard)) => Some((stream, peer, guard)),
            Err(refused) => {
                refuse(refused.label(), refused.to_string());
                None
            }
        }
    }
}

/// The verifier's own words where it was TLS that refused.
fn reason(error: &std::io::Error) -> (&'static str, String) {
    match pki::tls::failure_in(error) {
        Some(tls) => (pki::tls::label(tls), pki::tls::reason(tls)),
        None => ("broken_off", error.to_string()),
    }
}

/// Who came. A resumed session showed no certificate this time: it is asked again in any case.
fn admit(stream: &TlsStream<TcpStream>, address: SocketAddr, door: &Door) -> Result<(Peer, Guard), Refused> {
    let leaf = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let (id, leaf) = leaf.map(pki::tls::peer).transpose()?.unzip();
    let guard = Guard::new(leaf, door.identity());
    guard.check()?;
    Ok((Peer { address, id }, guard))
}

/// Answers a connection's requests until either side ends it, or the peer may no longer stay.
async fn answer(
    stream: TlsStream<TcpStream>,
    (peer, guard, crowded_out): (Peer, Guard, CancellationToken),
    (router, title_case): (Router, bool),
    watcher: Watcher,
) {
    let peer_named = peer.clone();
    let on_request = guard.clone();
    let service = tower::service_fn(move |mut request: Request<Incoming>| {
        let (verdict, peer, router) = (on_request.check(), peer.clone(), router.clone());
        async move {
            if let Err(refused) = verdict {
                return Ok(turned_away(&refused));
            }
            request.extensions_mut().insert(peer);
            let (parts, body) = request.into_parts();
            let (body, rest) = heard::lend(&parts.headers, body);
            let response = router.oneshot(Request::from_parts(parts, body)).await;
            rest.hear_out().await;
            response
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .title_case_headers(title_case);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(30));
    let service = TowerToHyperService::new(service);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
    tokio::select! {
        ended = watcher.watch(connection) => if let Err(error) = ended {
            tracing::debug!(peer.address = %peer_named.address, error = %error, "connection ended");
        },
        refused = guard.lost() => closed(&peer_named, refused.label(), &refused.to_string()),
        () = crowded_out.cancelled() => {
            let why = format!("more than {MAX_OF_A_PEER} connections of one certificate");
            closed(&peer_named, "crowded_out", &why);
        }
    }
}

fn closed(peer: &Peer, reason: &'static str, why: &str) {
    metrics::counter!("platen_connections_closed_total", "reason" => reason).increment(1);
    let id = peer.id.as_ref().map(ToString::to_string);
    tracing::warn!(peer.address = %peer.address, peer.id = id, reason, why, "connection closed");
}

/// The answer to a peer that may no longer stay.
fn turned_away(refused: &Refused) -> Response {
    metrics::counter!("platen_requests_refused_total", "reason" => refused.label()).increment(1);
    let mut response = Refusal::new(ProblemCode::Forbidden, refused.to_string()).into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
