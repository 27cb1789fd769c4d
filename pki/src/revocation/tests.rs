//! Lists as a table: valid ones, and the same with one fault each.

use std::fs;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    CrlIssuingDistributionPoint, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    RevokedCertParams,
};
use tempfile::TempDir;

use super::*;
use crate::pem_file::to_pem;
use crate::revocation_reason::RevocationReason;

/// A root and one authority issued by it, in a folder with the bundle.
struct Pki {
    dir: TempDir,
    root: CertificateDer<'static>,
    authority: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn pki(change: fn(&mut CertificateParams)) -> Pki {
    let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let root_params = authority("root");
    let root = root_params.self_signed(&root_key).unwrap().into();
    let mut params = authority("ca");
    change(&mut params);
    let certificate = params.signed_by(&key, &Issuer::new(root_params, root_key)).unwrap().into();
    // Able to sign whatever its own certificate says.
    let issuer = Issuer::new(authority("ca"), key);
    Pki { dir: tempfile::tempdir().unwrap(), root, authority: certificate, issuer }
}

/// A list in force from second 1,000 to 2,000 that revokes serial 7.
fn list(number: u64) -> CertificateRevocationListParams {
    let at = |second| rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(second);
    CertificateRevocationListParams {
        this_update: at(1_000),
        next_update: at(2_000),
        crl_number: number.into(),
        issuing_distribution_point: None,
        revoked_certs: vec![RevokedCertParams {
            serial_number: 7_u64.into(),
            revocation_time: at(900),
            reason_code: Some(rcgen::RevocationReason::KeyCompromise),
            invalidity_date: None,
        }],
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    }
}

impl Pki {
    fn path(&self) -> PathBuf {
        self.dir.path().join("crl.pem")
    }

    fn publish(&self, list: &CertificateRevocationListParams) {
        let pem = list.signed_by(&self.issuer).unwrap().pem().unwrap();
        fs::write(self.path(), pem + &to_pem(&self.authority)).unwrap();
    }

    fn load(&self) -> Result<Crls, CrlError> {
        let tolerance = Tolerance { clock_skew_s: 10, crl_grace_s: 100 };
        Crls::load(&self.path(), std::slice::from_ref(&self.root), tolerance)
    }

    /// A leaf of this authority, valid from second 0 to 10,000.
    fn leaf(&self, serial: u64) -> PeerLeaf {
        let at = |second| rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(second);
        let mut params = CertificateParams::default();
        params.serial_number = Some(serial.into());
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = (at(0), at(10_000));
        let leaf = params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap();
        PeerLeaf::of(leaf.der()).unwrap()
    }
}

#[test]
fn a_peer_stays_while_it_is_valid_listed_nowhere_and_the_list_is_fresh() {
    let pki = pki(|_| {});
    pki.publish(&list(1));
    let crls = pki.load().unwrap();
    let (good, bad) = (pki.leaf(8), pki.leaf(7));
    let issuer = "CN=ca".to_owned();
    let stale = |now| Err(Rejection::StaleList { issuer: issuer.clone(), next_update: 2_000, now });
    for (now, expected) in [
        (989, Err(Rejection::FutureList { issuer: issuer.clone(), this_update: 1_000, now: 989 })),
        (990, Ok(())),
        (1_500, Ok(())),
        (2_010, Ok(())),
        (2_110, Ok(())),
        (2_111, stale(2_111)),
        (10_010, stale(10_010)),
        (10_011, Err(Rejection::Expired { not_after: 10_000, now: 10_011 })),
        (-11, Err(Rejection::NotYetValid { not_before: 0, now: -11 })),
    ] {
        assert_eq!(peer_still_good(&good, &crls, now), expected, "{now}");
    }
    let revoked =
        Err(Rejection::Revoked { serial: "07".into(), at: 900, reason: RevocationReason::KeyCompromise });
    // A stale list still revokes.
    for now in [0, 1_500, 9_000] {
        assert_eq!(peer_still_good(&bad, &crls, now), revoked, "{now}");
    }
    assert_eq!(crls.is_revoked(&bad), Some(&Revocation { at: 900, reason: RevocationReason::KeyCompromise }));
    assert_eq!(crls.is_revoked(&good), None);
}

#[test]
fn without_lists_only_validity_counts_and_with_them_an_unknown_issuer_is_refused() {
    let (pki, other) = (pki(|_| {}), pki(|params| params.distinguished_name.push(DnType::CountryName, "XX")));
    let none = Crls::none(Tolerance { clock_skew_s: 0, crl_grace_s: 0 });
    assert_eq!(peer_still_good(&pki.leaf(7), &none, 5), Ok(()));
    assert!(peer_still_good(&pki.leaf(7), &none, 10_001).is_err());
    assert_eq!(none.freshness(5), Freshness::NotConfigured);

    pki.publish(&list(1));
    let crls = pki.load().unwrap();
    // The same name with another key is another issuer.
    let unknown = Err(Rejection::UnknownStatus { issuer: "CN=ca".into() });
    assert_eq!(peer_still_good(&other.leaf(8), &crls, 1_500), unknown);
}

#[test]
fn the_age_is_a_decision() {
    let pki = pki(|_| {});
    pki.publish(&list(1));
    let crls = pki.load().unwrap();
    let issuer = "CN=ca".to_owned();
    let fresh = Freshness::Fresh { next_update: 2_000 };
    let future = Freshness::Future { issuer: issuer.clone(), this_update: 1_000, next_update: 2_000 };
    let too_old = Freshness::TooOld { issuer: issuer.clone(), next_update: 2_000 };
    let grace = Freshness::Grace { issuer, next_update: 2_000, until: 2_110 };
    for (now, expected) in
        [(989, &future), (990, &fresh), (2_010, &fresh), (2_011, &grace), (2_110, &grace), (2_111, &too_old)]
    {
        assert_eq!(crls.freshness(now), *expected, "{now}");
    }
}

fn fault(pki: &Pki) -> CrlFault {
    let error = pki.load().unwrap_err();
    let CrlError::List { number: 1, source, .. } = error else { panic!("{error}") };
    source
}

#[test]
fn a_list_that_cant_be_trusted_is_refused_with_the_reason() {
    let name = || "CN=ca".to_owned();
    let no_signer = pki(|params| {
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "other");
    });
    no_signer.publish(&list(1));
    assert_eq!(fault(&no_signer), CrlFault::NoSigner(name()));

