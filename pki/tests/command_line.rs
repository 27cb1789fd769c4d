//! The command line as a person or a script uses it.

#![allow(clippy::unwrap_used, clippy::unwrap_in_result, reason = "a test stops at what it did not expect")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn platen_pki(dir: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_platen-pki"));
    command.current_dir(dir).args(arguments.split_whitespace()).output().unwrap()
}

fn json(dir: &Path, arguments: &str) -> Value {
    let output = platen_pki(dir, arguments);
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_trust_domain_is_made_used_and_shown() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let made = json(dir, "--json init --dir ca --trust-domain t --insecure-no-passphrase");
    assert_eq!((&made["trust_domain"], &made["root_key_encrypted"]), (&"t".into(), &false.into()));
    let server = "issue --dir ca --profile comm-server --name c --dns localhost --dns b --ip 127.0.0.1 --ip ::1 --out c";
    let server = json(dir, &format!("{server} --json"));
    let gateway = json(dir, "issue --dir ca --profile gateway --name g --out g --json");
    assert_eq!(gateway["issued"]["id"], "spiffe://t/gateway/g");

    let list = json(dir, "list --dir ca --json");
    assert_eq!(list, Value::from(vec![server["issued"].clone(), gateway["issued"].clone()]));

    let shown = json(dir, "inspect c/cert.pem --json");
    assert_eq!(shown.as_array().unwrap().len(), 2);
    let leaf = &shown[0];
    assert_eq!(leaf["spiffe_id"], "spiffe://t/comm-server/c");
    assert_eq!(leaf["serial"], server["issued"]["serial"]);
    assert_eq!(leaf["fingerprint_sha256"], server["issued"]["fingerprint_sha256"]);
    assert_eq!(leaf["extended_key_usage"], Value::from(vec!["serverAuth", "clientAuth"]));
    assert_eq!(leaf["dns"], Value::from(vec!["localhost", "b"]));
    assert_eq!(leaf["ips"], Value::from(vec!["127.0.0.1", "::1"]));
    assert_eq!((&leaf["ca"], &shown[1]["ca"]), (&false.into(), &true.into()));
    let text = String::from_utf8(platen_pki(dir, "inspect g/cert.pem").stdout).unwrap();
    assert!(text.contains("SPIFFE ID   spiffe://t/gateway/g\n"), "{text}");
}

#[test]
fn failures_are_1_wrong_arguments_are_2_and_both_say_what() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    json(dir, "init --dir ca --trust-domain t --insecure-no-passphrase --json");
    std::fs::write(dir.join("open"), "correct horse\n").unwrap();
    std::fs::write(dir.join("broken.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .unwrap();
    for (arguments, code, said) in [
        ("init --dir ca --trust-domain t --insecure-no-passphrase", 1, "never overwritten"),
        ("init --dir x --trust-domain t --passphrase-file open", 1, "run `chmod 600 open`"),
        ("init --dir x --trust-domain T --insecure-no-passphrase", 2, "trust domain \"T\" is not valid"),
        ("init --dir x --trust-domain t", 2, "--passphrase-file"),
        ("issue --dir x --profile gateway --name g --out g", 1, "run `platen-pki init --dir x` first"),
        ("issue --dir ca --profile printer --name g --out g", 2, "no kind of party"),
        ("issue --dir ca --profile gateway --name G --out g", 1, "name \"G\" is not valid"),
        ("issue --dir ca --profile comm-server --name c --out c", 1, "at least one --dns or --ip"),
        ("issue --dir ca --profile gateway --name g --out ca/issued.jsonl", 1, "ca/issued.jsonl"),
        ("inspect nowhere.pem", 1, "cannot read nowhere.pem"),
        ("inspect open", 1, "open is not usable: expected one or more certificates in PEM"),
        ("inspect broken.pem", 1, "certificate 1 in broken.pem can't be parsed"),
        ("", 2, "Usage"),
    ] {
        let output = platen_pki(dir, arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments}: {stderr}");
        assert!(stderr.contains(said), "{arguments}: {stderr}");
        assert!(output.stdout.is_empty());
    }
    let output = platen_pki(dir, "inspect nowhere.pem --json");
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert!(error["error"].as_str().unwrap().starts_with("cannot read nowhere.pem"), "{error}");
}
