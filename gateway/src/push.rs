//! Pushes an image to a device: raw to its printing port, or by HTTP if its profile says so.
//!
//! The address always comes from the device record. A successful push means that the octets were sent; only the
//! version that the device shows afterwards proves that it accepted them.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::stream;
use gateway_core::firmware::Reach;
use gateway_core::reading::profiles::FirmwareTransport;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const CHUNK_BYTES: usize = 64 << 10;

/// The time limits of a push.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PushLimits {
    /// Time limit of the connection attempt.
    pub connect: Duration,
    /// Maximum time without progress; a device may be erasing its flash memory.
    pub stall: Duration,
    /// Maximum time from the last octet until the device closes the connection or responds.
    pub close: Duration,
}

impl Default for PushLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            stall: Duration::from_secs(120),
            close: Duration::from_secs(120),
        }
    }
}

/// The result of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pushed {
    /// Octets that the device's TCP acknowledged or buffered.
    pub bytes: u64,
    /// Whether the device closed the connection or responded in time; if not, only its version shows the result.
    pub closed: bool,
}

/// Why a push failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PushError {
    /// The staged file can't be read.
    #[error("{}: the staged image can't be read", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The device did not accept a connection: it received nothing.
    #[error("{address}: no connection for the firmware")]
    Connect {
        /// The device's address and port.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The connection broke.
    #[error("{address}: the connection was interrupted after {sent} of {length} bytes")]
    Broken {
        /// The device's address and port.
        address: SocketAddr,
        /// Bytes sent before.
        sent: u64,
        /// Bytes of the image.
        length: u64,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The device stopped reading.
    #[error("{address}: the device read nothing for {waited_s} s after {sent} of {length} bytes")]
    Stalled {
        /// The device's address and port.
        address: SocketAddr,
        /// Bytes sent before.
        sent: u64,
        /// Bytes of the image.
        length: u64,
        /// The time without progress, seconds.
        waited_s: u64,
    },
    /// The HTTP exchange with the device failed.
    #[error("{address}: the firmware could not be sent by HTTP")]
    Http {
        /// The device's address and port.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// The device's web server responded with an error.
    #[error("{address}: the device rejected the firmware with status {status}")]
    Refused {
        /// The device's address and port.
        address: SocketAddr,
        /// HTTP status.
        status: u16,
    },
}

impl PushError {
    /// How much of the image reached the device.
    #[must_use]
    pub(crate) fn reach(&self) -> Reach {
        match self {
            Self::Image { .. } => Reach::NoImage,
            Self::Connect { .. } => Reach::Nothing,
            Self::Http { source, .. } if source.is_connect() || source.is_builder() => Reach::Nothing,
            Self::Http { .. } | Self::Broken { .. } | Self::Stalled { .. } => Reach::Unknown,
            // Too many requests, or service unavailable (RFC 9110 §15.6.4): what it did with the body is unknown.
            Self::Refused { status: 429 | 503, .. } => Reach::Unknown,
            Self::Refused { .. } => Reach::Refused,
        }
    }
}

/// Pushes the file `image` to the device at `host`. `progress` gets the octets sent and the octets in total.
///
/// # Errors
/// The image can't be read, or the device doesn't accept it.
pub(crate) async fn push(
    transport: &FirmwareTransport,
    host: IpAddr,
    image: &Path,
    limits: &PushLimits,
    progress: impl FnMut(u64, u64) + Send + 'static,
) -> Result<Pushed, PushError> {
    let unreadable = |source| PushError::Image { path: image.to_owned(), source };
    let file = File::open(image).await.map_err(unreadable)?;
    let length = file.metadata().await.map_err(unreadable)?.len();
    let source = Source { file, path: image.to_owned(), length, sent: 0, progress };
    match transport {
        FirmwareTransport::Raw9100 { port } => push_raw(SocketAddr::new(host, *port), source, limits).await,
        FirmwareTransport::HttpPut { port, path } => {
            push_http(reqwest::Method::PUT, SocketAddr::new(host, *port), path, source, limits).await
        }
        FirmwareTransport::HttpPost { port, path } => {
            push_http(reqwest::Method::POST, SocketAddr::new(host, *port), path, source, limits).await
        }
    }
}

/// The image while it is being read.
struct Source<P> {
    file: File,
    path: PathBuf,
    length: u64,
    sent: u64,
    progress: P,
}

impl<P: FnMut(u64, u64)> Source<P> {
    /// The next octets, empty at the end; at most the file's initial length in total.
    async fn next(&mut self) -> io::Result<Bytes> {
        let left = usize::try_from(self.length - self.sent).unwrap_or(usize::MAX);
        let mut chunk = vec![0; CHUNK_BYTES.min(left)];
        let filled = self.file.read(&mut chunk).await?;
        if filled == 0 && left > 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the staged image became shorter while it was sent",
            ));
        }
        chunk.truncate(filled);
        Ok(Bytes::from(chunk))
    }

    fn count(&mut self, bytes: usize) {
        self.sent += u64::try_from(bytes).unwrap_or(0);
        (self.progress)(self.sent, self.length);
    }
}

