//! SNMPv3 against net-snmp's agent: which users can read, the reasons of rejections, and an engine that restarts.

#![expect(clippy::unwrap_used, reason = "a test that can't begin fails")]

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway_core::access::Version;
use platen_gateway::config::Config;
use platen_gateway::profile_files;
use platen_gateway::snmp::{Candidates, ReadError, ReadScope, Reader, Target};

const ENGINE: &str = "exactEngineID 0x80001f8880e338413f4277026b\n";

const USERS: &str = r#"
rocommunity public 127.0.0.1
sysDescr A plain host
createUser aes128 SHA "correct horse" AES "battery staple"
createUser aes256 SHA-256 "correct horse" AES-256 "battery staple"
createUser des MD5 "correct horse" DES "battery staple"
createUser signs SHA-512 "correct horse"
createUser open
rouser aes128 priv
rouser aes256 priv
rouser des priv
rouser signs auth
rouser open noauth
"#;

/// net-snmp's agent; killed when it is dropped.
struct Snmpd {
    child: Child,
    address: SocketAddr,
}

impl Snmpd {
    fn start(dir: &Path, address: SocketAddr) -> Self {
        std::fs::write(dir.join("snmpd.conf"), format!("{ENGINE}{USERS}")).unwrap();
        let child = Command::new("/usr/sbin/snmpd")
            .args(["-f", "-Lf", "/dev/null", &format!("udp:{address}")])
            // Its own memory is among what it reads at the start, or it would not count its starts.
            .env("SNMPCONFPATH", std::env::join_paths([dir.to_owned(), dir.join("persistent")]).unwrap())
            .env("SNMP_PERSISTENT_DIR", dir.join("persistent"))
            .env("MIBS", "")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("snmpd isn't installed: ./test installs it");
        Self { child, address }
    }

    /// Ends it with SIGTERM, so that it stores its number of starts.
    fn stop(mut self) {
        let kill = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(kill.success());
        self.child.wait().unwrap();
    }
}

impl Drop for Snmpd {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn free_address() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The credentials of a configuration's `credentials`, with passwords in files.
fn credentials(dir: &Path, list: &str) -> Candidates {
    for (name, password) in
        [("right", "correct horse"), ("private", "battery staple"), ("wrong", "tr0ub4dor&3")]
    {
        std::fs::write(dir.join(name), password).unwrap();
    }
    let list = list.replace("DIR", &dir.display().to_string());
    let yaml = format!(
        "{{gateway: g, data_dir: /d, identity: {{certificate: c, key: k, root: r}}, \
         comm_server: {{url: 'https://c'}}, credentials: {list}}}"
    );
    let config: Config = runtime::config::parse(Path::new("gateway.yaml"), &yaml).unwrap();
    config.candidates().unwrap()
}

fn user(name: &str, auth: &str, privacy: &str, more: &str) -> String {
    let part = |key: &str, written: &str| match written.split_once(' ') {
        Some((protocol, file)) => format!(", {key}: {{protocol: {protocol}, password_file: DIR/{file}}}"),
        None => String::new(),
    };
    format!("{{name: {name}, user: {name}{}{}{more}}}", part("auth", auth), part("priv", privacy))
}

fn target(address: SocketAddr, credentials: Candidates) -> Target {
    Target { address, credentials, timeout: Duration::from_millis(400), retries: 1 }
}

async fn reader() -> Reader {
    Reader::new(Arc::new(profile_files::load(None).unwrap())).await.unwrap()
}

/// Reads until there is a response, because the agent takes some time to start.
async fn read_when_up(reader: &Reader, target: &Target) {
    let began = Instant::now();
    loop {
        match reader.read(target, ReadScope::Status).await {
            Ok(reading) => return assert_eq!(reading.identity.sys_descr.as_deref(), Some("A plain host")),
            Err(error) => assert!(began.elapsed() < Duration::from_secs(30), "{error}"),
        }
    }
}

#[tokio::test]
async fn each_level_reads_and_each_rejection_has_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Snmpd::start(dir.path(), free_address());
    let target = |written: &str| target(agent.address, credentials(dir.path(), &format!("[{written}]")));
    for written in [
        user("aes128", "sha1 right", "aes128 private", ""),
        user("aes256", "sha256 right", "aes256 private", ""),
        user("des", "md5 right", "des private", ", allow_des: true"),
        user("signs", "sha512 right", "", ", level: authNoPriv"),
        user("open", "", "", ", level: noAuthNoPriv"),
    ] {
        read_when_up(&reader().await, &target(&written)).await;
    }
    for (written, expected) in [
        (user("nobody", "sha1 right", "aes128 private", ""), "it doesn't know the user"),
        (user("aes128", "sha1 wrong", "aes128 private", ""), "wrong digest"),
        (user("aes128", "sha256 right", "aes128 private", ""), "wrong digest"),
        (user("aes128", "sha1 right", "aes128 wrong", ""), "password"),
    ] {
        let error = reader().await.read(&target(&written), ReadScope::Status).await.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, ReadError::Refused { .. }) && !error.is_silence(), "{written}: {text}");
        assert!(text.contains(expected) && text.contains("GET SYS_OBJECT_ID.0"), "{written}: {text}");
        assert!(!text.contains("tr0ub4dor") && !text.contains("horse"), "{text}");
    }
    let nobody = free_address();
    let absent = Target { address: nobody, ..target(&user("aes128", "sha1 right", "aes128 private", "")) };
    let error = reader().await.read(&absent, ReadScope::Status).await.unwrap_err();
    assert!(error.is_silence(), "an agent that isn't there refuses nobody: {error}");
}

