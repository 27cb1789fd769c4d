//! The endpoints over real mutual TLS; the gateway is curl, which nobody here wrote.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use comm_server_core::cadence::Cadence;
use comm_server_core::tenancy::{Scope, TenantId};
use jiff::Timestamp;
use pki::authority::{Authority, Passphrase, Request as CertificateRequest};
use pki::spiffe::PartyKind;
use pki::{Identity, IdentityConfig};
use runtime::listener::{ClientAuth, Deadlines, Limits};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::*;
use crate::store::SeriesQuery;
use crate::store::testing::{id, scope};

/// A server with a trust domain of its own, and the folder of its certificates.
struct Site {
    dir: tempfile::TempDir,
    address: SocketAddr,
    store: Store,
    shutdown: CancellationToken,
}

/// What curl saw.
#[derive(Debug)]
struct Seen {
    status: u16,
    body: Value,
    exit: i32,
    headers: String,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn authority(dir: &Path, name: &str) -> Authority {
    let domain = "test.example".parse().unwrap();
    Authority::init(&dir.join(name), &domain, &Passphrase::InsecureNone, Timestamp::now()).unwrap()
}

fn issue(authority: &Authority, out: &Path, profile: PartyKind, name: &str) {
    let server = matches!(profile, PartyKind::CommServer | PartyKind::GlobalServer);
    let ips = if server { vec!["127.0.0.1".parse().unwrap()] } else { Vec::new() };
    let request = CertificateRequest { profile, name: name.to_owned(), dns: Vec::new(), ips };
    authority.issue(&request, Timestamp::now()).unwrap().write(out).unwrap();
}

impl Site {
    async fn begin() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let own = authority(dir.path(), "own");
        issue(&own, &dir.path().join("server"), PartyKind::CommServer, "comm-1");
        issue(&own, &dir.path().join("gw-1"), PartyKind::Gateway, "gw-1");
        issue(&own, &dir.path().join("gw-2"), PartyKind::Gateway, "gw-2");
        issue(&own, &dir.path().join("global"), PartyKind::GlobalServer, "global-1");
        issue(&authority(dir.path(), "foreign"), &dir.path().join("foreigner"), PartyKind::Gateway, "gw-1");
        let file = |name: &str| dir.path().join("server").join(name);
        let identity = Identity::load(&IdentityConfig {
            certificate: file("cert.pem"),
            key: file("key.pem"),
            root: file("root.pem"),
            crl: None,
        })
        .unwrap();
        let live = runtime::identity::LiveIdentity::fixed(identity);
        let auth = ListenerAuth::new("gateways", &live, ClientAuth::Required(&[PartyKind::Gateway])).unwrap();
        let url = format!("sqlite://{}", dir.path().join("platen.db").display());
        let store = Store::open_detached(&url).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let deadlines = Deadlines { body_s: NonZeroU16::MIN, ..Deadlines::default() };
        let auth = auth.with_limits(Limits { deadlines, ..Limits::default() });
        let state = GatewayState::new(store.clone(), Cadence::default());
        tokio::spawn(serve(listener, auth, state, None, shutdown.clone()));
        Self { dir, address, store, shutdown }
    }

    fn file(&self, party: &str, name: &str) -> PathBuf {
        self.dir.path().join(party).join(name)
    }

    fn curl(&self, party: &str, path: &str) -> Command {
        let mut curl = Command::new("curl");
        let root = self.file("server", "root.pem");
        curl.args(["--silent", "--show-error", "--max-time", "20", "--dump-header", "-"])
            .args(["--write-out", "\n%{http_code}", "--header", "content-type: application/json"])
            .arg("--cacert")
            .arg(root)
            .arg("--cert")
            .arg(self.file(party, "cert.pem"))
            .arg("--key")
            .arg(self.file(party, "key.pem"))
            .arg(format!("https://{}{path}", self.address))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        curl
    }

