//! The authority in a folder.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rcgen::CertificateParams;

use super::*;
use crate::facts;
use crate::leaf::{Expectation, verify_leaf};
use crate::leaf_facts::Role;
use crate::revocation_reason::RevocationReason;

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
            let welcome = match role {
                Role::Client => kind != PartyKind::GlobalServer,
                Role::Server => kind.is_server(),
            };
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
        (Request { name: "A B".to_owned(), ..gateway.clone() }, "the name of the party is not valid"),
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
    let ends = authority.signer(Intermediate::ServerCa).not_after;
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

fn later(days: i64) -> Timestamp {
    Timestamp::now() + std::time::Duration::from_secs(days.unsigned_abs() * 86_400)
}

#[test]
fn a_renewed_intermediate_issues_and_the_old_ones_certificates_stay_good() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca");
    let domain: TrustDomain = "platen.example".parse().unwrap();
    let right: SecretString = "correct horse".into();
    let sealed = Passphrase::Given("correct horse".into());
    let old = Authority::init(&ca, &domain, &sealed, Timestamp::now()).unwrap();
    let issue = |authority: &Authority| {
        let issued = authority.issue(&request(PartyKind::Gateway), Timestamp::now()).unwrap();
        let chain = rustls_pki_types::pem::PemObject::pem_slice_iter(issued.chain_pem.as_bytes());
        (issued.record, chain.map(Result::unwrap).collect::<Vec<CertificateDer<'static>>>())
    };
    let (_, before) = issue(&old);
    assert!(Authority::root_key_is_encrypted(&ca).unwrap());
    let open = || Authority::open(&ca).unwrap();
    let renew = |passphrase| open().renew(Intermediate::GatewayCa, passphrase, Timestamp::now());
    let wrong = "battery staple".into();
    assert!(matches!(renew(None).err().unwrap(), AuthorityError::PassphraseNeeded));
    assert!(matches!(renew(Some(&wrong)).err().unwrap(), AuthorityError::WrongPassphrase { .. }));
    let new = renew(Some(&right)).unwrap();
    let (record, after) = issue(&new);
    assert_eq!(record.generation, 2);
    let subject = inspect::describe(new.certificate_of(Intermediate::GatewayCa)).unwrap().subject;
    assert!(subject.contains("gateway CA 2"), "{subject}");

    let lists = open().revocation_lists(Timestamp::now(), later(1)).unwrap();
    let names: Vec<&str> = lists.lists.iter().map(|list| list.authority.as_str()).collect();
    assert_eq!(names, ["server-ca", "gateway-ca", "gateway-ca-2"]);
    let out = lists.write(&dir.path().join("out")).unwrap().pop().unwrap();
    let roots = [new.root().clone()];
    let crls = crate::revocation::Crls::load(&out, &roots, crate::Tolerance::default()).unwrap();
    let trust = crate::Trust::new(domain, roots.to_vec()).unwrap().with_crls(std::sync::Arc::new(crls));
    for chain in [before, after] {
        let now = Timestamp::now().as_second();
        crate::tls::explain(&trust, &chain, Role::Client, &[PartyKind::Gateway], now).unwrap();
    }

    fs::remove_file(ca.join("root-key.pem")).unwrap();
    assert!(matches!(renew(Some(&right)).err().unwrap(), AuthorityError::NoRootKey { .. }));
}

#[test]
fn what_is_revoked_is_listed_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let authority = authority(&dir.path().join("ca"));
    let now = Timestamp::now();
    let issue = |kind| authority.issue(&request(kind), now).unwrap().record;
    let (first, second, server) =
        (issue(PartyKind::Gateway), issue(PartyKind::Gateway), issue(PartyKind::CommServer));
    let party = Whom::Party("gateway/n-1.a".parse().unwrap());
    let serials =
        |records: &[RevocationRecord]| records.iter().map(|record| record.serial.clone()).collect::<Vec<_>>();
    let one = Whom::Serial(first.serial.to_uppercase());
    let done = authority.revoke(&one, RevocationReason::KeyCompromise, now).unwrap();
    assert_eq!(serials(&done.revoked), std::slice::from_ref(&first.serial));
    let done = authority.revoke(&party, RevocationReason::Superseded, now).unwrap();
    assert_eq!((serials(&done.revoked), serials(&done.already)), (vec![second.serial], vec![first.serial]));
    let nobody = Whom::Party("gateway/nobody".parse().unwrap());
    let error = authority.revoke(&nobody, RevocationReason::Unspecified, now).unwrap_err().to_string();
    assert!(error.contains("no certificate of gateway/nobody was issued here"), "{error}");

    let states =
        |at| authority.certificates(at).unwrap().iter().map(|listed| listed.state).collect::<Vec<_>>();
    assert_eq!(states(now), [State::Revoked, State::Revoked, State::Valid]);
    assert_eq!(states(later(91)), [State::Revoked, State::Revoked, State::Expired]);

    let lists = authority.revocation_lists(now, later(7)).unwrap();
    let counts = |lists: &CrlSet| lists.lists.iter().map(|list| list.revoked).collect::<Vec<_>>();
    assert_eq!(counts(&lists), [0, 2]);
    let again = authority.revocation_lists(now, later(7)).unwrap();
    assert_eq!(again.number, lists.number + 1);
    // An entry goes once its certificate has long expired.
    let old = authority.revocation_lists(later(200), later(201)).unwrap();
    assert_eq!(counts(&old), [0, 0]);
    assert!(old.number > again.number);
    // Lost lines would un-revoke.
    fs::write(dir.path().join("ca/revoked.jsonl"), "").unwrap();
    let error = authority.revocation_lists(now, later(7)).unwrap_err().to_string();
    assert!(error.contains("revoked.jsonl is damaged, 0 of its 2 lines are left"), "{error}");
    assert_eq!(server.generation, 1);
}