async fn push_raw<P: FnMut(u64, u64)>(
    address: SocketAddr,
    mut source: Source<P>,
    limits: &PushLimits,
) -> Result<Pushed, PushError> {
    let connect = |source| PushError::Connect { address, source };
    let socket = timeout(limits.connect, TcpStream::connect(address))
        .await
        .map_err(|_| connect(io::Error::new(io::ErrorKind::TimedOut, "no response in time")))?
        .map_err(connect)?;
    let (mut answers, mut device) = socket.into_split();
    let mut drained = pin!(drain(&mut answers));
    let mut closed = false;
    {
        let mut sending = pin!(send(address, &mut source, &mut device, limits));
        loop {
            tokio::select! {
                sent = &mut sending => break sent?,
                () = &mut drained, if !closed => closed = true,
            }
        }
    }
    if !closed {
        closed = timeout(limits.close, drained).await.is_ok();
    }
    Ok(Pushed { bytes: source.sent, closed })
}

/// Sends the whole image, then the end of the stream.
async fn send<P: FnMut(u64, u64)>(
    address: SocketAddr,
    source: &mut Source<P>,
    device: &mut (impl AsyncWrite + Unpin),
    limits: &PushLimits,
) -> Result<(), PushError> {
    loop {
        let path = source.path.clone();
        let chunk = source.next().await.map_err(|source| PushError::Image { path, source })?;
        if chunk.is_empty() {
            return match device.shutdown().await {
                // The device closed first: it has every octet, and its version will show the result.
                Err(error) if error.kind() != io::ErrorKind::NotConnected => {
                    Err(broken(address, source, error))
                }
                Ok(()) | Err(_) => Ok(()),
            };
        }
        write_all(address, source, device, chunk, limits.stall).await?;
    }
}

async fn write_all<P: FnMut(u64, u64)>(
    address: SocketAddr,
    source: &mut Source<P>,
    device: &mut (impl AsyncWrite + Unpin),
    chunk: Bytes,
    stall: Duration,
) -> Result<(), PushError> {
    let mut left = chunk;
    while !left.is_empty() {
        let taken = match timeout(stall, device.write(&left)).await {
            Ok(Ok(0)) => return Err(broken(address, source, io::ErrorKind::WriteZero.into())),
            Ok(Ok(taken)) => taken,
            Ok(Err(error)) => return Err(broken(address, source, error)),
            Err(_) => {
                let (sent, length, waited_s) = (source.sent, source.length, stall.as_secs());
                return Err(PushError::Stalled { address, sent, length, waited_s });
            }
        };
        left.advance(taken);
        source.count(taken);
    }
    Ok(())
}

fn broken<P>(address: SocketAddr, at: &Source<P>, source: io::Error) -> PushError {
    PushError::Broken { address, sent: at.sent, length: at.length, source }
}

/// Reads and discards what the device sends until it closes the connection. A reset is an end, too.
async fn drain(answers: &mut (impl AsyncRead + Unpin)) {
    let mut scratch = [0; 1024];
    while matches!(answers.read(&mut scratch).await, Ok(read) if read > 0) {}
}

async fn push_http<P: FnMut(u64, u64) + Send + 'static>(
    method: reqwest::Method,
    address: SocketAddr,
    path: &str,
    source: Source<P>,
    limits: &PushLimits,
) -> Result<Pushed, PushError> {
    let failed = |source| PushError::Http { address, source };
    let length = source.length;
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(no_tls())
        .connect_timeout(limits.connect)
        .read_timeout(limits.stall + limits.close)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(failed)?;
    let body = reqwest::Body::wrap_stream(stream::try_unfold(source, |mut source| async move {
        let chunk = source.next().await?;
        source.count(chunk.len());
        Ok::<_, io::Error>((!chunk.is_empty()).then_some((chunk, source)))
    }));
    let sending = client
        .request(method, format!("http://{address}/{}", path.trim_start_matches('/')))
        .header(reqwest::header::CONTENT_TYPE, "application/octet-stream")
        .header(reqwest::header::CONTENT_LENGTH, length)
        .body(body)
        .send();
    let status = answer(sending).await.map_err(failed)?;
    if !status.is_success() {
        return Err(PushError::Refused { address, status: status.as_u16() });
    }
    Ok(Pushed { bytes: length, closed: true })
}

