//! Loading an identity: each error names the file and the remedy; damaged bytes never cause a panic.

#![allow(clippy::unwrap_used, clippy::unwrap_in_result, reason = "a test stops at what it did not expect")]

mod site;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use pki::spiffe::PartyKind;
use pki::{Identity, IdentityConfig, facts, inspect};
use proptest::prelude::{any, prop};
use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use site::Site;

#[test]
fn an_identity_knows_who_it_is() {
    let site = Site::new("t");
    let identity = site.identity(PartyKind::Gateway, "g");
    assert_eq!(identity.id().to_string(), "spiffe://t/gateway/g");
    let issued = site.authority.issued().unwrap();
    assert_eq!(identity.not_after(), issued[0].not_after.as_second());
}

#[test]
fn an_unusable_file_is_named_with_the_remedy() {
    type Damage = fn(&Site, &mut IdentityConfig);
    let cases: [(Damage, &str); 7] = [
        (|_, c| fs::set_permissions(&c.key, fs::Permissions::from_mode(0o644)).unwrap(), "run `chmod 600 "),
        (|_, c| c.certificate = "/nowhere".into(), "cannot read /nowhere"),
        (
            |_, c| fs::write(&c.root, "x").unwrap(),
            "root.pem is not usable: expected one or more certificates",
        ),
        (
            |_, c| fs::write(&c.key, "x").unwrap(),
            "key.pem is not usable: expected an unencrypted private key",
        ),
        (|s, c| c.key = s.issue(PartyKind::Gateway, "h").key, "does not belong to certificate"),
        (|_, c| fs::write(&c.root, vec![b'x'; 2 << 20]).unwrap(), "root.pem is larger than"),
        (
            |_, c| {
                let nameless =
                    CertificateParams::default().self_signed(&KeyPair::generate().unwrap()).unwrap();
                fs::write(&c.certificate, nameless.pem()).unwrap();
            },
            "0 URIs in the subject alternative name",
        ),
    ];
    for (damage, expected) in cases {
        let site = Site::new("t");
        let mut config = site.issue(PartyKind::Gateway, "g");
        damage(&site, &mut config);
        let error = anyhow::Error::from(Identity::load(&config).unwrap_err());
        assert!(format!("{error:#}").contains(expected), "{error:#}\nexpected: {expected}");
    }
}

#[test]
fn an_unknown_key_of_the_configuration_is_refused() {
    let parse = |text| serde_json::from_str::<IdentityConfig>(text);
    let config = parse(r#"{"certificate":"c","key":"k","root":"r"}"#).unwrap();
    assert_eq!(config.crl, None);
    let error = parse(r#"{"certificate":"c","key":"k","root":"r","crll":"x"}"#).unwrap_err().to_string();
    assert!(error.contains("unknown field `crll`"), "{error}");
}

#[test]
fn damaged_certificates_never_panic() {
    let site = Site::new("t");
    let config = site.issue(PartyKind::CommServer, "c");
    let good = CertificateDer::from_pem_file(&config.certificate).unwrap();
    let length = good.len();
    let change = prop::collection::vec((0..length, any::<u8>()), 1..4);
    let mut runner = proptest::test_runner::TestRunner::default();
    let run = runner.run(&(change, 0..=length), |(changes, end)| {
        let mut bytes = good.to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        // Half of them whole, half cut short.
        bytes.truncate(if end % 2 == 0 { length } else { end });
        let der = CertificateDer::from(bytes);
        drop((facts::of_leaf(&der, std::slice::from_ref(&der)), inspect::describe(&der)));
        Ok(())
    });
    run.unwrap();
}
