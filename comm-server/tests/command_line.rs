//! The command line of the program, with its own store.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use jiff::Timestamp;
use pki::authority::{Authority, Passphrase, Request};
use pki::spiffe::PartyKind;
use platen_comm_server::store::testing::scope;
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
    let expected =
        json!({"file": dir.path().join("config.yaml"), "valid": true, "problems": [], "warnings": []});
    assert_eq!(answer, expected);

    let file = dir.path().join("config.yaml");
    let good = std::fs::read_to_string(&file).unwrap();
    for (bad, expected) in [
        (good.replace("\"name\"", "\"nmae\""), "nmae"),
        (good.replace("127.0.0.1:0", "everywhere"), "config.yaml:1:"),
        (good.replacen('{', "{\"cadence\":{\"service_call_s\":0},", 1), "cadence.service_call_s: is 0"),
        (good.replace("key.pem", "cert.pem"), "identity"),
    ] {
        std::fs::write(&file, &bad).unwrap();
        let checked = run(dir.path(), &["check"]);
        assert_eq!(checked.status.code(), Some(2), "{}", said(&checked));
        assert!(said(&checked).contains(expected), "{} lacks {expected}", said(&checked));
    }
}

#[test]
fn check_finds_everything_at_once_and_makes_nothing() {
    let dir = site();
    let file = dir.path().join("config.yaml");
    let good = std::fs::read_to_string(&file).unwrap();
    // A port that is taken and answers nothing, and one that nobody has.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (more, expected) in [
        (
            "\"database\":\"mysql://u:secret@h/d\",".to_owned(),
            "database: \"mysql://h/d\" is not a supported database".to_owned(),
        ),
        ("\"database\":\"sqlite:///nonexistent/a/platen.db\",".to_owned(), "/nonexistent/a".to_owned()),
        (
            format!("\"database\":\"postgres://u:secret@{free}/d\","),
            format!("PostgreSQL at {free}: error communicating with database: Connection refused"),
        ),
    ] {
        let bad = good.replacen('{', &format!("{{{more}\"cadence\":{{\"regular_s\":0}},"), 1);
        std::fs::write(&file, bad.replace("cert.pem", "absent.pem")).unwrap();
        let checked = run(dir.path(), &["check"]);
        let said = said(&checked);
        assert_eq!(checked.status.code(), Some(2), "{said}");
        for expected in
            [expected.as_str(), "cadence.regular_s: is 0", "absent.pem doesn't exist: issue it first"]
        {
            assert!(said.contains(expected), "{said} lacks {expected}");
        }
        assert!(!said.contains("secret"), "{said}");
        let checked = run(dir.path(), &["check", "--json"]);
        let answer: Value = serde_json::from_slice(&checked.stdout).unwrap();
        assert_eq!(
            (&answer["valid"], answer["problems"].as_array().unwrap().len()),
            (&json!(false), 3),
            "{answer}"
        );
        for problem in answer["problems"].as_array().unwrap() {
            assert!(
                problem["line"] == 1 && problem["column"].is_u64() && problem["message"].is_string(),
                "{problem}"
            );
        }
    }
    assert!(!dir.path().join("platen.db").exists() && !Path::new("/nonexistent").exists());
}

#[test]
fn no_command_makes_a_database_where_there_is_none() {
    let dir = site();
    let backup = dir.path().join("backup");
    let backup = backup.to_str().unwrap();
    let of_url = |url: &str| {
        let file = dir.path().join("config.yaml");
        let config = std::fs::read_to_string(&file).unwrap();
        let mut config: Value = serde_json::from_str(&config).unwrap();
        config["database"] = json!(url);
        std::fs::write(file, config.to_string()).unwrap();
    };
    let commands: [&[&str]; 6] = [
        &["gateway", "list"],
        &["rollout", "list"],
        &["quarantine", "list"],
        &["password", "reset", "admin"],
        &["backup", backup],
        &["migrate"],
    ];
    for (url, database) in [
        (None, dir.path().join("platen.db")),
        (Some("sqlite://own.db"), dir.path().join("own.db")),
        (Some("sqlite://gone/own.db"), dir.path().join("gone/own.db")),
    ] {
        let key = if let Some(url) = url {
            of_url(url);
            "database"
        } else {
            "data_dir"
        };
        for command in commands {
            let done = run(dir.path(), command);
            let said = said(&done);
            assert_eq!(done.status.code(), Some(1), "{command:?}: {said}");
            let place = format!("{}:1:", dir.path().join("config.yaml").display());
            let folder = database.parent().unwrap().display().to_string();
            assert!(
                said.contains(&place) && said.contains(key) && said.contains(&folder),
                "{command:?}: {said}"
            );
            assert!(!database.exists() && !Path::new(backup).exists(), "{command:?}");
        }
    }
    // A file that holds nothing is not a database either.
    of_url("sqlite://own.db");
    std::fs::write(dir.path().join("own.db"), "").unwrap();
    let done = run(dir.path(), &["backup", backup]);
    assert!(said(&done).contains("has no tables yet"), "{}", said(&done));
    assert!(done.status.code() == Some(1) && !Path::new(backup).exists());
}