#[tokio::test]
async fn an_engine_that_restarts_is_read_on() {
    let dir = tempfile::tempdir().unwrap();
    let address = free_address();
    let (reader, list) = (reader().await, user("aes256", "sha256 right", "aes256 private", ""));
    let target = target(address, credentials(dir.path(), &format!("[{list}]")));
    let agent = Snmpd::start(dir.path(), address);
    read_when_up(&reader, &target).await;
    agent.stop();
    // It counts one more start, and its clock starts at 0.
    let agent = Snmpd::start(dir.path(), address);
    read_when_up(&reader, &target).await;
    agent.stop();
    let kept = std::fs::read_to_string(dir.path().join("persistent/snmpd.conf")).unwrap();
    assert!(kept.contains("engineBoots 2"), "{kept}");
    // It forgot how often it started, as cheap devices do: its clock is behind the one that is remembered.
    std::fs::remove_dir_all(dir.path().join("persistent")).unwrap();
    let _agent = Snmpd::start(dir.path(), address);
    read_when_up(&reader, &target).await;
    let known = reader.read(&target, ReadScope::Status).await.unwrap();
    let again = reader.read(&target, ReadScope::Status).await.unwrap();
    assert_eq!(known.requests, again.requests, "nothing is discovered again");
}

#[tokio::test]
async fn the_credential_that_works_is_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Snmpd::start(dir.path(), free_address());
    let wrong = user("aes128", "sha1 wrong", "aes128 private", "");
    let list = format!(
        "[{wrong}, {{name: old, version: 1, community: secret}}, {{name: plain, version: 2c, community: public}}]"
    );
    let target = target(agent.address, credentials(dir.path(), &list));
    let reader = reader().await;
    read_when_up(&reader, &target).await;
    let access = reader.access(agent.address).unwrap();
    assert_eq!((access.credential.as_str(), access.version), ("plain", Version::V2c));
    let known = reader.read(&target, ReadScope::Status).await.unwrap();
    // What the spool kept serves a gateway that restarts.
    let restarted = self::reader().await;
    let new = restarted.read(&target, ReadScope::Status).await.unwrap();
    assert!(new.requests > known.requests + 3, "{} and {}", new.requests, known.requests);
    let restored = self::reader().await;
    restored.remember(agent.address, access);
    let reading = restored.read(&target, ReadScope::Status).await.unwrap();
    assert_eq!(reading.requests, known.requests);
}