    let no_right = pki(|params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign]);
    no_right.publish(&list(1));
    assert_eq!(fault(&no_right), CrlFault::NoAuthority(name()));

    let no_authority = pki(|params| params.is_ca = IsCa::ExplicitNoCa);
    no_authority.publish(&list(1));
    assert_eq!(fault(&no_authority), CrlFault::NoAuthority(name()));

    let forged = Pki { issuer: pki(|_| {}).issuer, ..pki(|_| {}) };
    forged.publish(&list(1));
    assert_eq!(fault(&forged), CrlFault::Signature(name()));

    let foreign = Pki { root: pki(|_| {}).root, ..pki(|_| {}) };
    foreign.publish(&list(1));
    assert_eq!(fault(&foreign), CrlFault::Untrusted(name()));

    let partial = pki(|_| {});
    let point = CrlDistributionPoint { uris: vec!["http://x".into()] };
    let partly = CrlIssuingDistributionPoint { distribution_point: point, scope: None };
    partial.publish(&CertificateRevocationListParams { issuing_distribution_point: Some(partly), ..list(1) });
    assert_eq!(fault(&partial), CrlFault::Critical("2.5.29.28".into()));
}

#[test]
fn a_damaged_file_is_reported_and_never_panics() {
    let pki = pki(|_| {});
    let said = |text: &str| {
        fs::write(pki.path(), text).unwrap();
        pki.load().unwrap_err().to_string()
    };
    assert!(said("").contains("crl.pem is not usable: expected one or more revocation lists"));
    let pem = list(1).signed_by(&pki.issuer).unwrap().pem().unwrap();
    assert!(said(&pem).contains("expected the certificate of the authority that signed"));
    let authority = to_pem(&pki.authority);
    assert!(said(&(pem.repeat(33) + &authority)).contains("more than 32"));

    let der = list(1).signed_by(&pki.issuer).unwrap().der().to_vec();
    let signers = [pki.authority.clone()];
    let verified = |bytes: &[u8]| List::verified(bytes, &signers, std::slice::from_ref(&pki.root));
    verified(&der).unwrap();
    // The outer header, then what is signed; what follows says nothing about anybody.
    let signed = 0..6 + usize::from(der[5]);
    assert_eq!((der[3], der[4]), (0x30, 0x81));
    for at in 0..der.len() {
        assert!(verified(&der[..at]).is_err(), "cut at {at}");
        let mut changed = der.clone();
        changed[at] ^= 0x41;
        let verdict = verified(&changed);
        assert!(verdict.is_err() || !signed.contains(&at), "byte {at} of {}", hex::encode(&der));
    }
}

