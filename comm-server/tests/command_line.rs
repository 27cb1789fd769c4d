//! The command line of the real program, on a store of its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

use jiff::Timestamp;
use pki::authority::{Authority, Passphrase, Request};
use pki::spiffe::PartyKind;
use serde_json::{Value, json};

fn site() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let domain = "test.example".parse().unwrap();
    let now = Timestamp::now();
    let authority = Authority::init(&dir.path().join("ca"), &domain, &Passphrase::InsecureNone, now).unwrap();
    let ips = vec!["127.0.0.1".parse().unwrap()];
    let request = Request { profile: PartyKind::CommServer, name: "comm-1".to_owned(), dns: vec![], ips };
    authority.issue(&request, now).unwrap().write(&dir.path().join("identity")).unwrap();
    let identity = dir.path().join("identity");
    let config = json!({
        "name": "comm-1", "data_dir": dir.path(),
        "identity": {"certificate": identity.join("cert.pem"), "key": identity.join("key.pem"),
            "root": identity.join("root.pem")},
        "gateways": {"listen": "127.0.0.1:0"}, "operators": {"listen": "127.0.0.1:0"},
        "local": {"listen": "127.0.0.1:0"},
    });
    std::fs::write(dir.path().join("config.yaml"), config.to_string()).unwrap();
    dir
}

fn run(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_platen-comm-server"))
        .arg("--config")
        .arg(dir.join("config.yaml"))
        .args(arguments)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn check_names_the_place_of_a_mistake() {
    let dir = site();
    let checked = run(dir.path(), &["check", "--json"]);
    assert!(checked.status.success(), "{}", said(&checked));
    let answer: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(answer["ok"], true);

    let file = dir.path().join("config.yaml");
    let good = std::fs::read_to_string(&file).unwrap();
    for (bad, expected) in [
        (good.replace("\"name\"", "\"nmae\""), "nmae"),
        (good.replace("127.0.0.1:0", "everywhere"), "config.yaml:1:"),
        (good.replacen('{', "{\"cadence\":{\"service_call_s\":0},", 1), "cadence.service_call_s is 0"),
        (good.replace("key.pem", "cert.pem"), "identity"),
    ] {
        std::fs::write(&file, &bad).unwrap();
        let checked = run(dir.path(), &["check"]);
        assert_eq!(checked.status.code(), Some(2), "{}", said(&checked));
        assert!(said(&checked).contains(expected), "{} lacks {expected}", said(&checked));
    }
}

#[tokio::test]
async fn the_store_is_used_without_the_server_and_every_change_is_audited() {
    let dir = site();
    let url = format!("sqlite://{}", dir.path().join("platen.db").display());
    let store = platen_comm_server::store::Store::open_detached(&url).await.unwrap();
    platen_comm_server::operators::first_login(&store).await.unwrap().unwrap();

    let gateways = run(dir.path(), &["gateway", "list", "--json"]);
    assert_eq!(String::from_utf8_lossy(&gateways.stdout).trim(), "[]", "{}", said(&gateways));
    let sent = run(dir.path(), &["command", "send", "--gateway", "gw-1", "--kind", "discovery"]);
    assert_eq!(sent.status.code(), Some(1));
    assert!(said(&sent).contains("there is no gateway gw-1"), "{}", said(&sent));
    let none = ["rollout", "create", "--vendor", "ricoh", "--model", "IM C3000", "--version", "2.0"];
    let none = run(dir.path(), &none);
    assert_eq!(none.status.code(), Some(1));
    assert!(said(&none).contains("no device of ricoh IM C3000 lacks version 2.0"), "{}", said(&none));

    let reset = run(dir.path(), &["password", "reset", "admin", "--json"]);
    assert!(reset.status.success(), "{}", said(&reset));
    let reset: Value = serde_json::from_slice(&reset.stdout).unwrap();
    assert_eq!(reset["one_time_password"].as_str().unwrap().len(), 20);
    let nobody = run(dir.path(), &["password", "reset", "nobody"]);
    assert_eq!(nobody.status.code(), Some(1));
    let audit = store.audit(platen_comm_server::store::DEFAULT_TENANT, None).await.unwrap().items;
    let resets: Vec<_> = audit.iter().filter(|entry| entry.what == "password.reset").collect();
    assert_eq!((resets.len(), resets[0].who.as_str()), (1, "cli"));
}
