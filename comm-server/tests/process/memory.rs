//! Oversized input is rejected without using memory, and completed work leaves no memory allocated.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use pki::spiffe::PartyKind;
use serde_json::json;
use tokio_rustls::rustls::ClientConfig;

use super::server::{Server, identity, make_identities, start};

/// Maximum growth of the server by rejected input, KiB: far below the size of one body.
const GROWTH_KIB: u64 = 24 << 10;

/// Maximum growth of the resident set by completed work, KiB: 60 MB. The second buffer for hashing keeps 19 MiB.
const LEFT_BEHIND_KIB: u64 = 60_000;

/// Number of simultaneous logins, and of the addresses that they come from.
const LOGINS: usize = 200;
const ADDRESSES: usize = 20;

/// Number of large batches of each gateway; one in `REPEATS` is new to the server.
const BATCHES: usize = 50;
const REPEATS: usize = 10;

fn peak_kib(server: &Server) -> u64 {
    memory_kib(server, "VmHWM:")
}

fn assert_grown_little(server: &Server, before_kib: u64) {
    let after_kib = memory_kib(server, "VmRSS:");
    let grown = after_kib.saturating_sub(before_kib);
    assert!(grown < LEFT_BEHIND_KIB, "the server grew by {grown} KiB from {before_kib} KiB");
}

fn memory_kib(server: &Server, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

/// Sends a file with curl; returns the status of the response.
fn send(dir: &Path, server: &Server, file: &Path, more: &[&str]) -> String {
    let identity = dir.join("gw-1");
    let sent = Command::new("curl")
        .args(["--silent", "--max-time", "30", "--write-out", "\n%{http_code}", "--request", "POST"])
        .arg("--cacert")
        .arg(identity.join("root.pem"))
        .arg("--cert")
        .arg(identity.join("cert.pem"))
        .arg("--key")
        .arg(identity.join("key.pem"))
        .arg("--upload-file")
        .arg(file)
        .args(more)
        .arg(format!("https://{}/v1/reports/bulk", server.address))
        .output()
        .expect("curl is installed");
    let text = String::from_utf8_lossy(&sent.stdout).into_owned();
    text.rsplit_once('\n').map(|(_, status)| status.to_owned()).unwrap_or_default()
}

fn write_bomb(file: &Path) {
    let zstd = Command::new("zstd")
        .args(["--stdout", "--quiet"])
        .stdin(Stdio::piped())
        .stdout(std::fs::File::create(file).unwrap())
        .spawn();
    let mut zstd = zstd.expect("zstd is installed");
    let mut input = zstd.stdin.take().unwrap();
    for _ in 0..200 {
        input.write_all(&[b' '; 1 << 20]).unwrap();
    }
    drop(input);
    assert!(zstd.wait().unwrap().success());
}

#[test]
fn large_bodies_and_bombs_take_no_memory() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    make_identities(dir, &["gw-1"]);
    let server = start(dir, "127.0.0.1:0");
    let (large, bomb) = (dir.join("large"), dir.join("bomb.zst"));
    std::fs::File::create(&large).unwrap().set_len(100 << 20).unwrap();
    write_bomb(&bomb);
    // The first request of each kind makes what later ones use: buffers of TLS and of the protocol.
    let small = dir.join("small");
    std::fs::write(&small, "{\"reports\":[]}").unwrap();
    assert_eq!(send(dir, &server, &small, &["--http2"]), "200");
    let before = peak_kib(&server);

    assert_eq!(send(dir, &server, &large, &["--http1.1"]), "413");
    // A sender that is slower than the server's patience is cut off, and sees no answer.
    for more in [["--http1.1", "--header", "transfer-encoding: chunked"].as_slice(), &["--http2"]] {
        let status = send(dir, &server, &large, more);
        assert!(["413", "100", "000"].contains(&status.as_str()), "{more:?}: {status}");
    }
    for _ in 0..5 {
        assert_eq!(send(dir, &server, &bomb, &["--header", "content-encoding: zstd"]), "413");
    }
    let grown = peak_kib(&server) - before;
    assert!(grown < GROWTH_KIB, "the server grew by {grown} KiB");
}

