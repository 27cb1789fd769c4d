//! Every possible change of a chain is detected, and the error names the entry.

use aws_lc_rs::digest::{SHA256, digest};
use proptest::prelude::*;

use super::*;

const TENANT: &str = "default";

fn sha256(octets: &[u8]) -> [u8; 32] {
    digest(&SHA256, octets).as_ref().try_into().unwrap()
}

/// An entry as stored in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stored {
    number: u64,
    hash: ChainHash,
    entry: String,
    at_ms: i64,
    texts: [String; 3],
    before: Option<String>,
    after: Option<String>,
}

impl Stored {
    fn content(&self) -> Content<'_> {
        let [who, what, detail] = &self.texts;
        let (before, after) = (self.before.as_deref(), self.after.as_deref());
        Content { tenant: TENANT, entry: &self.entry, at_ms: self.at_ms, who, what, detail, before, after }
    }
}

/// Sets the number and hash of each entry, in order, after `head`; returns the last head.
fn seal(entries: &mut [Stored], mut head: Head) -> Head {
    for entry in entries {
        head = head.after(&entry.content(), sha256);
        (entry.number, entry.hash) = (head.number, head.hash);
    }
    head
}

fn verify(entries: &[Stored], head: Head, known: Option<Known>) -> Result<(), Broken> {
    let mut verifier = Verifier::new(head, known, sha256);
    for entry in entries {
        verifier.check(entry.number, Some(entry.hash), &entry.content())?;
    }
    verifier.end()
}

fn broken(number: u64, fault: Fault) -> Result<(), Broken> {
    Err(Broken { number, fault })
}

fn entry() -> impl Strategy<Value = Stored> {
    let document = || proptest::option::of("[a-z{}\":]{0,8}");
    ("[a-f0-9]{1,8}", any::<i64>(), proptest::array::uniform3("[a-z]{0,4}"), document(), document()).prop_map(
        |(entry, at_ms, texts, before, after)| Stored {
            number: 0,
            hash: ChainHash::START,
            entry,
            at_ms,
            texts,
            before,
            after,
        },
    )
}

/// A chain with its head, from which retention has deleted some entries.
fn chain() -> impl Strategy<Value = (Vec<Stored>, Head)> {
    (proptest::collection::vec(entry(), 2..12), 0_usize..6).prop_map(|(mut entries, gone)| {
        let mut head = seal(&mut entries, Head::START);
        let gone = gone.min(entries.len() - 2);
        if let Some(last) = entries.drain(..gone).next_back() {
            (head.first_number, head.first_previous) = (last.number + 1, last.hash);
        }
        (entries, head)
    })
}

proptest! {
    #[test]
    fn a_chain_is_whole_and_grows((mut entries, head) in chain(), mut more in proptest::collection::vec(entry(), 0..4)) {
        prop_assert_eq!(verify(&entries, head, None), Ok(()));
        let after = seal(&mut more, head);
        entries.extend(more);
        prop_assert_eq!(verify(&entries, after, None), Ok(()));
        prop_assert_eq!(after.first_number, head.first_number);
    }

    #[test]
    fn a_changed_entry_is_named((mut entries, head) in chain(), place: usize, field in 0_u8..8) {
        let place = place % entries.len();
        let changed = &mut entries[place];
        match field {
            0 => changed.at_ms = changed.at_ms.wrapping_add(1),
            1 => changed.entry.push('0'),
            2..=4 => changed.texts[usize::from(field) - 2].push('x'),
            5 => changed.before = changed.before.take().is_none().then(String::new),
            6 => changed.after = Some(changed.after.take().map_or_else(String::new, |text| text + " ")),
            _ => changed.hash = ChainHash(sha256(b"another")),
        }
        let number = changed.number;
        prop_assert_eq!(verify(&entries, head, None), broken(number, Fault::Changed));
    }

    #[test]
    fn a_removed_entry_is_named((mut entries, head) in chain(), place: usize) {
        let removed = entries.remove(place % entries.len());
        prop_assert_eq!(verify(&entries, head, None), broken(removed.number, Fault::Missing));
    }

    #[test]
    fn an_end_that_is_cut_off_is_named((mut entries, head) in chain(), place: usize) {
        let cut = place % entries.len();
        let number = entries[cut].number;
        entries.truncate(cut);
        prop_assert_eq!(verify(&entries, head, None), broken(number, Fault::Missing));
    }

    #[test]
    fn an_inserted_entry_is_named((mut entries, head) in chain(), place: usize, new in entry()) {
        let place = place % entries.len();
        let number = entries[place].number;
        entries.insert(place + 1, Stored { number, hash: new.content().hash(number, head.hash, sha256), ..new.clone() });
        prop_assert_eq!(verify(&entries, head, None), broken(number, Fault::Repeated));
        entries.remove(place + 1);
        // Behind the end, with a hash that is right for its place.
        let mut added = [new];
        seal(&mut added, head);
        entries.extend(added);
        prop_assert_eq!(verify(&entries, head, None), broken(head.number + 1, Fault::BehindHead));
    }

    #[test]
    fn reordered_entries_are_named((mut entries, head) in chain(), one: usize, other: usize) {
        let (one, other) = (one % entries.len(), other % entries.len());
        prop_assume!(one != other);
        let (low, high) = (one.min(other), one.max(other));
        let number = entries[low].number;
        // Their places, and with them their numbers.
        let mut moved = entries.clone();
        moved.swap(low, high);
        (moved[low].number, moved[high].number) = (number, entries[high].number);
        prop_assert_eq!(verify(&moved, head, None), broken(number, Fault::Changed));
        entries.swap(low, high);
        prop_assert_eq!(verify(&entries, head, None), broken(number, Fault::Missing));
    }

    #[test]
    fn a_chain_that_was_written_again_does_not_end_at_its_head((mut entries, head) in chain(), place: usize) {
        let place = place % entries.len();
        let known = Known { number: entries[place].number, hash: entries[place].hash };
        prop_assert_eq!(verify(&entries, head, Some(known)), Ok(()));
        entries[place].texts[2].push_str("forged");
        let before = Head { number: head.first_number - 1, hash: head.first_previous, ..head };
        let rewritten = seal(&mut entries, before);
        prop_assert_eq!(verify(&entries, head, None), broken(head.number, Fault::NotHead));
        // If the head was written again as well, the number and hash noted elsewhere show it.
        prop_assert_eq!(verify(&entries, rewritten, None), Ok(()));
        prop_assert_eq!(verify(&entries, rewritten, Some(known)), broken(known.number, Fault::NotKnown));
    }
}

