//! Keys, signatures and thresholds.

#![allow(clippy::unwrap_used, reason = "a test ends with the first problem")]

mod repository;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
    RSA_PSS_SHA256, RsaKeyPair,
};
use repository::{Repository, Storage, TestKey, key_table, role, signed};
use serde_json::{Value, json};
use tuf::Refusal;

#[test]
fn a_threshold_counts_distinct_keys_of_the_role() {
    let (a, b, c) = (TestKey::new("a"), TestKey::new("b"), TestKey::new("c"));
    // The same key under another id.
    let mut twin = TestKey::new("twin");
    twin.public = a.public.clone();
    for (signers, valid) in [
        (vec![&a, &b], 2),
        (vec![&b, &c, &a], 2),
        (vec![&a], 1),
        (vec![&a, &c], 1),
        (vec![&c], 0),
        (vec![&a, &twin], 1),
    ] {
        let mut repository = Repository::new();
        repository.root["keys"]
            .as_object_mut()
            .unwrap()
            .extend(key_table(&[&a, &b, &twin]).as_object().unwrap().clone());
        repository.root["roles"]["timestamp"] = role(&[&a, &b, &twin], 2);
        repository.publish_root();
        let mut file: Value = serde_json::from_slice(&signed(&repository.timestamp, &signers)).unwrap();
        for signature in file["signatures"].as_array_mut().unwrap() {
            if signature["keyid"] == "twin" {
                signature["sig"] = (a.sign)(&tuf::canonical(&repository.timestamp).unwrap()).into();
            }
        }
        repository.files.insert("timestamp.json".to_owned(), serde_json::to_vec(&file).unwrap());
        let result = Storage::trusting(&repository).refresh(&repository).map(drop);
        if valid == 2 {
            assert!(result.is_ok(), "{result:?}");
        } else {
            assert!(
                matches!(result, Err(Refusal::Threshold { valid: found, threshold: 2, .. }) if found == valid)
            );
        }
    }
}

#[test]
fn two_signatures_of_one_key_are_refused_and_an_invalid_one_beside_a_valid_one_is_not() {
    let mut repository = Repository::new();
    let timestamp = repository.key("timestamp");
    let twice = signed(&repository.timestamp, &[timestamp, timestamp]);
    let mut invalid: Value =
        serde_json::from_slice(&signed(&repository.timestamp, &[timestamp, repository.key("other")]))
            .unwrap();
    repository.files.insert("timestamp.json".to_owned(), twice);
    let refused = Storage::trusting(&repository).refresh(&repository).unwrap_err();
    assert!(matches!(refused, Refusal::DuplicateSignature { .. }));
    for sig in ["", "00", "not hexadecimal"] {
        invalid["signatures"][1]["sig"] = sig.into();
        repository.files.insert("timestamp.json".to_owned(), serde_json::to_vec(&invalid).unwrap());
        Storage::trusting(&repository).refresh(&repository).unwrap();
    }
}

fn pem_text(der: &[u8]) -> String {
    pem::encode(&pem::Pem::new("PUBLIC KEY", der))
}

fn ecdsa(id: &str, curve: &'static aws_lc_rs::signature::EcdsaSigningAlgorithm, point: bool) -> TestKey {
    let pair = EcdsaKeyPair::generate(curve).unwrap();
    let public = if point {
        hex::encode(pair.public_key().as_ref())
    } else {
        pem_text(pair.public_key().as_der().unwrap().as_ref())
    };
    let keytype = if point { "ecdsa-sha2-nistp256" } else { "ecdsa" };
    TestKey {
        id: id.to_owned(),
        public: json!({"keytype": keytype, "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": public}}),
        sign: Box::new(move |message| hex::encode(pair.sign(&SystemRandom::new(), message).unwrap())),
    }
}

fn rsa(id: &str) -> TestKey {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = pem_text(pair.public_key().as_der().unwrap().as_ref());
    TestKey {
        id: id.to_owned(),
        public: json!({"keytype": "rsa", "scheme": "rsassa-pss-sha256", "keyval": {"public": public}}),
        sign: Box::new(move |message| {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(&RSA_PSS_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
            hex::encode(signature)
        }),
    }
}

#[test]
fn keys_of_each_type_verify_and_unknown_ones_do_not_disturb() {
    let keys = [
        ecdsa("pem", &ECDSA_P256_SHA256_ASN1_SIGNING, false),
        ecdsa("point", &ECDSA_P256_SHA256_ASN1_SIGNING, true),
        rsa("rsa"),
        TestKey::new("an id with \u{1f511} and \"quotes\""),
    ];
    // A key of another curve, of unknown types, and without a value.
    let mut strange = vec![ecdsa("p384", &ECDSA_P384_SHA384_ASN1_SIGNING, false)];
    for (id, public) in [
        ("unknown type", json!({"keytype": "sphincs", "scheme": "sphincs", "keyval": {"public": "00"}})),
        ("no value", json!({"keytype": "sigstore-oidc", "scheme": "Fulcio", "keyval": {"identity": "a"}})),
        ("not hex", json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": "x"}})),
        ("not pem", json!({"keytype": "rsa", "scheme": "rsassa-pss-sha256", "keyval": {"public": "x"}})),
    ] {
        strange.push(TestKey { id: id.to_owned(), public, sign: Box::new(|_| "00".to_owned()) });
    }
    let all: Vec<_> = keys.iter().chain(&strange).collect();
    for threshold in [1, 4, 5] {
        let mut repository = Repository::new();
        repository.root["keys"].as_object_mut().unwrap().extend(key_table(&all).as_object().unwrap().clone());
        repository.root["roles"]["timestamp"] = role(&all, threshold);
        repository.publish_root();
        repository.files.insert("timestamp.json".to_owned(), signed(&repository.timestamp, &all));
        let result = Storage::trusting(&repository).refresh(&repository).map(drop);
        match result {
            Ok(()) => assert!(threshold <= 4),
            Err(Refusal::Threshold { valid, threshold, .. }) => assert_eq!((valid, threshold), (4, 5)),
            Err(other) => panic!("{other}"),
        }
    }
}
