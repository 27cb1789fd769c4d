//! A TCP proxy that counts the bytes of each connection below TLS.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::server_hello;

/// Counts of one connection.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    up: AtomicU64,
    down: AtomicU64,
    /// The first octets from the server.
    head: Mutex<Vec<u8>>,
}

impl Counts {
    /// TCP payload of both directions.
    pub(crate) fn bytes(&self) -> u64 {
        self.up.load(Ordering::Relaxed) + self.down.load(Ordering::Relaxed)
    }

    /// Whether its TLS session resumes an earlier one.
    fn resumes(&self) -> Option<bool> {
        server_hello::resumes(&self.head.lock().ok()?)
    }

    fn heard(&self, octets: &[u8]) {
        self.down.fetch_add(length(octets), Ordering::Relaxed);
        if let Ok(mut head) = self.head.lock() {
            let room = server_hello::HEAD.saturating_sub(head.len());
            head.extend(octets.iter().take(room));
        }
    }
}

/// Totals over several connections.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Talk {
    pub(crate) bytes: u64,
    /// Connections with a full handshake.
    pub(crate) full: u32,
    /// Connections that resumed a session.
    pub(crate) resumed: u32,
}

/// A proxy; its target may be set after it listens.
#[derive(Debug, Clone)]
pub(crate) struct CountingProxy {
    address: SocketAddr,
    target: Arc<OnceLock<SocketAddr>>,
    connections: Arc<Mutex<Vec<Arc<Counts>>>>,
}

impl CountingProxy {
    /// Listens on loopback.
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let proxy =
            Self { address: listener.local_addr()?, target: Arc::default(), connections: Arc::default() };
        tokio::spawn(accept(listener, proxy.clone()));
        Ok(proxy)
    }

    /// The address that it listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the target, once.
    pub(crate) fn lead_to(&self, target: SocketAddr) {
        self.target.get_or_init(|| target);
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.lock().map(|c| c.len()).unwrap_or_default()
    }

    /// Totals of all connections from number `first` on.
    pub(crate) fn talk_since(&self, first: usize) -> Talk {
        let connections = self.connections.lock().map(|c| c.clone()).unwrap_or_default();
        connections.iter().skip(first).fold(Talk::default(), |talk, one| {
            let resumes = one.resumes();
            Talk {
                bytes: talk.bytes + one.bytes(),
                full: talk.full + u32::from(resumes == Some(false)),
                resumed: talk.resumed + u32::from(resumes == Some(true)),
            }
        })
    }

    /// Bytes of all connections from number `first` on.
    pub(crate) fn bytes_since(&self, first: usize) -> u64 {
        let connections = self.connections.lock().map(|c| c.clone()).unwrap_or_default();
        connections.iter().skip(first).map(|c| c.bytes()).sum()
    }
}

async fn accept(listener: TcpListener, proxy: CountingProxy) {
    while let Ok((client, _)) = listener.accept().await {
        let counts = Arc::new(Counts::default());
        if let Ok(mut connections) = proxy.connections.lock() {
            connections.push(Arc::clone(&counts));
        }
        let target = proxy.target.get().copied();
        tokio::spawn(async move {
            // A connection that breaks is counted up to that point.
            drop(carry(client, target, counts).await);
        });
    }
}

async fn carry(client: TcpStream, target: Option<SocketAddr>, counts: Arc<Counts>) -> Result<()> {
    let server = TcpStream::connect(target.context("no target yet")?).await?;
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    let up = copy(client_in, server_out, |octets| {
        counts.up.fetch_add(length(octets), Ordering::Relaxed);
    });
    let down = copy(server_in, client_out, |octets| counts.heard(octets));
    tokio::try_join!(up, down)?;
    Ok(())
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    count: impl Fn(&[u8]),
) -> Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            to.shutdown().await?;
            return Ok(());
        }
        let octets = buffer.get(..read).unwrap_or_default();
        to.write_all(octets).await?;
        count(octets);
    }
}

fn length(octets: &[u8]) -> u64 {
    u64::try_from(octets.len()).unwrap_or(0)
}
