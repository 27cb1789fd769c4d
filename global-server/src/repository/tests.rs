//! The repository on a real disk, seen as a gateway sees it.

use std::os::unix::fs::PermissionsExt;

use super::*;
use std::fs::File;
use tuf::Refusal;

mod keys;

fn now() -> Timestamp {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

fn role_name(role: &str) -> RoleName {
    RoleName::try_from(role.to_owned()).unwrap()
}

struct Bench {
    dir: tempfile::TempDir,
    repository: Repository,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repository = Repository::init(&dir.path().join("repo"), Lifetimes::default(), now()).unwrap();
        Self { dir, repository }
    }

    fn file(&self, content: &[u8]) -> PathBuf {
        let file = self.dir.path().join("image.bin");
        std::fs::write(&file, content).unwrap();
        file
    }

    fn publish(&self, version: &str, content: &[u8]) -> Result<Published, RepositoryError> {
        let file = self.file(content);
        let image = Image { vendor: "ricoh", model: "IM C4500", version, file: &file };
        self.repository.publish(&image, Lifetimes::default(), now(), |_| {})
    }

    fn key(&self, role: &str) -> PathBuf {
        self.repository.key_path(&role_name(role))
    }

    fn images(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.repository.dir().join("images")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

#[test]
fn what_is_published_verifies_and_has_its_digest_as_its_name() {
    let bench = Bench::new();
    let published = bench.publish("2.10", b"abc").unwrap();
    assert_eq!(published.target, "ricoh/IM-C4500/2.10");
    // FIPS 180-2, B.1.
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!((published.sha256.as_str(), published.length, published.metadata_version), (abc, 3, 2));
    let images = bench.repository.verified(now()).unwrap().images;
    let [image] = images.as_slice() else { panic!("{images:?}") };
    assert_eq!((image.target.as_str(), image.file.length, image.sha256()), ("ricoh/IM-C4500/2.10", 3, abc));
    let facts = image.facts.as_ref().unwrap();
    assert_eq!((facts.vendor.as_str(), facts.model.as_str()), ("ricoh", "IM C4500"));
    assert_eq!(std::fs::read(bench.repository.image_path(abc)).unwrap(), b"abc");
    assert_eq!(bench.images(), [abc]);
}

#[test]
fn keys_are_for_their_owner_only_and_a_repository_is_made_once() {
    let bench = Bench::new();
    for role in ["root", "targets", "snapshot", "timestamp"] {
        let path = bench.repository.key_path(&role_name(role));
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let root = std::fs::read(bench.repository.metadata_path(ROOT)).unwrap();
    let again = Repository::init(bench.repository.dir(), Lifetimes::default(), now()).unwrap_err();
    assert!(matches!(again, RepositoryError::Exists { .. }), "{again}");
    assert_eq!(std::fs::read(bench.repository.metadata_path(ROOT)).unwrap(), root);
    let nowhere = Repository::open(bench.dir.path()).unwrap_err().to_string();
    assert!(nowhere.contains("init"), "{nowhere}");
}

#[test]
fn empty_duplicate_and_nameless_images_are_refused_and_leave_nothing() {
    let bench = Bench::new();
    assert!(matches!(bench.publish("1", b""), Err(RepositoryError::Empty { .. })));
    assert!(matches!(bench.publish(" ", b"x"), Err(RepositoryError::InvalidFact { what: "version", .. })));
    assert!(matches!(bench.publish("1\n2", b"x"), Err(RepositoryError::InvalidFact { .. })));
    assert!(bench.images().is_empty(), "{:?}", bench.images());
    assert_eq!(bench.repository.verified(now()).unwrap().targets.version.get(), 1);

    bench.publish("1", b"x").unwrap();
    let same = bench.publish("1", b"x").unwrap();
    assert!(same.already && same.metadata_version == 2, "{same:?}");
    let other = bench.publish("1", b"y").unwrap_err();
    assert!(matches!(other, RepositoryError::Duplicate { .. }), "{other}");
    assert_eq!(bench.images().len(), 1, "{:?}", bench.images());
}

#[test]
fn an_image_above_the_limit_is_refused() {
    let bench = Bench::new();
    let file = bench.dir.path().join("sparse");
    File::create(&file).unwrap().set_len(wire::limits::IMAGE_BYTES + 1).unwrap();
    let image = Image { vendor: "v", model: "m", version: "1", file: &file };
    let refused = bench.repository.publish(&image, Lifetimes::default(), now(), |_| {}).unwrap_err();
    assert!(matches!(refused, RepositoryError::TooLarge { .. }), "{refused}");
    assert!(bench.images().is_empty());
}

#[test]
fn no_metadata_without_its_image_whenever_the_copy_ends() {
    let bench = Bench::new();
    bench.publish("1", b"one").unwrap();
    // The metadata can't be written: as if the crash came between image and metadata.
    let path = bench.repository.metadata_path("3.targets.json.new");
    std::fs::create_dir(&path).unwrap();
    assert!(matches!(bench.publish("2", b"two"), Err(RepositoryError::Storage { .. })));
    assert_eq!(bench.images().len(), 2, "the image came first");
    let findings = bench.repository.check(now()).unwrap();
    assert!(is_sound(&findings) && findings.images == 1, "{findings:?}");
    assert!(findings.findings.iter().any(|f| matches!(f, Finding::Unnamed { .. })), "{findings:?}");
    std::fs::remove_dir(&path).unwrap();
    // A copy that a crash left half written is no obstacle.
    std::fs::write(bench.repository.image_path("incoming.new"), b"half").unwrap();
    bench.publish("2", b"two").unwrap();
    assert_eq!(bench.images().len(), 2);
    assert_eq!(bench.repository.check(now()).unwrap().images, 2);
}

#[test]
fn tampering_is_seen() {
    let bench = Bench::new();
    let published = bench.publish("1", b"genuine").unwrap();
    let path = bench.repository.metadata_path("2.targets.json");
    let genuine = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, genuine.replace("\"length\":7", "\"length\":8")).unwrap();
    let why = bench.publish("2", b"more").unwrap_err();
    let RepositoryError::Untrusted { source, .. } = &why else { panic!("{why}") };
    assert!(matches!(source, Refusal::Threshold { valid: 0, .. }), "{source}");
    let why = bench.repository.verified(now()).unwrap_err();
    let RepositoryError::Untrusted { source, .. } = &why else { panic!("{why}") };
    assert!(matches!(source, Refusal::WrongHash { .. }), "{source}");
    std::fs::write(&path, genuine).unwrap();
    std::fs::write(bench.repository.image_path(&published.sha256), b"genuinE").unwrap();
    let findings = bench.repository.check(now()).unwrap();
    assert!(!is_sound(&findings) && findings.images == 0, "{findings:?}");
    bench.publish("1", b"genuine").unwrap();
    assert!(is_sound(&bench.repository.check(now()).unwrap()), "publishing it again heals it");
}

#[test]
fn expired_metadata_is_rejected_until_it_is_signed_again() {
    let bench = Bench::new();
    bench.publish("1", b"one").unwrap();
    let refused = |late| {
        let expired = bench.repository.verified(late).unwrap_err();
        let RepositoryError::Untrusted { source, .. } = expired else { panic!("{expired}") };
        source
    };
    let week = now() + SignedDuration::from_hours(7 * 24);
    assert!(matches!(refused(week), Refusal::Freeze { .. }));
    // What the running server does.
    let signed = bench.repository.refresh(Due::Later, Lifetimes::default(), week).unwrap();
    assert_eq!(signed.installed, [Installed { role: "timestamp".to_owned(), version: 3 }]);
    bench.repository.verified(week).unwrap();
    let month = now() + SignedDuration::from_hours(30 * 24);
    bench.repository.refresh(Due::Later, Lifetimes::default(), month).unwrap();
    bench.repository.verified(month).unwrap();

    let year = now() + SignedDuration::from_hours(365 * 24);
    bench.repository.refresh(Due::Later, Lifetimes::default(), year).unwrap();
    assert!(matches!(refused(year), Refusal::Expired { .. }));
    let renewal = bench.repository.resign("targets", Lifetimes::default(), year).unwrap();
    assert_eq!((renewal.version, renewal.expires.as_str()), (3, "2028-11-21T00:00:00Z"));
    assert_eq!(bench.repository.verified(year).unwrap().images.len(), 1);
}

#[test]
fn nothing_is_signed_again_before_it_is_due() {
    let bench = Bench::new();
    let later = now() + SignedDuration::from_hours(23);
    let outcome = bench.repository.refresh(Due::Later, Lifetimes::default(), later).unwrap();
    assert_eq!(outcome, Outcome::default());
    let later = now() + SignedDuration::from_hours(24);
    let outcome = bench.repository.refresh(Due::Later, Lifetimes::default(), later).unwrap();
    assert_eq!(outcome.version(&RoleName::timestamp()), Some(2));
}

#[test]
fn without_the_key_that_the_root_names_nothing_is_published() {
    let bench = Bench::new();
    let (root_key, key) = (bench.key("root"), bench.key("targets"));
    let offline = bench.dir.path().join("offline.pk8");
    std::fs::rename(&key, &offline).unwrap();
    std::fs::copy(&root_key, &key).unwrap();
    let published = bench.publish("1", b"one").unwrap();
    let [missing] = published.outcome.missing.as_slice() else { panic!("{published:?}") };
    assert_eq!((missing.role.as_str(), missing.version, missing.more), ("targets", 2, 1));
    assert!(bench.repository.verified(now()).unwrap().images.is_empty());
    let findings = bench.repository.check(now()).unwrap();
    assert!(findings.findings.contains(&Finding::Pending(missing.clone())), "{findings:?}");
    // Its image waits with it.
    let unnamed = findings.findings.iter().any(|finding| matches!(finding, Finding::Unnamed { .. }));
    assert!(!unnamed, "{findings:?}");
    // A second image joins the first one in what waits.
    bench.publish("2", b"two").unwrap();

    let repository = bench.repository.clone().with_keys(&[offline]);
    let outcome = repository.sign(&[], Lifetimes::default(), now()).unwrap();
    assert_eq!((outcome.version(&RoleName::targets()), outcome.missing.len()), (Some(2), 0));
    assert_eq!(bench.repository.verified(now()).unwrap().images.len(), 2);
    std::fs::remove_file(root_key).unwrap();
    let findings = bench.repository.check(now()).unwrap();
    let root = Finding::KeyOnline { file: "root.pk8".to_owned() };
    assert!(!findings.findings.contains(&root), "{findings:?}");
}

#[test]
fn what_is_withdrawn_is_named_by_nothing_and_its_file_goes_with_its_last_name() {
    let bench = Bench::new();
    let first = bench.publish("1.0", b"abc").unwrap();
    bench.publish("1.1", b"abc").unwrap();
    let withdraw = |version| {
        let image = ("ricoh", "IM C4500", version);
        bench.repository.withdraw(image, Some("bricks devices"), Lifetimes::default(), now())
    };
    let one = withdraw("1.0").unwrap();
    assert_eq!(
        (one.target.as_str(), one.metadata_version, one.file_removed),
        ("ricoh/IM-C4500/1.0", 4, false)
    );
    let targets = bench.repository.verified(now()).unwrap().targets;
    assert_eq!(targets.targets.keys().collect::<Vec<_>>(), ["ricoh/IM-C4500/1.1"]);
    assert!(targets.version.get() == 4 && bench.images() == [first.sha256.clone()]);
    let again = withdraw("1.0").unwrap_err().to_string();
    assert_eq!(again, "no image ricoh/IM-C4500/1.0 is published: published are ricoh/IM-C4500/1.1");
    assert!(withdraw("1.1").unwrap().file_removed);
    assert!(bench.images().is_empty() && is_sound(&bench.repository.check(now()).unwrap()));
    let history = std::fs::read_to_string(bench.repository.dir().join("history.jsonl")).unwrap();
    let last = history.lines().last().unwrap();
    assert_eq!(history.lines().count(), 4, "{history}");
    for expected in ["\"withdraw\"", "ricoh/IM-C4500/1.1", &first.sha256, "bricks devices"] {
        assert!(last.contains(expected), "{last}");
    }
    // The same again is a new image: its version of the list is newer than any that named it.
    assert_eq!(bench.publish("1.0", b"abd").unwrap().metadata_version, 6);
}

#[test]
fn names_that_are_paths_are_refused() {
    let bench = Bench::new();
    let file = bench.file(b"abc");
    let publish = |vendor, model, version| {
        let image = Image { vendor, model, version, file: &file };
        bench
            .repository
            .publish(&image, Lifetimes::default(), now(), |_| {})
            .map_err(|error| error.to_string())
    };
    for vendor in ["../x", "a/b", "Ricoh", "ri coh", ""] {
        assert!(publish(vendor, "m", "1").unwrap_err().contains("vendor"), "{vendor}");
    }
    for name in ["../x", "/etc", "a/../b", "a\\b", ".", ".hidden", "a//b", "a/"] {
        assert!(publish("ricoh", name, "1").unwrap_err().starts_with("model"), "{name}");
        assert!(publish("ricoh", "m", name).unwrap_err().starts_with("version"), "{name}");
    }
    assert!(publish("ricoh", "iR-ADV C5535/5540 III", "2VK_S000.002.509").is_ok());
}

#[test]
fn a_publication_that_was_interrupted_is_completed_by_the_next_refresh() {
    let bench = Bench::new();
    let blocked = bench.repository.metadata_path("timestamp.json.new");
    std::fs::create_dir(&blocked).unwrap();
    assert!(matches!(bench.publish("1", b"one"), Err(RepositoryError::Storage { .. })));
    assert!(bench.repository.verified(now()).unwrap().images.is_empty(), "nothing leads to it yet");
    std::fs::remove_dir(&blocked).unwrap();
    bench.repository.refresh(Due::Later, Lifetimes::default(), now()).unwrap();
    assert_eq!(bench.repository.verified(now()).unwrap().images.len(), 1);
}

#[test]
fn versions_that_nobody_needs_are_removed() {
    let bench = Bench::new();
    for version in 0..20 {
        bench.publish(&version.to_string(), b"x").unwrap();
    }
    let versions = bench.repository.versions(&role_name("targets")).unwrap();
    assert_eq!((versions.first(), versions.last(), versions.len()), (Some(&5), Some(&21), 17));
    assert_eq!(bench.repository.verified(now()).unwrap().images.len(), 20);
}

/// Whether gateways can stage every image.
fn is_sound(findings: &Findings) -> bool {
    !findings.findings.iter().any(Finding::is_fault)
}