#[test]
fn an_authority_without_a_key_reports_where_it_is_expected() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca");
    authority(&ca);
    // As a communication server has it, which enrolls gateways only.
    fs::remove_file(ca.join("server-ca-key.pem")).unwrap();
    fs::remove_file(ca.join("root-key.pem")).unwrap();
    let authority = Authority::open(&ca).unwrap();
    authority.issue(&request(PartyKind::Gateway), Timestamp::now()).unwrap();
    let error = authority.issue(&request(PartyKind::CommServer), Timestamp::now()).err().unwrap().to_string();
    assert!(
        error.contains("the server CA's key") && error.contains("server-ca-key.pem, is not here"),
        "{error}"
    );
    let lists = authority.revocation_lists(Timestamp::now(), later(1)).unwrap();
    assert_eq!((lists.lists.len(), lists.left_out), (1, vec!["server-ca".to_owned()]));
}

#[test]
fn a_token_is_kept_as_a_record_that_verifies_it() {
    let dir = tempfile::tempdir().unwrap();
    let authority = authority(&dir.path().join("ca"));
    let (token, record) =
        authority.token("gw-1", (HasValid::Refuse, None), Timestamp::now(), later(1)).unwrap();
    assert_eq!(authority.tokens().unwrap(), std::slice::from_ref(&record));
    assert_eq!(token::verify(&record, token.expose(), Timestamp::now()), Ok(()));
    let read = token::parse(token.expose()).unwrap();
    let offered = [authority.certificate_of(Intermediate::ServerCa).clone(), authority.root().clone()];
    let domain = || read.gateway.trust_domain.clone();
    let trust = crate::Trust::pinned(domain(), read.root_sha256, &offered).unwrap();
    assert_eq!(trust.roots(), [authority.root().clone()]);
    let error = crate::Trust::pinned(domain(), read.root_sha256, &offered[..1]).unwrap_err().to_string();
    assert!(error.contains("is not the one that the token names"), "{error}");
    assert!(authority.token("G W", (HasValid::Refuse, None), Timestamp::now(), later(1)).is_err());
}

#[test]
fn a_backup_restores_everything_or_reports_what_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, file) = (dir.path().join("ca"), dir.path().join("ca.backup"));
    let authority = authority(&ca);
    authority.issue(&request(PartyKind::Gateway), Timestamp::now()).unwrap();
    authority.token("g", (HasValid::Refuse, None), Timestamp::now(), later(1)).unwrap();
    authority.revocation_lists(Timestamp::now(), later(1)).unwrap();
    let made = authority.backup(&file, Timestamp::now()).unwrap();
    assert!(made.has_root_key);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let error = authority.backup(&file, Timestamp::now()).unwrap_err();
    assert!(matches!(error, AuthorityError::Backup(BackupError::Exists { .. })), "{error}");

    let back = dir.path().join("back");
    Authority::restore(&file, &back).unwrap();
    let names = |dir: &Path| {
        let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&ca), names(&back));
    for name in names(&ca) {
        assert_eq!(fs::read(ca.join(&name)).unwrap(), fs::read(back.join(&name)).unwrap(), "{name:?}");
        let mode = |dir: &Path| fs::metadata(dir.join(&name)).unwrap().permissions().mode() & 0o077;
        assert!(!name.to_str().unwrap().ends_with("-key.pem") || mode(&back) == 0, "{name:?}");
    }
    assert!(matches!(Authority::restore(&file, &back).err().unwrap(), AuthorityError::Exists { .. }));

    let whole = fs::read_to_string(&file).unwrap();
    let serial = authority.issued().unwrap()[0].serial.clone();
    for (damaged, expected) in [
        (whole.replace(&serial, &"0".repeat(32)), "issued.jsonl in it has SHA-256"),
        (whole.replace("gateway-ca.pem", "gateway-ca-7.pem"), "its list of files in it has SHA-256"),
        (
            whole.replace("gateway-ca.pem", "../evil"),
            "names \"../evil\", which is not a file of an authority",
        ),
        (whole.chars().take(whole.len() / 2).collect(), "is not a complete backup of platen-pki: EOF"),
        (String::new(), "is not a complete backup"),
        (whole.replace("platen-pki backup 1", "tar"), "format \"tar\""),
    ] {
        fs::write(&file, damaged).unwrap();
        let error = Authority::restore(&file, &dir.path().join("new")).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}\nexpected: {expected}");
        assert!(!dir.path().join("new").exists());
    }
}

