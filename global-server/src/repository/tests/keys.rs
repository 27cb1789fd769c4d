//! Changes of keys, signatures from several places, and the migration of a former repository.

use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use serde_json::json;

use super::super::*;
use super::{Bench, now, role_name};

/// A repository as a former version made it: two roles, no versions in the names of files.
fn former(dir: &Path) -> Repository {
    let repository = Repository::at(dir);
    for folder in ["keys", "metadata", "images"] {
        std::fs::create_dir_all(dir.join(folder)).unwrap();
    }
    let [root, targets] = ["root", "targets"].map(|role| {
        let key = SigningKey::generate(&repository.key_path(&role_name(role))).unwrap();
        std::fs::remove_file(keys::public_path(&repository.key_path(&role_name(role)))).unwrap();
        key
    });
    let write = |name: &str, signed: serde_json::Value, key: &SigningKey| {
        let mut document = tuf::Document::new(signed).unwrap();
        key.sign(&mut document).unwrap();
        std::fs::write(repository.metadata_path(name), document.to_bytes()).unwrap();
    };
    let role = |key: &SigningKey| json!({"keyids": [key.id()], "threshold": 1});
    let file = json!({"_type": "root", "spec_version": "1.0.31", "version": 1, "expires": "2036-11-20T00:00:00Z",
        "keys": {root.id(): root.public(), targets.id(): targets.public()},
        "roles": {"root": role(&root), "targets": role(&targets)}});
    write(ROOT, file, &root);
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    std::fs::write(repository.image_path(abc), "abc").unwrap();
    let file = json!({"_type": "targets", "spec_version": "1.0.31", "version": 3, "expires": "2027-02-20T00:00:00Z",
        "targets": {"ricoh/IM-C4500/1.0": {"length": 3, "hashes": {"sha256": abc}, "custom": {"vendor": "ricoh",
            "model": "IM C4500", "version": "1.0", "published_at": "2026-11-01T00:00:00Z"}}}});
    write("targets.json", file, &targets);
    repository
}

#[test]
fn a_former_repository_migrates_and_its_root_leads_to_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let old = former(dir.path());
    let files = ["root.json", "targets.json"].map(|name| std::fs::read(old.metadata_path(name)).unwrap());
    let refused = Repository::open(dir.path()).unwrap_err();
    assert!(refused.to_string().ends_with("run `platen-global-server migrate` once"), "{refused}");
    let root_key = old.key_path(&role_name("root"));
    let away = dir.path().join("away.pk8");
    std::fs::rename(&root_key, &away).unwrap();
    let migrate = |keys: &[PathBuf]| Repository::migrate(dir.path(), keys, Lifetimes::default(), now());
    assert!(matches!(migrate(&[]), Err(RepositoryError::NoRootKey { .. })));
    assert_eq!(std::fs::read(old.metadata_path(ROOT)).unwrap(), files[0], "nothing has changed");
    let (repository, outcome) = migrate(std::slice::from_ref(&away)).unwrap();
    assert_eq!((outcome.version(&role_name("root")), outcome.missing.len()), (Some(2), 0));
    // By the chain that begins with the former root, which is what gateways have.
    assert_eq!(std::fs::read(repository.metadata_path("1.root.json")).unwrap(), files[0]);
    let verified = repository.verified(now()).unwrap();
    assert_eq!((verified.root.version.get(), verified.targets.version.get()), (2, 3));
    assert_eq!(verified.images[0].target, "ricoh/IM-C4500/1.0");
    // Former gateways go on reading targets.json.
    assert_eq!(std::fs::read(repository.metadata_path("targets.json")).unwrap(), files[1]);
    assert!(matches!(migrate(std::slice::from_ref(&away)), Err(RepositoryError::NotFormer { .. })));

    // Interrupted before the new root was in place.
    std::fs::remove_file(repository.metadata_path("2.root.json")).unwrap();
    std::fs::write(repository.metadata_path(ROOT), &files[0]).unwrap();
    migrate(&[away]).unwrap().0.verified(now()).unwrap();
    let image = Image { vendor: "ricoh", model: "IM C4500", version: "1.1", file: &dir.path().join("image") };
    std::fs::write(image.file, "def").unwrap();
    let published = repository.publish(&image, Lifetimes::default(), now(), |_| {}).unwrap();
    assert_eq!((published.metadata_version, published.outcome.missing.len()), (4, 0));
}

