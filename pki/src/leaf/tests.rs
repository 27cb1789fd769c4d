//! The decision as a table: a good leaf of each kind, then one thing wrong at a time.

use super::*;

const GATEWAY: &[PartyKind] = &[PartyKind::Gateway];
const COMM_SERVER: &[PartyKind] = &[PartyKind::CommServer];

fn leaf(kind: PartyKind) -> LeafFacts {
    LeafFacts {
        uris: vec![format!("spiffe://t/{kind}/n")],
        hosts: usize::from(kind.is_server()),
        other_names: 0,
        purposes: Some(Purposes { client: true, server: kind.is_server(), any: false, other: false }),
        is_ca: false,
        key_usage: Some(KeyUsage { digital_signature: true, authority: false }),
        key: Key::P256,
        signature: Signature::Strong,
        unknown_critical: None,
        not_before: 100,
        not_after: 200,
        issuer: if kind == PartyKind::Gateway { Issuer::GatewayAuthority } else { Issuer::ServerAuthority },
    }
}

fn domain(name: &str) -> TrustDomain {
    name.parse().unwrap()
}

fn decide(facts: &LeafFacts, role: Role, kinds: &[PartyKind], now: i64) -> Result<SpiffeId, Refused> {
    verify_leaf(facts, &Expectation { trust_domain: &domain("t"), role, kinds, now, clock_skew_s: 0 })
}

#[test]
fn each_kind_is_accepted_in_its_roles_only() {
    for kind in PartyKind::ALL {
        let id = decide(&leaf(kind), Role::Client, &PartyKind::ALL, 150).unwrap();
        assert_eq!(id.party.kind(), kind);
        let as_server = decide(&leaf(kind), Role::Server, &PartyKind::ALL, 150);
        if kind.is_server() {
            as_server.unwrap();
        } else {
            assert!(matches!(as_server, Err(Refused::WrongPurpose { .. })), "{as_server:?}");
        }
        for expected in PartyKind::ALL {
            let verdict = decide(&leaf(kind), Role::Client, &[expected], 150);
            assert_eq!(verdict.is_ok(), expected == kind, "{kind} for {expected}");
        }
    }
    let verdict = decide(&leaf(PartyKind::Gateway), Role::Client, &[], 150);
    assert_eq!(verdict, Err(Refused::WrongKind { kind: PartyKind::Gateway, expected: Vec::new() }));
}

#[test]
fn validity_includes_both_ends() {
    for (now, expected) in [
        (99, Some(Refused::NotYetValid { not_before: 100, now: 99 })),
        (100, None),
        (200, None),
        (201, Some(Refused::Expired { not_after: 200, now: 201 })),
    ] {
        assert_eq!(decide(&leaf(PartyKind::Gateway), Role::Client, GATEWAY, now).err(), expected);
    }
}

#[test]
fn clocks_may_differ_by_the_tolerance_and_no_more() {
    let validity = (100, 200);
    for (now, skew, chain_at, good) in [
        (94, 5, 94, false),
        (95, 5, 100, true),
        (100, 5, 100, true),
        (150, 5, 150, true),
        (205, 5, 200, true),
        (206, 5, 206, false),
        (99, 0, 99, false),
        (201, 0, 201, false),
        (i64::MIN, 5, i64::MIN, false),
        (i64::MAX, 5, i64::MAX, false),
    ] {
        assert_eq!(check_validity(validity, now, skew).is_ok(), good, "{now}");
        assert_eq!(chain_instant(validity, now, skew), chain_at, "{now}");
    }
}

/// Changes a good leaf, and what must be said of it.
type Case = (fn(&mut LeafFacts), Refused);

fn purposes(server: bool, client: bool, any: bool, other: bool) -> Option<Purposes> {
    Some(Purposes { server, client, any, other })
}

fn check(cases: &[Case], kind: PartyKind, role: Role, kinds: &[PartyKind]) {
    for (number, (change, expected)) in cases.iter().enumerate() {
        let mut facts = leaf(kind);
        decide(&facts, role, kinds, 150).unwrap();
        change(&mut facts);
        assert_eq!(decide(&facts, role, kinds, 150).as_ref(), Err(expected), "case {number}");
    }
}

