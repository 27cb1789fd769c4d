//! A repository in memory, with its keys, and a client's storage.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test ends with the first problem")]

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use jiff::Timestamp;
use serde_json::{Value, json};
use tuf::{Action, Client, Found, Refusal, canonical};

/// The time of the tests.
pub(crate) fn now() -> Timestamp {
    "2026-12-01T00:00:00Z".parse().unwrap()
}

/// Expiry of roles by default.
pub(crate) const EXPIRES: &str = "2027-01-01T00:00:00Z";

/// A time before [`now`].
pub(crate) const EXPIRED: &str = "2026-12-01T00:00:00Z";

/// Signs a message; the signature is hexadecimal.
pub(crate) type Sign = Box<dyn Fn(&[u8]) -> String>;

/// A key pair with a chosen id.
pub(crate) struct TestKey {
    pub(crate) id: String,
    pub(crate) public: Value,
    pub(crate) sign: Sign,
}

impl TestKey {
    pub(crate) fn new(id: &str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let public = json!({"keytype": "ed25519", "scheme": "ed25519",
            "keyval": {"public": hex::encode(pair.public_key().as_ref())}});
        let sign = Box::new(move |message: &[u8]| hex::encode(pair.sign(message)));
        Self { id: id.to_owned(), public, sign }
    }
}

/// A signed file.
pub(crate) fn signed(signed: &Value, keys: &[&TestKey]) -> Vec<u8> {
    let message = canonical(signed).unwrap();
    let signatures: Vec<_> =
        keys.iter().map(|key| json!({"keyid": key.id, "sig": (key.sign)(&message)})).collect();
    serde_json::to_vec(&json!({"signatures": signatures, "signed": signed})).unwrap()
}

pub(crate) fn role(keys: &[&TestKey], threshold: u32) -> Value {
    json!({"keyids": keys.iter().map(|key| &key.id).collect::<Vec<_>>(), "threshold": threshold})
}

pub(crate) fn key_table(keys: &[&TestKey]) -> Value {
    keys.iter().map(|key| (key.id.clone(), key.public.clone())).collect::<serde_json::Map<_, _>>().into()
}

pub(crate) fn target(content: &[u8]) -> Value {
    json!({"length": content.len(), "hashes": {"sha256": hex::encode(digest(&SHA256, content))}})
}

/// A repository: one key for each top-level role, and the key `d` for delegated roles.
pub(crate) struct Repository {
    pub(crate) keys: BTreeMap<&'static str, TestKey>,
    pub(crate) root: Value,
    pub(crate) timestamp: Value,
    pub(crate) snapshot: Value,
    pub(crate) targets: Value,
    /// Served files by path.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Whether hashes and lengths are stated in timestamp and snapshot.
    pub(crate) hashes: bool,
}

impl Repository {
    pub(crate) fn new() -> Self {
        let keys: BTreeMap<_, _> = ["root", "timestamp", "snapshot", "targets", "d", "other"]
            .into_iter()
            .map(|name| (name, TestKey::new(name)))
            .collect();
        let base =
            |name: &str| json!({"_type": name, "spec_version": "1.0.31", "version": 1, "expires": EXPIRES});
        let mut root = base("root");
        root["consistent_snapshot"] = true.into();
        root["keys"] = key_table(&["root", "timestamp", "snapshot", "targets"].map(|name| &keys[name]));
        root["roles"] = ["root", "timestamp", "snapshot", "targets"]
            .map(|name| (name.to_owned(), role(&[&keys[name]], 1)))
            .into_iter()
            .collect::<serde_json::Map<_, _>>()
            .into();
        let mut timestamp = base("timestamp");
        timestamp["meta"] = json!({"snapshot.json": {"version": 1}});
        let mut snapshot = base("snapshot");
        snapshot["meta"] = json!({"targets.json": {"version": 1}});
        let mut targets = base("targets");
        targets["targets"] = json!({"image": target(b"image")});
        let mut repository =
            Self { keys, root, timestamp, snapshot, targets, files: BTreeMap::new(), hashes: false };
        repository.publish_root();
        repository.publish();
        repository
    }

    pub(crate) fn key(&self, name: &str) -> &TestKey {
        &self.keys[name]
    }

    /// Publishes the root, signed by its key and others.
    pub(crate) fn publish_root_with(&mut self, also: &[&str]) {
        let mut keys = vec![self.key("root")];
        keys.extend(also.iter().map(|name| self.key(name)));
        let bytes = signed(&self.root, &keys);
        self.files.insert(format!("{}.root.json", self.root["version"]), bytes);
    }

    pub(crate) fn publish_root(&mut self) {
        self.publish_root_with(&[]);
    }