/// Retries of a login that timed out while waiting for its hash, one second apart.
const RETRIES: usize = 40;

/// Logs in as `admin`; returns the status. A 503 (timeout while waiting for the hash) is retried.
async fn log_in(address: std::net::IpAddr, url: String, tls: ClientConfig, password: String) -> u16 {
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).local_address(address);
    let client = client.timeout(Duration::from_secs(60)).build().unwrap();
    let body = json!({"user": "admin", "password": password}).to_string();
    for _ in 0..RETRIES {
        let request = client.post(&url).header("content-type", "application/json").body(body.clone());
        let status = request.send().await.unwrap().status().as_u16();
        if status != 503 {
            return status;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    503
}

fn first_password(dir: &Path) -> String {
    let printed = std::fs::read_to_string(dir.join("stdout")).unwrap();
    printed.trim().strip_prefix("first login: admin ").unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_logins_at_once_leave_no_memory_behind() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    make_identities(dir, &["gw-1"]);
    let server = start(dir, "127.0.0.1:0");
    let own = pki::Identity::load(&identity(dir, "gw-1")).unwrap();
    let tls = pki::tls::enrollment_client_config(own.trust(), PartyKind::CommServer).unwrap();
    let url = format!("https://{}/api/v1/session", server.addresses["operators"]);
    let right = first_password(dir);
    let before = memory_kib(&server, "VmRSS:");
    let mut logins = tokio::task::JoinSet::new();
    for number in 0..LOGINS {
        // One address sends right passwords only, or wrong ones only: five failures lock it.
        let host = number % ADDRESSES;
        let address = [127, 0, 0, u8::try_from(2 + host).unwrap()].into();
        let password = if host.is_multiple_of(2) { right.clone() } else { "not this one".to_owned() };
        logins.spawn(log_in(address, url.clone(), tls.clone(), password));
    }
    let statuses = logins.join_all().await;
    let of = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!(of(200) + of(401) + of(429) + of(503), LOGINS, "{statuses:?}");
    assert!(of(200) >= LOGINS / 10 && of(401) >= LOGINS / 10, "many of both kinds are hashed: {statuses:?}");
    assert_grown_little(&server, before);
}

/// A batch near the limits of a report and of a batch, about 1 MB.
fn large_batch(first: u64) -> Vec<u8> {
    let report = |seq: u64| {
        json!({"seq": seq, "at": "2026-01-01T00:00:00Z", "report": {"kind": "loss", "lane": "bulk",
            "reports": 1, "detail": format!("{seq:08x}").repeat(wire::limits::DETAIL_BYTES / 8)}})
    };
    let count = u64::try_from(wire::limits::BATCH_REPORTS).unwrap();
    json!({"reports": (first..first + count).map(report).collect::<Vec<_>>()}).to_string().into_bytes()
}

/// Sends `BATCHES` large batches; one in `REPEATS` is new, the others are duplicates.
async fn send_large(identity: pki::Identity, url: String) {
    let tls = pki::tls::client_config(&identity, PartyKind::CommServer).unwrap();
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).timeout(Duration::from_secs(60));
    let client = client.build().unwrap();
    let mut body = Vec::new();
    for number in 0..BATCHES {
        if number % REPEATS == 0 {
            let batches = u64::try_from(number / REPEATS).unwrap();
            body = large_batch(1 + batches * u64::try_from(wire::limits::BATCH_REPORTS).unwrap());
        }
        let body = zstd::bulk::compress(&body, 1).unwrap();
        let request = client.post(&url).header("content-encoding", wire::codec::ZSTD).body(body);
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_batches_leave_no_memory_behind() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let gateways = ["gw-1", "gw-2", "gw-3", "gw-4"];
    make_identities(dir, &gateways);
    let server = start(dir, "127.0.0.1:0");
    let url = format!("https://{}/v1/reports/bulk", server.address);
    let before = memory_kib(&server, "VmRSS:");
    let mut senders = tokio::task::JoinSet::new();
    for gateway in gateways {
        senders.spawn(send_large(pki::Identity::load(&identity(dir, gateway)).unwrap(), url.clone()));
    }
    senders.join_all().await;
    assert_grown_little(&server, before);
}
