//! Files of a TUF repository, as a client receives them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tuf::{Action, Client, Found, Refusal, TrustedSet};

/// The time of the checks, at which the files of the corpus are still valid.
const NOW_S: i64 = 1_796_083_200;

/// The target that is searched for after a refresh.
const TARGET: &str = "a/file";

/// The input: `root` and a file; `pattern`, a path pattern and a path; or `workflow`, a root and the responses to the
/// client's requests, an empty one for a file that is missing. Each is a line.
///
/// # Panics
/// A file that was refused is stored, or what is trusted does not belong together.
pub fn tuf(data: &[u8]) {
    let mut lines = data.split(|octet| *octet == b'\n');
    match lines.next().unwrap_or_default() {
        b"root" => root(lines.next().unwrap_or_default()),
        b"pattern" => {
            let mut text = || String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
            let (pattern, path) = (text(), text());
            let matched = tuf::matches(&pattern, &path);
            let literal = !pattern.contains(['*', '?', '[']);
            assert!(!literal || matched == (pattern == path), "{pattern:?} {path:?}");
        }
        _ => drop(workflow(&mut lines)),
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW_S).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Asserts that a root is never its own successor.
fn root(file: &[u8]) {
    match TrustedSet::new(file, now()) {
        Ok(mut trusted) => drop(trusted.update_root(file).expect_err("the version is the same")),
        Err(refusal) => assert!(!refusal.to_string().is_empty()),
    }
}

/// The result of the search, if no top-level role was refused.
fn workflow(responses: &mut dyn Iterator<Item = &[u8]>) -> Option<Result<Found, Refusal>> {
    let mut client = Client::new(responses.next().unwrap_or_default(), now()).ok()?;
    let mut stored = BTreeMap::new();
    if !perform(&mut client, responses, &mut stored) {
        return None;
    }
    assert!(client.is_current());
    together(client.trusted());
    assert!(client.find(TARGET).is_ok(), "a short path, after a refresh");
    perform(&mut client, responses, &mut stored);
    let found = client.found();
    assert!(found.is_some(), "the search has ended");
    if let Some(Err(refusal)) = &found {
        assert!(!refusal.to_string().is_empty());
    }
    found
}

/// Whether no top-level role was refused.
fn perform(
    client: &mut Client,
    responses: &mut dyn Iterator<Item = &[u8]>,
    stored: &mut BTreeMap<String, Vec<u8>>,
) -> bool {
    let mut received: &[u8] = &[];
    let mut accepted = true;
    loop {
        match client.next_action() {
            Action::Write { role, bytes } => {
                assert!(accepted, "{role} is stored after a refusal");
                assert_eq!(bytes, received, "{role} is stored as it was received");
                stored.insert(role.file_name(), bytes);
            }
            Action::Remove { role } => drop(stored.remove(&role.file_name())),
            Action::Read { role, .. } => {
                drop(client.stored(stored.get(&role.file_name()).map(Vec::as_slice)));
            }
            Action::Fetch { .. } => {
                received = responses.next().unwrap_or_default();
                let present = Some(received).filter(|file| !file.is_empty());
                accepted = client.fetched(present).is_ok();
            }
            Action::Idle => return accepted,
        }
    }
}

/// Every role has the version that the role above names, and none has expired.
fn together(trusted: &TrustedSet) {
    let timestamp = trusted.timestamp().expect("trusted");
    let snapshot = trusted.snapshot().expect("trusted");
    let targets = trusted.targets().expect("trusted");
    assert_eq!(timestamp.meta.snapshot.version, snapshot.version);
    assert_eq!(snapshot.meta.get("targets.json").map(|meta| meta.version), Some(targets.version));
    let expires = [trusted.root().expires, timestamp.expires, snapshot.expires, targets.expires];
    assert!(expires.into_iter().all(|expires| expires > now()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_reach_the_search() {
        let result = |seed: &[u8]| workflow(&mut seed.split(|octet| *octet == b'\n').skip(1));
        let whole = result(include_bytes!("../../corpus/tuf/whole"));
        assert!(matches!(whole, Some(Ok(Found::Target { role, .. })) if role.as_str() == "a"));
        let bins = result(include_bytes!("../../corpus/tuf/bins"));
        assert!(matches!(bins, Some(Ok(Found::Target { role, .. })) if role.as_str().starts_with("bin-")));
        let missing = result(include_bytes!("../../corpus/tuf/missing-delegated"));
        assert!(matches!(missing, Some(Err(Refusal::Missing { .. }))));
        let rotated = result(include_bytes!("../../corpus/tuf/rotated"));
        assert!(matches!(rotated, Some(Err(Refusal::Malformed { .. }))), "{rotated:?}");
        assert!(result(include_bytes!("../../corpus/tuf/mixed")).is_none());
    }
}