#[test]
fn a_changed_file_is_loaded_again_but_never_an_older_list() {
    let pki = pki(|_| {});
    let now = Timestamp::from_second(1_500).unwrap();
    pki.publish(&list(5));
    let crls = pki.load().unwrap();
    assert!(crls.reload(now).unwrap().taken.is_none());
    assert!(Crls::none(Tolerance::default()).reload(now).unwrap().taken.is_none());

    let mut newer = list(6);
    newer.revoked_certs[0].serial_number = 8_u64.into();
    pki.publish(&newer);
    let reloaded = crls.reload(now).unwrap().taken.unwrap();
    assert!(peer_still_good(&pki.leaf(8), &crls, 1_500).is_ok());
    assert!(peer_still_good(&pki.leaf(8), &reloaded, 1_500).is_err());

    pki.publish(&list(5));
    let reload = reloaded.reload(now).unwrap();
    assert!(reload.taken.is_none());
    let error = reload.rejected[0].to_string();
    assert!(error.contains("list 5 of CN=ca, older than list 6 in force"), "{error}");
    fs::write(pki.path(), "torn").unwrap();
    assert!(reloaded.reload(now).is_err());
    fs::remove_file(pki.path()).unwrap();
    assert!(reloaded.reload(now).is_err());
}

fn dated(number: u64, this_update: u64, next_update: u64) -> CertificateRevocationListParams {
    let at = |second| rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(second);
    CertificateRevocationListParams {
        this_update: at(this_update),
        next_update: at(next_update),
        ..list(number)
    }
}

/// The number of the list in force afterwards, and why the other list was rejected.
#[test]
fn a_list_that_would_lock_everybody_out_never_replaces_a_good_one() {
    let (good, at) = ((5, 1_000, 2_000), 1_500);
    // A skew of 10 s, a grace of 100 s.
    for (in_force, now, offered, expected) in [
        (good, at, (6, 1_400, 2_400), (6, "")),
        (good, at, (6, 1_510, 2_400), (6, "")),
        (good, at, (6, 1_511, 2_400), (5, "future")),
        (good, at, (6, 250_000_000_000, 253_000_000_000), (5, "future")),
        (good, at, (6, 1_000, 1_490), (6, "")),
        (good, at, (6, 1_000, 1_489), (5, "overdue")),
        (good, at, (6, 1_000, 1_100), (5, "overdue")),
        (good, at, (4, 1_400, 2_400), (5, "older")),
        (good, at, (5, 1_000, 2_001), (5, "same_number")),
        // The one in force is overdue itself: another in its grace period may know of more.
        (good, 2_050, (6, 1_000, 2_020), (6, "")),
        (good, 2_050, (6, 2_100, 3_000), (5, "future")),
        (good, 2_050, (6, 1_000, 1_900), (5, "overdue")),
        // Nobody gets in as it is: an overdue one changes nothing, one of the future isn't in force yet.
        (good, 2_500, (6, 1_000, 2_300), (6, "")),
        (good, 2_500, (6, 2_600, 3_000), (5, "future")),
        // The first one that was read was of the future already.
        ((5, 9_000, 9_900), at, (6, 1_400, 2_400), (6, "")),
        ((5, 9_000, 9_900), at, (4, 1_400, 2_400), (5, "older")),
    ] {
        let pki = pki(|_| {});
        pki.publish(&dated(in_force.0, in_force.1, in_force.2));
        let crls = pki.load().unwrap();
        pki.publish(&dated(offered.0, offered.1, offered.2));
        let reload = crls.reload(Timestamp::from_second(now).unwrap()).unwrap();
        let in_force_now = reload.taken.as_ref().unwrap_or(&crls).lists[0].number.to_string();
        let rejected = reload.rejected.iter().map(CrlError::label).collect::<String>();
        assert_eq!((in_force_now, rejected.as_str()), (expected.0.to_string(), expected.1), "{offered:?}");
    }
}