#[tokio::test]
async fn a_relative_database_is_beside_the_configuration_and_a_backup_is_private() {
    let dir = site();
    let file = dir.path().join("config.yaml");
    let config = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, config.replacen('{', "{\"database\":\"sqlite://platen.db\",", 1)).unwrap();
    let url = format!("sqlite://{}", dir.path().join("platen.db").display());
    drop(platen_comm_server::store::Store::open_detached(&url).await.unwrap());
    let elsewhere = tempfile::tempdir().unwrap();
    let backup = elsewhere.path().join("backup");
    let saved = |umask: &str| {
        let script = format!("umask {umask} && exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_platen-comm-server"), "--config"]).arg(&file);
        command.arg("backup").arg(&backup).current_dir(elsewhere.path()).output().unwrap()
    };
    for umask in ["000", "277"] {
        let done = saved(umask);
        assert!(done.status.success(), "{}", said(&done));
        let mode = std::fs::metadata(&backup).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "umask {umask}");
        let again = saved(umask);
        assert_eq!(again.status.code(), Some(1));
        assert!(said(&again).contains("exists already: a backup is never overwritten"), "{}", said(&again));
        std::fs::remove_file(&backup).unwrap();
    }
    assert!(!elsewhere.path().join("platen.db").exists());
}

#[test]
fn errors_are_json_with_the_json_option() {
    let dir = site();
    for (arguments, code) in [(&["gateway", "list", "--json"][..], 1), (&["gateway", "lost", "--json"], 2)] {
        let done = run(dir.path(), arguments);
        assert_eq!(done.status.code(), Some(code));
        let answer: Value = serde_json::from_slice(&done.stderr).unwrap();
        assert!(answer["error"].is_string() && answer.as_object().unwrap().len() == 1, "{answer}");
    }
}

#[tokio::test]
async fn the_store_is_used_without_the_server_and_every_change_is_audited() {
    let dir = site();
    let url = format!("sqlite://{}", dir.path().join("platen.db").display());
    let store = platen_comm_server::store::Store::open_detached(&url).await.unwrap();
    platen_comm_server::Users::new(&store).unwrap().first_login().await.unwrap().unwrap();

    let gateways = run(dir.path(), &["gateway", "list", "--json"]);
    assert_eq!(String::from_utf8_lossy(&gateways.stdout).trim(), "[]", "{}", said(&gateways));
    let sent = run(dir.path(), &["command", "send", "--gateway", "gw-1", "--kind", "discovery"]);
    assert_eq!(sent.status.code(), Some(1));
    assert!(said(&sent).contains("there is no gateway gw-1"), "{}", said(&sent));
    let none = ["rollout", "create", "--vendor", "ricoh", "--model", "IM C3000", "--version", "2.0"];
    let none = run(dir.path(), &none);
    assert_eq!(none.status.code(), Some(1));
    let nothing = "no device of ricoh IM C3000 is known; no device has reported its model yet";
    assert!(said(&none).contains(nothing), "{}", said(&none));

    let reset = run(dir.path(), &["password", "reset", "admin", "--json"]);
    assert!(reset.status.success(), "{}", said(&reset));
    let reset: Value = serde_json::from_slice(&reset.stdout).unwrap();
    assert_eq!(reset["one_time_password"].as_str().unwrap().len(), 20);
    let nobody = run(dir.path(), &["password", "reset", "nobody"]);
    assert_eq!(nobody.status.code(), Some(1));
    let audit = store.of(&scope()).audit(None).await.unwrap().items;
    let resets: Vec<_> = audit.iter().filter(|entry| entry.what == "password.reset").collect();
    assert_eq!((resets.len(), resets[0].who.as_str()), (1, "cli"));
}

