//! Every port gets more connections than there are file descriptors, idle or with half a request: gateways,
//! operators, enrollment and `/healthz` are still served, and all these connections are closed.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pki::Identity;
use pki::spiffe::PartyKind;
use rustls_pki_types::ServerName;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::server::{Options, Server, identity, make_identities, start_with};

/// Number of connections, and the server's limits.
#[derive(Debug, Clone, Copy)]
struct Size {
    descriptors: u32,
    /// Connections to each port that finish the handshake and send nothing.
    idle: usize,
    /// Connections to each port that send half a request: either half a head or half a body.
    half: usize,
    /// Number of different certificates that the connections to the gateways' port use.
    certificates: usize,
    deadline_s: Option<u16>,
    /// Polls, one after the other, each with a new connection.
    polls: usize,
}

const SMALL: Size =
    Size { descriptors: 600, idle: 150, half: 60, certificates: 12, deadline_s: Some(4), polls: 20 };

/// Prints measurements, without asserting times:
/// `cargo nextest run -p platen-comm-server --run-ignored only crowd --no-capture`.
const FULL: Size =
    Size { descriptors: 1024, idle: 1100, half: 500, certificates: 100, deadline_s: None, polls: 200 };

type Stream = TlsStream<TcpStream>;

fn certified(dir: &Path, name: &str) -> TlsConnector {
    let identity = Identity::load(&identity(dir, name)).unwrap();
    TlsConnector::from(Arc::new(pki::tls::client_config(&identity, PartyKind::CommServer).unwrap()))
}

fn bare(dir: &Path) -> TlsConnector {
    let identity = Identity::load(&identity(dir, "gw-1")).unwrap();
    let mut tls = pki::tls::enrollment_client_config(identity.trust(), PartyKind::CommServer).unwrap();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(tls))
}

/// Connects and sends; `None` if the connection is rejected.
async fn open(tls: &TlsConnector, address: &str, sent: &str) -> Option<Stream> {
    let socket = TcpStream::connect(address).await.ok()?;
    let mut stream = tls.connect(ServerName::try_from("127.0.0.1").unwrap(), socket).await.ok()?;
    stream.write_all(sent.as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    Some(stream)
}

/// Half a request: half of a head, or of a body.
fn half(number: usize, path: &str) -> String {
    let head = format!("POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n");
    if number.is_multiple_of(2) { head } else { format!("{head}content-length: 100\r\n\r\n{{") }
}

/// Fills every port; returns the connections that are still open.
async fn crowd(dir: &Path, server: &Server, size: Size) -> Vec<Stream> {
    let ports =
        [("operators", "/login"), ("enrollment", "/.well-known/est/simpleenroll"), ("gateways", "/v1/polls")];
    let gateways: Vec<_> =
        (0..size.certificates).map(|number| certified(dir, &format!("crowd-{number}"))).collect();
    let bare = bare(dir);
    let mut held = Vec::new();
    for (port, path) in ports {
        let address = &server.addresses[port];
        for number in 0..size.idle + size.half {
            let tls = if port == "gateways" { &gateways[number % gateways.len()] } else { &bare };
            let sent = if number < size.idle { String::new() } else { half(number, path) };
            held.extend(open(tls, address, &sent).await);
        }
    }
    held
}

/// Polls with a new connection, as gateways do; returns the response time.
async fn poll(gateway: &Identity, server: &Server) -> Duration {
    let body = json!({"at": "2026-01-01T00:00:00Z", "version": "0.1.0",
        "spool": "01980000-0000-7000-8000-000000000001", "made": {"urgent": 0, "bulk": 0}, "devices": 0,
        "devices_offline": 0, "uptime_s": 1});
    let tls = pki::tls::client_config(gateway, PartyKind::CommServer).unwrap();
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).timeout(Duration::from_secs(20));
    let url = format!("https://{}/v1/polls", server.address);
    let began = Instant::now();
    let answer = client.build().unwrap().post(url).body(body.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    began.elapsed()
}

/// The first line of a response.
async fn ask(dir: &Path, server: &Server, port: &str, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n");
    let mut stream = open(&bare(dir), &server.addresses[port], &request).await.unwrap();
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

async fn is_healthy(server: &Server) -> bool {
    let mut stream = TcpStream::connect(&server.addresses["local"]).await.unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_string(&mut answer)).await;
    read.is_ok() && answer.starts_with("HTTP/1.1 200 ")
}

async fn survive(size: Size) {
    assert!(
        runtime::descriptors::raise() > 4 * (size.idle + size.half),
        "this machine allows fewer open files"
    );
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let names: Vec<String> = (0..size.certificates).map(|number| format!("crowd-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).chain(["gw-1"]).collect();
    make_identities(dir, &names);
    let options = Options { deadline_s: size.deadline_s, descriptors: Some(size.descriptors), enrolls: true };
    let server = start_with(dir, "127.0.0.1:0", options);
    let gateway = Identity::load(&identity(dir, "gw-1")).unwrap();
    // While they come, and while they are there.
    let coming = crowd(dir, &server, size);
    let polling = async {
        let mut took = Vec::new();
        for _ in 0..size.polls {
            took.push(poll(&gateway, &server).await);
            assert!(is_healthy(&server).await);
        }
        took
    };
    let began = Instant::now();
    let (held, mut took) = tokio::join!(coming, polling);
    let came = began.elapsed();
    for _ in 0..size.polls {
        took.push(poll(&gateway, &server).await);
        assert!(is_healthy(&server).await);
    }
    assert_eq!(ask(dir, &server, "operators", "/login").await, "HTTP/1.1 200 OK");
    assert_eq!(ask(dir, &server, "enrollment", "/.well-known/est/cacerts").await, "HTTP/1.1 200 OK");
    let count = held.len();
    let before_end = Instant::now();
    for mut stream in held {
        let ended = tokio::time::timeout(Duration::from_secs(120), stream.read_to_end(&mut Vec::new())).await;
        assert!(ended.is_ok(), "a connection is kept");
    }
    took.sort();
    let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
    // For whoever runs the full size.
    let printed = writeln!(
        std::io::stderr(),
        "crowd of {count} came in {came:.1?}; {} polls: p50 {:.1?}, p99 {:.1?}, max {:.1?}; all gone {:.1?} later",
        took.len(),
        at(50),
        at(99),
        at(100),
        before_end.elapsed()
    );
    printed.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_on_every_port_keeps_nobody_out() {
    survive(SMALL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes, and prints figures"]
async fn a_crowd_of_full_size() {
    survive(FULL).await;
}

#[test]
fn too_few_descriptors_are_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    make_identities(dir, &[]);
    drop(start_with(dir, "127.0.0.1:0", Options::default()));
    let run = std::process::Command::new("sh")
        .args(["-c", "ulimit -n 200 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_platen-comm-server")])
        .args(["--config".as_ref(), dir.join("comm-server.yaml").as_os_str(), "run".as_ref()])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(!run.status.success() && told.contains("the limit of open files is 200"), "{told}");
}