#[test]
fn a_list_of_the_future_is_used_once_its_time_has_come_and_the_sentence_names_the_date() {
    let pki = pki(|_| {});
    let at = |second| Timestamp::from_second(second).unwrap();
    pki.publish(&dated(5, 1_000, 2_000));
    let crls = pki.load().unwrap();
    pki.publish(&dated(6, 1_600, 2_600));
    let reload = crls.reload(at(1_500)).unwrap();
    assert!(reload.taken.is_none() && reload.rejected[0].may_pass());
    let said = reload.rejected[0].to_string();
    assert!(
        said.contains("list 6 of CN=ca, whose thisUpdate, 1970-01-01T00:26:40Z, is in the future"),
        "{said}"
    );
    assert_eq!(peer_still_good(&pki.leaf(8), &crls, 1_500), Ok(()));
    // The file hasn't changed since.
    assert!(crls.reload(at(1_600)).unwrap().taken.is_some());

    pki.publish(&dated(7, 1_000, 1_100));
    let said = crls.reload(at(1_500)).unwrap().rejected[0].to_string();
    assert!(said.contains("list 7 of CN=ca, whose nextUpdate, 1970-01-01T00:18:20Z, has passed"), "{said}");
}

#[test]
fn each_authoritys_list_is_judged_by_itself() {
    let named = |params: &mut CertificateParams, name: &str| {
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
    };
    let root_key = KeyPair::generate().unwrap();
    let root_params = authority("root");
    let root: CertificateDer<'static> = root_params.self_signed(&root_key).unwrap().into();
    let root_issuer = Issuer::new(root_params, root_key);
    let make = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let mut params = authority("x");
        named(&mut params, name);
        let certificate: CertificateDer<'static> = params.signed_by(&key, &root_issuer).unwrap().into();
        (certificate, Issuer::new(params, key))
    };
    let (servers, gateways) = (make("servers"), make("gateways"));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("crl.pem");
    let publish = |lists: &[(
        &(CertificateDer<'static>, Issuer<'static, KeyPair>),
        CertificateRevocationListParams,
    )]| {
        let pem = |((certificate, issuer), list): &(
            &(CertificateDer<'static>, _),
            CertificateRevocationListParams,
        )| { list.signed_by(issuer).unwrap().pem().unwrap() + &to_pem(certificate) };
        fs::write(&path, lists.iter().map(pem).collect::<String>()).unwrap();
    };
    let tolerance = Tolerance { clock_skew_s: 10, crl_grace_s: 100 };
    let now = Timestamp::from_second(1_500).unwrap();
    publish(&[(&servers, list(1)), (&gateways, list(1))]);
    let crls = Crls::load(&path, std::slice::from_ref(&root), tolerance).unwrap();
    let numbers = |crls: &Crls| {
        let mut numbers: Vec<_> =
            crls.lists.iter().map(|list| format!("{} {}", list.issuer_name, list.number)).collect();
        numbers.sort();
        numbers.join(", ")
    };
    for (offered, expected, labels) in [
        (
            vec![(&servers, dated(2, 9_000, 9_900)), (&gateways, list(2))],
            "CN=gateways 2, CN=servers 1",
            "future",
        ),
        (vec![(&gateways, list(2))], "CN=gateways 2, CN=servers 1", "gone"),
        (
            vec![(&servers, list(2)), (&gateways, dated(0, 1_400, 3_000))],
            "CN=gateways 1, CN=servers 2",
            "older",
        ),
        // An old list left in a file that was joined by hand.
        (
            vec![(&servers, list(1)), (&gateways, list(2)), (&gateways, list(0))],
            "CN=gateways 2, CN=servers 1",
            "",
        ),
    ] {
        publish(&offered);
        let reload = crls.reload(now).unwrap();
        let said: String = reload.rejected.iter().map(CrlError::label).collect();
        let expected_label = if labels.is_empty() { "same_numberolder" } else { labels };
        assert_eq!(
            (numbers(reload.taken.as_ref().unwrap()).as_str(), said.as_str()),
            (expected, expected_label)
        );
    }
    // Of two lists of one authority, a stale one hides nothing that the other says.
    publish(&[(&servers, list(1)), (&gateways, dated(1, 500, 600)), (&gateways, list(2))]);
    let both = Crls::load(&path, std::slice::from_ref(&root), tolerance).unwrap();
    assert_eq!(both.freshness(1_500), Freshness::Fresh { next_update: 2_000 });
}

#[test]
fn reasons_are_read_in_both_spellings() {
    for reason in RevocationReason::ALL {
        assert_eq!(reason.as_str().parse(), Ok(reason));
        assert_eq!(RevocationReason::of_code(reason.code()), reason);
    }
    assert_eq!("key-compromise".parse(), Ok(RevocationReason::KeyCompromise));
    assert_eq!("ca-compromise".parse(), Ok(RevocationReason::CaCompromise));
    let error = "stolen".parse::<RevocationReason>().unwrap_err().to_string();
    assert!(
        error.contains("\"stolen\" is not a reason of RFC 5280: expected one of unspecified, keyComp"),
        "{error}"
    );
}
