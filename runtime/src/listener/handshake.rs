//! TLS handshakes: who came, or why not.

use std::net::SocketAddr;

use pki::leaf::Refused;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Peer;
use super::door::Door;
use super::exchange::Connection;
use super::guard::Guard;
use super::stream::Watched;

/// The stream and its peer; `None` when it is refused, which is logged.
pub(super) async fn shake(
    door: &Door,
    socket: Watched,
    connection: &Connection,
) -> Option<(TlsStream<Watched>, Peer, Guard)> {
    let address = connection.address;
    let refuse = |label: &'static str, why: String| {
        let listener = door.name;
        metrics::counter!("platen_handshakes_refused_total", "listener" => listener, "reason" => label)
            .increment(1);
        tracing::warn!(listener, peer.address = %address, reason = label, why, "handshake refused");
    };
    let accepted = tokio::select! {
        accepted = TlsAcceptor::from(door.tls()).accept(socket) => accepted,
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
    match admit(&stream, address, door) {
        Ok((peer, guard)) => {
            connection.activity.established();
            Some((stream, peer, guard))
        }
        Err(refused) => {
            refuse(refused.label(), refused.to_string());
            None
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
fn admit(stream: &TlsStream<Watched>, address: SocketAddr, door: &Door) -> Result<(Peer, Guard), Refused> {
    let leaf = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let (id, leaf) = leaf.map(pki::tls::peer).transpose()?.unzip();
    let guard = Guard::new(leaf, door.identity());
    guard.check()?;
    Ok((Peer { address, id }, guard))
}
