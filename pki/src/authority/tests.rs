//! The authority on a real folder.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rcgen::CertificateParams;

use super::*;
use crate::leaf::{Expectation, Role, verify_leaf};

fn authority(dir: &Path) -> Authority {
    let domain = "platen.example".parse().unwrap();
    Authority::init(dir, &domain, &Passphrase::InsecureNone, Timestamp::now()).unwrap()
}

fn request(profile: PartyKind) -> Request {
    let dns = if profile.is_server() { vec!["localhost".to_owned()] } else { Vec::new() };
    Request { profile, name: "n-1.a".to_owned(), dns, ips: Vec::new() }
}

#[test]
fn every_profile_passes_our_own_decision_and_is_in_the_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let authority = authority(&dir.path().join("ca"));
    let now = Timestamp::now();
    for (kind, number) in PartyKind::ALL.into_iter().zip(1..) {
        let key = KeyPair::generate().unwrap();
        let (record, leaf) = authority.sign(&request(kind), &key, now).unwrap();
        let intermediate = authority.certificate_of(Intermediate::of(kind)).clone();
        let facts = facts::of_leaf(&leaf, &[intermediate]).unwrap();
        for role in [Role::Client, Role::Server] {
            let trust_domain = authority.trust_domain();
            let expected =
                Expectation { trust_domain, role, kinds: &[kind], now: now.as_second(), clock_skew_s: 0 };
            let verdict = verify_leaf(&facts, &expected);
            let welcome = role == Role::Client || kind.is_server();
            assert_eq!(verdict.is_ok(), welcome, "{kind} as {role:?}: {verdict:?}");
        }
        assert_eq!(record.id.to_string(), format!("spiffe://platen.example/{kind}/n-1.a"));
        assert_eq!(record.serial.len(), 32);
        let issued = authority.issued().unwrap();
        assert_eq!((issued.len(), issued.last()), (number, Some(&record)));
        assert!(leaf.len() < 620, "{kind}: {} bytes", leaf.len());
    }
}

#[test]
fn an_authority_is_never_overwritten_and_none_is_left_half_made() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("ca");
    let domain: TrustDomain = "t".parse().unwrap();
    let short = Passphrase::Given("short".into());
    let error = Authority::init(&dir, &domain, &short, Timestamp::now()).err().unwrap();
    assert!(matches!(error, AuthorityError::ShortPassphrase), "{error}");
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);

    authority(&dir);
    let before = fs::read(dir.join("root.pem")).unwrap();
    let again = Authority::init(&dir, &domain, &Passphrase::InsecureNone, Timestamp::now());
    assert!(matches!(again.err().unwrap(), AuthorityError::Exists { .. }));
    assert_eq!(fs::read(dir.join("root.pem")).unwrap(), before);
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
}

#[test]
fn issuing_needs_no_root_key() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca");
    authority(&ca);
    fs::remove_file(ca.join("root-key.pem")).unwrap();
    let authority = Authority::open(&ca).unwrap();
    authority.issue(&request(PartyKind::Gateway), Timestamp::now()).unwrap();
}

#[test]
fn damage_is_named_when_the_authority_is_opened() {
    type Damage = fn(&Path);
    let cases: [(Damage, &str); 6] = [
        (|ca| fs::write(ca.join("authority.json"), "{").unwrap(), "authority.json is damaged"),
        (|ca| fs::write(ca.join("root.pem"), "nothing").unwrap(), "root.pem is not usable"),
        (
            |ca| fs::rename(ca.join("gateway-ca-key.pem"), ca.join("server-ca-key.pem")).unwrap(),
            "it is not the key of server-ca.pem",
        ),
        (
            |ca| fs::rename(ca.join("gateway-ca.pem"), ca.join("server-ca.pem")).unwrap(),
            "it is not the key of server-ca.pem",
        ),
        (
            |ca| {
                fs::set_permissions(ca.join("server-ca-key.pem"), fs::Permissions::from_mode(0o640)).unwrap()
            },
            "(mode 640): run `chmod 600 ",
        ),
        (
            |ca| {
                let stranger =
                    CertificateParams::default().self_signed(&KeyPair::generate().unwrap()).unwrap();
                fs::write(ca.join("root.pem"), stranger.pem()).unwrap();
            },
            "server-ca.pem is damaged, it is not signed by root.pem",
        ),
    ];
    for (damage, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        let ca = dir.path().join("ca");
        authority(&ca);
        damage(&ca);
        let error = Authority::open(&ca).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}\nexpected: {expected}");
    }
    let error = Authority::open(Path::new("/nowhere")).err().unwrap().to_string();
    assert!(error.contains("platen-pki init --dir /nowhere"), "{error}");
}

#[test]
fn a_request_that_breaks_its_profile_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let authority = authority(&dir.path().join("ca"));
    let gateway = request(PartyKind::Gateway);
    let server = request(PartyKind::CommServer);
    let ips = vec!["127.0.0.1".parse().unwrap()];
    for (request, expected) in [
        (Request { name: "A B".to_owned(), ..gateway.clone() }, "cannot name the party"),
        (Request { ips, ..gateway }, "party of kind gateway takes no --dns and no --ip"),
        (
            Request { dns: Vec::new(), ..server.clone() },
            "party of kind comm-server needs at least one --dns or --ip",
        ),
        (Request { dns: vec!["a..b".to_owned()], ..server.clone() }, "DNS name \"a..b\" is not valid"),
        (Request { dns: vec!["*.b".to_owned()], ..server }, "DNS name \"*.b\" is not valid"),
    ] {
        let error = authority.issue(&request, Timestamp::now()).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(authority.issued().unwrap(), []);
}

#[test]
fn a_certificate_never_outlives_its_intermediate() {
    let dir = tempfile::tempdir().unwrap();
    let authority = authority(&dir.path().join("ca"));
    let ends = authority.server_ca.not_after;
    let late = ends - std::time::Duration::from_secs(86_400);
    let issued = authority.issue(&request(PartyKind::Operator), late).unwrap();
    assert_eq!(issued.record.not_after, ends);
    let error = authority.issue(&request(PartyKind::Operator), ends).err().unwrap();
    assert!(matches!(error, AuthorityError::AuthorityExpired { authority: "server CA", .. }), "{error}");
}

#[test]
fn an_issued_key_is_private_and_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let authority = authority(&dir.path().join("ca"));
    let out = dir.path().join("a/b");
    let issue = || authority.issue(&request(PartyKind::Gateway), Timestamp::now()).unwrap();
    issue().write(&out).unwrap();
    let mode = fs::metadata(out.join("key.pem")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let error = issue().write(&out).err().unwrap();
    assert!(matches!(error, AuthorityError::OutExists { .. }), "{error}");
}
