//! The client workflow with repositories that are valid, stale, mixed up or signed by others.

#![allow(clippy::unwrap_used, reason = "a test ends with the first problem")]

mod repository;

use repository::{EXPIRED, Repository, Storage, TestKey, role, signed, target};
use serde_json::{Value, json};
use tuf::{Client, Refusal};

#[test]
fn a_refresh_requests_each_role_once_and_stores_what_it_received() {
    for hashes in [false, true] {
        let mut repository = Repository::new();
        repository.hashes = hashes;
        repository.publish();
        let mut storage = Storage::trusting(&repository);
        storage.refresh(&repository).unwrap();
        assert_eq!(storage.requests, ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]);
        assert_eq!(storage.files["timestamp.json"], repository.files["timestamp.json"]);
        storage.refresh(&repository).unwrap();
        assert_eq!(storage.requests, ["2.root.json", "timestamp.json"]);
    }
}

#[test]
fn without_consistent_snapshots_names_have_no_versions() {
    let mut repository = Repository::new();
    repository.root["consistent_snapshot"] = false.into();
    repository.publish_root();
    for name in ["snapshot.json", "targets.json"] {
        let file = repository.files.remove(&format!("1.{name}")).unwrap();
        repository.files.insert(name.to_owned(), file);
    }
    let mut storage = Storage::trusting(&repository);
    storage.refresh(&repository).unwrap();
    assert_eq!(storage.requests, ["2.root.json", "timestamp.json", "snapshot.json", "targets.json"]);
}

#[test]
fn roots_are_followed_one_by_one() {
    let mut repository = Repository::new();
    let mut storage = Storage::trusting(&repository);
    for _ in 0..3 {
        Repository::bump(&mut repository.root);
        repository.publish_root();
    }
    storage.refresh(&repository).unwrap();
    assert_eq!(storage.version("root"), Some(4));

    // A version that is left out ends the chain, whatever comes after it.
    repository.root["version"] = 6.into();
    repository.publish_root();
    storage.refresh(&repository).unwrap();
    assert_eq!(storage.version("root"), Some(4));
    let six = repository.files["6.root.json"].clone();
    repository.files.insert("5.root.json".to_owned(), six);
    let refused = storage.refresh(&repository).unwrap_err();
    assert_eq!(refused, Refusal::RootVersion { found: 6.try_into().unwrap(), expected: 5 });
}

#[test]
fn a_root_is_signed_by_the_keys_before_and_after_it() {
    for (signers, accepted) in
        [(vec!["root", "other"], true), (vec!["root"], false), (vec!["other"], false), (vec![], false)]
    {
        let mut repository = Repository::new();
        let mut storage = Storage::trusting(&repository);
        repository.root["version"] = 2.into();
        repository.root["keys"]["other"] = repository.key("other").public.clone();
        repository.root["roles"]["root"] = role(&[repository.key("other")], 1);
        let keys: Vec<_> = signers.iter().map(|name| repository.key(name)).collect();
        let root = signed(&repository.root, &keys);
        repository.files.insert("2.root.json".to_owned(), root);
        let result = storage.refresh(&repository).map(drop);
        assert_eq!(result.is_ok(), accepted, "{signers:?}: {result:?}");
        assert_eq!(storage.version("root"), Some(if accepted { 2 } else { 1 }));
        assert_eq!(storage.version("timestamp").is_some(), accepted);
    }
}

#[test]
fn at_most_256_roots_are_followed_at_once() {
    let mut repository = Repository::new();
    let mut storage = Storage::trusting(&repository);
    for _ in 0..260 {
        Repository::bump(&mut repository.root);
        repository.publish_root();
    }
    storage.refresh(&repository).unwrap();
    assert_eq!(storage.version("root"), Some(257));
    storage.refresh(&repository).unwrap();
    assert_eq!(storage.version("root"), Some(261));
}