/// Serial numbers of the gateway's certificates that are valid.
fn valid(authority: &Authority, gateway: &str) -> Vec<String> {
    let party = PartyKind::Gateway.named(gateway).unwrap();
    authority.valid(&party, Timestamp::now()).unwrap().into_iter().map(|record| record.serial).collect()
}

#[test]
fn a_gateway_has_one_certificate_by_a_token_and_a_new_one_replaces_it_by_name_only() {
    let dir = tempfile::tempdir().unwrap();
    let authority = authority(&dir.path().join("ca"));
    let now = Timestamp::now;
    let token =
        |has_valid| authority.token("gw-1", (has_valid, None), now(), later(1)).map(|(_, record)| record);
    let enroll = |record: &TokenRecord| authority.enroll(record, &KeyPair::generate().unwrap(), now());
    let serial = |issued: &(Record, CertificateDer<'static>)| issued.0.serial.clone();
    // Two tokens before anything is issued: the second one finds the certificate of the first.
    let (one, two) = (token(HasValid::Refuse).unwrap(), token(HasValid::Refuse).unwrap());
    let lost = enroll(&one).unwrap();
    let refused = enroll(&two).err().unwrap();
    assert!(matches!(refused, AuthorityError::AlreadyEnrolled { .. }), "{refused}");
    // The program ended before the certificate was kept beside its token: the same token continues the enrollment.
    let first = enroll(&one).unwrap();
    assert_eq!(authority.supersede(&serial(&first), now()).unwrap().len(), 1);
    assert_eq!(valid(&authority, "gw-1"), [serial(&first)]);
    let said = token(HasValid::Refuse).unwrap_err().to_string();
    assert!(said.contains("gw-1 has a valid certificate already") && said.contains("--replace"), "{said}");
    assert!(said.contains(&serial(&first)), "{said}");
    drop(lost);

    // A renewal is not an enrollment: both certificates stay good.
    let gateway = Request { name: "gw-1".to_owned(), ..request(PartyKind::Gateway) };
    let renewed = authority.sign(&gateway, &KeyPair::generate().unwrap(), now()).unwrap();
    assert_eq!(valid(&authority, "gw-1"), [serial(&first), serial(&renewed)]);

    let third = token(HasValid::Replace).unwrap();
    assert_eq!(serde_json::from_str::<TokenRecord>(&serde_json::to_string(&third).unwrap()).unwrap(), third);
    assert_eq!(valid(&authority, "gw-1").len(), 2, "a token that nobody used revokes nothing");
    let second = enroll(&third).unwrap();
    assert_eq!(valid(&authority, "gw-1").len(), 3, "nothing is revoked before the new one is handed out");
    let revoked = authority.supersede(&serial(&second), now()).unwrap();
    assert_eq!(revoked.iter().map(|r| r.reason).collect::<Vec<_>>(), [RevocationReason::Superseded; 2]);
    assert_eq!(valid(&authority, "gw-1"), [serial(&second)]);
    // The response was lost and is requested again after a renewal: the renewed certificate stays valid.
    let newest = authority.sign(&gateway, &KeyPair::generate().unwrap(), now()).unwrap();
    assert!(authority.supersede(&serial(&second), now()).unwrap().is_empty());
    assert_eq!(valid(&authority, "gw-1"), [serial(&second), serial(&newest)]);
    // Others are nobody's business, and a serial number of another ledger is nothing.
    let other = Request { name: "gw-2".to_owned(), ..gateway };
    authority.sign(&other, &KeyPair::generate().unwrap(), now()).unwrap();
    assert!(authority.supersede("00ff", now()).unwrap().is_empty());
    assert_eq!(valid(&authority, "gw-2").len(), 1);
}
