//! The listener: accepts connections, completes TLS handshakes, and gives every request the peer that its certificate
//! names. A peer that was admitted is checked again on each request, and its connection is closed when it is no
//! longer authorised.
//!
//! A connection passes `limiter` (admission and eviction), `handshake` and `exchange` (HTTP). `activity` records what
//! it is doing, `deadlines` how long each step may take: a connection whose peer sends nothing, is slow or doesn't
//! read is closed.

mod activity;
mod auth;
mod deadlines;
mod exchange;
mod handshake;
mod limiter;
mod peer_check;
mod request_body;
mod response_body;
mod stream;
mod strict;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use pki::spiffe::SpiffeId;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use activity::Activity;
pub use auth::{ClientAuth, ListenerAuth};
pub use deadlines::Deadlines;
use exchange::{Connection, Dialect};
use limiter::{Capacity, ConnectionLimiter};
use peer_check::PeerCheck;
use stream::WatchedSocket;
pub(crate) use strict::{host, is_this_machine};

/// Maximum number of connections of a listener; fewer if there are too few descriptors.
const MAX_CONNECTIONS: usize = 10_000;

/// Maximum number of connections of the local port.
pub(crate) const LOCAL_CONNECTIONS: usize = 32;

/// Maximum number of concurrent handshakes where every peer must present a certificate.
const MAX_HANDSHAKES: usize = 1_000;

/// Maximum number of evicted connections that are still being closed.
const ENDING: usize = 16;

/// Time for open requests when the program drains.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Delay after an error of `accept` (such as no free descriptor).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The peer that sent a request; every request has it as an [`axum::Extension`].
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Name in the certificate; `None` when the client presented none.
    pub id: Option<SpiffeId>,
}

/// Limits of a listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Maximum number of concurrent connections.
    pub connections: usize,
    /// Deadline of each step of a connection.
    pub deadlines: Deadlines,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: MAX_CONNECTIONS, deadlines: Deadlines::default() }
    }
}

/// Descriptors that a listener with this many connections needs.
#[must_use]
pub(crate) const fn descriptors(connections: usize) -> usize {
    connections + ENDING + 1
}

/// State shared by all connections of a listener.
#[derive(Clone)]
struct Shared {
    name: &'static str,
    /// `None`: plain HTTP.
    auth: Option<ListenerAuth>,
    limits: Limits,
    limiter: ConnectionLimiter,
    router: Router,
    shutdown: CancellationToken,
}

/// Serves `router` over TLS until `shutdown`, then drains open requests.
pub async fn serve(listener: TcpListener, auth: ListenerAuth, router: Router, shutdown: CancellationToken) {
    let following = tokio::spawn(auth.clone().follow(shutdown.clone()));
    let (name, limits) = (auth.name, auth.limits);
    let limiter = ConnectionLimiter::new(capacity(auth.client_auth, limits.connections.min(MAX_CONNECTIONS)));
    accept_all(listener, Shared { name, auth: Some(auth), limits, limiter, router, shutdown }).await;
    following.abort();
}

/// Serves `router` over plain HTTP/1, for the machine itself.
pub(crate) async fn serve_plain(
    listener: TcpListener,
    name: &'static str,
    limits: Limits,
    router: Router,
    shutdown: CancellationToken,
) {
    let limiter = ConnectionLimiter::new(Capacity::new(limits.connections, 0).for_any_network());
    accept_all(listener, Shared { name, auth: None, limits, limiter, router, shutdown }).await;
}

/// The limits. If a certificate is required, only connections in the handshake are anonymous.
fn capacity(client_auth: ClientAuth, connections: usize) -> Capacity {
    let anonymous = match client_auth {
        ClientAuth::Required(_) => (connections / 4).min(MAX_HANDSHAKES),
        ClientAuth::Optional(_) => connections / 2,
        ClientAuth::None => return Capacity::new(connections, 0),
    };
    Capacity::new(anonymous, connections.saturating_sub(anonymous))
}

async fn accept_all(listener: TcpListener, shared: Shared) {
    let tracker = TaskTracker::new();
    // Never waits for long: an evicted connection ends at once.
    let sockets = Arc::new(Semaphore::new(shared.limits.connections.saturating_add(ENDING)));
    while let Some((socket, address, descriptor)) = next(&listener, &sockets, &shared.shutdown).await {
        let activity = Activity::new(shared.auth.is_some());
        let Some(permit) = shared.limiter.enter(address.ip(), activity.clone()) else {
            metrics::counter!("platen_connections_rejected_total", "listener" => shared.name).increment(1);
            tracing::debug!(listener = shared.name, peer.address = %address, "connection rejected: the limit of connections is reached");
            continue;
        };
        let connection = Connection {
            listener: shared.name,
            address,
            activity,
            deadlines: shared.limits.deadlines,
            permit,
            shutdown: shared.shutdown.clone(),
        };
        let (auth, router) = (shared.auth.clone(), shared.router.clone());
        tracker.spawn(async move {
            answer(socket, connection, auth, router).await;
            drop(descriptor);
        });
    }
    drop(listener);
    tracker.close();
    if tokio::time::timeout(DRAIN_TIMEOUT, tracker.wait()).await.is_err() {
        tracing::warn!(listener = shared.name, "some requests did not end before the shutdown deadline");
    }
}

async fn next(
    listener: &TcpListener,
    sockets: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    loop {
        let descriptor = tokio::select! {
            descriptor = Arc::clone(sockets).acquire_owned() => descriptor.ok()?,
            () = shutdown.cancelled() => return None,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => return None,
        };
        match accepted {
            Ok((socket, address)) => return Some((socket, address, descriptor)),
            Err(error) => {
                tracing::warn!(error = %error, "a connection can't be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Runs one connection, from the accepted socket to its end.
async fn answer(socket: TcpStream, connection: Connection, auth: Option<ListenerAuth>, router: Router) {
    let address = connection.address;
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(peer.address = %address, error = %error, "TCP_NODELAY can't be set");
    }
    let socket = WatchedSocket::new(socket, connection.activity.clone());
    let Some(auth) = auth else {
        let dialect = Dialect { http2: false, title_case: false };
        let who = (Peer { address, id: None }, PeerCheck::open());
        return exchange::exchange(socket, who, router, dialect, connection).await;
    };
    let Some((mut stream, peer, peer_check)) = handshake::accept(&auth, socket, &connection).await else {
        return;
    };
    if let Some(id) = &peer.id
        && !connection.permit.certify(id)
    {
        let listener = auth.name;
        metrics::counter!("platen_connections_rejected_total", "listener" => listener).increment(1);
        tracing::warn!(listener, peer.address = %address, peer.id = %id, "connection rejected: the limit of connections is reached");
        return;
    }
    if !exchange::has_begun(&mut stream, (&peer, &peer_check), &connection).await {
        return;
    }
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let dialect = Dialect { http2, title_case: auth.title_case };
    exchange::exchange(stream, (peer, peer_check), router, dialect, connection).await;
}