#[tokio::test]
async fn a_roll_out_is_refused_with_what_to_do_next() {
    let dir = site();
    let url = format!("sqlite://{}", dir.path().join("platen.db").display());
    let store = platen_comm_server::store::Store::open_detached(&url).await.unwrap();
    let database = platen_comm_server::store::testing::Database::connect(&url).await.unwrap();
    let fleet = "INSERT INTO gateways (tenant, gateway, first_seen_ms, next_poll_s) VALUES ('default', 'gw-1', 1, 3600);
         INSERT INTO devices (tenant, gateway, device, vendor, model, firmware, first_seen_ms)
          VALUES ('default', 'gw-1', 'ricoh:E1', 'ricoh', 'IM C3000', '1.0', 1)";
    database.execute(fleet).await.unwrap();
    let create = |model: &str, version: &str, more: &[&str]| {
        let order = ["rollout", "create", "--vendor", "ricoh", "--model", model, "--version", version];
        let output = run(dir.path(), &[&order, more].concat());
        (output.status.code(), said(&output))
    };
    let configured = std::fs::read_to_string(dir.path().join("config.yaml")).unwrap();
    let table = [
        (create("IM C3000", "2.0", &["--date", "2020-01-01T00:00:00Z"]), 1, "is in the past", "--now"),
        (create("IM C3000", "2.0", &["--date", "tomorrow 8pm"]), 2, "tomorrow 8pm", "2026-12-31T20:00:00Z"),
        (
            create("IM C300", "2.0", &[]),
            1,
            "no device of ricoh IM C300 is known",
            "there are: ricoh IM C3000",
        ),
        (create("IM C3000", "0.9", &[]), 1, "this would be a downgrade", "--allow-downgrade"),
        (create("IM C3000", "2.0", &["--now"]), 1, "no global server is configured", "global_server: {url:"),
    ];
    for ((code, said), expected, what, next) in table {
        assert_eq!(code, Some(expected), "{said}");
        assert!(said.contains(what) && said.contains(next), "{said}");
    }
    let both = create("IM C3000", "2.0", &["--now", "--date", "2030-01-01T00:00:00Z"]);
    assert_eq!(both.0, Some(2), "{}", both.1);
    let away = configured.replacen('{', r#"{"global_server":{"url":"https://127.0.0.1:1"},"#, 1);
    std::fs::write(dir.path().join("config.yaml"), away).unwrap();
    let (code, said) = create("IM C3000", "2.0", &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("127.0.0.1:1") && said.contains("nothing was ordered"), "{said}");
    for action in ["show", "cancel", "retry"] {
        let short = run(dir.path(), &["rollout", action, "0198abcd"]);
        let said = String::from_utf8_lossy(&short.stderr).into_owned();
        assert_eq!(short.status.code(), Some(2));
        assert!(said.contains("36 characters") && said.contains("rollout list"), "{said}");
        let unknown = run(dir.path(), &["rollout", action, "01980000-0000-7000-8000-000000000001"]);
        assert!(String::from_utf8_lossy(&unknown.stderr).contains("there is no roll-out"));
    }
    let all = store.of(&scope()).rollouts(None).await.unwrap().items;
    assert!(all.is_empty(), "{all:?}");
}

#[tokio::test]
async fn the_audit_is_listed_verified_and_exported() {
    let dir = site();
    let url = format!("sqlite://{}", dir.path().join("platen.db").display());
    platen_comm_server::store::Store::open_detached(&url).await.unwrap();
    for name in ["Meyer", "=Sato"] {
        let added = run(dir.path(), &["customer", "add", "--name", name]);
        assert!(added.status.success(), "{}", said(&added));
    }
    let out = |arguments: &[&str]| {
        let output = run(dir.path(), arguments);
        (output.status.code(), String::from_utf8(output.stdout.clone()).unwrap(), said(&output))
    };
    let (code, list, error) = out(&["audit", "list", "--what", "customer", "--who", "cli", "--json"]);
    assert_eq!(code, Some(0), "{error}");
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!((list.as_array().unwrap().len(), &list[0]["after"]["name"]), (2, &json!("=Sato")));
    assert!(out(&["audit", "list"]).1.contains("customer.create"));
    assert_eq!(out(&["audit", "list", "--to", "2020-01-01", "--json"]).1.trim(), "[]");
    let (code, _, error) = out(&["audit", "list", "--from", "soon"]);
    assert!(code == Some(2) && error.contains("2026-11-29"), "{error}");

    let (code, verified, error) = out(&["audit", "verify", "--json"]);
    assert_eq!(code, Some(0), "{error}");
    let verified: Value = serde_json::from_str(&verified).unwrap();
    assert_eq!((&verified["whole"], &verified["number"]), (&json!(true), &json!(2)));
    let known = format!("2:{}", verified["hash"].as_str().unwrap());
    let (code, whole, error) = out(&["audit", "verify", "--known", &known]);
    assert_eq!(code, Some(0), "{error}");
    assert_eq!(whole.trim(), format!("whole from entry 1 to entry 2; {known}"));
    assert_eq!(out(&["audit", "verify", "--known", "2"]).0, Some(2));

    let (code, table, error) = out(&["audit", "export"]);
    assert_eq!(code, Some(0), "{error}");
    let rows: Vec<&str> = table.lines().collect();
    assert!(
        rows.len() == 3 && rows[0].starts_with("number,at,who,") && rows[2].contains(",'=Sato: "),
        "{table}"
    );
    for arguments in [&["audit", "export", "--format", "jsonl"][..], &["audit", "export", "--json"]] {
        let lines = out(arguments).1;
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((lines.len(), &lines[0]["number"]), (2, &json!(1)));
    }

    let database = platen_comm_server::store::testing::Database::connect(&url).await.unwrap();
    database.execute("DELETE FROM audit WHERE number = 1").await.unwrap();
    let (code, verified, error) = out(&["audit", "verify", "--json"]);
    assert_eq!(code, Some(1));
    let verified: Value = serde_json::from_str(&verified).unwrap();
    assert_eq!((&verified["whole"], &verified["broken"]["fault"]), (&json!(false), &json!("missing")));
    assert!(error.contains("audit entry 1 is missing"), "{error}");
    let (code, whole, error) = out(&["audit", "verify"]);
    assert!(code == Some(1) && whole.is_empty() && error.contains("audit entry 1 is missing"), "{error}");
}

#[tokio::test]
async fn each_command_acts_for_one_dealer() {
    let dir = site();
    let url = format!("sqlite://{}", dir.path().join("platen.db").display());
    platen_comm_server::store::Store::open_detached(&url).await.unwrap();
    let output = |arguments: &[&str]| {
        let output = run(dir.path(), &[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    assert_eq!(output(&["dealer", "add", "north", "--name", "North Office"])["dealer"], "north");
    let invited = output(&["dealer", "invite", "north", "kim"]);
    assert!(invited["path"].as_str().unwrap().starts_with("/invitation?token="), "{invited}");
    output(&["--dealer", "north", "customer", "add", "--name", "Meyer"]);
    output(&["--dealer", "north", "gateway", "add", "gw-9"]);
    assert_eq!(output(&["customer", "list"]), json!([]), "it is not the default dealer's");
    assert_eq!(output(&["gateway", "list"]), json!([]));
    assert_eq!(output(&["gateway", "list", "--dealer", "north"])[0]["gateway"], "gw-9");
    output(&["--dealer", "provider", "user", "add", "pat", "--role", "provider"]);
    output(&["dealer", "rename", "north", "North"]);
    assert!(output(&["dealer", "disable", "north"])["disabled_at"].is_string());
    assert!(output(&["dealer", "enable", "north"])["disabled_at"].is_null());
    assert_eq!(output(&["dealer", "list"]).as_array().unwrap().len(), 2);
    let audit = output(&["--dealer", "provider", "audit", "list"]);
    assert!(audit.to_string().contains("dealer.disable"), "{audit}");
    for (wrong, why) in [
        (&["--dealer", "south", "gateway", "list"][..], "there is no dealer south"),
        (&["gateway", "add", "gw-9"], "another dealer"),
        (&["user", "add", "sam", "--role", "provider"], "a role of a dealer"),
        (&["--dealer", "provider", "user", "add", "sam", "--role", "viewer"], "expected provider"),
        (&["--dealer", "provider", "gateway", "add", "gw-8"], "there is no dealer"),
        (&["dealer", "add", "north", "--name", "x"], "already used by another dealer"),
    ] {
        let refused = run(dir.path(), wrong);
        assert_eq!(refused.status.code(), Some(1), "{wrong:?}");
        assert!(said(&refused).contains(why), "{wrong:?}: {}", said(&refused));
    }
}
