//! The client side: handshakes, some at once, each to its end.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Result, ensure};
use pki::Identity;
use pki::spiffe::PartyKind;
use rustls::client::Resumption;
use rustls::{ClientConfig, HandshakeKind};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Number of concurrent handshakes.
const AT_ONCE: u32 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Full,
    Resumed,
}

/// Offers X25519 alone: nginx with Debian's OpenSSL supports nothing newer.
pub(super) fn config(identity: &Identity, expects: PartyKind) -> Result<Arc<ClientConfig>> {
    let mut config = pki::tls::client_config(identity, expects)?;
    let mut provider = rustls::crypto::CryptoProvider::clone(config.crypto_provider());
    provider.kx_groups = vec![rustls::crypto::aws_lc_rs::kx_group::X25519];
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let narrow = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots(identity)?);
    let mut narrow = narrow.with_client_cert_resolver(Arc::clone(&config.client_auth_cert_resolver));
    narrow.alpn_protocols = config.alpn_protocols;
    Ok(Arc::new(narrow))
}

fn roots(identity: &Identity) -> Result<rustls::RootCertStore> {
    let mut roots = rustls::RootCertStore::empty();
    for root in identity.trust().roots() {
        roots.add(root.clone())?;
    }
    Ok(roots)
}

/// A connection after its handshake.
pub(super) async fn connect(address: SocketAddr, tls: &Arc<ClientConfig>) -> Result<TlsStream<TcpStream>> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let name = ServerName::IpAddress(address.ip().into());
    Ok(TlsConnector::from(Arc::clone(tls)).connect(name, socket).await?)
}

/// One handshake, then an orderly close, so that the server ends the connection.
async fn once(address: SocketAddr, tls: &Arc<ClientConfig>) -> Result<HandshakeKind> {
    let mut stream = connect(address, tls).await?;
    let kind = stream.get_ref().1.handshake_kind();
    stream.shutdown().await?;
    // The server's tickets arrive here.
    drop(stream.read_to_end(&mut Vec::new()).await);
    kind.ok_or_else(|| anyhow::anyhow!("no handshake"))
}

/// This many handshakes of a kind.
pub(super) async fn drive(
    address: SocketAddr,
    tls: &Arc<ClientConfig>,
    kind: Kind,
    count: u32,
) -> Result<()> {
    let mut drivers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let mut tls = ClientConfig::clone(tls);
        tls.resumption = match kind {
            Kind::Full => Resumption::disabled(),
            Kind::Resumed => Resumption::in_memory_sessions(32),
        };
        let tls = Arc::new(tls);
        drivers.spawn(async move {
            if kind == Kind::Resumed {
                once(address, &tls).await?;
            }
            for _ in 0..count / AT_ONCE {
                let done = once(address, &tls).await?;
                ensure!(
                    (done == HandshakeKind::Resumed) == (kind == Kind::Resumed),
                    "{done:?}: expected {kind:?}"
                );
            }
            anyhow::Ok(())
        });
    }
    while let Some(driver) = drivers.join_next().await {
        driver??;
    }
    Ok(())
}