    async fn run(&self, mut curl: Command, body: &[u8]) -> Seen {
        let mut child = curl.spawn().expect("curl is installed");
        // A refused body isn't read to its end.
        drop(child.stdin.take().unwrap().write_all(body).await);
        let output = child.wait_with_output().await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (text, status) = text.rsplit_once('\n').unwrap_or_default();
        let (headers, body) = text.rsplit_once("\r\n\r\n").unwrap_or((text, ""));
        Seen {
            status: status.parse().unwrap_or_default(),
            body: serde_json::from_str(body).unwrap_or_default(),
            exit: output.status.code().unwrap_or(-1),
            headers: headers.to_ascii_lowercase(),
        }
    }

    async fn post(&self, party: &str, path: &str, body: &Value) -> Seen {
        self.post_bytes(party, path, body.to_string().as_bytes(), &[]).await
    }

    async fn post_bytes(&self, party: &str, path: &str, body: &[u8], more: &[&str]) -> Seen {
        let mut curl = self.curl(party, path);
        curl.args(["--data-binary", "@-"]).args(more);
        self.run(curl, body).await
    }
}

const NOW: &str = "2026-01-01T00:00:00Z";

fn poll() -> Value {
    json!({"at": NOW, "version": "0.1.0", "spool": "01980000-0000-7000-8000-000000000001",
        "made": {"urgent": 1, "bulk": 0}, "devices": 2, "devices_offline": 0, "uptime_s": 5})
}

fn call(seq: u64, kind: &str, edge: &str) -> Value {
    json!({"seq": seq, "at": NOW, "report": {"kind": "call", "device": "ricoh:E1", "call": kind,
        "edge": edge, "detail": "SC542", "seen_at": NOW}})
}

fn batch(reports: &[Value]) -> Value {
    json!({"reports": reports})
}

#[tokio::test]
async fn a_poll_is_answered_with_commands_for_the_gateway_of_the_certificate() {
    let site = Site::begin().await;
    let seen = site.post("gw-1", wire::POLLS_PATH, &poll()).await;
    assert_eq!((seen.status, &seen.body["next_poll_s"]), (200, &json!(3600)), "{seen:?}");
    assert_eq!(seen.body["acknowledged"], json!({"urgent": 0, "bulk": 0}));
    assert_eq!(seen.body["commands"][0]["order"], json!({"kind": "counter_request"}));
    assert!(!seen.headers.contains("content-encoding"));
    let known = site.store.of(&scope()).gateways(None).await.unwrap().items;
    assert_eq!(known.iter().map(|g| g.gateway.as_str()).collect::<Vec<_>>(), ["gw-1"]);

    let mut naming = poll();
    naming["gateway"] = json!("gw-2");
    let seen = site.post("gw-1", wire::POLLS_PATH, &naming).await;
    assert_eq!((seen.status, &seen.body["code"]), (400, &json!("malformed_body")));
    assert!(seen.body["detail"].as_str().unwrap().contains("gateway"), "{seen:?}");
}

#[tokio::test]
async fn a_large_answer_is_compressed_where_that_is_accepted() {
    let site = Site::begin().await;
    for _ in 0..8 {
        site.post("gw-1", wire::POLLS_PATH, &poll()).await;
        let order = wire::command::Order::Discovery;
        let new = crate::store::NewCommand { gateway: id("gw-1"), order, created_by: "a".to_owned() };
        site.store.of(&scope()).create_command(new, Timestamp::now()).await.unwrap().unwrap();
    }
    let body = poll().to_string();
    let accepts = ["--header", "accept-encoding: zstd", "--compressed"];
    let seen = site.post_bytes("gw-1", wire::POLLS_PATH, body.as_bytes(), &accepts).await;
    assert!(seen.headers.contains("content-encoding: zstd"), "{seen:?}");
    assert_eq!(seen.body["commands"].as_array().unwrap().len(), 9);
}

