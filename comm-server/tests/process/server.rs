//! The program with its own trust domain.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use jiff::Timestamp;
use pki::IdentityConfig;
use pki::authority::{Authority, Passphrase, Request};
use pki::spiffe::PartyKind;
use serde_json::{Value, json};

/// Issues the certificates of the server and of gateways, each in a folder with its name.
pub(super) fn make_identities(dir: &Path, gateways: &[&str]) {
    let domain = "test.example".parse().unwrap();
    let authority = Authority::init(&dir.join("ca"), &domain, &Passphrase::InsecureNone, Timestamp::now());
    let authority = authority.unwrap();
    issue(&authority, dir, PartyKind::CommServer, "comm-1");
    for gateway in gateways {
        issue(&authority, dir, PartyKind::Gateway, gateway);
    }
}

fn issue(authority: &Authority, dir: &Path, profile: PartyKind, name: &str) {
    let ips = if profile == PartyKind::Gateway { vec![] } else { vec!["127.0.0.1".parse().unwrap()] };
    let request = Request { profile, name: name.to_owned(), dns: vec![], ips };
    authority.issue(&request, Timestamp::now()).unwrap().write(&dir.join(name)).unwrap();
}

pub(super) fn identity(dir: &Path, name: &str) -> IdentityConfig {
    let file = |file: &str| dir.join(name).join(file);
    IdentityConfig { certificate: file("cert.pem"), key: file("key.pem"), root: file("root.pem"), crl: None }
}

/// A running server; killed when it goes out of scope.
pub(super) struct Server {
    pub(super) child: Child,
    /// The address of the gateways' port.
    pub(super) address: String,
    /// All ports by name.
    pub(super) addresses: BTreeMap<String, String>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Killed already, or killed now.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(super) fn data_dir(dir: &Path) -> PathBuf {
    dir.join("data")
}

/// Options for starting a server.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Options {
    /// Seconds of each deadline; `None` for the defaults.
    pub(super) deadline_s: Option<u16>,
    /// Limit of open file descriptors.
    pub(super) descriptors: Option<u32>,
    /// Whether to open a port for enrollment.
    pub(super) enrolls: bool,
}

/// Starts the server with the previous address, and waits until it prints its addresses.
pub(super) fn start(dir: &Path, listen: &str) -> Server {
    start_with(dir, listen, Options::default())
}

/// The same, with options.
pub(super) fn start_with(dir: &Path, listen: &str, options: Options) -> Server {
    let file = dir.join("comm-server.yaml");
    std::fs::write(&file, configuration(dir, listen, options).to_string()).unwrap();
    let addresses = data_dir(dir).join("addresses.json");
    drop(std::fs::remove_file(&addresses));
    let limit = options.descriptors.map_or("true".to_owned(), |count| format!("ulimit -n {count}"));
    let child = Command::new("sh")
        .args(["-c", &format!("{limit} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_platen-comm-server")])
        .args(["--config".as_ref(), file.as_os_str(), "run".as_ref()])
        .stdout(std::fs::File::create(dir.join("stdout")).unwrap())
        .spawn()
        .unwrap();
    let mut server = Server { child, address: String::new(), addresses: BTreeMap::new() };
    while !addresses.exists() {
        assert!(server.child.try_wait().unwrap().is_none(), "the server ended");
        std::thread::sleep(Duration::from_millis(10));
    }
    server.addresses = serde_json::from_slice(&std::fs::read(addresses).unwrap()).unwrap();
    server.address = server.addresses["gateways"].clone();
    server
}

fn configuration(dir: &Path, listen: &str, options: Options) -> Value {
    let mut config = json!({
        "name": "comm-1", "data_dir": data_dir(dir), "identity": identity(dir, "comm-1"),
        "gateways": {"listen": listen}, "operators": {"listen": "127.0.0.1:0"},
        "local": {"listen": "127.0.0.1:0"}, "log": {"level": "error"},
    });
    if let Some(seconds) = options.deadline_s {
        let names = ["handshake_s", "head_s", "idle_s", "body_s", "stall_s"];
        config["deadlines"] = names.into_iter().map(|name| (name.to_owned(), json!(seconds))).collect();
    }
    if options.enrolls {
        config["enrollment"] = json!({"listen": "127.0.0.1:0", "authority": dir.join("ca")});
    }
    config
}
