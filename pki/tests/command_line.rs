//! The command line as used by people and scripts.

#![allow(clippy::unwrap_used, clippy::unwrap_in_result, reason = "a test stops at what it did not expect")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn platen_pki(dir: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_platen-pki"));
    command.current_dir(dir).args(arguments.split_whitespace()).stdin(Stdio::null()).output().unwrap()
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
    for (listed, issued) in [(&list[0], &server["issued"]), (&list[1], &gateway["issued"])] {
        let mut expected = issued.clone();
        expected["state"] = "valid".into();
        assert_eq!(*listed, expected);
    }

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
        ("init --dir x --trust-domain t", 1, "there is no terminal: give --passphrase-file"),
        ("token --dir ca --id G", 1, "name \"G\" is not valid"),
        ("token --dir ca --id g --hours 0", 2, "0 is not in 1..=2160"),
        ("revoke --dir ca --reason keyCompromise", 2, "--id"),
        ("revoke --dir ca --id g", 2, "expected KIND/NAME"),
        ("revoke --dir ca --id gateway/g", 1, "no certificate of gateway/g was issued here"),
        ("revoke --dir ca --id gateway/g --reason stolen", 2, "expected one of unspecified"),
        ("renew-ca --dir ca --which printers", 2, "possible values: servers, gateways"),
        ("restore nowhere --dir y", 1, "cannot read nowhere"),
        ("inspect broken.pem --crl x", 2, "--against"),
        ("issue --dir x --profile gateway --name g --out g", 1, "run `platen-pki init --dir x` first"),
        ("issue --dir ca --profile printer --name g --out g", 2, "not a kind of party"),
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

#[test]
fn usage_errors_are_json_too_and_help_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in
        ["--json", "--json frobnicate", "revoke --json --dir x", "issue --profile printer --json"]
    {
        let output = platen_pki(dir.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert!(!error["error"].as_str().unwrap().is_empty(), "{error}");
    }
    for arguments in ["--help", "--version", "revoke --help", "--json --version"] {
        let output = platen_pki(dir.path(), arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments}");
        assert!(output.stderr.is_empty() && !output.stdout.is_empty());
    }
}

#[test]
fn a_certificate_is_revoked_listed_and_explained() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    json(dir, "init --dir ca --trust-domain t --insecure-no-passphrase --json");
    json(dir, "issue --dir ca --profile gateway --name g --out g --json");
    json(dir, "issue --dir ca --profile gateway --name h --out h --json");
    let first = json(dir, "crl --dir ca --out crl --json");
    let verdict = |arguments: &str, status: i32| -> Value {
        let line = format!("inspect {arguments} --json");
        let output = platen_pki(dir, &line);
        assert_eq!(output.status.code(), Some(status), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        value["verdict"].clone()
    };
    let good = verdict("g/cert.pem --against g/root.pem --crl crl/crl.pem --kind gateway", 0);
    assert_eq!((&good["accepted"], &good["id"]), (&true.into(), &"spiffe://t/gateway/g".into()));
    let revoked = json(dir, "revoke --dir ca --id gateway/g --reason keyCompromise --json");
    assert_eq!(revoked["revoked"][0]["reason"], "keyCompromise");
    assert_eq!(json(dir, "list --dir ca --json")[0]["state"], "revoked");
    let second = json(dir, "crl --dir ca --out crl --json");
    assert!(second["number"].as_i64() > first["number"].as_i64());
    for (arguments, status, expected) in [
        ("g/cert.pem --against g/root.pem --crl crl/crl.pem", 3, "reason keyCompromise"),
        ("h/cert.pem --against g/root.pem --crl crl/crl.pem", 0, ""),
        (
            "h/cert.pem --against g/root.pem --crl crl/server-ca.crl.pem",
            3,
            "no revocation list of its issuer",
        ),
        ("h/cert.pem --against g/root.pem --as server", 3, "extended key usage"),
        ("h/cert.pem --against g/root.pem --kind operator", 3, "party of kind gateway is not accepted here"),
        ("h/cert.pem --against g/root.pem --trust-domain u", 3, "the trust domain is t: expected u"),
        (
            "ca/gateway-ca.pem --against g/root.pem",
            3,
            "a CA certificate is not accepted as a party's certificate",
        ),
    ] {
        let said = verdict(arguments, status);
        assert!(said["why"].as_str().unwrap_or_default().contains(expected), "{arguments}: {said}");
    }
}

