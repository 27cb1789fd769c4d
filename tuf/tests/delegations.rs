//! Searches through delegations.

#![allow(clippy::unwrap_used, reason = "a test ends with the first problem")]

mod repository;

use repository::{EXPIRED, Repository, Storage, key_table, role, target};
use serde_json::{Value, json};
use tuf::{Found, Refusal};

/// `(delegator, role, paths, terminating)`, in the order of priority.
type Delegation = (&'static str, &'static str, &'static str, bool);

/// A repository with these delegations. Every role has a target `NAME-file` in the path of its name.
fn with(delegations: &[Delegation]) -> Repository {
    let mut repository = Repository::new();
    let mut names: Vec<&str> = delegations.iter().map(|(_, name, _, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let mut role = Repository::delegated(json!({format!("{name}/file"): target(name.as_bytes())}));
        role["delegations"] = delegations_of(&repository, name, delegations);
        if role["delegations"].is_null() {
            role.as_object_mut().unwrap().remove("delegations");
        }
        repository.publish_delegated(name, "d", &role);
    }
    repository.targets["delegations"] = delegations_of(&repository, "targets", delegations);
    repository.publish();
    repository
}

fn delegations_of(repository: &Repository, delegator: &str, delegations: &[Delegation]) -> Value {
    let key = repository.key("d");
    let roles: Vec<_> = delegations
        .iter()
        .filter(|(from, ..)| *from == delegator)
        .map(|(_, name, paths, terminating)| {
            let mut role = role(&[key], 1);
            role["name"] = (*name).into();
            role["paths"] = paths.split(' ').collect::<Vec<_>>().into();
            role["terminating"] = (*terminating).into();
            role
        })
        .collect();
    if roles.is_empty() { Value::Null } else { json!({"keys": key_table(&[key]), "roles": roles}) }
}

/// The roles that a search for a missing target loads.
fn visited(delegations: &[Delegation], target: &str) -> Vec<String> {
    let repository = with(delegations);
    let mut storage = Storage::trusting(&repository);
    assert_eq!(storage.find(&repository, target), Ok(Found::Absent));
    storage
        .requests
        .iter()
        .map(|path| path.trim_start_matches("1.").trim_end_matches(".json").to_owned())
        .collect()
}

#[test]
fn roles_are_loaded_in_pre_order_and_only_where_the_path_leads() {
    let any = |from, to| (from, to, "*", false);
    for (delegations, expected) in [
        (vec![any("targets", "a")], vec!["a"]),
        (vec![any("targets", "a"), any("targets", "b"), any("b", "c")], vec!["a", "b", "c"]),
        (
            vec![any("targets", "a"), any("targets", "b"), any("a", "c"), any("a", "d")],
            vec!["a", "c", "d", "b"],
        ),
        (
            vec![any("targets", "a"), any("targets", "b"), any("a", "c"), any("c", "d")],
            vec!["a", "c", "d", "b"],
        ),
        (
            vec![
                any("targets", "a"),
                any("targets", "b"),
                ("a", "c", "*", true),
                any("a", "d"),
                any("c", "e"),
            ],
            vec!["a", "c", "e"],
        ),
        (vec![("targets", "a", "*.py", false), any("targets", "b"), any("a", "c")], vec!["b"]),
        (
            vec![any("targets", "a"), any("targets", "b"), any("b", "c"), any("c", "d"), any("d", "b")],
            vec!["a", "b", "c", "d"],
        ),
        (vec![any("targets", "a"), any("targets", "b"), any("b", "c"), any("a", "c")], vec!["a", "c", "b"]),
        (
            vec![any("targets", "a"), any("targets", "b"), any("b", "c"), ("a", "c", "*.py", false)],
            vec!["a", "b", "c"],
        ),
    ] {
        assert_eq!(visited(&delegations, "missing"), expected, "{delegations:?}");
    }
}

#[test]
fn a_target_outside_of_the_delegated_paths_does_not_exist() {
    let delegations = [("targets", "a", "a/*", false), ("a", "b", "*/*", false)];
    let repository = with(&delegations);
    let mut storage = Storage::trusting(&repository);
    let found = storage.find(&repository, "a/file").unwrap();
    assert!(matches!(found, Found::Target { role, .. } if role.as_str() == "a"));
    // b describes it, and a delegates it to b, but nobody delegated it to a.
    assert_eq!(storage.find(&repository, "b/file").unwrap(), Found::Absent);
    assert_eq!(storage.requests, [""; 0]);
}

#[test]
fn a_bad_role_fails_its_own_targets_only() {
    type Damage = fn(&mut Repository);
    let expired = |r: &mut Repository| {
        let mut role = Repository::delegated(json!({"a/file": target(b"a")}));
        role["expires"] = EXPIRED.into();
        r.publish_delegated("a", "d", &role);
    };
    let cases: [(&str, Damage); 6] = [
        ("expired", expired),
        ("does not have", |r| drop(r.files.remove("1.a.json"))),
        ("threshold not reached", |r| {
            let role = Repository::delegated(json!({"a/file": target(b"a")}));
            r.publish_delegated("a", "other", &role);
        }),
        ("does not list", |r| drop(r.snapshot["meta"].as_object_mut().unwrap().remove("a.json"))),
        ("mix-and-match", |r| r.snapshot["meta"]["a.json"] = json!({"version": 2})),
        ("can't be read", |r| drop(r.files.insert("1.a.json".to_owned(), b"{}".to_vec()))),
    ];
    for (problem, damage) in cases {
        let mut repository = with(&[
            ("targets", "a", "a/*", false),
            ("targets", "b", "b/*", false),
            ("targets", "c", "*/*", false),
        ]);
        damage(&mut repository);
        if let Some(file) = repository.files.get("1.a.json").filter(|_| problem == "mix-and-match").cloned() {
            repository.files.insert("2.a.json".to_owned(), file);
        }
        repository.publish_snapshot();
        let mut storage = Storage::trusting(&repository);
        assert!(matches!(storage.find(&repository, "b/file"), Ok(Found::Target { .. })), "{problem}");
        assert!(matches!(storage.find(&repository, "image"), Ok(Found::Target { .. })), "{problem}");
        // A role with a lower priority doesn't take its place.
        let refused = storage.find(&repository, "a/file").unwrap_err();
        assert!(refused.to_string().contains(problem), "{refused}");
        assert!(!storage.files.contains_key("a.json"), "{problem}");
    }
}

#[test]
fn a_stored_role_is_verified_with_the_keys_of_each_delegator() {
    // `c` is delegated to by `a` with the key d, and by `b` with another one.
    let mut repository =
        with(&[("targets", "a", "a/*", false), ("targets", "b", "b/*", false), ("a", "c", "a/*", false)]);
    let other = repository.key("other");
    let mut b = Repository::delegated(json!({}));
    let mut c = role(&[other], 1);
    c["name"] = "c".into();
    c["paths"] = json!(["b/*"]);
    c["terminating"] = false.into();
    b["delegations"] = json!({"keys": key_table(&[other]), "roles": [c]});
    repository.publish_delegated("b", "d", &b);
    let role = Repository::delegated(json!({"a/x": target(b"x"), "b/x": target(b"x")}));
    repository.publish_delegated("c", "d", &role);
    repository.publish_snapshot();
    let mut storage = Storage::trusting(&repository);
    assert!(matches!(storage.find(&repository, "a/x"), Ok(Found::Target { .. })));
    let refused = storage.find(&repository, "b/x").unwrap_err();
    assert!(matches!(refused, Refusal::Threshold { delegator, .. } if delegator.as_str() == "b"));
}

#[test]
fn a_stored_role_that_expired_is_requested_again() {
    let mut repository = with(&[("targets", "a", "a/*", false)]);
    let mut role = Repository::delegated(json!({"a/file": target(b"a")}));
    role["expires"] = "2026-12-08T00:00:00Z".into();
    repository.publish_delegated("a", "d", &role);
    repository.publish_snapshot();
    let mut storage = Storage::trusting(&repository);
    storage.find(&repository, "a/file").unwrap();
    storage.find(&repository, "a/file").unwrap();
    assert!(storage.requests.is_empty());

    storage.now = Some("2026-12-19T00:00:00Z".parse().unwrap());
    assert!(matches!(storage.find(&repository, "a/file"), Err(Refusal::Expired { .. })));
    assert_eq!(storage.requests, ["1.a.json"]);

    role["version"] = 2.into();
    role["expires"] = "2026-12-22T00:00:00Z".into();
    repository.publish_delegated("a", "d", &role);
    Repository::bump(&mut repository.snapshot);
    Repository::bump(&mut repository.timestamp);
    repository.publish_snapshot();
    assert!(matches!(storage.find(&repository, "a/file"), Ok(Found::Target { .. })));
}

#[test]
fn a_search_loads_at_most_32_delegated_roles() {
    let names: Vec<&'static str> =
        (0..34).map(|n| &*Box::leak(format!("r{n:02}").into_boxed_str())).collect();
    let chain = |length: usize| -> Vec<Delegation> {
        let from = std::iter::once("targets").chain(names.iter().copied());
        from.zip(&names).take(length).map(|(from, to)| (from, *to, "*", false)).collect()
    };
    assert_eq!(visited(&chain(32), "missing").len(), 32);
    let repository = with(&chain(33));
    let refused = Storage::trusting(&repository).find(&repository, "missing").unwrap_err();
    assert!(matches!(refused, Refusal::TooManyDelegations { limit: 32, .. }));
}

#[test]
fn unusual_role_names_are_one_segment_of_a_path() {
    for name in ["?", "#", "/delegatedrole", "../delegatedrole", "a b", "."] {
        let repository = with(&[("targets", Box::leak(name.to_owned().into_boxed_str()), "*", false)]);
        let mut storage = Storage::trusting(&repository);
        assert_eq!(storage.find(&repository, "missing"), Ok(Found::Absent));
        assert_eq!(storage.requests, [format!("1.{}.json", tuf::quoted(name))]);
        assert_eq!(storage.files.len(), 5);
    }
}

#[test]
fn hash_bins_find_their_targets() {
    let mut repository = Repository::new();
    let key = repository.key("d");
    let mut bins = role(&[key], 1);
    bins["bit_length"] = 8.into();
    bins["name_prefix"] = "bin".into();
    repository.targets["delegations"] = json!({"keys": key_table(&[key]), "succinct_roles": bins});
    // SHA-256 of "abc" begins with ba.
    let bin = Repository::delegated(json!({"abc": target(b"content"), "not here": target(b"content")}));
    repository.publish_delegated("bin-ba", "d", &bin);
    repository.publish();
    let mut storage = Storage::trusting(&repository);
    let found = storage.find(&repository, "abc").unwrap();
    assert!(matches!(found, Found::Target { role, .. } if role.as_str() == "bin-ba"));
    let other = storage.find(&repository, "not here").unwrap_err();
    assert!(matches!(other, Refusal::NotInSnapshot { .. }));
}