#[test]
fn keys_of_p_256_sign_and_unknown_fields_remain() {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};

    let bench = Bench::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).unwrap();
    let (file, public) = (bench.dir.path().join("p256.pk8"), bench.dir.path().join("p256.pub"));
    std::fs::write(&file, pkcs8.as_ref()).unwrap();
    let key = SigningKey::read(&file).unwrap();
    std::fs::write(&public, key.public().to_string()).unwrap();
    let verified = bench.repository.verified(now()).unwrap();
    let old = verified.root.roles.targets.key_ids[0].clone();
    let changes = [
        Change::Add(TopLevel::Targets, public.clone()),
        Change::Remove(TopLevel::Targets, old.chars().take(8).collect()),
    ];
    let repository = bench.repository.clone().with_keys(&[file]);
    let outcome = repository.rotate(&changes, Lifetimes::default(), now()).unwrap();
    assert!(outcome.missing.is_empty(), "{outcome:?}");
    assert_eq!(repository.verified(now()).unwrap().root.roles.targets.key_ids, [key.id()]);

    // Fields of another tool in the newest targets, signed by the key.
    let name = role_name("targets");
    let mut signed = repository.newest::<tuf::Targets>(&name).unwrap().unwrap().signed().clone();
    signed["version"] = 3.into();
    signed["x-own"] = json!({"kept": [1, "é"]});
    let mut document = tuf::Document::new(signed).unwrap();
    key.sign(&mut document).unwrap();
    std::fs::write(repository.metadata_path("3.targets.json"), document.to_bytes()).unwrap();
    let image = Image { vendor: "ricoh", model: "IM C4500", version: "1", file: &bench.file(b"abc") };
    repository.publish(&image, Lifetimes::default(), now(), |_| {}).unwrap();
    let newest = repository.newest::<tuf::Targets>(&name).unwrap().unwrap();
    assert_eq!(newest.signed()["x-own"], json!({"kept": [1, "é"]}));
    assert_eq!(repository.verified(now()).unwrap().images.len(), 1);
}

#[test]
fn a_root_waits_until_the_targets_are_signed_by_its_keys() {
    let bench = Bench::new();
    bench.publish("1", b"one").unwrap();
    let away = bench.dir.path().join("bob.pk8");
    let bob = SigningKey::generate(&away).unwrap();
    let old = bench.repository.verified(now()).unwrap().root.roles.targets.key_ids[0].clone();
    let changes =
        [Change::Add(TopLevel::Targets, away.with_extension("pub")), Change::Remove(TopLevel::Targets, old)];
    let outcome = bench.repository.rotate(&changes, Lifetimes::default(), now()).unwrap();
    assert!(outcome.installed.is_empty(), "{outcome:?}");
    let [missing] = outcome.missing.as_slice() else { panic!("{outcome:?}") };
    assert_eq!((missing.role.as_str(), missing.keys.as_slice()), ("targets", &[bob.id().to_owned()][..]));
    assert_eq!(missing.named_by, "root version 2");
    // Meanwhile, gateways see what they saw before, and the server goes on signing it.
    let later = now() + SignedDuration::from_hours(48);
    bench.repository.refresh(Due::Later, Lifetimes::default(), later).unwrap();
    let verified = bench.repository.verified(later).unwrap();
    assert_eq!((verified.root.version.get(), verified.images.len()), (1, 1));

    let copy = bench.dir.path().join("targets.json");
    std::fs::copy(missing.file.as_ref().unwrap(), &copy).unwrap();
    let signature = sign_file(&copy, &[away]).unwrap();
    assert_eq!((signature.version, signature.images), (3, vec!["ricoh/IM-C4500/1".to_owned()]));
    let outcome = bench.repository.sign(&[copy], Lifetimes::default(), later).unwrap();
    let installed = ["root", "targets"].map(|role| outcome.version(&role_name(role)));
    assert_eq!((installed, outcome.missing.len()), ([Some(2), Some(3)], 0));
    let verified = bench.repository.verified(later).unwrap();
    assert_eq!((verified.root.version.get(), verified.images.len()), (2, 1));
    assert!(std::fs::read_dir(bench.repository.dir().join("pending")).unwrap().next().is_none());
}

#[test]
fn impossible_changes_of_keys_are_refused_and_change_nothing() {
    let bench = Bench::new();
    let rotate = |change: Change| {
        bench.repository.rotate(&[change], Lifetimes::default(), now()).unwrap_err().to_string()
    };
    let id = bench.repository.verified(now()).unwrap().root.roles.root.key_ids[0].clone();
    assert_eq!(
        rotate(Change::Threshold(TopLevel::Root, 2)),
        "root would require 2 signatures, but has 1 keys"
    );
    assert!(rotate(Change::Remove(TopLevel::Root, id)).starts_with("root would require 1 signatures"));
    assert!(rotate(Change::Remove(TopLevel::Root, "xyz".to_owned())).starts_with("root has no key xyz: "));
    let absent = bench.dir.path().join("absent.pub");
    assert!(rotate(Change::Add(TopLevel::Root, absent)).ends_with("absent.pub: no such file"));
    let private = bench.key("root");
    assert!(rotate(Change::Add(TopLevel::Root, private)).contains("not a public key"));
    assert_eq!(bench.repository.verified(now()).unwrap().root.version.get(), 1);

    let keys = [bench.key("root").with_extension("pub")];
    let delegate = |maker| {
        let delegation = Delegation { maker, keys: &keys, threshold: 1, paths: &[] };
        bench.repository.delegate(&delegation, Lifetimes::default(), now())
    };
    for maker in ["", "targets", "Ricoh", "../x", "a b"] {
        assert!(delegate(maker).unwrap_err().to_string().starts_with("maker "), "{maker}");
    }
    let ended = bench.repository.undelegate("ricoh", Lifetimes::default(), now()).unwrap_err();
    assert_eq!(ended.to_string(), "no role ricoh is delegated: there are none at all");
}