#[tokio::test]
async fn a_batch_is_stored_once_however_often_it_comes() {
    let site = Site::begin().await;
    let first = batch(&[call(1, "jam", "raised"), call(2, "service_call", "raised")]);
    for _ in 0..2 {
        let seen = site.post("gw-1", "/v1/reports/urgent", &first).await;
        assert_eq!((seen.status, &seen.body), (200, &json!({"acknowledged": 2, "next_poll_s": 60})));
    }
    let compressed = wire::codec::encode(&batch(&vec![call(3, "service_call", "cleared"); 1]));
    let compressed = zstd_of(&compressed.unwrap().bytes);
    let header = ["--header", "content-encoding: zstd"];
    let seen = site.post_bytes("gw-1", "/v1/reports/urgent", &compressed, &header).await;
    assert_eq!(seen.body, json!({"acknowledged": 3, "next_poll_s": 3600}), "{seen:?}");
    let seen = site.post("gw-2", wire::POLLS_PATH, &poll()).await;
    assert_eq!(seen.body["acknowledged"]["urgent"], 0, "another gateway's lane is its own");
}

#[tokio::test]
async fn a_gap_is_refused_with_the_number_expected() {
    let site = Site::begin().await;
    site.post("gw-1", "/v1/reports/urgent", &batch(&[call(1, "jam", "raised")])).await;
    let seen = site.post("gw-1", "/v1/reports/urgent", &batch(&[call(3, "jam", "cleared")])).await;
    assert_eq!((seen.status, &seen.body["code"]), (409, &json!("sequence_gap")));
    assert_eq!(seen.body["expected_seq"], 2);
    assert!(seen.headers.contains("application/problem+json"));
}

#[tokio::test]
async fn what_cannot_be_used_is_quarantined_and_the_next_is_taken() {
    let site = Site::begin().await;
    let mut bad = call(1, "jam", "raised");
    bad["report"]["colour"] = json!("red");
    let seen = site.post("gw-1", "/v1/reports/urgent", &batch(&[bad, call(2, "jam", "raised")])).await;
    assert_eq!((seen.status, &seen.body["acknowledged"]), (200, &json!(2)));
    let reason = seen.body["quarantined"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("at report.colour: unknown field `colour`"), "{reason}");
    let aside = site.store.of(&scope()).quarantine(None).await.unwrap().items;
    assert_eq!((aside.len(), aside[0].seq), (1, 1));
}

#[tokio::test]
async fn a_clock_that_is_years_off_is_reported_and_corrected() {
    let site = Site::begin().await;
    let now = Timestamp::now();
    let ahead = jiff::SignedDuration::from_hours(20 * 8_766);
    let mut late = poll();
    late["at"] = json!(now + ahead);
    assert_eq!(site.post("gw-1", wire::POLLS_PATH, &late).await.status, 200);
    let told = site.store.of(&scope()).gateway(&id("gw-1")).await.unwrap().unwrap().clock_ahead_s;
    assert!((told - ahead.as_secs()).abs() < 60, "{told}");
    let meters = |hours_ago: i64, total: u64| {
        let read_at = now + ahead - jiff::SignedDuration::from_hours(hours_ago);
        json!({"seq": total, "at": read_at, "report": {"kind": "counter_set", "device": "ricoh:E1",
            "read_at": read_at, "counters": {"total": total}, "evidence": {}}})
    };
    let mut sent = batch(&[meters(3, 1), meters(1, 2)]);
    sent["at"] = json!(now + ahead);
    assert_eq!(site.post("gw-1", "/v1/reports/bulk", &sent).await.body["acknowledged"], 2);
    // Set right since, by a jump back: nothing says any more when the first of these was read. The next one is the newest.
    let mut right = meters(0, 4);
    right["report"]["read_at"] = json!(now);
    let mut sent = batch(&[meters(0, 3), right]);
    sent["at"] = json!(now);
    let answer = site.post("gw-1", "/v1/reports/bulk", &sent).await.body;
    assert_eq!((&answer["acknowledged"], &answer["quarantined"][0]["seq"]), (&json!(4), &json!(3)));
    let reason = answer["quarantined"][0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("at report.read_at: "), "{reason}");
    let (from, to) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
    let (gateway, device, counter) = (id("gw-1"), id("ricoh:E1"), wire::reading::Counter::Total);
    let totals = SeriesQuery { gateway: &gateway, device: &device, counter, from, to, source: None };
    let series = site.store.of(&scope()).counter_series(totals).await.unwrap();
    let seen: Vec<(i64, i64)> =
        series.points.iter().map(|p| (p.value, (now.duration_since(p.at).as_secs() + 300) / 600)).collect();
    assert_eq!(seen, [(1, 18), (2, 6), (4, 0)], "{series:?}");
}

