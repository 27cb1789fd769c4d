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
use tuf::Refusal;
use wire::ids::RolloutId;

use super::*;
use repository::{EXPIRED, Repository, TestKey, now, role, signed};

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
async fn each_attack_is_refused_in_its_own_words() {
    type Attack = (&'static str, fn(&Bench));
    let attacks: [Attack; 12] = [
        ("rollback: timestamp.json is version 6, but version 7", |bench| bench.publish(6)),
        ("rollback: snapshot.json is version 6, but version 7", |bench| {
            bench.change(|repository| {
                repository.snapshot["version"] = 6.into();
                repository.timestamp["version"] = 8.into();
                repository.publish_snapshot();
            });
        }),
        ("freeze: the timestamp expired at", |bench| {
            bench.change(|repository| {
                repository.timestamp["expires"] = EXPIRED.into();
                repository.timestamp["version"] = 8.into();
                repository.publish_timestamp();
            });
        }),
        ("mix-and-match: targets is version 7, but snapshot names version 8", |bench| {
            let old = bench.repository.borrow().files["7.targets.json"].clone();
            bench.publish(8);
            bench.serve("8.targets.json", &old);
        }),
        ("bytes or more: expected", |bench| {
            bench.repository.borrow_mut().hashes = true;
            bench.publish(8);
            let mut shorter = bench.repository.borrow().files["8.targets.json"].clone();
            shorter.pop();
            bench.serve("8.targets.json", &shorter);
        }),
        ("sha256 hash", |bench| {
            bench.repository.borrow_mut().hashes = true;
            bench.publish(8);
            let file = String::from_utf8(bench.repository.borrow().files["8.targets.json"].clone()).unwrap();
            bench.serve("8.targets.json", file.replace("2.10", "2.11").as_bytes());
        }),
        ("threshold not reached", |bench| {
            bench.publish(8);
            let stranger = TestKey::new("timestamp");
            bench.serve("timestamp.json", &signed(&bench.repository.borrow().timestamp, &[&stranger]));
        }),
        ("targets expired at", |bench| {
            bench.repository.borrow_mut().targets["expires"] = EXPIRED.into();
            bench.publish(8);
        }),
        ("the repository does not have snapshot", |bench| {
            bench.publish(8);
            bench.server.metadata.lock().unwrap().remove("8.snapshot.json");
        }),
        ("timestamp is larger than 16384 bytes", |bench| bench.serve("timestamp.json", &[b' '; 16_385])),
        ("timestamp can't be read as metadata", |bench| bench.serve("timestamp.json", b"{")),
        ("root is version 3: expected 2", |bench| {
            bench.change(|repository| {
                repository.root["version"] = 3.into();
                repository.publish_root();
                let skipped = repository.files["3.root.json"].clone();
                repository.files.insert("2.root.json".to_owned(), skipped);
            });
        }),
    ];
    for (words, attack) in attacks {
        let bench = Bench::with(vec![7; 1_000]).await;
        bench.publish(7);
        bench.stage().await.unwrap();
        attack(&bench);
        let refused = bench.refused().await;
        assert!(matches!(refused, StagingError::Untrusted(_)), "{words}: {refused}");
        let report = runtime::error::chain(&refused);
        assert!(report.starts_with("the firmware metadata is not trusted: "), "{report}");
        assert!(report.contains(words), "{words}: {report}");
        // What can be published again is waited for.
        let passes = ["expired", "does not have"].iter().any(|word| report.contains(word));
        assert_eq!(refused.is_final(), !passes, "{report}");
    }
}

#[tokio::test]
async fn damaged_trust_is_refused_and_not_forgotten() {
    let bench = Bench::with(vec![7; 1_000]).await;
    bench.publish(7);
    bench.stage().await.unwrap();
    let path = bench.dir().join("trust");
    let whole = std::fs::read(&path).unwrap();
    for at in [0, 63, 64, 65, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        let refused = bench.refused().await;
        assert!(
            matches!(refused, StagingError::DamagedState { .. }) && !refused.is_final(),
            "{at}: {refused}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), damaged, "it is left as it is");
    }
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(bench.refused().await, StagingError::DamagedState { .. }));
    std::fs::write(&path, &whole).unwrap();
    bench.stage().await.unwrap();
    // The former gateway's file counts until the new one is written.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(bench.dir().join("newest-targets"), "8\n").unwrap();
    for _ in 0..2 {
        let refused = bench.refused().await;
        assert!(matches!(refused, StagingError::Untrusted(Refusal::Rollback { .. })), "{refused}");
    }
    std::fs::write(bench.dir().join("newest-targets"), "x").unwrap();
    assert!(matches!(bench.refused().await, StagingError::DamagedState { .. }));
    std::fs::write(bench.dir().join("newest-targets"), "7\n").unwrap();
    bench.stage().await.unwrap();
}

#[tokio::test]
async fn a_newer_root_recovers_from_versions_that_a_thief_advanced() {
    let bench = Bench::with(vec![7; 1_000]).await;
    bench.publish(7);
    // Signed with the stolen key of the timestamp.
    bench.change(|repository| {
        repository.timestamp["version"] = 1_000_000.into();
        repository.publish_timestamp();
    });
    bench.stage().await.unwrap();
    bench.publish(8);
    assert!(matches!(bench.refused().await, StagingError::Untrusted(Refusal::Rollback { .. })));
    bench.change(|repository| {
        let key = TestKey::new("timestamp-2");
        repository.root["version"] = 2.into();
        repository.root["keys"]["timestamp-2"] = key.public.clone();
        repository.root["roles"]["timestamp"] = role(&[&key], 1);
        repository.publish_root();
        repository.files.insert("timestamp.json".to_owned(), signed(&repository.timestamp, &[&key]));
    });
    bench.stage().await.unwrap();
    // The former key is worth nothing any more, also if the newer root is withheld.
    bench.server.metadata.lock().unwrap().remove("2.root.json");
    bench.publish(9);
    bench.server.metadata.lock().unwrap().remove("2.root.json");
    assert!(matches!(bench.refused().await, StagingError::Untrusted(Refusal::Threshold { .. })));
}

#[tokio::test]
async fn an_incomplete_root_is_followed_to_a_complete_one() {
    let bench = Bench::with(vec![7; 1_000]).await;
    let key = TestKey::new("root");
    let mut former = bench.repository.borrow().root.clone();
    for absent in ["timestamp", "snapshot"] {
        former["roles"].as_object_mut().unwrap().remove(absent);
    }
    former["keys"]["root"] = key.public.clone();
    let provisioned = bench.folder.path().join("root.json");
    std::fs::write(&provisioned, signed(&former, &[&key])).unwrap();
    let refused = bench.refused().await;
    assert!(matches!(refused, StagingError::Untrusted(Refusal::Threshold { .. })), "{refused}");
    let complete = bench.repository.borrow().root.clone();
    bench.change(|repository| {
        repository.root = complete;
        repository.root["version"] = 2.into();
        let both = signed(&repository.root, &[repository.key("root"), &key]);
        let own_id = json!({"keyid": "root", "sig": (key.sign)(&tuf::canonical(&repository.root).unwrap())});
        let mut both: serde_json::Value = serde_json::from_slice(&both).unwrap();
        // The former key signs under an id of its own in the next root.
        both["signatures"] = json!([own_id]);
        repository.root["keys"]["root"] = key.public.clone();
        repository.files.insert("2.root.json".to_owned(), signed(&repository.root, &[&key]));
    });
    bench.stage().await.unwrap();
    // Another root is provisioned: trust begins with it.
    std::fs::write(&provisioned, signed(&former, &[&TestKey::new("root")])).unwrap();
    assert!(matches!(bench.refused().await, StagingError::Untrusted(Refusal::Threshold { .. })));
}

#[tokio::test]
async fn one_makers_wrong_key_concerns_its_own_images_only() {
    let bench = Bench::with(vec![7; 1_000]).await;
    let maker = |bench: &Bench, key: &'static str| {
        let (sha256, length) = (bench.sha256(), 1_000);
        bench.change(|repository| {
            let signer = repository.key("d");
            let keys = repository::key_table(&[signer]);
            let mut delegated = role(&[signer], 1);
            for (field, value) in
                [("name", json!("maker")), ("terminating", json!(true)), ("paths", json!(["maker/*/*"]))]
            {
                delegated[field] = value;
            }
            repository.targets["delegations"] = json!({"keys": keys, "roles": [delegated]});
            let role = Repository::delegated(json!({"maker/A/2.10": entry(&sha256, length)}));
            repository.publish_delegated("maker", key, &role);
            repository.bump_all();
            repository.publish();
        });
    };
    let mut update = bench.update.clone();
    update.target = "maker/A/2.10".to_owned();
    let staged = async || stage(&bench.client(), &update, &bench.dir(), now(), |_, _| {}).await;
    maker(&bench, "d");
    staged().await.unwrap();
    std::fs::remove_file(bench.dir().join("trust")).unwrap();
    maker(&bench, "other");
    let refused = staged().await.unwrap_err();
    assert!(matches!(refused, StagingError::Untrusted(Refusal::Threshold { .. })), "{refused}");
    assert!(!refused.is_withdrawal());
    bench.stage().await.unwrap();
}

