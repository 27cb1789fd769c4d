//! Every file of a signed set with any single bit flipped is refused, or changes nothing.

mod repository;

use std::sync::Arc;

use repository::{Repository, Storage};
use tuf::{Client, Root, Snapshot, Targets, Timestamp};

/// The roles that a client trusts after a refresh.
type Trusted = (Root, Option<Timestamp>, Option<Snapshot>, Option<Arc<Targets>>);

fn trusted(client: &Client) -> Trusted {
    let set = client.trusted();
    (set.root().clone(), set.timestamp().cloned(), set.snapshot().cloned(), set.targets().cloned())
}

#[test]
fn every_flipped_bit_is_refused_or_harmless() {
    let mut repository = Repository::new();
    repository.root["version"] = 2.into();
    repository.publish_root();
    repository.root["version"] = 1.into();
    let original = trusted(&Storage::trusting(&repository).refresh(&repository).unwrap());
    assert_eq!(original.0.version.get(), 2);
    let (mut flips, mut harmless) = (0, 0);
    for path in ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"] {
        let file = repository.files[path].clone();
        for bit in 0..file.len() * 8 {
            flips += 1;
            let mut flipped = file.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            repository.files.insert(path.to_owned(), flipped);
            if let Ok(client) = Storage::trusting(&repository).refresh(&repository) {
                assert_eq!(trusted(&client), original, "{path}: bit {bit}");
                harmless += 1;
            }
        }
        repository.files.insert(path.to_owned(), file);
    }
    println!("{flips} flips, {harmless} of them harmless");
    assert!(flips >= 10_000, "{flips}");
    // Letters of hexadecimal signatures may change their case; nothing else may change.
    assert!(harmless < flips / 20, "{harmless}");
}

#[test]
fn every_truncation_is_refused() {
    let mut repository = Repository::new();
    for path in ["timestamp.json", "1.snapshot.json", "1.targets.json"] {
        let file = repository.files[path].clone();
        for length in 0..file.len() {
            repository.files.insert(path.to_owned(), file[..length].to_vec());
            assert!(Storage::trusting(&repository).refresh(&repository).is_err(), "{path}: {length}");
        }
        repository.files.insert(path.to_owned(), file);
    }
}
