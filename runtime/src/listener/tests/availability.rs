//! Peers that send nothing, are slow, or don't read: each is disconnected at its deadline. Ambiguous requests are
//! rejected.

use std::num::NonZeroU16;

use axum::body::Body;
use axum::extract::State;
use axum::routing::post;
use http_body_util::Full;
use tokio_util::sync::DropGuard;

use super::*;

/// Limits with a deadline of one second for the tested step, and enough time for the others.
fn short() -> Limits {
    let second = NonZeroU16::MIN;
    let deadlines =
        Deadlines { handshake_s: second, head_s: second, idle_s: second, body_s: second, stall_s: second };
    Limits { deadlines, ..Limits::default() }
}

fn connector(gateway: &Identity, protocol: &str) -> TlsConnector {
    let mut tls = pki::tls::client_config(gateway, PartyKind::CommServer).unwrap();
    tls.alpn_protocols = if protocol.is_empty() { Vec::new() } else { vec![protocol.as_bytes().to_vec()] };
    TlsConnector::from(Arc::new(tls))
}

/// Everything that is received until the server closes the connection.
async fn rest(stream: &mut client::TlsStream<TcpStream>) -> String {
    let mut rest = Vec::new();
    let reading = stream.read_to_end(&mut rest);
    // With or without close_notify.
    drop(tokio::time::timeout(PATIENCE, reading).await.expect("the server ends the connection"));
    String::from_utf8_lossy(&rest).into_owned()
}

/// A frame of HTTP/2 (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: u8 = 4;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A header block (RFC 7541): method (indexed 2 is GET, 3 is POST), `https`, path, authority.
fn block(method: u8, path: &str) -> Vec<u8> {
    let mut block = vec![0x80 | method, 0x87, 0x04, u8::try_from(path.len()).unwrap()];
    block.extend(path.as_bytes());
    block.extend([0x01, 0x01, b'x']);
    block
}

fn begun(frames: &[Vec<u8>]) -> Vec<u8> {
    [PREFACE.to_vec(), frame(SETTINGS, 0, 0, &[]), frames.concat()].concat()
}

#[tokio::test]
async fn a_peer_that_never_finishes_a_request_is_disconnected() {
    let router = Router::new().route("/", get(async || "hello").post(async |_: String| "taken"));
    let site = Site::begin_with(short(), router).await;
    let gateway = site.gateway("gw-1");
    let get = block(2, "/");
    let cases: [(&str, &str, Vec<u8>); 9] = [
        ("nothing", "", Vec::new()),
        ("nothing, HTTP/1", "http/1.1", Vec::new()),
        ("nothing, HTTP/2", "h2", Vec::new()),
        ("a preface without ALPN", "", b"PRI * HT".to_vec()),
        ("half a preface", "h2", PREFACE[..8].to_vec()),
        ("half a head", "http/1.1", b"GET / HTTP/1.1\r\nhost: x\r\n".to_vec()),
        ("an idle connection", "h2", begun(&[])),
        ("half a head, HTTP/2", "h2", begun(&[frame(HEADERS, END_STREAM, 1, &get)])),
        (
            "a head that goes on",
            "h2",
            begun(&[frame(HEADERS, END_STREAM, 1, &get), frame(CONTINUATION, 0, 1, &[])]),
        ),
    ];
    for (what, protocol, sent) in cases {
        let mut stream = site.connect(&connector(&gateway, protocol)).await.unwrap();
        stream.write_all(&sent).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(!answer.contains("hello"), "{what}: {answer}");
    }
    let mut silent = TcpStream::connect(site.address).await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, silent.read(&mut [0; 16])).await.unwrap();
    assert!(matches!(ended, Ok(0) | Err(_)), "no handshake: {ended:?}");
}

#[tokio::test]
async fn a_connection_is_kept_for_a_while_after_a_response() {
    let router = Router::new().route("/", get(async || "hello"));
    let site = Site::begin_with(short(), router).await;
    let mut stream = site.connect(&connector(&site.gateway("gw-1"), "http/1.1")).await.unwrap();
    for _ in 0..2 {
        assert!(ask(&mut stream).await.unwrap().ends_with("hello"));
    }
    assert_eq!(rest(&mut stream).await, "", "it ends in order, without a response that nobody asked for");
}

