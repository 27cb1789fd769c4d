//! The listener over TLS: which peers are accepted, which are disconnected, and that slow peers don't delay others.

mod availability;

use std::path::{Path, PathBuf};

use axum::routing::get;
use jiff::{Timestamp, ToSpan as _};
use pki::authority::{Authority, Passphrase, Request as CertificateRequest, Whom};
use pki::revocation_reason::RevocationReason;
use pki::spiffe::{Party, PartyKind};
use pki::{Identity, IdentityConfig, Tolerance};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::{TlsConnector, client};

use super::*;
use crate::identity::LiveIdentity;

const PATIENCE: Duration = Duration::from_secs(30);

struct Site {
    dir: tempfile::TempDir,
    authority: Authority,
    live: Arc<LiveIdentity>,
    address: SocketAddr,
    shutdown: CancellationToken,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn config(dir: &Path, crl: Option<PathBuf>) -> IdentityConfig {
    let file = |name: &str| dir.join(name);
    IdentityConfig { certificate: file("cert.pem"), key: file("key.pem"), root: file("root.pem"), crl }
}

fn issue(authority: &Authority, profile: PartyKind, name: &str, out: &Path, at: Timestamp) {
    let ips = if profile.is_server() { vec!["127.0.0.1".parse().unwrap()] } else { Vec::new() };
    let request = CertificateRequest { profile, name: name.to_owned(), dns: Vec::new(), ips };
    authority.issue(&request, at).unwrap().write(out).unwrap();
}

impl Site {
    async fn begin() -> Self {
        let router = Router::new().route("/", get(async || "hello"));
        Self::begin_with(Limits::default(), router).await
    }

    async fn begin_with(limits: Limits, router: Router) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let domain = "test.example".parse().unwrap();
        let now = Timestamp::now();
        let authority =
            Authority::init(&dir.path().join("ca"), &domain, &Passphrase::InsecureNone, now).unwrap();
        let server = dir.path().join("server");
        issue(&authority, PartyKind::CommServer, "comm-1", &server, now);
        let crl = server.join("crl.pem");
        publish(&authority, &server);
        let live = LiveIdentity::load(&config(&server, Some(crl)), Tolerance::default()).unwrap();
        let auth = ListenerAuth::new("gateways", &live, ClientAuth::Required(&[PartyKind::Gateway])).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let auth = auth.with_limits(limits);
        tokio::spawn(serve(listener, auth, router, shutdown.clone()));
        Self { dir, authority, live, address, shutdown }
    }

    fn gateway(&self, name: &str) -> Identity {
        let out = self.dir.path().join(name);
        issue(&self.authority, PartyKind::Gateway, name, &out, Timestamp::now());
        Identity::load(&config(&out, None)).unwrap()
    }

    async fn connect(&self, tls: &TlsConnector) -> std::io::Result<client::TlsStream<TcpStream>> {
        let socket = TcpStream::connect(self.address).await?;
        tls.connect(ServerName::IpAddress(self.address.ip().into()), socket).await
    }
}

fn publish(authority: &Authority, out: &Path) {
    let now = Timestamp::now();
    authority.revocation_lists(now, now + 24.hours()).unwrap().write(out).unwrap();
}

fn connector(gateway: &Identity) -> TlsConnector {
    let mut tls = pki::tls::client_config(gateway, PartyKind::CommServer).unwrap();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(tls))
}

/// Sends a request; returns the response up to `hello` or its end.
async fn ask(stream: &mut client::TlsStream<TcpStream>) -> std::io::Result<String> {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        let mut chunk = [0; 4096];
        match tokio::time::timeout(PATIENCE, stream.read(&mut chunk)).await?? {
            0 => break,
            count => answer.extend_from_slice(&chunk[..count]),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test]
async fn a_revoked_peer_loses_its_connection_and_gets_no_new_one_while_others_stay() {
    let site = Site::begin().await;
    let (bad, good) = (connector(&site.gateway("gw-bad")), connector(&site.gateway("gw-good")));
    let mut open = site.connect(&bad).await.unwrap();
    let mut others = site.connect(&good).await.unwrap();
    assert!(ask(&mut open).await.unwrap().ends_with("hello"));
    let session = open.get_ref().1.handshake_kind();
    assert_eq!(session, Some(rustls::HandshakeKind::Full));

    let whom = Whom::Party(Party::Gateway("gw-bad".to_owned()));
    site.authority.revoke(&whom, RevocationReason::KeyCompromise, Timestamp::now()).unwrap();
    publish(&site.authority, &site.dir.path().join("server"));
    assert!(site.live.reload(Timestamp::now()).unwrap());

    // No request is sent on it, and it ends nevertheless.
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, open.read_to_end(&mut rest)).await.unwrap().ok();
    let refused = tokio::time::timeout(PATIENCE, async {
        let mut again = site.connect(&bad).await?;
        ask(&mut again).await
    });
    assert!(!matches!(refused.await.unwrap(), Ok(answer) if answer.ends_with("hello")));
    assert!(ask(&mut others).await.unwrap().ends_with("hello"));
    assert!(ask(&mut site.connect(&good).await.unwrap()).await.unwrap().ends_with("hello"));
}

