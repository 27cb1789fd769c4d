//! Metadata that is old, expired, damaged, mixed or signed by others is refused.

use serde_json::json;
use tuf::Refusal;

use super::super::*;
use super::repository::{self, EXPIRED, Repository, TestKey, now, role, signed};
use super::{Bench, Manner, entry};

/// What the report says, and what brings it about.
type Attack = (&'static str, fn(&Bench));

fn attacks() -> [Attack; 12] {
    [
        ("rollback: timestamp.json is version 6, but version 7", |bench| bench.publish(6)),
        ("rollback: snapshot.json is version 6, but version 7", |bench| {
            bench.change(|repository| {
                repository.snapshot["version"] = 6.into();
                repository.timestamp["version"] = 8.into();
                repository.publish_snapshot();
            });
        }),
        ("freeze: the timestamp expired at", |bench| {
            bench.change(|repository| {
                repository.timestamp["expires"] = EXPIRED.into();
                repository.timestamp["version"] = 8.into();
                repository.publish_timestamp();
            });
        }),
        ("mix-and-match: targets is version 7, but snapshot names version 8", |bench| {
            let old = bench.repository.borrow().files["7.targets.json"].clone();
            bench.publish(8);
            bench.serve("8.targets.json", &old);
        }),
        ("bytes or more: expected", |bench| {
            bench.repository.borrow_mut().hashes = true;
            bench.publish(8);
            let mut shorter = bench.repository.borrow().files["8.targets.json"].clone();
            shorter.pop();
            bench.serve("8.targets.json", &shorter);
        }),
        ("sha256 hash", |bench| {
            bench.repository.borrow_mut().hashes = true;
            bench.publish(8);
            let file = String::from_utf8(bench.repository.borrow().files["8.targets.json"].clone()).unwrap();
            bench.serve("8.targets.json", file.replace("2.10", "2.11").as_bytes());
        }),
        ("threshold not reached", |bench| {
            bench.publish(8);
            let stranger = TestKey::new("timestamp");
            bench.serve("timestamp.json", &signed(&bench.repository.borrow().timestamp, &[&stranger]));
        }),
        ("targets expired at", |bench| {
            bench.repository.borrow_mut().targets["expires"] = EXPIRED.into();
            bench.publish(8);
        }),
        ("the repository does not have snapshot", |bench| {
            bench.publish(8);
            bench.server.metadata.lock().unwrap().remove("8.snapshot.json");
        }),
        ("timestamp is larger than 16384 bytes", |bench| bench.serve("timestamp.json", &[b' '; 16_385])),
        ("timestamp can't be read as metadata", |bench| bench.serve("timestamp.json", b"{")),
        ("root is version 3: expected 2", |bench| {
            bench.change(|repository| {
                repository.root["version"] = 3.into();
                repository.publish_root();
                let skipped = repository.files["3.root.json"].clone();
                repository.files.insert("2.root.json".to_owned(), skipped);
            });
        }),
    ]
}

#[tokio::test]
async fn each_attack_is_refused_in_its_own_words() {
    for (words, attack) in attacks() {
        let bench = Bench::with(vec![7; 1_000]).await;
        bench.publish(7);
        bench.stage().await.unwrap();
        attack(&bench);
        let refused = bench.refused().await;
        assert!(matches!(refused, StagingError::Untrusted(_)), "{words}: {refused}");
        let report = runtime::error::chain(&refused);
        assert!(report.starts_with("the firmware metadata is not trusted: "), "{report}");
        assert!(report.contains(words), "{words}: {report}");
        // What can be published again is waited for.
        let passes = ["expired", "does not have"].iter().any(|word| report.contains(word));
        assert_eq!(refused.is_final(), !passes, "{report}");
    }
}

#[tokio::test]
async fn damaged_trust_is_refused_and_not_forgotten() {
    let bench = Bench::with(vec![7; 1_000]).await;
    bench.publish(7);
    bench.stage().await.unwrap();
    let path = bench.dir().join("trust");
    let whole = std::fs::read(&path).unwrap();
    for at in [0, 63, 64, 65, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        let refused = bench.refused().await;
        assert!(
            matches!(refused, StagingError::DamagedState { .. }) && !refused.is_final(),
            "{at}: {refused}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), damaged, "it is left as it is");
    }
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(bench.refused().await, StagingError::DamagedState { .. }));
    std::fs::write(&path, &whole).unwrap();
    bench.stage().await.unwrap();
    // The former gateway's file counts until the new one is written.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(bench.dir().join("newest-targets"), "8\n").unwrap();
    for _ in 0..2 {
        let refused = bench.refused().await;
        assert!(matches!(refused, StagingError::Untrusted(Refusal::Rollback { .. })), "{refused}");
    }
    std::fs::write(bench.dir().join("newest-targets"), "x").unwrap();
    assert!(matches!(bench.refused().await, StagingError::DamagedState { .. }));
    std::fs::write(bench.dir().join("newest-targets"), "7\n").unwrap();
    bench.stage().await.unwrap();
}

#[tokio::test]
async fn a_newer_root_recovers_from_versions_that_a_thief_advanced() {
    let bench = Bench::with(vec![7; 1_000]).await;
    bench.publish(7);
    // Signed with the stolen key of the timestamp.
    bench.change(|repository| {
        repository.timestamp["version"] = 1_000_000.into();
        repository.publish_timestamp();
    });
    bench.stage().await.unwrap();
    bench.publish(8);
    assert!(matches!(bench.refused().await, StagingError::Untrusted(Refusal::Rollback { .. })));
    bench.change(|repository| {
        let key = TestKey::new("timestamp-2");
        repository.root["version"] = 2.into();
        repository.root["keys"]["timestamp-2"] = key.public.clone();
        repository.root["roles"]["timestamp"] = role(&[&key], 1);
        repository.publish_root();
        repository.files.insert("timestamp.json".to_owned(), signed(&repository.timestamp, &[&key]));
    });
    bench.stage().await.unwrap();
    // The former key is worth nothing any more, also if the newer root is withheld.
    bench.server.metadata.lock().unwrap().remove("2.root.json");
    bench.publish(9);
    bench.server.metadata.lock().unwrap().remove("2.root.json");
    assert!(matches!(bench.refused().await, StagingError::Untrusted(Refusal::Threshold { .. })));
}

#[tokio::test]
async fn an_incomplete_root_is_followed_to_a_complete_one() {
    let bench = Bench::with(vec![7; 1_000]).await;
    let key = TestKey::new("root");
    let mut former = bench.repository.borrow().root.clone();
    for absent in ["timestamp", "snapshot"] {
        former["roles"].as_object_mut().unwrap().remove(absent);
    }
    former["keys"]["root"] = key.public.clone();
    let provisioned = bench.folder.path().join("root.json");
    std::fs::write(&provisioned, signed(&former, &[&key])).unwrap();
    let refused = bench.refused().await;
    assert!(matches!(refused, StagingError::Untrusted(Refusal::Threshold { .. })), "{refused}");
    let complete = bench.repository.borrow().root.clone();
    bench.change(|repository| {
        repository.root = complete;
        repository.root["version"] = 2.into();
        let both = signed(&repository.root, &[repository.key("root"), &key]);
        let own_id = json!({"keyid": "root", "sig": (key.sign)(&tuf::canonical(&repository.root).unwrap())});
        let mut both: serde_json::Value = serde_json::from_slice(&both).unwrap();
        // The former key signs under an id of its own in the next root.
        both["signatures"] = json!([own_id]);
        repository.root["keys"]["root"] = key.public.clone();
        repository.files.insert("2.root.json".to_owned(), signed(&repository.root, &[&key]));
    });
    bench.stage().await.unwrap();
    // Another root is provisioned: trust begins with it.
    std::fs::write(&provisioned, signed(&former, &[&TestKey::new("root")])).unwrap();
    assert!(matches!(bench.refused().await, StagingError::Untrusted(Refusal::Threshold { .. })));
}

#[tokio::test]
async fn one_makers_wrong_key_concerns_its_own_images_only() {
    let bench = Bench::with(vec![7; 1_000]).await;
    let maker = |bench: &Bench, key: &'static str| {
        let (sha256, length) = (bench.sha256(), 1_000);
        bench.change(|repository| {
            let signer = repository.key("d");
            let keys = repository::key_table(&[signer]);
            let mut delegated = role(&[signer], 1);
            for (field, value) in
                [("name", json!("maker")), ("terminating", json!(true)), ("paths", json!(["maker/*/*"]))]
            {
                delegated[field] = value;
            }
            repository.targets["delegations"] = json!({"keys": keys, "roles": [delegated]});
            let role = Repository::delegated(json!({"maker/A/2.10": entry(&sha256, length)}));
            repository.publish_delegated("maker", key, &role);
            repository.bump_all();
            repository.publish();
        });
    };
    let mut update = bench.update.clone();
    update.target = "maker/A/2.10".to_owned();
    let staged = async || stage(&bench.client(), &update, &bench.dir(), now(), |_, _| {}).await;
    maker(&bench, "d");
    staged().await.unwrap();
    std::fs::remove_file(bench.dir().join("trust")).unwrap();
    maker(&bench, "other");
    let refused = staged().await.unwrap_err();
    assert!(matches!(refused, StagingError::Untrusted(Refusal::Threshold { .. })), "{refused}");
    assert!(!refused.is_withdrawal());
    bench.stage().await.unwrap();
}