#[tokio::test]
async fn a_wrong_envelope_is_refused_with_its_path() {
    let site = Site::begin().await;
    let mut wrong = batch(&[call(1, "jam", "raised"), call(2, "jam", "raised")]);
    wrong["reports"][1]["seq"] = json!("two");
    let cases = [
        (wrong.to_string(), "at reports[1].seq: invalid type: string \"two\""),
        (
            batch(&[call(1, "jam", "raised"), call(3, "jam", "raised")]).to_string(),
            "at reports[1].seq: number 3",
        ),
        ("{".to_owned(), "EOF while parsing"),
        (String::new(), "EOF while parsing"),
        ("{\"reports\":[],\"gateway\":\"gw-2\"}".to_owned(), "unknown field `gateway`"),
        ("[".repeat(100_000), "expected u64"),
    ];
    for (body, expected) in cases {
        let seen = site.post_bytes("gw-1", "/v1/reports/urgent", body.as_bytes(), &[]).await;
        assert_eq!((seen.status, &seen.body["code"]), (400, &json!("malformed_body")), "{expected}");
        let detail = seen.body["detail"].as_str().unwrap();
        assert!(detail.contains(expected), "{detail} lacks {expected}");
    }
    assert_eq!(
        site.store.of(&scope()).acknowledged(&id("gw-1"), wire::report::Lane::Urgent).await.unwrap(),
        0
    );
}

