//! A server that does only mutual TLS, by rustls with its own verifier, and sends one fixed response: the
//! cost of TLS alone.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";

/// Serves until it is killed; sessions can be resumed.
pub(crate) async fn serve(listen: SocketAddr, identity: &Path) -> Result<()> {
    let provider = pki::tls::provider();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(identity.join("root.pem"))?)?;
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?;
    let chain = CertificateDer::pem_file_iter(identity.join("cert.pem"))?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(identity.join("key.pem"))?;
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        let acceptor = acceptor.clone();
        // A client that disconnects early costs nothing more.
        tokio::spawn(async move { drop(answer(acceptor, socket).await) });
    }
}

async fn answer(acceptor: TlsAcceptor, socket: TcpStream) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let mut connection = acceptor.accept(socket).await?;
    let mut question = Vec::with_capacity(1024);
    while !question.windows(4).any(|four| four == b"\r\n\r\n") {
        if question.len() > 16 << 10 || connection.read_buf(&mut question).await? == 0 {
            return connection.shutdown().await;
        }
    }
    connection.write_all(ANSWER).await?;
    connection.shutdown().await
}
