//! The server, tested with curl over mutual TLS: metadata, whole images and ranges.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking and says why it is skipped")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use aws_lc_rs::digest::{SHA256, digest};
use global_server::repository::{Due, Image, Lifetimes, Repository};
use global_server::{Config, run};
use jiff::Timestamp;
use pki::authority::{Authority, Passphrase, Request};
use pki::spiffe::PartyKind;
use tokio_util::sync::CancellationToken;
use tuf::{Action, Client, Found, RoleName, TargetFile};

const BYTES: usize = 1_000_003;

struct Server {
    dir: tempfile::TempDir,
    url: String,
    local: String,
    sha256: String,
    content: Vec<u8>,
    shutdown: CancellationToken,
    running: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        let now = Timestamp::now();
        let domain = "test.example".parse().unwrap();
        let authority = Authority::init(&path.join("ca"), &domain, &Passphrase::InsecureNone, now).unwrap();
        for profile in PartyKind::ALL {
            let is_server = profile.is_server();
            let request = Request {
                profile,
                name: "it-1".to_owned(),
                dns: Vec::new(),
                ips: if is_server { vec!["127.0.0.1".parse().unwrap()] } else { Vec::new() },
            };
            authority.issue(&request, now).unwrap().write(&path.join(profile.as_str())).unwrap();
        }
        let repository = Repository::init(&path.join("repo"), Lifetimes::default(), now).unwrap();
        let content: Vec<u8> = (0..BYTES).map(|n| u8::try_from(n * n % 253).unwrap()).collect();
        std::fs::write(path.join("image"), &content).unwrap();
        let image = Image { vendor: "ricoh", model: "IM C4500", version: "2.10", file: &path.join("image") };
        let sha256 = repository.publish(&image, Lifetimes::default(), now, |_| {}).unwrap().sha256;
        let shutdown = CancellationToken::new();
        let running = Some(serve(config(path), shutdown.clone()));
        let addresses = addresses(&path.join("data/addresses.json"));
        let url = format!("https://{}", addresses["listen"].as_str().unwrap());
        let local = format!("http://{}", addresses["local"].as_str().unwrap());
        Self { dir, url, local, sha256, content, shutdown, running }
    }

    fn image(&self) -> String {
        format!("{}/v1/images/{}", self.url, self.sha256)
    }

    /// A target, as a TUF client finds it that trusts the first root.
    fn find(&self, target: &str) -> TargetFile {
        let get = |path: &str| {
            let answer = self.curl(&[&format!("{}/v1/metadata/{path}", self.url)]);
            (answer.status() == 200).then_some(answer.body)
        };
        let mut client = Client::new(&get("1.root.json").unwrap(), Timestamp::now()).unwrap();
        let perform = |client: &mut Client| loop {
            match client.next_action() {
                Action::Read { .. } => drop(client.stored(None)),
                Action::Fetch { path, .. } => client.fetched(get(&path).as_deref()).unwrap(),
                Action::Write { .. } | Action::Remove { .. } => {}
                Action::Idle => return,
            }
        };
        perform(&mut client);
        client.find(target).unwrap();
        perform(&mut client);
        match client.found() {
            Some(Ok(Found::Target { file, .. })) => file,
            other => panic!("{other:?}"),
        }
    }

    fn curl(&self, arguments: &[&str]) -> Answer {
        self.curl_as("gateway", arguments)
    }

    fn curl_as(&self, party: &str, arguments: &[&str]) -> Answer {
        let dir = self.dir.path();
        let file = |name: &str| dir.join(party).join(name);
        let (head, body) = (dir.join("head"), dir.join("body"));
        for old in [&head, &body] {
            std::fs::remove_file(old).ok();
        }
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "60", "--noproxy", "*", "--cacert"])
            .arg(file("root.pem"))
            .arg("--cert")
            .arg(file("cert.pem"))
            .arg("--key")
            .arg(file("key.pem"))
            .arg("--dump-header")
            .arg(&head)
            .arg("--output")
            .arg(&body)
            .args(arguments)
            .output()
            .expect("curl is installed");
        Answer::read(output, &head, &body)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if self.running.take().is_some_and(|running| running.join().is_err()) && !std::thread::panicking() {
            panic!("the server failed");
        }
    }
}

