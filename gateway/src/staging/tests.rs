//! Staging from a server that interrupts, sends wrong data, or tampers.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wire::ids::RolloutId;

use super::*;
use repository::{Repository, now};

mod metadata;
/// The repository of the tests of `tuf`.
#[path = "../../../tuf/tests/repository/mod.rs"]
mod repository;

const NAME: &str = "ricoh/IM-C4500/2.10";
const BYTES: usize = 2_000_003;

fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes))
}

/// The server's behaviour for the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Correct.
    Well,
    /// Each response ends after this number of bytes.
    Cuts(usize),
    /// Closes the connection without a byte.
    Silent,
    /// Sends other bytes of the same length.
    Tampers,
    /// Sends a part that begins elsewhere.
    Shifts,
    /// Sends more bytes than the image has.
    Overflows,
    /// Ignores ranges.
    IgnoresRanges,
    /// Returns this error status.
    Status(u16),
    /// Sends the image with one bit flipped.
    Flips(usize),
}

/// A repository in memory, served over plain TCP so that it can fail at any point.
struct Server {
    url: String,
    metadata: Mutex<BTreeMap<String, Vec<u8>>>,
    image: Vec<u8>,
    manner: Mutex<Manner>,
    ranges: Mutex<Vec<usize>>,
    requests: AtomicU32,
}

impl Server {
    async fn start(image: Vec<u8>) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Arc::new(Self {
            url,
            metadata: Mutex::default(),
            image,
            manner: Mutex::new(Manner::Well),
            ranges: Mutex::default(),
            requests: AtomicU32::new(0),
        });
        let accepting = Arc::clone(&server);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let server = Arc::clone(&accepting);
                tokio::spawn(async move { server.answer(socket).await });
            }
        });
        server
    }

    fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
        self.ranges.lock().unwrap().clear();
    }

    async fn answer(&self, mut socket: TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match socket.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        if let Some(rest) = head.strip_prefix("get /v1/metadata/") {
            let name = rest.split(' ').next().unwrap();
            let file = self.metadata.lock().unwrap().get(name).cloned();
            let (status, file) = file.map_or(("404 Not Found", Vec::new()), |file| ("200 OK", file));
            return send(&mut socket, status, "", file.len(), &file).await;
        }
        assert!(head.starts_with(&format!("get /v1/images/{} ", sha256(&self.image))), "{head}");
        self.requests.fetch_add(1, Ordering::Relaxed);
        let from = head.lines().find_map(|line| line.strip_prefix("range: bytes="));
        let from: usize = from.map_or(0, |range| range.trim_end_matches('-').parse().unwrap());
        self.ranges.lock().unwrap().push(from);
        self.answer_image(&mut socket, from).await;
    }

    async fn answer_image(&self, socket: &mut TcpStream, from: usize) {
        let manner = *self.manner.lock().unwrap();
        let mut rest = self.image[from..].to_vec();
        let length = rest.len();
        let range = format!("Content-Range: bytes {from}-{}/{}\r\n", self.image.len() - 1, self.image.len());
        let (status, range) = if from == 0 { ("200 OK", "") } else { ("206 Partial", range.as_str()) };
        match manner {
            Manner::Well => send(socket, status, range, length, &rest).await,
            Manner::Cuts(after) => send(socket, status, range, length, &rest[..after.min(length)]).await,
            Manner::Silent => {}
            Manner::Tampers => {
                rest[length / 2] ^= 1;
                send(socket, status, range, length, &rest).await;
            }
            Manner::Flips(bit) => {
                rest[bit / 8] ^= 1 << (bit % 8);
                send(socket, status, range, length, &rest).await;
            }
            Manner::Shifts => {
                let shifted = format!("Content-Range: bytes 0-{}/{}\r\n", length - 1, self.image.len());
                send(socket, "206 Partial", &shifted, length, &rest).await;
            }
            Manner::Overflows => {
                rest.extend_from_slice(&[0; 10]);
                send(socket, status, range, length + 10, &rest).await;
            }
            Manner::IgnoresRanges => send(socket, "200 OK", "", self.image.len(), &self.image).await,
            Manner::Status(code) => {
                let problem = br#"{"code":"overloaded","status":503,"detail":"come again"}"#;
                send(socket, &format!("{code} X"), "", problem.len(), problem).await;
            }
        }
    }
}

