//! The decision as a table: a valid leaf of each kind, and the same with one fault each.

use super::*;
use crate::leaf_facts::KeyUsage;

const GATEWAY: &[PartyKind] = &[PartyKind::Gateway];
const COMM_SERVER: &[PartyKind] = &[PartyKind::CommServer];

fn leaf(kind: PartyKind) -> LeafFacts {
    LeafFacts {
        uris: vec![format!("spiffe://t/{kind}/n")],
        hosts: usize::from(kind.is_server()),
        other_names: 0,
        purposes: Some(purposes_of(kind).0),
        is_ca: false,
        key_usage: Some(KeyUsage { digital_signature: true, authority: false }),
        key: Key::P256,
        signature: Signature::Strong,
        unknown_critical: None,
        serial: vec![1],
        not_before: 100,
        not_after: 200,
        issuer: if kind == PartyKind::Gateway { Issuer::GatewayAuthority } else { Issuer::ServerAuthority },
    }
}

const fn rsa(bits: usize) -> Key {
    Key::Rsa { bits, exponent: Some(65_537) }
}

fn domain(name: &str) -> TrustDomain {
    name.parse().unwrap()
}

fn decide(facts: &LeafFacts, role: Role, kinds: &[PartyKind], now: i64) -> Result<SpiffeId, Rejection> {
    verify_leaf(facts, &Expectation { trust_domain: &domain("t"), role, kinds, now, clock_skew_s: 0 })
}

#[test]
fn each_kind_is_accepted_in_its_roles_only() {
    for kind in PartyKind::ALL {
        for (role, plays) in
            [(Role::Client, kind != PartyKind::GlobalServer), (Role::Server, kind.is_server())]
        {
            let verdict = decide(&leaf(kind), role, &PartyKind::ALL, 150);
            match verdict {
                Ok(id) => assert!(plays && id.party.kind() == kind, "{kind} as {role:?}"),
                Err(refused) => {
                    assert_eq!((plays, refused), (false, Rejection::WrongRole { kind, role }));
                }
            }
        }
        let role = if kind == PartyKind::GlobalServer { Role::Server } else { Role::Client };
        for expected in PartyKind::ALL {
            let verdict = decide(&leaf(kind), role, &[expected], 150);
            assert_eq!(verdict.is_ok(), expected == kind, "{kind} for {expected}");
        }
    }
    let verdict = decide(&leaf(PartyKind::Gateway), Role::Client, &[], 150);
    assert_eq!(verdict, Err(Rejection::WrongKind { kind: PartyKind::Gateway, expected: Vec::new() }));
}

#[test]
fn validity_includes_both_ends() {
    for (now, expected) in [
        (99, Some(Rejection::NotYetValid { not_before: 100, now: 99 })),
        (100, None),
        (200, None),
        (201, Some(Rejection::Expired { not_after: 200, now: 201 })),
    ] {
        assert_eq!(decide(&leaf(PartyKind::Gateway), Role::Client, GATEWAY, now).err(), expected);
    }
}

#[test]
fn the_extended_key_usage_is_exactly_that_of_the_kind() {
    let all = || (0..16_u8).map(|bits| [1, 2, 4, 8].map(|bit| bits & bit != 0));
    for kind in PartyKind::ALL {
        for role in [Role::Client, Role::Server] {
            for [server, client, any, other] in all() {
                let facts = LeafFacts { purposes: purposes(server, client, any, other), ..leaf(kind) };
                let exact = !any && !other && facts.purposes == leaf(kind).purposes;
                let good = exact && decide(&leaf(kind), role, &PartyKind::ALL, 150).is_ok();
                let verdict = decide(&facts, role, &PartyKind::ALL, 150);
                assert_eq!(verdict.is_ok(), good, "{kind} as {role:?}: {:?}", facts.purposes);
            }
        }
    }
}