fn zstd_of(bytes: &[u8]) -> Vec<u8> {
    let mut child = std::process::Command::new("zstd")
        .args(["--stdout", "--quiet"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("zstd is installed");
    let mut input = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let feeding = std::thread::spawn(move || std::io::Write::write_all(&mut input, &bytes));
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap().unwrap();
    output.stdout
}

#[tokio::test]
async fn large_bodies_and_bombs_are_refused() {
    let site = Site::begin().await;
    let large = site.dir.path().join("large");
    std::fs::File::create(&large).unwrap().set_len(8 << 20).unwrap();
    let chunked = ["--http1.1", "--header", "transfer-encoding: chunked"];
    let unasked = ["--http1.1", "--header", "expect:"];
    for more in [&chunked[..1], &chunked, &unasked, &["--http2"]] {
        let mut curl = site.curl("gw-1", "/v1/reports/bulk");
        curl.arg("--request").arg("POST").arg("--upload-file").arg(&large).args(more);
        let seen = site.run(curl, b"").await;
        assert_eq!((seen.status, &seen.body["code"]), (413, &json!("body_too_large")), "{seen:?}");
    }
    let bomb = zstd_of(&vec![b' '; 8 << 20]);
    let header = ["--header", "content-encoding: zstd"];
    let seen = site.post_bytes("gw-1", "/v1/reports/bulk", &bomb, &header).await;
    assert_eq!(seen.status, 413, "{seen:?}");

    let seen =
        site.post_bytes("gw-1", "/v1/reports/bulk", b"[]", &["--header", "content-encoding: br"]).await;
    assert_eq!((seen.status, &seen.body["code"]), (415, &json!("unsupported_encoding")));
}

#[tokio::test]
async fn a_slow_sender_is_given_up() {
    let site = Site::begin().await;
    let mut openssl = Command::new("openssl");
    openssl
        .args([
            "s_client",
            "-quiet",
            "-no_ign_eof",
            "-connect",
            &site.address.to_string(),
            "-alpn",
            "http/1.1",
        ])
        .arg("-cert")
        .arg(site.file("gw-1", "cert.pem"))
        .arg("-cert_chain")
        .arg(site.file("gw-1", "cert.pem"))
        .arg("-key")
        .arg(site.file("gw-1", "key.pem"))
        .arg("-CAfile")
        .arg(site.file("server", "root.pem"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = openssl.spawn().expect("openssl is installed");
    let mut never_ending = child.stdin.take().unwrap();
    let head = format!("POST {} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{{", wire::POLLS_PATH);
    never_ending.write_all(head.as_bytes()).await.unwrap();
    let output = tokio::time::timeout(Duration::from_secs(20), child.wait_with_output()).await;
    let text = String::from_utf8_lossy(&output.expect("the server ends it").unwrap().stdout).into_owned();
    assert!(text.starts_with("HTTP/1.1 408") && text.contains("did not arrive within 1 s"), "{text}");
    drop(never_ending);
}

#[tokio::test]
async fn an_answer_to_a_command_is_taken_from_its_own_gateway_only() {
    let site = Site::begin().await;
    let seen = site.post("gw-1", wire::POLLS_PATH, &poll()).await;
    let path = format!("/v1/responses/{}", seen.body["commands"][0]["id"].as_str().unwrap());
    let response = json!({"state": "done", "at": NOW, "detail": "3 devices"});
    for _ in 0..2 {
        let seen = site.post("gw-1", &path, &response).await;
        assert_eq!((seen.status, &seen.body), (200, &json!({"next_poll_s": 3600})));
    }
    let seen = site.post("gw-2", &path, &response).await;
    assert_eq!((seen.status, &seen.body["code"]), (404, &json!("not_found")));
    assert_eq!(site.post("gw-1", "/v1/responses/7", &response).await.status, 404);
    let seen = site.post("gw-1", wire::POLLS_PATH, &poll()).await;
    assert_eq!(seen.body["commands"], json!([]));
}

#[tokio::test]
async fn other_paths_and_methods_are_problems_too() {
    let site = Site::begin().await;
    assert_eq!(site.post("gw-1", "/v1/reports/purple", &batch(&[])).await.status, 404);
    let seen = site.post("gw-1", "/v2/polls", &poll()).await;
    assert_eq!((seen.status, &seen.body["code"]), (404, &json!("not_found")));
    let seen = site.run(site.curl("gw-1", wire::POLLS_PATH), b"").await;
    assert_eq!((seen.status, &seen.body["status"]), (405, &json!(405)), "{seen:?}");
}

#[tokio::test]
async fn certificates_of_others_do_not_get_in() {
    let site = Site::begin().await;
    for party in ["foreigner", "global"] {
        let seen = site.post(party, wire::POLLS_PATH, &poll()).await;
        assert_eq!(seen.status, 0, "{party}: {seen:?}");
        assert_ne!(seen.exit, 0, "{party}");
    }
    let bare = ["--silent", "--insecure", "--max-time", "20", "--request", "POST"];
    let url = format!("https://{}{}", site.address, wire::POLLS_PATH);
    let bare = Command::new("curl").args(bare).arg(url).output().await.unwrap();
    assert!(!bare.status.success() && bare.stdout.is_empty());
    assert!(site.store.of(&scope()).gateways(None).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn a_gateway_belongs_to_the_dealer_that_it_was_registered_for() {
    let site = Site::begin().await;
    let author = || crate::store::Author { by: "pat".to_owned(), now: Timestamp::now() };
    let north: TenantId = id("north");
    site.store.create_dealer(north.clone(), "North".to_owned(), author()).await.unwrap();
    let seen = site.post("gw-1", wire::POLLS_PATH, &poll()).await;
    assert_eq!(
        (seen.status, &seen.body["code"]),
        (403, &json!("forbidden")),
        "two dealers, and nobody's: {seen:?}"
    );
    let own = site.store.of(&Scope::of_tenant(north));
    own.add_gateway(id("gw-1"), (Cadence::default(), 0), author()).await.unwrap();
    let seen = site.post("gw-1", wire::POLLS_PATH, &poll()).await;
    assert_eq!(seen.status, 200, "{seen:?}");
    let seen = site.post("gw-1", "/v1/reports/urgent", &batch(&[call(1, "jam", "raised")])).await;
    assert_eq!((seen.status, &seen.body["acknowledged"]), (200, &json!(1)), "{seen:?}");
    assert_eq!(own.gateways(None).await.unwrap().items.len(), 1);
    assert!(site.store.of(&scope()).gateways(None).await.unwrap().items.is_empty());
    let elsewhere = site.store.of(&scope()).add_gateway(id("gw-1"), (Cadence::default(), 0), author()).await;
    assert!(elsewhere.unwrap_err().to_string().contains("another dealer"));
}