    /// Signs targets, snapshot and timestamp, and updates the versions in snapshot and timestamp.
    pub(crate) fn publish(&mut self) {
        let targets = signed(&self.targets, &[self.key("targets")]);
        self.list("targets.json", &targets, self.targets["version"].clone());
        self.files.insert(format!("{}.targets.json", self.targets["version"]), targets);
        self.publish_snapshot();
    }

    pub(crate) fn publish_snapshot(&mut self) {
        let snapshot = signed(&self.snapshot, &[self.key("snapshot")]);
        let meta = self.meta(&snapshot, self.snapshot["version"].clone());
        self.timestamp["meta"]["snapshot.json"] = meta;
        self.files.insert(format!("{}.snapshot.json", self.snapshot["version"]), snapshot);
        self.publish_timestamp();
    }

    pub(crate) fn publish_timestamp(&mut self) {
        let timestamp = signed(&self.timestamp, &[self.key("timestamp")]);
        self.files.insert("timestamp.json".to_owned(), timestamp);
    }

    /// Publishes a delegated role, signed by a key, and lists it in the snapshot.
    pub(crate) fn publish_delegated(&mut self, name: &str, key: &str, role: &Value) {
        let bytes = signed(role, &[self.key(key)]);
        self.list(&format!("{name}.json"), &bytes, role["version"].clone());
        self.files.insert(format!("{}.{}.json", role["version"], tuf::quoted(name)), bytes);
    }

    fn list(&mut self, file: &str, bytes: &[u8], version: Value) {
        self.snapshot["meta"][file] = self.meta(bytes, version);
    }

    fn meta(&self, bytes: &[u8], version: Value) -> Value {
        let mut meta = json!({"version": version});
        if self.hashes {
            meta["length"] = bytes.len().into();
            meta["hashes"] = json!({"sha256": hex::encode(digest(&SHA256, bytes))});
        }
        meta
    }

    /// A delegated role with targets.
    pub(crate) fn delegated(targets: Value) -> Value {
        json!({"_type": "targets", "spec_version": "1.0.31", "version": 1, "expires": EXPIRES, "targets": targets})
    }

    /// Increments the version of a role.
    pub(crate) fn bump(value: &mut Value) {
        value["version"] = (value["version"].as_u64().unwrap() + 1).into();
    }

    pub(crate) fn bump_all(&mut self) {
        Self::bump(&mut self.targets);
        Self::bump(&mut self.snapshot);
        Self::bump(&mut self.timestamp);
    }
}

/// A client's storage, and what it requested.
#[derive(Default)]
pub(crate) struct Storage {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) requests: Vec<String>,
    pub(crate) now: Option<Timestamp>,
}

impl Storage {
    /// A storage that contains a repository's first root.
    pub(crate) fn trusting(repository: &Repository) -> Self {
        let root = repository.files["1.root.json"].clone();
        Self { files: BTreeMap::from([("root.json".to_owned(), root)]), ..Self::default() }
    }

    pub(crate) fn version(&self, role: &str) -> Option<u64> {
        let value: Value = serde_json::from_slice(self.files.get(&format!("{role}.json"))?).unwrap();
        value["signed"]["version"].as_u64()
    }

    pub(crate) fn refresh(&mut self, repository: &Repository) -> Result<Client, Refusal> {
        self.requests.clear();
        let mut client = Client::new(&self.files["root.json"], self.now.unwrap_or_else(now))?;
        self.perform(&mut client, repository)?;
        assert!(client.is_current());
        Ok(client)
    }

    pub(crate) fn find(&mut self, repository: &Repository, path: &str) -> Result<Found, Refusal> {
        let mut client = self.refresh(repository)?;
        self.requests.clear();
        client.find(path)?;
        self.perform(&mut client, repository)?;
        client.found().unwrap()
    }

    /// Performs all actions.
    pub(crate) fn perform(&mut self, client: &mut Client, repository: &Repository) -> Result<(), Refusal> {
        self.act(client, repository, usize::MAX).map(drop)
    }

    /// Performs this number of actions; returns whether none is left.
    pub(crate) fn act(
        &mut self,
        client: &mut Client,
        repository: &Repository,
        steps: usize,
    ) -> Result<bool, Refusal> {
        let mut result = Ok(());
        for _ in 0..steps {
            match client.next_action() {
                Action::Write { role, bytes } => drop(self.files.insert(role.file_name(), bytes)),
                Action::Remove { role } => drop(self.files.remove(&role.file_name())),
                Action::Read { role, .. } => {
                    drop(client.stored(self.files.get(&role.file_name()).map(Vec::as_slice)));
                }
                Action::Fetch { path, limit, .. } => {
                    let file = repository.files.get(&path);
                    let file = file.map(|file| &file[..file.len().min(usize::try_from(limit).unwrap() + 1)]);
                    self.requests.push(path);
                    result = client.fetched(file);
                }
                Action::Idle => return result.map(|()| true),
            }
        }
        result.map(|()| false)
    }
}