#[tokio::test]
async fn a_body_that_never_comes_is_408() {
    let router = Router::new().route("/", post(async |_: String| "taken"));
    let site = Site::begin_with(short(), router).await;
    let gateway = site.gateway("gw-1");
    for framing in ["content-length: 100\r\n\r\n{", "transfer-encoding: chunked\r\n\r\n1\r\n{\r\n"] {
        let mut stream = site.connect(&connector(&gateway, "http/1.1")).await.unwrap();
        let head = format!("POST / HTTP/1.1\r\nhost: x\r\n{framing}");
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{framing}: {answer}");
        assert!(answer.contains("the body did not arrive within 1 s"), "{answer}");
    }
    let mut stream = site.connect(&connector(&gateway, "h2")).await.unwrap();
    stream.write_all(&begun(&[frame(HEADERS, END_HEADERS, 1, &block(3, "/"))])).await.unwrap();
    assert!(rest(&mut stream).await.contains("the body did not arrive"));
}

/// A large response, and whether it is still being sent.
async fn large(State(sending): State<CancellationToken>) -> Body {
    #[derive(Debug)]
    struct Guarded(
        Full<axum::body::Bytes>,
        #[expect(dead_code, reason = "it is dropped with the body")] DropGuard,
    );
    impl hyper::body::Body for Guarded {
        type Data = axum::body::Bytes;
        type Error = std::convert::Infallible;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            context: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<axum::body::Bytes>, Self::Error>>> {
            std::pin::Pin::new(&mut self.0).poll_frame(context)
        }
    }
    Body::new(Guarded(Full::new(vec![b' '; 64 << 20].into()), sending.drop_guard()))
}

#[tokio::test]
async fn a_peer_that_never_reads_is_disconnected() {
    let cases: [(&str, &str, Vec<u8>); 2] = [
        ("a socket that isn't read", "http/1.1", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
        // SETTINGS_INITIAL_WINDOW_SIZE 0 (RFC 9113 §6.5.2), and never more.
        (
            "a window of zero",
            "h2",
            [
                PREFACE.to_vec(),
                frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]),
                frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(2, "/")),
            ]
            .concat(),
        ),
    ];
    for (what, protocol, sent) in cases {
        let sending = CancellationToken::new();
        let router = Router::new().route("/", get(large)).with_state(sending.clone());
        let site = Site::begin_with(short(), router).await;
        let mut stream = site.connect(&connector(&site.gateway("gw-1"), protocol)).await.unwrap();
        stream.write_all(&sent).await.unwrap();
        tokio::time::timeout(PATIENCE, sending.cancelled()).await.expect(what);
        // The rest is what was under way; then it ends.
        rest(&mut stream).await;
    }
}

#[tokio::test]
async fn a_peer_that_reads_slowly_gets_everything() {
    let router = Router::new().route("/", get(async || vec![b'x'; 4 << 20]));
    let site = Site::begin_with(short(), router).await;
    let mut stream = site.connect(&connector(&site.gateway("gw-1"), "http/1.1")).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let (mut count, mut chunk) = (0, vec![0; 64 << 10]);
    let reading = async {
        loop {
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => break,
                Ok(read) => count += read,
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap();
    assert!(count > 4 << 20, "{count}");
}

#[tokio::test]
async fn ambiguous_requests_are_rejected() {
    let router = Router::new().route("/", get(async || "hello"));
    let site = Site::begin_with(Limits::default(), router).await;
    let gateway = site.gateway("gw-1");
    let long = format!("host: x\r\nx-long: {}\r\n", "a".repeat(65 << 10));
    let many: String = (0..200).map(|n| format!("x-{n}: a\r\n")).collect();
    let table = [
        ("host: x\r\n", "200 "),
        ("", "400 "),
        ("host: x\r\nhost: x\r\n", "400 "),
        ("host: x\r\nhost: y\r\n", "400 "),
        ("host: x y\r\n", "400 "),
        ("host: x\r\norigin: https://x\r\norigin: https://y\r\n", "400 "),
        (&long, "431 "),
        (&format!("host: x\r\n{many}"), "431 "),
    ];
    for (headers, expected) in table {
        let mut stream = site.connect(&connector(&gateway, "http/1.1")).await.unwrap();
        let request = format!("GET / HTTP/1.1\r\nconnection: close\r\n{headers}\r\n");
        // It may end before all of it is sent.
        drop(stream.write_all(request.as_bytes()).await);
        let answer = rest(&mut stream).await;
        assert_eq!(answer.get(9..13), Some(expected), "{answer}");
    }
}
