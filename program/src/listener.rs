//! The TLS listener: accepts, shakes hands, and gives every request the peer that its certificate names.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use pki::spiffe::SpiffeId;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

/// Connections at once; the next one waits in the system's queue.
const MAX_CONNECTIONS: usize = 10_000;

/// A handshake that takes longer is ended.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A request head that takes longer is ended.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long open requests may take once the program drains.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// After an error of `accept` (no file descriptors left), wait so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who sent a request: an [`Extension`] of every request.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Where from.
    pub address: SocketAddr,
    /// Name in the certificate; `None` where the listener asks for none.
    pub id: Option<SpiffeId>,
}

/// Serves `router` over TLS until `shutdown`, then lets open requests end. A new configuration in `tls` holds for
/// the next connection.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ArcSwap<ServerConfig>>,
    router: Router,
    shutdown: CancellationToken,
) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Some((socket, address, place)) = next(&listener, &places, &shutdown).await else {
            break;
        };
        let acceptor = TlsAcceptor::from(tls.load_full());
        let (router, watcher) = (router.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _place = place;
            let Some(stream) = shake_hands(acceptor, socket, address).await else {
                return;
            };
            let Some(peer) = peer(&stream, address) else {
                return;
            };
            let service = TowerToHyperService::new(router.layer(Extension(peer)));
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
            builder.http2().timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(30));
            let connection = builder
                .serve_connection_with_upgrades::<_, _, axum::body::Body>(TokioIo::new(stream), service);
            if let Err(error) = watcher.watch(connection.into_owned()).await {
                tracing::debug!(peer.address = %address, error = %error, "connection ended");
            }
        });
    }
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end while draining");
    }
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

async fn shake_hands(
    acceptor: TlsAcceptor,
    socket: TcpStream,
    address: SocketAddr,
) -> Option<TlsStream<TcpStream>> {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(peer.address = %address, error = %error, "TCP_NODELAY is refused");
    }
    let why = match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(socket)).await {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(error)) => reason(&error),
        Err(_) => format!("no handshake within {} s", HANDSHAKE_TIMEOUT.as_secs()),
    };
    metrics::counter!("platen_handshakes_refused_total").increment(1);
    tracing::warn!(peer.address = %address, why, "handshake refused");
    None
}

/// The verifier's own words where it was TLS that refused.
fn reason(error: &std::io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    tls.map_or_else(|| error.to_string(), pki::tls::reason)
}

fn peer(stream: &TlsStream<TcpStream>, address: SocketAddr) -> Option<Peer> {
    let Some(leaf) = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()) else {
        return Some(Peer { address, id: None });
    };
    match pki::tls::peer_id(leaf) {
        Ok(id) => Some(Peer { address, id: Some(id) }),
        Err(error) => {
            tracing::warn!(peer.address = %address, error = %error, "a verified certificate has no usable name");
            None
        }
    }
}