#[test]
fn a_life_of_more_than_a_hundred_days_is_refused() {
    let day = 86_400;
    // Year 9999 as the end, and the longest that arithmetic knows.
    for (life, days) in [
        (90 * day + 3_600, None),
        (100 * day, None),
        (100 * day + 1, Some(101)),
        (101 * day, Some(101)),
        (253_402_300_799, Some(2_932_897)),
        (i64::MAX - 100, Some(106_751_991_167_301)),
    ] {
        let facts = LeafFacts { not_after: 100 + life, ..leaf(PartyKind::Gateway) };
        let expected = days.map(|days| Rejection::LongLived { days });
        assert_eq!(decide(&facts, Role::Client, GATEWAY, 150).err(), expected, "{life}");
    }
}

#[test]
fn a_serial_number_is_positive_and_of_twenty_octets_at_most() {
    let long = [&[1; 20][..], &[0]].concat();
    for (serial, good) in [
        (vec![1], true),
        (vec![0, 0xff], true),
        (vec![0x7f; 20], true),
        (vec![0; 19].into_iter().chain([1]).collect(), true),
        (vec![], false),
        (vec![0], false),
        (vec![0, 0], false),
        (vec![0x80], false),
        (vec![0xff; 20], false),
        (long, false),
        (vec![1; 15_000], false),
    ] {
        let facts = LeafFacts { serial: serial.clone(), ..leaf(PartyKind::Gateway) };
        let verdict = decide(&facts, Role::Client, GATEWAY, 150);
        assert_eq!(verdict.is_ok(), good, "{serial:?}");
        assert!(good || verdict.unwrap_err().to_string().len() < 200);
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

/// A change of a valid leaf, and the expected rejection.
type Case = (fn(&mut LeafFacts), Rejection);

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
    let client_only = Rejection::WrongPurpose { kind: PartyKind::Gateway, expected: "clientAuth" };
    let not_spiffe = "https://t/".parse::<SpiffeId>().unwrap_err();
    let no_kind = "spiffe://t/printer/n".parse::<SpiffeId>().unwrap_err();
    let kind = PartyKind::Gateway;
    let cases: Vec<Case> = vec![
        (|f| f.unknown_critical = Some("1.2.3".into()), Rejection::UnknownCriticalExtension("1.2.3".into())),
        (|f| f.signature = Signature::Weak("SHA-1".into()), Rejection::WeakSignature("SHA-1".into())),
        (|f| f.key = rsa(512), Rejection::WeakKey("RSA of 512 bits".into())),
        (|f| f.key = rsa(2047), Rejection::WeakKey("RSA of 2047 bits".into())),
        (|f| f.key = rsa(4097), Rejection::WeakKey("RSA of 4097 bits".into())),
        (|f| f.key = rsa(16_384), Rejection::WeakKey("RSA of 16384 bits".into())),
        (
            |f| f.key = Key::Rsa { bits: 2048, exponent: Some(3) },
            Rejection::WeakKey("RSA of 2048 bits with exponent 3".into()),
        ),
        (
            |f| f.key = Key::Rsa { bits: 2048, exponent: Some(65_539) },
            Rejection::WeakKey("RSA of 2048 bits with exponent 65539".into()),
        ),
        (
            |f| f.key = Key::Rsa { bits: 2048, exponent: None },
            Rejection::WeakKey("RSA of 2048 bits with an exponent of over 64 bits".into()),
        ),
        (|f| f.key = Key::Other("P-192".into()), Rejection::WeakKey("P-192".into())),
        (|f| f.is_ca = true, Rejection::IsAuthority),
        (
            |f| f.key_usage = Some(KeyUsage { digital_signature: true, authority: true }),
            Rejection::MaySignCertificates,
        ),
        (|f| f.key_usage = Some(KeyUsage::default()), Rejection::NoDigitalSignature),
        (|f| f.key_usage = None, Rejection::NoDigitalSignature),
        (|f| f.uris.clear(), Rejection::UriCount(0)),
        (|f| f.uris.push("spiffe://t/gateway/m".into()), Rejection::UriCount(2)),
        (|f| f.uris.push("https://x".into()), Rejection::UriCount(2)),
        (|f| f.uris = vec!["https://t/".into()], Rejection::NotSpiffe(not_spiffe)),
        (|f| f.uris = vec!["spiffe://t/printer/n".into()], Rejection::NotSpiffe(no_kind)),
        (
            |f| f.uris = vec!["spiffe://u/gateway/n".into()],
            Rejection::OtherTrustDomain { theirs: domain("u"), ours: domain("t") },
        ),
        (|f| f.purposes = None, Rejection::NoPurpose),
        (|f| f.purposes = purposes(false, true, true, false), Rejection::AnyPurpose),
        (|f| f.purposes = purposes(false, false, true, false), Rejection::AnyPurpose),
        (|f| f.purposes = purposes(true, true, false, false), client_only.clone()),
        (|f| f.purposes = purposes(true, false, false, false), client_only.clone()),
        (|f| f.purposes = purposes(false, true, false, true), client_only.clone()),
        (|f| f.purposes = purposes(false, false, false, false), client_only),
        (|f| f.hosts = 1, Rejection::SurplusNames(kind)),
        (|f| f.other_names = 1, Rejection::SurplusNames(kind)),
        (
            |f| f.issuer = Issuer::ServerAuthority,
            Rejection::WrongIssuer { kind, issuer: Issuer::ServerAuthority },
        ),
        (|f| f.issuer = Issuer::Unclear, Rejection::WrongIssuer { kind, issuer: Issuer::Unclear }),
    ];
    check(&cases, kind, Role::Client, GATEWAY);
}

#[test]
fn a_server_with_one_thing_wrong_is_refused() {
    let kind = PartyKind::CommServer;
    let wrong_purpose = Rejection::WrongPurpose { kind, expected: "serverAuth and clientAuth" };
    let instead = |kind| Rejection::WrongKind { kind, expected: vec![PartyKind::CommServer] };
    let cases: Vec<Case> = vec![
        (|f| f.purposes = purposes(false, true, false, false), wrong_purpose.clone()),
        (|f| f.purposes = purposes(true, true, false, true), wrong_purpose.clone()),
        (|f| f.purposes = purposes(true, false, false, false), wrong_purpose),
        (|f| f.uris = vec!["spiffe://t/gateway/n".into()], instead(PartyKind::Gateway)),
        (|f| f.other_names = 1, Rejection::SurplusNames(kind)),
        (
            |f| f.issuer = Issuer::GatewayAuthority,
            Rejection::WrongIssuer { kind, issuer: Issuer::GatewayAuthority },
        ),
        (|f| f.uris = vec!["spiffe://t/global-server/n".into()], instead(PartyKind::GlobalServer)),
        (|f| *f = leaf(PartyKind::GlobalServer), instead(PartyKind::GlobalServer)),
    ];
    check(&cases, kind, Role::Server, COMM_SERVER);
}

#[test]
fn what_is_strong_enough_is_accepted() {
    for key in [Key::P256, Key::P384, Key::Ed25519, rsa(2048), rsa(4096)] {
        let facts = LeafFacts { key, ..leaf(PartyKind::Gateway) };
        decide(&facts, Role::Client, GATEWAY, 150).unwrap();
    }
}

#[test]
fn a_rejection_names_what_was_expected() {
    let refused = Rejection::WrongKind {
        kind: PartyKind::Operator,
        expected: vec![PartyKind::Gateway, PartyKind::CommServer],
    };
    assert_eq!(
        refused.to_string(),
        "party of kind operator is not accepted here: expected gateway or comm-server"
    );
    let refused = Rejection::WrongIssuer { kind: PartyKind::CommServer, issuer: Issuer::GatewayAuthority };
    assert_eq!(refused.to_string(), "party of kind comm-server must not be issued by the gateway CA");
}