async fn send(socket: &mut TcpStream, status: &str, headers: &str, length: usize, body: &[u8]) {
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    // The client may be gone, which is permitted.
    if socket.write_all(head.as_bytes()).await.is_ok() && socket.write_all(body).await.is_ok() {
        socket.shutdown().await.ok();
    }
}

/// The entry of the image in the targets role.
fn entry(sha256: &str, length: u64) -> serde_json::Value {
    json!({"length": length, "hashes": {"sha256": sha256}, "custom": {"vendor": "ricoh", "model": "IM C4500",
        "version": "2.10", "published_at": now()}})
}

struct Bench {
    folder: tempfile::TempDir,
    server: Arc<Server>,
    repository: RefCell<Repository>,
    update: FirmwareUpdate,
}

impl Bench {
    async fn new() -> Self {
        let image: Vec<u8> = (0..BYTES).map(|n| u8::try_from(n * n % 253).unwrap()).collect();
        Self::with(image).await
    }

    async fn with(image: Vec<u8>) -> Self {
        let (folder, repository) = (tempfile::tempdir().unwrap(), Repository::new());
        std::fs::write(folder.path().join("root.json"), &repository.files["1.root.json"]).unwrap();
        let server = Server::start(image).await;
        let update = FirmwareUpdate {
            rollout: RolloutId(uuid::Uuid::nil()),
            target: NAME.to_owned(),
            version: "2.10".to_owned(),
            devices: Vec::new(),
            not_before: now(),
        };
        let bench = Self { folder, server, repository: RefCell::new(repository), update };
        bench.publish(1);
        bench
    }

    /// Publishes the image, in this version of all roles but the root.
    fn publish(&self, version: u64) {
        self.publish_entry(version, &self.sha256(), u64::try_from(self.server.image.len()).unwrap());
    }

    fn publish_entry(&self, version: u64, sha256: &str, length: u64) {
        self.change(|repository| {
            let Repository { targets, snapshot, timestamp, .. } = repository;
            for role in [&mut *targets, snapshot, timestamp] {
                role["version"] = version.into();
            }
            targets["targets"] = json!({NAME: entry(sha256, length)});
            repository.publish();
        });
    }

    /// Changes the repository and serves it.
    fn change(&self, change: impl FnOnce(&mut Repository)) {
        let mut repository = self.repository.borrow_mut();
        change(&mut repository);
        *self.server.metadata.lock().unwrap() = repository.files.clone();
    }

    /// Replaces a served file.
    fn serve(&self, name: &str, file: &[u8]) {
        self.server.metadata.lock().unwrap().insert(name.to_owned(), file.to_vec());
    }

    fn sha256(&self) -> String {
        sha256(&self.server.image)
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("staging")
    }

    fn image(&self) -> PathBuf {
        image_file(&self.dir(), &self.sha256())
    }

