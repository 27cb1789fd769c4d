//! TLS handshakes: the peer's identity, or the reason for a rejection.

use std::net::SocketAddr;

use pki::rejection::Rejection;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Peer;
use super::auth::ListenerAuth;
use super::exchange::Connection;
use super::peer_check::PeerCheck;
use super::stream::WatchedSocket;

/// Completes the handshake; a rejected one is logged and returns `None`.
pub(super) async fn accept(
    auth: &ListenerAuth,
    socket: WatchedSocket,
    connection: &Connection,
) -> Option<(TlsStream<WatchedSocket>, Peer, PeerCheck)> {
    let address = connection.address;
    let refuse = |label: &'static str, why: String| {
        let listener = auth.name;
        metrics::counter!("platen_handshakes_refused_total", "listener" => listener, "reason" => label)
            .increment(1);
        tracing::warn!(listener, peer.address = %address, reason = label, why, "handshake rejected");
    };
    let accepted = tokio::select! {
        accepted = TlsAcceptor::from(auth.tls()).accept(socket) => accepted,
        ended = connection.ended() => {
            refuse(ended.label(), ended.to_string());
            return None;
        }
    };
    let stream = match accepted {
        Ok(stream) => stream,
        Err(error) => {
            let (label, why) = reason(&error);
            refuse(label, why);
            return None;
        }
    };
    match admit(&stream, address, auth) {
        Ok((peer, peer_check)) => {
            connection.activity.established();
            Some((stream, peer, peer_check))
        }
        Err(refused) => {
            refuse(refused.label(), refused.to_string());
            None
        }
    }
}

/// The verifier's reason where TLS rejected the peer.
fn reason(error: &std::io::Error) -> (&'static str, String) {
    match pki::tls::tls_error_in(error) {
        Some(tls) => (pki::tls::label(tls), pki::tls::reason(tls)),
        None => ("broken_off", error.to_string()),
    }
}

/// Identifies the peer and checks it. A resumed session presents no certificate again, so this check is its only one.
fn admit(
    stream: &TlsStream<WatchedSocket>,
    address: SocketAddr,
    auth: &ListenerAuth,
) -> Result<(Peer, PeerCheck), Rejection> {
    let leaf = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let (id, leaf) = leaf.map(pki::tls::peer).transpose()?.unzip();
    let peer_check = PeerCheck::new(leaf, auth.identity());
    peer_check.check()?;
    Ok((Peer { address, id }, peer_check))
}