#[test]
fn what_has_expired_is_refused_and_not_stored() {
    type Set = fn(&mut Repository) -> &mut Value;
    let cases: [(&str, Set); 4] = [
        ("root", |r| &mut r.root),
        ("timestamp", |r| &mut r.timestamp),
        ("snapshot", |r| &mut r.snapshot),
        ("targets", |r| &mut r.targets),
    ];
    for (name, set) in cases {
        let mut repository = Repository::new();
        let mut storage = Storage::trusting(&repository);
        storage.refresh(&repository).unwrap();
        set(&mut repository)["expires"] = EXPIRED.into();
        repository.bump_all();
        Repository::bump(&mut repository.root);
        repository.publish_root();
        repository.publish();
        let refused = storage.refresh(&repository).unwrap_err();
        let freeze = matches!(refused, Refusal::Freeze { .. }) && name == "timestamp";
        let expired = matches!(&refused, Refusal::Expired { role, .. } if role.as_str() == name);
        assert!(freeze || expired, "{name}: {refused}");
        // The root is stored even so: the next one is signed by its keys.
        assert_eq!(storage.version("root"), Some(2));
        let order = ["root", "timestamp", "snapshot", "targets"];
        for role in order.iter().skip_while(|role| **role != name).filter(|role| **role != "root") {
            assert_eq!(storage.version(role), Some(1), "{name}: {role}");
        }
    }
}

#[test]
fn expired_stored_files_still_count_against_rollback() {
    let mut repository = Repository::new();
    repository.timestamp["version"] = 5.into();
    repository.publish_timestamp();
    let mut storage = Storage::trusting(&repository);
    storage.refresh(&repository).unwrap();
    storage.now = Some("2027-06-01T00:00:00Z".parse().unwrap());
    for role in
        [&mut repository.root, &mut repository.timestamp, &mut repository.snapshot, &mut repository.targets]
    {
        role["expires"] = "2028-01-01T00:00:00Z".into();
    }
    Repository::bump(&mut repository.root);
    repository.publish_root();
    repository.timestamp["version"] = 4.into();
    repository.publish();
    assert!(matches!(storage.refresh(&repository), Err(Refusal::Rollback { .. })));
    repository.bump_all();
    repository.timestamp["version"] = 6.into();
    repository.publish();
    storage.refresh(&repository).unwrap();
}