/// Flips of single bits that are tried; the normal run takes a sample.
fn flips() -> usize {
    std::env::var("PLATEN_FLIPS").ok().and_then(|text| text.parse().ok()).unwrap_or(400)
}

#[tokio::test]
async fn a_flipped_bit_is_refused_or_harmless() {
    let bench = Bench::with((0..=255).collect()).await;
    bench.repository.borrow_mut().hashes = true;
    bench.publish(2);
    let staged = bench.stage().await.unwrap();
    let files = bench.repository.borrow().files.clone();
    let names = ["timestamp.json", "2.snapshot.json", "2.targets.json"];
    let bits: usize = names.iter().map(|name| files[*name].len() * 8).sum::<usize>() + 256 * 8;
    let (mut harmless, tried) = (0, flips());
    for number in 0..tried {
        // Spread over all bits, and repeated from another one when there are more flips than bits.
        let mut bit = (number * bits / tried.min(bits)) % bits;
        std::fs::remove_dir_all(bench.dir()).unwrap();
        *bench.server.metadata.lock().unwrap() = files.clone();
        bench.server.behave(Manner::Well);
        match names.iter().find(|name| {
            let own = files[**name].len() * 8;
            let here = bit < own;
            bit -= if here { 0 } else { own };
            here
        }) {
            Some(name) => {
                let mut flipped = files[*name].clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                bench.serve(name, &flipped);
            }
            None => bench.server.behave(Manner::Flips(bit)),
        }
        match bench.stage().await {
            Ok(same) => {
                assert_eq!(same, staged);
                assert!(bench.image_is_whole());
                harmless += 1;
            }
            Err(refused) => assert!(!bench.image().exists(), "{refused}"),
        }
    }
    println!("{tried} flips, {harmless} of them harmless");
    assert!(harmless * 20 < tried, "{harmless} of {tried}");
}

#[tokio::test]
async fn truncated_metadata_and_replayed_files_are_refused() {
    let bench = Bench::with(vec![7; 1_000]).await;
    bench.publish(2);
    let files = bench.repository.borrow().files.clone();
    for name in ["timestamp.json", "2.snapshot.json", "2.targets.json"] {
        for length in (0..files[name].len()).step_by(97) {
            *bench.server.metadata.lock().unwrap() = files.clone();
            bench.serve(name, &files[name][..length]);
            assert!(matches!(bench.refused().await, StagingError::Untrusted(_)), "{name}: {length}");
        }
    }
    bench.publish(3);
    bench.stage().await.unwrap();
    *bench.server.metadata.lock().unwrap() = files;
    assert!(matches!(bench.refused().await, StagingError::Untrusted(Refusal::Rollback { .. })));
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