#[test]
fn a_token_is_made_a_ca_renewed_and_all_of_it_restored() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("pass"), "correct horse\n").unwrap();
    std::fs::set_permissions(dir.join("pass"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    json(dir, "init --dir ca --trust-domain t --passphrase-file pass --json");
    let token = json(dir, "token --dir ca --id gw-1 --hours 2 --json");
    let read = pki::token::parse(token["token"].as_str().unwrap()).unwrap();
    assert_eq!(read.gateway.to_string(), "spiffe://t/gateway/gw-1");
    assert_eq!(token["root_fingerprint_sha256"], hex::encode(read.root_sha256));
    let text = String::from_utf8(platen_pki(dir, "token --dir ca --id gw-1").stdout).unwrap();
    assert!(pki::token::parse(text.lines().next().unwrap()).is_ok(), "{text}");

    let output = platen_pki(dir, "renew-ca --dir ca --which gateways");
    assert!(String::from_utf8_lossy(&output.stderr).contains("give --passphrase-file"));
    let renewed = json(dir, "renew-ca --dir ca --which gateways --passphrase-file pass --json");
    assert!(renewed["new"]["subject"].as_str().unwrap().contains("gateway CA 2"));
    json(dir, "issue --dir ca --profile gateway --name g --out g --json");
    json(dir, "inspect g/cert.pem --against g/root.pem --json");
    json(dir, "backup --dir ca --out ca.backup --json");
    json(dir, "restore ca.backup --dir back --json");
    assert_eq!(json(dir, "list --dir back --json"), json(dir, "list --dir ca --json"));
}

#[test]
fn a_token_for_a_gateway_that_has_a_certificate_prints_its_effect() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    json(dir, "init --dir ca --trust-domain t --insecure-no-passphrase --json");
    let issued = json(dir, "issue --dir ca --profile gateway --name gw-1 --out g --json");
    let serial = issued["issued"]["serial"].as_str().unwrap();
    let refused = platen_pki(dir, "token --dir ca --id gw-1");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains("gw-1 has a valid certificate already") && said.contains(serial), "{said}");
    assert!(said.contains("--replace"), "{said}");
    let text = String::from_utf8(platen_pki(dir, "token --dir ca --id gw-1 --replace").stdout).unwrap();
    assert!(text.contains(&format!("Its certificate {serial}, valid until")), "{text}");
    let made = json(dir, "token --dir ca --id gw-1 --replace --json");
    assert_eq!((&made["replaces"][0], &made["record"]["replaces"]), (&serial.into(), &true.into()));
    // A revoked one is not an obstacle.
    json(dir, "revoke --dir ca --id gateway/gw-1 --json");
    assert_eq!(json(dir, "token --dir ca --id gw-1 --json")["replaces"], serde_json::json!([]));
}

#[test]
fn lists_of_two_places_are_joined_into_one_bundle() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    json(dir, "init --dir ca --trust-domain t --insecure-no-passphrase --json");
    json(dir, "issue --dir ca --profile gateway --name g --out g --json");
    // The gateway CA's key is on the server, the server CA's is not.
    json(dir, "backup --dir ca --out ca.backup --json");
    json(dir, "restore ca.backup --dir online --json");
    std::fs::remove_file(dir.join("online/server-ca-key.pem")).unwrap();
    std::fs::remove_file(dir.join("ca/gateway-ca-key.pem")).unwrap();
    json(dir, "crl --dir ca --out offline-lists --json");
    json(dir, "crl --dir online --out old-lists --json");
    json(dir, "revoke --dir online --id gateway/g --json");
    json(dir, "crl --dir online --out online-lists --json");
    let join = "join-crl --root g/root.pem --out crl.pem --json";
    // An older list beside a newer one is left out, whatever the order.
    let files = "old-lists/crl.pem offline-lists/crl.pem online-lists/crl.pem old-lists/crl.pem";
    let joined = json(dir, &format!("{join} {files}"));
    assert_eq!(joined["lists"].as_array().unwrap().len(), 2, "{joined}");
    let text = std::fs::read_to_string(dir.join("crl.pem")).unwrap();
    assert_eq!(text.matches("BEGIN X509 CRL").count(), 2);
    let output = platen_pki(dir, "inspect g/cert.pem --against g/root.pem --crl crl.pem --json");
    assert!(String::from_utf8_lossy(&output.stdout).contains("was revoked at"), "{output:?}");
    // Another authority's root, or a file that is not a list: nothing is written.
    json(dir, "init --dir other --trust-domain t --insecure-no-passphrase --json");
    for wrong in [
        "join-crl --root other/root.pem --out new.pem online-lists/crl.pem",
        "join-crl --root g/root.pem --out new.pem online-lists/crl.pem g/cert.pem",
    ] {
        assert_eq!(platen_pki(dir, wrong).status.code(), Some(1), "{wrong}");
        assert!(!dir.join("new.pem").exists());
    }
}

#[test]
fn a_strangers_certificate_does_not_steer_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let subject = "/CN=\u{1b}[2J\u{202e}evil";
    let made = ["req", "-x509", "-utf8", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let made = Command::new("openssl")
        .current_dir(dir.path())
        .args(made)
        .args(["-subj", subject, "-keyout", "k.pem", "-out", "c.pem", "-days", "1"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let text = String::from_utf8(platen_pki(dir.path(), "inspect c.pem").stdout).unwrap();
    assert!(text.contains("⟨U+001B⟩[2J⟨U+202E⟩evil"), "{text}");
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
}