#[test]
fn a_gateway_with_one_thing_wrong_is_refused() {
    let client_only = Refused::WrongPurpose { expected: "clientAuth" };
    let not_spiffe = "https://t/".parse::<SpiffeId>().unwrap_err();
    let no_kind = "spiffe://t/printer/n".parse::<SpiffeId>().unwrap_err();
    let kind = PartyKind::Gateway;
    let cases: Vec<Case> = vec![
        (|f| f.unknown_critical = Some("1.2.3".into()), Refused::UnknownCriticalExtension("1.2.3".into())),
        (|f| f.signature = Signature::Weak("SHA-1".into()), Refused::WeakSignature("SHA-1".into())),
        (|f| f.key = Key::Rsa { bits: 512 }, Refused::WeakKey("RSA of 512 bits".into())),
        (|f| f.key = Key::Rsa { bits: 2047 }, Refused::WeakKey("RSA of 2047 bits".into())),
        (|f| f.key = Key::Other("P-192".into()), Refused::WeakKey("P-192".into())),
        (|f| f.is_ca = true, Refused::IsAuthority),
        (
            |f| f.key_usage = Some(KeyUsage { digital_signature: true, authority: true }),
            Refused::MaySignCertificates,
        ),
        (|f| f.key_usage = Some(KeyUsage::default()), Refused::NoDigitalSignature),
        (|f| f.key_usage = None, Refused::NoDigitalSignature),
        (|f| f.uris.clear(), Refused::UriCount(0)),
        (|f| f.uris.push("spiffe://t/gateway/m".into()), Refused::UriCount(2)),
        (|f| f.uris.push("https://x".into()), Refused::UriCount(2)),
        (|f| f.uris = vec!["https://t/".into()], Refused::NotSpiffe(not_spiffe)),
        (|f| f.uris = vec!["spiffe://t/printer/n".into()], Refused::NotSpiffe(no_kind)),
        (
            |f| f.uris = vec!["spiffe://u/gateway/n".into()],
            Refused::OtherTrustDomain { theirs: domain("u"), ours: domain("t") },
        ),
        (|f| f.purposes = None, Refused::NoPurpose),
        (|f| f.purposes = purposes(false, true, true, false), Refused::AnyPurpose),
        (|f| f.purposes = purposes(false, false, true, false), Refused::AnyPurpose),
        (|f| f.purposes = purposes(true, true, false, false), client_only.clone()),
        (|f| f.purposes = purposes(true, false, false, false), client_only.clone()),
        (|f| f.purposes = purposes(false, true, false, true), client_only.clone()),
        (|f| f.purposes = purposes(false, false, false, false), client_only),
        (|f| f.hosts = 1, Refused::SurplusNames(kind)),
        (|f| f.other_names = 1, Refused::SurplusNames(kind)),
        (
            |f| f.issuer = Issuer::ServerAuthority,
            Refused::WrongIssuer { kind, issuer: Issuer::ServerAuthority },
        ),
        (|f| f.issuer = Issuer::Unclear, Refused::WrongIssuer { kind, issuer: Issuer::Unclear }),
    ];
    check(&cases, kind, Role::Client, GATEWAY);
}

#[test]
fn a_server_with_one_thing_wrong_is_refused() {
    let expected = "serverAuth of a server, and clientAuth if it also calls";
    let wrong_purpose = Refused::WrongPurpose { expected };
    let kind = PartyKind::CommServer;
    let cases: Vec<Case> = vec![
        (|f| f.purposes = purposes(false, true, false, false), wrong_purpose.clone()),
        (|f| f.purposes = purposes(true, true, false, true), wrong_purpose.clone()),
        (|f| f.uris = vec!["spiffe://t/gateway/n".into()], wrong_purpose),
        (|f| f.other_names = 1, Refused::SurplusNames(kind)),
        (
            |f| f.issuer = Issuer::GatewayAuthority,
            Refused::WrongIssuer { kind, issuer: Issuer::GatewayAuthority },
        ),
        (
            |f| f.uris = vec!["spiffe://t/global-server/n".into()],
            Refused::WrongKind { kind: PartyKind::GlobalServer, expected: vec![PartyKind::CommServer] },
        ),
    ];
    check(&cases, kind, Role::Server, COMM_SERVER);
}

#[test]
fn what_is_strong_enough_is_accepted() {
    for key in [Key::P256, Key::P384, Key::Ed25519, Key::Rsa { bits: 2048 }, Key::Rsa { bits: 4096 }] {
        let facts = LeafFacts { key, ..leaf(PartyKind::Gateway) };
        decide(&facts, Role::Client, GATEWAY, 150).unwrap();
    }
    let serving_only =
        LeafFacts { purposes: purposes(true, false, false, false), ..leaf(PartyKind::CommServer) };
    decide(&serving_only, Role::Server, COMM_SERVER, 150).unwrap();
}

#[test]
fn a_refusal_says_what_was_expected() {
    let refused = Refused::WrongKind {
        kind: PartyKind::Operator,
        expected: vec![PartyKind::Gateway, PartyKind::CommServer],
    };
    assert_eq!(
        refused.to_string(),
        "party of kind operator is not accepted here: expected gateway or comm-server"
    );
    let refused = Refused::WrongIssuer { kind: PartyKind::CommServer, issuer: Issuer::GatewayAuthority };
    assert_eq!(refused.to_string(), "party of kind comm-server must not be issued by the gateway CA");
}