/// Flips of single bits that are tried; the normal run takes a sample.
fn flips() -> usize {
    std::env::var("PLATEN_FLIPS").ok().and_then(|text| text.parse().ok()).unwrap_or(400)
}

#[tokio::test]
async fn a_flipped_bit_is_refused_or_harmless() {
    let bench = Bench::with((0..=255).collect()).await;
    bench.repository.borrow_mut().hashes = true;
    bench.publish(2);
    let staged = bench.stage().await.unwrap();
    let files = bench.repository.borrow().files.clone();
    let names = ["timestamp.json", "2.snapshot.json", "2.targets.json"];
    let bits: usize = names.iter().map(|name| files[*name].len() * 8).sum::<usize>() + 256 * 8;
    let (mut harmless, tried) = (0, flips());
    for number in 0..tried {
        // Spread over all bits, and repeated from another one when there are more flips than bits.
        let mut bit = (number * bits / tried.min(bits)) % bits;
        std::fs::remove_dir_all(bench.dir()).unwrap();
        *bench.server.metadata.lock().unwrap() = files.clone();
        bench.server.behave(Manner::Well);
        match names.iter().find(|name| {
            let own = files[**name].len() * 8;
            let here = bit < own;
            bit -= if here { 0 } else { own };
            here
        }) {
            Some(name) => {
                let mut flipped = files[*name].clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                bench.serve(name, &flipped);
            }
            None => bench.server.behave(Manner::Flips(bit)),
        }
        match bench.stage().await {
            Ok(same) => {
                assert_eq!(same, staged);
                assert!(bench.image_is_whole());
                harmless += 1;
            }
            Err(refused) => assert!(!bench.image().exists(), "{refused}"),
        }
    }
    println!("{tried} flips, {harmless} of them harmless");
    assert!(harmless * 20 < tried, "{harmless} of {tried}");
}

#[tokio::test]
async fn truncated_metadata_and_replayed_files_are_refused() {
    let bench = Bench::with(vec![7; 1_000]).await;
    bench.publish(2);
    let files = bench.repository.borrow().files.clone();
    for name in ["timestamp.json", "2.snapshot.json", "2.targets.json"] {
        for length in (0..files[name].len()).step_by(97) {
            *bench.server.metadata.lock().unwrap() = files.clone();
            bench.serve(name, &files[name][..length]);
            assert!(matches!(bench.refused().await, StagingError::Untrusted(_)), "{name}: {length}");
        }
    }
    bench.publish(3);
    bench.stage().await.unwrap();
    *bench.server.metadata.lock().unwrap() = files;
    assert!(matches!(bench.refused().await, StagingError::Untrusted(Refusal::Rollback { .. })));
}
