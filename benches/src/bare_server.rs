//! A server that does nothing but mutual TLS and one fixed answer: what TLS alone costs.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";

/// Serves until it is killed.
pub(crate) async fn serve(identity: &Path, ready_file: &Path) -> Result<()> {
    let certificates = |file: &str| -> Result<Vec<CertificateDer<'static>>> {
        Ok(CertificateDer::pem_file_iter(identity.join(file))?.collect::<Result<_, _>>()?)
    };
    let mut roots = RootCertStore::empty();
    for root in certificates("root.pem")? {
        roots.add(root)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?;
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates("cert.pem")?, PrivateKeyDer::from_pem_file(identity.join("key.pem"))?)?;
    tls.send_tls13_tickets = 0;
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    std::fs::write(ready_file, listener.local_addr()?.to_string()).context("ready file")?;
    loop {
        let (socket, _) = listener.accept().await?;
        let acceptor = acceptor.clone();
        // Who goes away early costs nothing more.
        tokio::spawn(async move { drop(answer(acceptor, socket).await) });
    }
}

async fn answer(acceptor: TlsAcceptor, socket: TcpStream) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let mut connection = acceptor.accept(socket).await?;
    let mut question = Vec::with_capacity(1024);
    while !question.windows(4).any(|four| four == b"\r\n\r\n") {
        if question.len() > 16 << 10 || connection.read_buf(&mut question).await? == 0 {
            return Ok(());
        }
    }
    connection.write_all(ANSWER).await?;
    connection.shutdown().await
}
