//! Which configurations are rejected, and which key the error names.

use super::*;
use crate::snmp::Credentials;
use secrecy::ExposeSecret;

fn config(more: &str) -> Config {
    let yaml = format!(
        "{{gateway: gw-1, data_dir: /d, identity: {{certificate: c, key: k, root: r}}, \
         comm_server: {{url: 'https://c:8443'}}, {more}}}"
    );
    runtime::config::parse(Path::new("gateway.yaml"), &yaml).unwrap()
}

fn refused(more: &str) -> String {
    let wrong = config(more).validate(Path::new("gateway.yaml")).unwrap_err();
    wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_wrong_is_named_with_its_key() {
    assert!(refused("sensing: {status_s: 0}").starts_with("sensing.status_s: 0 is not valid: expected 1"));
    assert!(refused("local: {listen: '0.0.0.0:9110'}").contains("expected a loopback address"));
    assert!(refused("networks: [{cidr: 10.0.0.0/8}]").starts_with("networks[0].cidr"));
    assert!(refused("devices: [{address: 10.0.0.x9/}]").starts_with("devices[0].address: \"10.0.0.x9/\""));
    assert!(refused("devices: [{address: 10.0.0.1}, {address: '10.0.0.1:161'}]").contains("twice"));
    assert!(refused("demonstration: {speedup: 0.5}").starts_with("demonstration.speedup"));
    assert!(refused("spool: {limit_mib: 1}").starts_with("spool.limit_mib"));
    assert!(refused("credentials: [{name: a}]").starts_with("credentials[0]: community: missing"));
    let twice = "credentials: [{name: a, community: x}, {name: a, community: y}]";
    assert!(refused(twice).starts_with("credentials[1].name: \"a\" occurs twice"));
    assert!(refused("site: {time_zone: Europe/Berln}").contains("did you mean Europe/Berlin?"));
    let enroll = refused("site: {name: x}");
    assert!(enroll.starts_with("identity.certificate: c doesn't exist: enroll first"), "{enroll}");
    assert!(enroll.contains("--config gateway.yaml enroll --server https://c:8445"), "{enroll}");
}

#[test]
fn everything_that_is_wrong_is_named_at_once() {
    let config = config(
        "sensing: {status_s: 0, retries: 11}, credentials: [{name: a}, {name: b}], site: {time_zone: Mars}, \
         networks: [{cidr: 10.0.0.0/24, port: 0}], mail: {server: m, security: none, from: x, to: [a@b]}, \
         global_server: {url: 'https://g:8444', root: /nonexistent/root.json}",
    );
    let wrong = config.validate(Path::new("gateway.yaml")).unwrap_err();
    let keys: Vec<_> = wrong.iter().map(|wrong| wrong.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "sensing.status_s",
            "sensing.retries",
            "networks[0].port",
            "credentials[0]",
            "credentials[1]",
            "identity.certificate",
            "mail.from",
            "site.time_zone",
        ]
    );
    let later = config.check_files_read_later();
    assert_eq!(later.len(), 1);
    assert!(later[0].to_string().starts_with("global_server.root: /nonexistent/root.json: "), "{later:?}");
}

#[test]
fn a_device_is_read_with_its_own_community_or_that_of_the_narrowest_network() {
    let config = config(
        "networks: [{cidr: 10.0.0.0/16, community: wide}, {cidr: 10.0.1.0/24, community: narrow}], \
         devices: [{address: 10.0.1.9, community: own}]",
    );
    let candidates = config.candidates().unwrap();
    let community = |address: &str| match &candidates.at(address.parse().unwrap())[0].credentials {
        Credentials::V1(community) | Credentials::V2c(community) => community.expose_secret().to_owned(),
        Credentials::V3(_) => panic!("no user is configured"),
    };
    assert_eq!(community("10.0.1.9:161"), "own");
    assert_eq!(community("10.0.1.8:161"), "narrow");
    assert_eq!(community("10.0.2.8:161"), "wide");
    assert_eq!(community("10.0.2.8:1161"), "public");
    let rules = config.site_rules(TimeZone::UTC, false);
    let held = ["10.0.1.9:161", "10.0.2.8:161", "10.0.2.8:1161", "10.1.0.1:161"]
        .map(|address| rules.holds(address.parse().unwrap()));
    assert_eq!(held, [true, true, false, false]);
    assert!(!format!("{config:?}").contains("narrow"), "communities are never printed");
}

#[test]
fn a_demonstration_divides_waits() {
    let config = config("demonstration: {speedup: 60}");
    assert_eq!(config.wait(Duration::from_secs(60)), Duration::from_secs(1));
    assert_eq!(config.update_rules().restart_limit, SignedDuration::from_secs(30));
}