#[tokio::test]
async fn one_certificate_can_not_displace_others() {
    let site = Site::begin().await;
    let (greedy, good) = (connector(&site.gateway("gw-greedy")), connector(&site.gateway("gw-good")));
    let mut others = site.connect(&good).await.unwrap();
    assert!(ask(&mut others).await.unwrap().ends_with("hello"));
    let mut first = site.connect(&greedy).await.unwrap();
    assert!(ask(&mut first).await.unwrap().ends_with("hello"));
    let mut more = Vec::new();
    for _ in 0..16 {
        let mut one = site.connect(&greedy).await.unwrap();
        assert!(ask(&mut one).await.unwrap().ends_with("hello"));
        more.push(one);
    }
    // Its oldest connection is ended, with or without a word.
    let ended = tokio::time::timeout(PATIENCE, first.read(&mut [0; 16])).await.unwrap();
    assert!(!matches!(ended, Ok(1..)), "{ended:?}");
    assert!(ask(more.first_mut().unwrap()).await.unwrap().ends_with("hello"));
    assert!(ask(&mut others).await.unwrap().ends_with("hello"));
}

#[tokio::test]
async fn a_renewed_server_certificate_is_shown_at_once_and_no_connection_is_lost() {
    let site = Site::begin().await;
    let gateway = connector(&site.gateway("gw-1"));
    let mut open = site.connect(&gateway).await.unwrap();
    let shown = |stream: &client::TlsStream<TcpStream>| {
        stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    };
    let (server, newer) = (site.dir.path().join("server"), site.dir.path().join("newer"));
    issue(&site.authority, PartyKind::CommServer, "comm-1", &newer, Timestamp::now());
    for name in ["cert.pem", "key.pem"] {
        std::fs::copy(newer.join(name), server.join(name)).unwrap();
    }
    assert!(site.live.reload(Timestamp::now()).unwrap());
    let second = tokio::time::timeout(PATIENCE, async {
        loop {
            let stream =
                site.connect(&connector(&site.gateway(&format!("gw-{}", rand_name())))).await.unwrap();
            if shown(&stream) != shown(&open) {
                return stream;
            }
        }
    });
    drop(second.await.unwrap());
    assert!(ask(&mut open).await.unwrap().ends_with("hello"));

    // Somebody else's certificate is not taken.
    let other = site.dir.path().join("other");
    issue(&site.authority, PartyKind::CommServer, "comm-2", &other, Timestamp::now());
    for name in ["cert.pem", "key.pem"] {
        std::fs::copy(other.join(name), server.join(name)).unwrap();
    }
    assert!(site.live.reload(Timestamp::now()).is_err());
    assert_eq!(site.live.now().id().party.name(), "comm-1");
}

fn rand_name() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos()
}

#[tokio::test]
async fn handshakes_that_never_end_delay_nobody() {
    let site = Site::begin().await;
    let gateway = connector(&site.gateway("gw-1"));
    let mut silent = Vec::new();
    for _ in 0..MAX_HANDSHAKES / 2 + 20 {
        silent.push(TcpStream::connect(site.address).await.unwrap());
    }
    let mut stream = site.connect(&gateway).await.unwrap();
    assert!(ask(&mut stream).await.unwrap().ends_with("hello"));
    // The oldest made room.
    let mut byte = [0];
    let read = tokio::time::timeout(PATIENCE, silent[0].read(&mut byte)).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)));
}

#[test]
fn a_list_that_goes_back_is_rejected_and_the_one_in_force_stays() {
    let dir = tempfile::tempdir().unwrap();
    let now = Timestamp::now();
    let domain = "test.example".parse().unwrap();
    let authority = Authority::init(&dir.path().join("ca"), &domain, &Passphrase::InsecureNone, now).unwrap();
    let server = dir.path().join("server");
    issue(&authority, PartyKind::CommServer, "comm-1", &server, now);
    publish(&authority, &server);
    let crl = server.join("crl.pem");
    let first = std::fs::read(&crl).unwrap();
    publish(&authority, &server);
    let live = LiveIdentity::load(&config(&server, Some(crl.clone())), Tolerance::default()).unwrap();
    assert!(!live.reload(now).unwrap());
    for wrong in [first, b"not PEM".to_vec()] {
        std::fs::write(&crl, wrong).unwrap();
        assert!(live.reload(now).is_err());
        assert!(!live.reload(now).unwrap(), "it is told once for each change");
    }
    publish(&authority, &server);
    assert!(live.reload(now).unwrap());
}
