//! What is too large is refused without taking memory.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use pki::spiffe::PartyKind;

use super::server::{Server, identity, make_identities, start};

/// How much the server may grow by what it refuses, KiB: far below one of the bodies.
const GROWTH_KIB: u64 = 24 << 10;

/// How much the server may grow by logins, KiB: the second place to hash takes 19 MiB, and the connections some.
const LOGINS_KIB: u64 = 60_000;

/// Logins at once, from so many addresses.
const LOGINS: usize = 200;
const ADDRESSES: usize = 10;

fn peak_kib(server: &Server) -> u64 {
    memory_kib(server, "VmHWM:")
}

fn memory_kib(server: &Server, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

/// Sends a file with curl, and gives the status that it was answered with.
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

/// A wrong login; its status.
async fn log_in(address: std::net::IpAddr, url: String, tls: tokio_rustls::rustls::ClientConfig) -> u16 {
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).local_address(address);
    let client = client.timeout(std::time::Duration::from_secs(60)).build().unwrap();
    let body = r#"{"user": "admin", "password": "not this one"}"#;
    let request = client.post(url).header("content-type", "application/json").body(body);
    request.send().await.unwrap().status().as_u16()
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
    let before = memory_kib(&server, "VmRSS:");
    let mut logins = tokio::task::JoinSet::new();
    for number in 0..LOGINS {
        let address = [127, 0, 0, u8::try_from(2 + number % ADDRESSES).unwrap()].into();
        logins.spawn(log_in(address, url.clone(), tls.clone()));
    }
    let statuses = logins.join_all().await;
    let of = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!(of(401) + of(429), LOGINS, "{statuses:?}");
    assert!(of(401) >= LOGINS / 2, "most of them are hashed: {statuses:?}");
    let after = memory_kib(&server, "VmRSS:");
    let grown = after.saturating_sub(before);
    assert!(grown < LOGINS_KIB, "the server grew by {grown} KiB");
}