#[test]
fn older_versions_are_refused() {
    type Change = fn(&mut Repository);
    let cases: [(&str, Change); 4] = [
        ("timestamp.json", |r| r.timestamp["version"] = 4.into()),
        ("snapshot.json", |r| r.snapshot["version"] = 4.into()),
        ("targets.json", |r| r.targets["version"] = 4.into()),
        ("d.json", |r| r.snapshot["meta"]["d.json"]["version"] = 4.into()),
    ];
    for (name, change) in cases {
        let mut repository = Repository::new();
        for role in [&mut repository.timestamp, &mut repository.snapshot, &mut repository.targets] {
            role["version"] = 5.into();
        }
        repository.snapshot["meta"]["d.json"] = json!({"version": 5});
        repository.publish();
        let mut storage = Storage::trusting(&repository);
        storage.refresh(&repository).unwrap();
        let before = storage.files.clone();
        for role in [&mut repository.timestamp, &mut repository.snapshot, &mut repository.targets] {
            Repository::bump(role);
        }
        change(&mut repository);
        repository.publish();
        match storage.refresh(&repository).map(drop) {
            Err(Refusal::Rollback { file, found, trusted }) => {
                assert_eq!((file.as_str(), found.get(), trusted.get()), (name, 4, 5));
            }
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(storage.files["snapshot.json"], before["snapshot.json"]);
    }
}

#[test]
fn a_role_that_leaves_the_snapshot_is_a_rollback() {
    let mut repository = Repository::new();
    repository.snapshot["meta"]["d.json"] = json!({"version": 1});
    repository.publish();
    let mut storage = Storage::trusting(&repository);
    storage.refresh(&repository).unwrap();
    repository.snapshot["meta"].as_object_mut().unwrap().remove("d.json");
    repository.bump_all();
    repository.publish();
    let refused = storage.refresh(&repository).unwrap_err();
    assert_eq!(refused, Refusal::Removed { file: "d.json".to_owned() });
}

#[test]
fn a_timestamp_of_the_same_version_changes_nothing() {
    let mut repository = Repository::new();
    let mut storage = Storage::trusting(&repository);
    storage.refresh(&repository).unwrap();
    repository.timestamp["meta"]["snapshot.json"]["version"] = 100.into();
    repository.publish_timestamp();
    let before = storage.files.clone();
    storage.refresh(&repository).unwrap();
    assert_eq!(storage.files, before);
    assert_eq!(storage.requests, ["2.root.json", "timestamp.json"]);
}

#[test]
fn versions_that_do_not_belong_together_are_refused() {
    for name in ["snapshot", "targets"] {
        let mut repository = Repository::new();
        repository.bump_all();
        repository.publish();
        let old = repository.files[&format!("1.{name}.json")].clone();
        repository.files.insert(format!("2.{name}.json"), old);
        let refused = Storage::trusting(&repository).refresh(&repository).unwrap_err();
        assert!(matches!(&refused, Refusal::MixAndMatch { role, .. } if role.as_str() == name), "{refused}");
    }
}

#[test]
fn lengths_and_hashes_are_checked() {
    for name in ["snapshot", "targets"] {
        let mut repository = Repository::new();
        repository.hashes = true;
        repository.publish();
        let path = format!("1.{name}.json");
        let file = repository.files[&path].clone();
        let mut longer = file.clone();
        longer.push(b' ');
        repository.files.insert(path.clone(), longer);
        let refused = Storage::trusting(&repository).refresh(&repository).unwrap_err();
        assert!(matches!(refused, Refusal::WrongLength { .. }), "{refused}");
        let mut changed = file.clone();
        changed.swap(20, 21);
        repository.files.insert(path, changed);
        let refused = Storage::trusting(&repository).refresh(&repository).unwrap_err();
        assert!(matches!(refused, Refusal::WrongHash { .. }), "{refused}");
    }
}

#[test]
fn missing_files_and_wrong_types_are_refused() {
    for path in ["timestamp.json", "1.snapshot.json", "1.targets.json"] {
        let mut repository = Repository::new();
        repository.files.remove(path);
        let refused = Storage::trusting(&repository).refresh(&repository).unwrap_err();
        assert!(matches!(refused, Refusal::Missing { .. }), "{refused}");
    }
    let mut repository = Repository::new();
    repository.root["roles"]["timestamp"] = role(&[repository.key("snapshot")], 1);
    repository.publish_root();
    let snapshot = repository.files["1.snapshot.json"].clone();
    repository.files.insert("timestamp.json".to_owned(), snapshot);
    let refused = Storage::trusting(&repository).refresh(&repository).unwrap_err();
    assert!(matches!(refused, Refusal::WrongType { expected: "timestamp", .. }), "{refused}");
}

#[test]
fn files_above_the_limit_of_their_role_are_refused() {
    let mut repository = Repository::new();
    let padded = |file: &[u8], bytes: usize| [file, " ".repeat(bytes - file.len()).as_bytes()].concat();
    let timestamp = repository.files["timestamp.json"].clone();
    repository.files.insert("timestamp.json".to_owned(), padded(&timestamp, 16_384));
    Storage::trusting(&repository).refresh(&repository).unwrap();
    repository.files.insert("timestamp.json".to_owned(), padded(&timestamp, 16_385));
    let refused = Storage::trusting(&repository).refresh(&repository).unwrap_err();
    assert!(matches!(refused, Refusal::TooLarge { limit: 16_384, .. }), "{refused}");
}

#[test]
fn fast_forwarded_versions_are_recovered_by_rotating_keys() {
    for rotated in ["timestamp", "snapshot"] {
        let mut repository = Repository::new();
        for role in [&mut repository.timestamp, &mut repository.snapshot, &mut repository.targets] {
            role["version"] = 99_999.into();
        }
        repository.publish();
        let mut storage = Storage::trusting(&repository);
        storage.refresh(&repository).unwrap();

        repository.timestamp["version"] = 1.into();
        repository.snapshot["version"] = 1.into();
        repository.targets["version"] = 1.into();
        repository.publish();
        assert!(matches!(storage.refresh(&repository), Err(Refusal::Rollback { .. })));

        let name = if rotated == "timestamp" { "timestamp" } else { "snapshot" };
        let new = TestKey::new("new");
        repository.root["keys"]["new"] = new.public.clone();
        repository.root["roles"][name] = role(&[&new], 1);
        Repository::bump(&mut repository.root);
        repository.publish_root();
        repository.keys.insert(name, new);
        repository.publish();
        storage.refresh(&repository).unwrap();
        assert_eq!(storage.version("targets"), Some(1));
        assert_eq!(storage.version("timestamp"), Some(1));
    }
}

#[test]
fn a_key_that_is_added_recovers_nothing() {
    let mut repository = Repository::new();
    repository.timestamp["version"] = 9.into();
    repository.publish_timestamp();
    let mut storage = Storage::trusting(&repository);
    storage.refresh(&repository).unwrap();
    let new = TestKey::new("new");
    repository.root["keys"]["new"] = new.public.clone();
    repository.root["roles"]["timestamp"] = role(&[repository.key("timestamp"), &new], 1);
    Repository::bump(&mut repository.root);
    repository.publish_root();
    repository.timestamp["version"] = 8.into();
    repository.publish_timestamp();
    assert!(matches!(storage.refresh(&repository), Err(Refusal::Rollback { .. })));
}

#[test]
fn damaged_storage_is_requested_again_but_a_damaged_root_is_refused() {
    let repository = Repository::new();
    let mut storage = Storage::trusting(&repository);
    storage.refresh(&repository).unwrap();
    for name in ["timestamp", "snapshot", "targets"] {
        for damage in [b"".as_slice(), b"{", b"\xff\xff"] {
            storage.files.insert(format!("{name}.json"), damage.to_vec());
            storage.refresh(&repository).unwrap();
            assert_eq!(storage.version(name), Some(1));
        }
    }
    let mut root: Value = serde_json::from_slice(&storage.files["root.json"]).unwrap();
    root["signed"]["version"] = 7.into();
    storage.files.insert("root.json".to_owned(), serde_json::to_vec(&root).unwrap());
    assert!(matches!(storage.refresh(&repository), Err(Refusal::Threshold { valid: 0, .. })));
    assert!(storage.requests.is_empty());
}

#[test]
fn unknown_fields_are_covered_by_the_signature() {
    let mut repository = Repository::new();
    repository.root["x-custom"] = json!({"b": [null, true, {"é": "\n"}], "a": -1});
    repository.root["keys"]["timestamp"]["keyid_hash_algorithms"] = json!("md5");
    repository.publish_root();
    Storage::trusting(&repository).refresh(&repository).unwrap();
    let mut root: Value = serde_json::from_slice(&repository.files["1.root.json"]).unwrap();
    root["signed"]["x-custom"]["a"] = json!(-2);
    let changed = serde_json::to_vec(&root).unwrap();
    assert!(matches!(tuf::TrustedSet::new(&changed, repository::now()), Err(Refusal::Threshold { .. })));
}

#[test]
fn targets_are_found_in_the_top_level_role() {
    let repository = Repository::new();
    let found = Storage::trusting(&repository).find(&repository, "image").unwrap();
    let tuf::Found::Target { role, file } = found else { panic!("{found:?}") };
    assert_eq!((role.as_str(), file.length), ("targets", 5));
    assert_eq!(file, serde_json::from_value(target(b"image")).unwrap());
    let absent = Storage::trusting(&repository).find(&repository, "images").unwrap();
    assert_eq!(absent, tuf::Found::Absent);
    let long = Storage::trusting(&repository).find(&repository, &"a".repeat(1_025)).unwrap_err();
    assert!(matches!(long, Refusal::TargetPath { length: 1_025, .. }));
}

/// A client that is killed after any action continues where it stopped, and never returns to older files.
#[test]
fn a_client_that_is_killed_at_any_step_loses_nothing() {
    let mut repository = Repository::new();
    let mut before = Storage::trusting(&repository);
    before.refresh(&repository).unwrap();
    let new = TestKey::new("new");
    repository.root["keys"]["new"] = new.public.clone();
    repository.root["roles"]["timestamp"] = role(&[&new], 1);
    Repository::bump(&mut repository.root);
    repository.publish_root();
    repository.keys.insert("timestamp", new);
    repository.bump_all();
    repository.publish();
    let mut killed = 0;
    for steps in 0.. {
        let mut storage = Storage { files: before.files.clone(), ..Storage::default() };
        let mut client = Client::new(&storage.files["root.json"], repository::now()).unwrap();
        if storage.act(&mut client, &repository, steps).unwrap() {
            break;
        }
        killed += 1;
        let version = |storage: &Storage, role| storage.version(role).unwrap_or_default();
        let reached = ["root", "targets"].map(|role| version(&storage, role));
        storage.refresh(&repository).unwrap();
        for (role, reached) in ["root", "targets"].into_iter().zip(reached) {
            assert!(reached == 1 || reached == 2, "{role}: {reached}");
        }
        for role in ["root", "timestamp", "snapshot", "targets"] {
            assert_eq!(storage.version(role), Some(2), "{role} after {steps} steps");
        }
    }
    assert!(killed > 10, "{killed} steps");
}