/// A client needs a TLS configuration even for plain HTTP; this one trusts no certificate.
pub(crate) fn no_tls() -> rustls::ClientConfig {
    rustls::ClientConfig::builder_with_provider(pki::tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider speaks TLS 1.3")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

async fn answer(
    sending: impl Future<Output = reqwest::Result<reqwest::Response>>,
) -> reqwest::Result<reqwest::StatusCode> {
    Ok(sending.await?.status())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tokio::net::TcpListener;

    fn image(bytes: usize) -> (tempfile::TempDir, PathBuf, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..bytes).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let path = dir.path().join("image");
        std::fs::write(&path, &content).unwrap();
        (dir, path, content)
    }

    fn short() -> PushLimits {
        let short = Duration::from_millis(300);
        PushLimits { connect: short, stall: short, close: short }
    }

    async fn raw(address: SocketAddr, path: &Path) -> Result<Pushed, PushError> {
        let transport = FirmwareTransport::Raw9100 { port: address.port() };
        push(&transport, address.ip(), path, &short(), |_, _| {}).await
    }

    #[tokio::test]
    async fn a_device_gets_every_byte_and_then_the_end() {
        let (_dir, path, content) = image(300_001);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let device = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut got = Vec::new();
            socket.read_to_end(&mut got).await.unwrap();
            got
        });
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&seen);
        let transport = FirmwareTransport::Raw9100 { port: address.port() };
        let progress = move |sent, length| told.lock().unwrap().push((sent, length));
        let pushed = push(&transport, address.ip(), &path, &short(), progress).await.unwrap();
        assert_eq!(pushed, Pushed { bytes: 300_001, closed: true });
        assert!(device.await.unwrap() == content, "the device got other bytes");
        let seen = seen.lock().unwrap();
        assert_eq!(seen.last(), Some(&(300_001, 300_001)));
        assert!(seen.is_sorted(), "progress went back: {seen:?}");
    }

    #[tokio::test]
    async fn a_device_that_keeps_the_connection_open_is_distinguished() {
        let (_dir, path, _) = image(1000);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let device = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut got = Vec::new();
            socket.read_to_end(&mut got).await.unwrap();
            (socket, got.len())
        });
        assert_eq!(raw(address, &path).await.unwrap(), Pushed { bytes: 1000, closed: false });
        assert_eq!(device.await.unwrap().1, 1000);
    }

    #[tokio::test]
    async fn stalls_resets_and_closed_ports_are_distinguished() {
        let (_dir, path, _) = image(32 << 20);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stalled = raw(address, &path).await.unwrap_err();
        assert!(matches!(stalled, PushError::Stalled { sent, .. } if sent > 0), "{stalled}");
        assert_eq!(stalled.reach(), Reach::Unknown);

        let device = tokio::spawn(async move {
            // The first connection in the queue is the stalled one.
            listener.accept().await.unwrap();
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut some = [0; 1000];
            socket.read_exact(&mut some).await.unwrap();
        });
        let cut = raw(address, &path).await.unwrap_err();
        device.await.unwrap();
        assert!(matches!(cut, PushError::Broken { .. }), "{cut}");

        let closed = raw(address, &path).await.unwrap_err();
        assert!(matches!(closed, PushError::Connect { .. }) && closed.reach() == Reach::Nothing, "{closed}");
        let missing = raw(address, Path::new("/nonexistent/image")).await.unwrap_err();
        assert!(matches!(missing, PushError::Image { .. }), "{missing}");
    }

    #[tokio::test]
    async fn a_web_server_gets_the_length_and_the_bytes() {
        let (_dir, path, content) = image(200_000);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let got = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&got);
        let take = move |headers: axum::http::HeaderMap, body: Bytes| async move {
            assert_eq!(headers["content-length"], "200000");
            *keep.lock().unwrap() = body.to_vec();
        };
        let refuse = async |_: Bytes| axum::http::StatusCode::FORBIDDEN;
        let router = axum::Router::new()
            .route("/firmware", axum::routing::put(take).post(refuse))
            .layer(axum::extract::DefaultBodyLimit::disable());
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let transport = FirmwareTransport::HttpPut { port: address.port(), path: "/firmware".to_owned() };
        let pushed = push(&transport, address.ip(), &path, &short(), |_, _| {}).await.unwrap();
        assert_eq!(pushed, Pushed { bytes: 200_000, closed: true });
        assert!(*got.lock().unwrap() == content, "the device got other bytes");
        let elsewhere = FirmwareTransport::HttpPost { port: address.port(), path: "/firmware".to_owned() };
        let refused = push(&elsewhere, address.ip(), &path, &short(), |_, _| {}).await.unwrap_err();
        assert!(matches!(refused, PushError::Refused { status: 403, .. }), "{refused}");
        server.abort();
    }
}