fn config(dir: &Path) -> Config {
    let at = |path: &str| dir.join(path).display().to_string();
    let identity = |name: &str| at(&format!("global-server/{name}.pem"));
    let yaml = format!(
        "name: it-1\ndata_dir: {}\nlisten: 127.0.0.1:0\nlocal: {{listen: 127.0.0.1:0}}\nrepository: {}\n\
         identity: {{certificate: {}, key: {}, root: {}}}\n",
        at("data"),
        at("repo"),
        identity("cert"),
        identity("key"),
        identity("root")
    );
    runtime::config::parse(Path::new("test.yaml"), &yaml).unwrap()
}

fn serve(config: Config, shutdown: CancellationToken) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        tokio::runtime::Runtime::new().unwrap().block_on(run(config, shutdown)).unwrap();
    })
}

fn addresses(file: &Path) -> serde_json::Value {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while std::time::Instant::now() < until {
        if let Ok(bytes) = std::fs::read(file) {
            return serde_json::from_slice(&bytes).unwrap();
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("the server did not begin to listen");
}

#[derive(Debug)]
struct Answer {
    exit: Option<i32>,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn read(output: Output, head: &PathBuf, body: &PathBuf) -> Self {
        let head = std::fs::read_to_string(head).unwrap_or_default().to_ascii_lowercase();
        Self { exit: output.status.code(), head, body: std::fs::read(body).unwrap_or_default() }
    }

    fn status(&self) -> u16 {
        let line = self.head.lines().next().unwrap_or_else(|| panic!("no answer: {:?}", self.exit));
        line.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")))
    }
}

#[test]
fn metadata_comes_as_signed_plain_or_compressed() {
    let server = Server::start();
    let root = server.curl(&[&format!("{}/v1/metadata/root.json", server.url)]);
    assert_eq!((root.status(), root.header("content-type")), (200, Some("application/json")));
    let first = server.curl(&[&format!("{}/v1/metadata/1.root.json", server.url)]);
    assert_eq!(first.body, root.body);
    let url = format!("{}/v1/metadata/timestamp.json", server.url);
    let plain = server.curl(&[&url]);
    let found = server.find("ricoh/IM-C4500/2.10");
    assert_eq!(found.hashes.hash("sha256"), Some(server.sha256.as_str()));
    let etag = plain.header("etag").unwrap().to_owned();
    let again = server.curl(&["-H", &format!("If-None-Match: {etag}"), &url]);
    assert_eq!((again.status(), again.body.len()), (304, 0));

    let targets = format!("{}/v1/metadata/targets.json", server.url);
    let plain_targets = server.curl(&[&targets]);
    let compressed = server.curl(&["-H", "Accept-Encoding: zstd", &targets]);
    assert_eq!(compressed.header("content-encoding"), Some("zstd"));
    assert_ne!(compressed.header("etag"), plain_targets.header("etag"));
    assert!(compressed.body.len() < plain_targets.body.len());
    let decoded: serde_json::Value = wire::codec::decode(&compressed.body, Some("zstd"), 1 << 20).unwrap();
    assert_eq!(decoded, serde_json::from_slice::<serde_json::Value>(&plain_targets.body).unwrap());

    for bad in ["9.snapshot.json", "..%2Fkeys%2Ftargets.pk8", "targets.pk8", "..%2F.json", ".json"] {
        let refused = server.curl(&[&format!("{}/v1/metadata/{bad}", server.url)]);
        assert_eq!(
            (refused.status(), refused.header("content-type")),
            (404, Some("application/problem+json")),
            "{bad}"
        );
    }

    // A new version of the file is served at once.
    let repository = Repository::open(&server.dir.path().join("repo")).unwrap();
    let signed = repository.refresh(Due::Now, Lifetimes::default(), Timestamp::now()).unwrap();
    let renewed = server.curl(&["-H", &format!("If-None-Match: {etag}"), &url]);
    let renewed: serde_json::Value = serde_json::from_slice(&renewed.body).unwrap();
    assert_eq!(renewed["signed"]["version"].as_u64(), signed.version(&RoleName::timestamp()));
    server.find("ricoh/IM-C4500/2.10");
}

#[test]
fn a_target_comes_by_its_path_and_hash() {
    let server = Server::start();
    let found = server.find("ricoh/IM-C4500/2.10");
    let path = found.url_path("ricoh/IM-C4500/2.10", true);
    let target = server.curl(&[&format!("{}/v1/targets/{path}", server.url)]);
    assert!((target.status(), target.body) == (200, server.content.clone()), "{}", target.head);
    let other = server.curl(&[&format!("{}/v1/targets/ricoh/IM-C4500/2.10", server.url)]);
    assert_eq!(other.status(), 404);
}

#[test]
fn images_come_whole_and_in_ranges() {
    let server = Server::start();
    let (url, content) = (server.image(), &server.content);
    let whole = server.curl(&[&url]);
    assert_eq!(whole.status(), 200);
    assert_eq!(whole.header("etag"), Some(format!("\"{}\"", server.sha256).as_str()));
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    assert!(&whole.body == content, "other bytes");
    assert_eq!(hex::encode(digest(&SHA256, &whole.body)), server.sha256);

    let end = BYTES - 1;
    for (range, first, last) in [
        ("0-0".to_owned(), 0, 0),
        ("0-99999".to_owned(), 0, 99_999),
        ("300000-700000".to_owned(), 300_000, 700_000),
        ("-5".to_owned(), BYTES - 5, end),
        (format!("{end}-"), end, end),
        ("999999-5000000".to_owned(), 999_999, end),
    ] {
        let part = server.curl(&["--range", &range, &url]);
        assert_eq!(part.status(), 206, "{range}");
        let expected = format!("bytes {first}-{last}/{BYTES}");
        assert_eq!(part.header("content-range"), Some(expected.as_str()), "{range}");
        assert!(part.body == content[first..=last], "{range}: other bytes");
    }
    for range in [format!("{BYTES}-"), "-0".to_owned()] {
        let beyond = server.curl(&["--range", &range, &url]);
        assert_eq!(beyond.status(), 416, "{range}");
        assert_eq!(beyond.header("content-range"), Some(format!("bytes */{BYTES}").as_str()));
        assert_eq!(beyond.header("content-type"), Some("application/problem+json"));
    }
    let several = server.curl(&["--range", "0-1,5-6", &url]);
    assert_eq!((several.status(), several.body.len()), (200, BYTES));
}

#[test]
fn conditions_heads_and_wrong_names() {
    let server = Server::start();
    let url = server.image();
    let own = format!("If-Range: \"{}\"", server.sha256);
    assert_eq!(server.curl(&["-H", &own, "--range", "5-9", &url]).status(), 206);
    assert_eq!(server.curl(&["-H", "If-Range: \"other\"", "--range", "5-9", &url]).status(), 200);
    let known = format!("If-None-Match: \"{}\"", server.sha256);
    assert_eq!(server.curl(&["-H", &known, &url]).status(), 304);
    let head = server.curl(&["--head", "--range", "5-9", &url]);
    assert_eq!((head.status(), head.header("content-length")), (200, Some("1000003")));
    for bad in ["abc", "..%2f..%2fkeys%2ftargets.pk8", &"F".repeat(64), &"0".repeat(64), "incoming.new"] {
        let refused = server.curl(&[&format!("{}/v1/images/{bad}", server.url)]);
        let problem: wire::problem::Problem = serde_json::from_slice(&refused.body).unwrap();
        assert_eq!((refused.status(), problem.status), (404, 404), "{bad}");
    }
    assert_eq!(server.curl(&["--request", "DELETE", &url]).status(), 405);
}

#[test]
fn only_gateways_and_communication_servers_get_in() {
    let server = Server::start();
    let url = server.image();
    assert_eq!(server.curl_as("comm-server", &["--head", &url]).status(), 200);
    for refused in ["operator", "global-server"] {
        let answer = server.curl_as(refused, &["--head", &url]);
        assert!(answer.exit != Some(0) && answer.head.is_empty(), "{refused}: {answer:?}");
    }
    let health = server.curl(&[&format!("{}/healthz", server.local)]);
    assert_eq!((health.status(), health.body.as_slice()), (200, b"ok\n".as_slice()));
    server.curl(&["--range", "0-99", &url]);
    let metrics = String::from_utf8(server.curl(&[&format!("{}/metrics", server.local)]).body).unwrap();
    for seen in ["platen_global_images_served_total{answer=\"part\"}", "platen_global_image_bytes_total"] {
        assert!(metrics.contains(seen), "{seen} is missing in {metrics}");
    }
}

#[test]
fn a_resumed_download_joins_to_the_image() {
    let server = Server::start();
    let joined = server.dir.path().join("joined");
    std::fs::write(&joined, &server.content[..400_000]).unwrap();
    let resumed = server.curl(&["--continue-at", "400000", &server.image()]);
    assert_eq!(resumed.status(), 206);
    let mut bytes = std::fs::read(&joined).unwrap();
    // curl appends to what it finds: the body's file was empty before.
    let tail = &resumed.body[resumed.body.len() - (BYTES - 400_000)..];
    bytes.extend_from_slice(tail);
    assert_eq!(hex::encode(digest(&SHA256, &bytes)), server.sha256);
}
