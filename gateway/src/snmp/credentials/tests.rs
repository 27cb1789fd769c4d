//! Which credentials are tried for an address, which configurations are valid, and that secrets are never shown.

use super::*;

fn config(yaml: &str) -> CredentialConfig {
    serde_yaml::from_str(yaml).unwrap()
}

fn refused(yaml: &str) -> String {
    let error = config(yaml).candidates().unwrap_err();
    runtime::error::chain(&error)
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn names(candidates: &Candidates, address: &str) -> Vec<String> {
    let name = |candidate: &&Candidate| format!("{} v{}", candidate.name, candidate.credentials.version());
    candidates.at(at(address)).iter().map(name).collect()
}

#[test]
fn the_most_particular_credential_comes_first() {
    let mut gathering = Gathering::default();
    gathering.network("10.0.0.0/8".parse().unwrap(), 161, "wide".into());
    gathering.network("10.1.0.0/16".parse().unwrap(), 161, "narrow".into());
    gathering.device(at("10.1.0.7:161"), "own".into());
    gathering.listed(&config("{name: office, for: [10.1.0.0/16, 192.0.2.0/24], community: c}")).unwrap();
    gathering.listed(&config("{name: user, for: [192.0.2.0/25], version: 3, user: platen}")).unwrap();
    let all = gathering.finish();
    let [own, narrow, wide] = ["10.1.0.7:161", "10.1.0.0/16 port 161", "10.0.0.0/8 port 161"]
        .map(|of| format!("community of {of} v2c"));
    let office = ["office v2c".to_owned(), "office v1".to_owned()];
    assert_eq!(
        names(&all, "10.1.0.7:161"),
        [[own, narrow.clone(), wide.clone()].as_slice(), &office].concat()
    );
    assert_eq!(names(&all, "10.1.0.8:161"), [[narrow, wide].as_slice(), &office].concat());
    assert_eq!(names(&all, "10.1.0.8:1161"), office);
    assert_eq!(names(&all, "192.0.2.9:161"), ["office v2c", "office v1", "user v3"]);
    assert_eq!(names(&all, "198.51.100.1:161"), ["public v2c"]);
}

#[test]
fn a_wrong_credential_names_its_key() {
    for (yaml, expected) in [
        ("{name: a}", "community: missing"),
        ("{name: '', community: c}", "name: expected"),
        ("{name: a, community: c, user: u}", "community: a user has none"),
        ("{name: a, version: 2c, user: u}", "user: only version 3"),
        ("{name: a, version: 3, community: c}", "user: missing"),
        ("{name: a, community: c, level: authPriv}", "user: missing"),
        ("{name: a, user: u, level: authPriv}", "user: authPriv needs an authentication"),
        ("{name: a, user: u, auth: {protocol: sha256}}", "auth: expected password_file or password_env"),
        ("{name: a, community_file: /nonexistent/c}", "community_file: /nonexistent/c: can't be read"),
        (
            "{name: a, user: u, auth: {protocol: md5, password_env: PLATEN_TEST_UNSET}}",
            "PLATEN_TEST_UNSET isn't",
        ),
    ] {
        let told = refused(yaml);
        assert!(told.contains(expected), "{yaml}: {told}");
    }
    for yaml in ["{name: a, version: 4, community: c}", "{name: a, community: c, more: 1}"] {
        assert!(serde_yaml::from_str::<CredentialConfig>(yaml).is_err(), "{yaml}");
    }
}

#[test]
fn des_and_short_passwords_are_rejected_and_weak_choices_reported() {
    let dir = tempfile::tempdir().unwrap();
    let (long, short) = (dir.path().join("long"), dir.path().join("short"));
    std::fs::write(&long, "correct horse\n").unwrap();
    std::fs::write(&short, "hunter2\n").unwrap();
    let user = |auth: &str, file: &std::path::Path, more: &str| {
        format!("{{name: a, user: u, auth: {{protocol: {auth}, password_file: {}}}{more}}}", file.display())
    };
    let private =
        |protocol: &str| format!(", priv: {{protocol: {protocol}, password_file: {}}}", long.display());
    assert!(refused(&user("sha256", &short, "")).contains("shorter than"));
    assert!(refused(&user("sha256", &long, &private("des"))).contains("DES"));
    let weakness = |yaml: &str| config(yaml).candidates().unwrap().remove(0).credentials.weakness();
    let des = weakness(&user("md5", &long, &format!("{}, allow_des: true", private("des")))).unwrap();
    assert!(des.contains("DES") && des.contains("MD5"), "{des}");
    assert!(weakness(&user("sha256", &long, "")).unwrap().contains("authNoPriv"));
    for protocol in ["aes128", "aes192", "aes256", "aes192-cisco", "aes256-cisco"] {
        assert_eq!(weakness(&user("sha512", &long, &private(protocol))), None);
    }
}

#[test]
fn no_secret_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "swordfish-1").unwrap();
    let yaml = format!("{{name: a, user: u, auth: {{protocol: sha1, password_file: {}}}}}", file.display());
    let mut gathering = Gathering::default();
    gathering.listed(&config(&yaml)).unwrap();
    gathering.listed(&config("{name: b, community: swordfish-2}")).unwrap();
    assert!(!format!("{:?}", config("{name: b, community: swordfish-2}")).contains("swordfish"));
    assert!(!format!("{:?}", gathering.finish()).contains("swordfish"));
}
