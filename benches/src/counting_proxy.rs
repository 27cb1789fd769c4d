//! A TCP proxy that counts the bytes of each connection, as the network below TLS carries them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Counts of one connection.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    up: AtomicU64,
    down: AtomicU64,
}

impl Counts {
    /// TCP payload of both directions.
    pub(crate) fn bytes(&self) -> u64 {
        self.up.load(Ordering::Relaxed) + self.down.load(Ordering::Relaxed)
    }
}

/// A proxy; its target may be named after it listens.
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

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Names the target, once.
    pub(crate) fn lead_to(&self, target: SocketAddr) {
        self.target.get_or_init(|| target);
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.lock().map(|c| c.len()).unwrap_or_default()
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
            // A connection that breaks is counted as far as it came.
            drop(carry(client, target, counts).await);
        });
    }
}

async fn carry(client: TcpStream, target: Option<SocketAddr>, counts: Arc<Counts>) -> Result<()> {
    let server = TcpStream::connect(target.context("no target yet")?).await?;
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    let up = copy(client_in, server_out, &counts.up);
    let down = copy(server_in, client_out, &counts.down);
    tokio::try_join!(up, down)?;
    Ok(())
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    count: &AtomicU64,
) -> Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            to.shutdown().await?;
            return Ok(());
        }
        to.write_all(buffer.get(..read).unwrap_or_default()).await?;
        count.fetch_add(u64::try_from(read).unwrap_or(0), Ordering::Relaxed);
    }
}