#[test]
fn no_octet_can_move_to_another_field() {
    let of = |who, what, before, after| {
        let content = Content { tenant: "t", entry: "e", at_ms: 1, who, what, detail: "", before, after };
        content.octets(1, ChainHash::START)
    };
    let all = [
        of("ab", "c", None, None),
        of("a", "bc", None, None),
        of("ab", "c", Some(""), None),
        of("ab", "c", None, Some("")),
        of("ab", "c", Some("x"), None),
        of("ab", "c", None, Some("x")),
    ];
    for (place, one) in all.iter().enumerate() {
        assert!(!all[place + 1..].contains(one), "{place}");
    }
}

/// The expected hash was computed with Python's hashlib. It must never change, so that old chains can be verified.
#[test]
fn the_hash_of_an_entry_is_this_one() {
    let content = Content {
        tenant: "default",
        entry: "01980000-0000-7000-8000-000000000001",
        at_ms: 1_767_225_600_000,
        who: "erin",
        what: "customer.change",
        detail: "Meyer",
        before: Some("{\"name\":\"Meyer\"}"),
        after: None,
    };
    let head = Head::START.after(&content, sha256);
    assert_eq!(head.number, 1);
    assert_eq!(head.hash.to_string(), "3cafe0fa8f6f3bb585a8427ca565ca439b7e819215888b1078b66533f5dd4306");
}

#[test]
fn a_chain_without_entries_is_whole() {
    assert_eq!(verify(&[], Head::START, None), Ok(()));
    let hash = ChainHash(sha256(b"x"));
    let emptied = Head { number: 7, hash, first_number: 8, first_previous: hash };
    assert_eq!(verify(&[], emptied, None), Ok(()));
    let known = |number, hash| Some(Known { number, hash });
    assert_eq!(verify(&[], emptied, known(7, hash)), Ok(()));
    assert_eq!(verify(&[], emptied, known(7, ChainHash::START)), broken(7, Fault::NotKnown));
    // Retention deleted what was noted, so that it can't be compared.
    assert_eq!(verify(&[], emptied, known(6, ChainHash::START)), Ok(()));
    assert_eq!(verify(&[], emptied, known(9, hash)), broken(8, Fault::Missing));
    assert_eq!(
        verify(&[], Head { first_previous: ChainHash::START, ..emptied }, None),
        broken(7, Fault::NotHead)
    );
}

#[test]
fn hashes_and_places_are_read_back() {
    let hash = ChainHash(sha256(b"x"));
    assert_eq!(hash.to_string().parse(), Ok(hash));
    assert_eq!(format!("12:{hash}").parse(), Ok(Known { number: 12, hash }));
    for bad in ["", "12", "x:00", "-1:00", &format!("1:{hash}0")] {
        assert!(bad.parse::<Known>().is_err(), "{bad}");
    }
    assert_eq!(Broken { number: 3, fault: Fault::Missing }.to_string(), "audit entry 3 is missing");
    let mut names = Fault::ALL.map(Fault::name).to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Fault::ALL.len());
}