    fn image_is_whole(&self) -> bool {
        std::fs::read(self.image()).unwrap() == self.server.image
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A client as after a restart.
    fn client(&self) -> StagingClient {
        let builder = reqwest::Client::builder().tls_backend_preconfigured(crate::push::no_tls()).no_proxy();
        let root = self.folder.path().join("root.json");
        StagingClient::with_builder(builder, &self.server.url, &root).unwrap()
    }

    async fn stage(&self) -> Result<StagedImage, StagingError> {
        stage(&self.client(), &self.update, &self.dir(), now(), |_, _| {}).await
    }

    async fn refused(&self) -> StagingError {
        self.stage().await.unwrap_err()
    }
}

#[tokio::test]
async fn an_image_is_staged_once() {
    let bench = Bench::new().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let progress = move |have, all| told.lock().unwrap().push((have, all));
    let client = bench.client();
    let staged = stage(&client, &bench.update, &bench.dir(), now(), progress).await.unwrap();
    assert_eq!((&staged.sha256, staged.length), (&bench.sha256(), 2_000_003));
    assert!(bench.image_is_whole(), "other bytes");
    assert_eq!(seen.lock().unwrap().last(), Some(&(2_000_003, 2_000_003)));
    assert_eq!(bench.stage().await.unwrap(), staged);
    assert_eq!(bench.server.requests.load(Ordering::Relaxed), 1, "downloaded again");
    assert_eq!(bench.files(), [bench.sha256(), "trust".to_owned()]);

    // Damaged on the disk: downloaded again.
    std::fs::write(bench.image(), vec![0; BYTES]).unwrap();
    assert_eq!(bench.stage().await.unwrap(), staged);
    assert!(bench.image_is_whole(), "other bytes");
}

#[tokio::test]
async fn two_roll_outs_of_one_image_share_one_download() {
    let bench = Bench::new().await;
    let (client, dir) = (bench.client(), bench.dir());
    let stage = || stage(&client, &bench.update, &dir, now(), |_, _| {});
    let (one, other) = tokio::join!(stage(), stage());
    assert_eq!(one.unwrap(), other.unwrap());
    assert_eq!(bench.server.requests.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_download_goes_on_where_it_was_cut() {
    let bench = Bench::new().await;
    bench.server.behave(Manner::Cuts(700_000));
    bench.stage().await.unwrap();
    assert!(bench.image_is_whole(), "other bytes");
    assert_eq!(*bench.server.ranges.lock().unwrap(), [0, 700_000, 1_400_000]);
}

#[tokio::test]
async fn a_download_goes_on_after_a_restart() {
    let bench = Bench::new().await;
    std::fs::create_dir_all(bench.dir()).unwrap();
    let part = bench.dir().join(format!("{}.part", bench.sha256()));
    std::fs::write(&part, &bench.server.image[..1_234_567]).unwrap();
    bench.server.behave(Manner::Silent);
    let cut = bench.refused().await;
    assert!(matches!(cut, StagingError::Unreachable { .. }) && !cut.is_final(), "{cut}");
    assert_eq!(std::fs::metadata(&part).unwrap().len(), 1_234_567, "what was there is kept");
    bench.server.behave(Manner::Well);
    bench.stage().await.unwrap();
    assert_eq!(*bench.server.ranges.lock().unwrap(), [1_234_567]);
    assert!(bench.image_is_whole() && !part.exists());
}

#[tokio::test]
async fn a_part_that_a_power_cut_damaged_is_fetched_from_the_beginning() {
    let bench = Bench::new().await;
    std::fs::create_dir_all(bench.dir()).unwrap();
    let part = bench.dir().join(format!("{}.part", bench.sha256()));
    for damaged in [1_000_000, BYTES, BYTES + 5] {
        std::fs::write(&part, vec![0; damaged]).unwrap();
        bench.stage().await.unwrap();
        assert!(bench.image_is_whole(), "{damaged}: other bytes");
        std::fs::remove_file(bench.image()).unwrap();
    }
    // A server that sends everything although a part was requested.
    std::fs::write(&part, &bench.server.image[..1_000_000]).unwrap();
    bench.server.behave(Manner::IgnoresRanges);
    bench.stage().await.unwrap();
    assert!(bench.image_is_whole());
}

#[tokio::test]
async fn a_tampered_image_is_refused_and_not_kept() {
    let bench = Bench::new().await;
    bench.server.behave(Manner::Tampers);
    let refused = bench.refused().await;
    assert!(matches!(refused, StagingError::Digest { .. }) && refused.is_final(), "{refused}");
    assert_eq!(bench.files(), ["trust"]);
    bench.server.behave(Manner::Overflows);
    let refused = bench.refused().await;
    assert!(matches!(refused, StagingError::WrongAnswer { .. }) && refused.is_final(), "{refused}");
    std::fs::write(bench.dir().join(format!("{}.part", bench.sha256())), &bench.server.image[..10]).unwrap();
    bench.server.behave(Manner::Shifts);
    let refused = bench.refused().await;
    assert!(matches!(refused, StagingError::WrongAnswer { .. }), "{refused}");
}

#[tokio::test]
async fn refusals_tell_whether_to_try_again() {
    let bench = Bench::new().await;
    for (status, is_final) in [(503, false), (500, false), (429, false), (404, true), (403, true)] {
        bench.server.behave(Manner::Status(status));
        let refused = bench.refused().await;
        assert_eq!(refused.is_final(), is_final, "{refused}");
        assert!(refused.to_string().contains("come again"), "{refused}");
    }
}

#[tokio::test]
async fn only_what_the_command_and_the_metadata_agree_on_is_staged() {
    let mut bench = Bench::new().await;
    bench.update.version = "2.11".to_owned();
    let refused = bench.refused().await;
    assert!(matches!(refused, StagingError::OtherVersion { .. }), "{refused}");
    bench.update.target = "ricoh/IM-C4500/9".to_owned();
    let refused = bench.refused().await;
    assert!(matches!(refused, StagingError::NoTarget { .. }) && refused.is_final(), "{refused}");

    (bench.update.target, bench.update.version) = (NAME.to_owned(), "2.10".to_owned());
    let cases = [("../../../etc/passwd", 3), (&*"A".repeat(64), 3), (&*"a".repeat(64), 0)];
    for (version, (sha256, length)) in (2..).zip(cases) {
        bench.publish_entry(version, sha256, length);
        let refused = bench.refused().await;
        assert!(matches!(refused, StagingError::UnusableTarget { .. }), "{sha256}: {refused}");
    }
    // 4 GiB on a machine that has less, or an image that isn't there: never a crash.
    bench.publish_entry(5, &"a".repeat(64), IMAGE_BYTES + 1);
    assert!(matches!(bench.refused().await, StagingError::UnusableTarget { .. }));
    // A target that is not an image of Platen's.
    bench.change(|repository| repository.targets["targets"] = json!({NAME: repository::target(b"x")}));
    bench.change(|repository| {
        repository.bump_all();
        repository.publish();
    });
    let refused = bench.refused().await;
    assert!(refused.to_string().contains("custom: "), "{refused}");
}

#[tokio::test]
async fn only_what_is_still_published_is_confirmed() {
    let bench = Bench::new().await;
    let staged = bench.stage().await.unwrap();
    let confirm = async || confirm(&bench.client(), &bench.update, &staged.sha256, &bench.dir(), now()).await;
    confirm().await.unwrap();
    let mut other = bench.update.clone();
    other.target = "ricoh/IM-C4500/9".to_owned();
    let withdrawn = super::confirm(&bench.client(), &other, &staged.sha256, &bench.dir(), now()).await;
    let withdrawn = withdrawn.unwrap_err();
    assert!(matches!(withdrawn, StagingError::NoTarget { .. }) && withdrawn.is_withdrawal(), "{withdrawn}");
    bench.publish_entry(2, &"a".repeat(64), 3);
    let replaced = confirm().await.unwrap_err();
    assert!(matches!(replaced, StagingError::Replaced { .. }) && replaced.is_withdrawal(), "{replaced}");
    bench.publish(1);
    let rollback = confirm().await.unwrap_err();
    assert!(matches!(rollback, StagingError::Untrusted(_)) && !rollback.is_withdrawal(), "{rollback}");
    bench.serve("timestamp.json", b"{");
    assert!(!confirm().await.unwrap_err().is_withdrawal());
}

#[tokio::test]
async fn what_no_roll_out_needs_goes() {
    let bench = Bench::new().await;
    let staged = bench.stage().await.unwrap();
    let other = "b".repeat(64);
    std::fs::write(bench.dir().join(format!("{other}.part")), b"1234").unwrap();
    assert_eq!(retain(&bench.dir(), &BTreeSet::from([staged.sha256.clone()])).unwrap(), 4);
    assert_eq!(bench.files(), [staged.sha256, "trust".to_owned()]);
}
