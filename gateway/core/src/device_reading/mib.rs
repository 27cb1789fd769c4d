//! What a device has answered so far, by object.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::charset::Charset;
use super::limits::{OCTETS_PER_READING, ROWS_PER_COLUMN, VARBINDS_PER_READING};
use super::oid::{Oid, join};
use super::text;
use super::value::Value;

/// Sub-identifiers that every object of a printer begins with.
const COMMON: [u32; 4] = [1, 3, 6, 1];

/// Bits of the sub-identifiers behind [`COMMON`] in a digest: `mgmt` or `private` and `mib-2` or `enterprises` are
/// small, then the MIB or the maker, then tables, columns and rows.
const BITS: [u32; 13] = [4, 4, 20, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10];

/// An object in the order of the map. A tree compares the same long beginnings again and again: the digest tells nearly
/// all of them apart by one number.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    digest: u128,
    oid: Oid,
}

impl Key {
    fn new(oid: Oid) -> Self {
        Self { digest: digest(oid.arcs()), oid }
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.digest.cmp(&other.digest).then_with(|| self.oid.cmp(&other.oid))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A number that never contradicts the order of the objects: of two objects the lesser never has the greater one.
fn digest(arcs: &[u32]) -> u128 {
    let Some(own) = arcs.strip_prefix(&COMMON) else {
        return if arcs < COMMON.as_slice() { 0 } else { u128::MAX };
    };
    let (mut digest, mut left) = (0, u128::BITS);
    for (arc, bits) in own.iter().zip(BITS) {
        left -= bits;
        // Nothing is less than zero, and what is too large for its place ends the digest: the rest decides.
        let most = (1 << bits) - 1;
        let lane = arc.saturating_add(1).min(most);
        digest |= u128::from(lane) << left;
        if lane == most {
            break;
        }
    }
    digest
}

/// The objects of one device that were read.
#[derive(Debug, Clone, Default)]
pub struct Mib {
    values: BTreeMap<Key, Value>,
    octets: usize,
    charset: Charset,
}

impl Mib {
    /// Keeps a value; what isn't there is not kept. Whether it was kept.
    pub fn insert(&mut self, oid: Oid, value: Value) -> bool {
        if !value.is_there() || self.values.len() >= VARBINDS_PER_READING {
            return false;
        }
        if let Value::Octets(octets) = &value {
            if octets.len() > OCTETS_PER_READING - self.octets {
                return false;
            }
            self.octets += octets.len();
        }
        self.values.insert(Key::new(oid), value);
        true
    }

    /// Texts are in this character set from now on.
    pub(crate) fn set_charset(&mut self, charset: Charset) {
        self.charset = charset;
    }

    /// A value.
    #[must_use]
    pub fn value(&self, oid: &[u32]) -> Option<&Value> {
        self.values.get(&Key::new(Oid::new(oid)))
    }

    /// An instance of an object.
    #[must_use]
    pub fn instance(&self, object: &[u32], instance: &[u32]) -> Option<&Value> {
        self.values.get(&Key::new(join(object, instance)))
    }

    /// A text, decoded and cleaned; nothing where nothing readable is left.
    #[must_use]
    pub fn text(&self, object: &[u32], instance: &[u32]) -> Option<String> {
        self.instance(object, instance).and_then(|value| self.text_of(value))
    }

    /// A value as text.
    #[must_use]
    pub fn text_of(&self, value: &Value) -> Option<String> {
        match value {
            Value::Octets(octets) => text::decode(octets, self.charset),
            Value::Integer(number) => Some(number.to_string()),
            Value::Unsigned(number) => Some(number.to_string()),
            Value::Oid(oid) => Some(oid.to_string()),
            Value::Missing | Value::EndOfView => None,
        }
    }

    /// A number.
    #[must_use]
    pub fn number(&self, object: &[u32], instance: &[u32]) -> Option<i64> {
        self.instance(object, instance).and_then(Value::number)
    }

    /// The rows of a column, instance and value.
    pub fn rows<'a>(&'a self, column: &'a [u32]) -> impl Iterator<Item = (&'a [u32], &'a Value)> {
        self.values
            .range(Key::new(Oid::new(column))..)
            .map_while(move |(key, value)| Some((key.oid.after(column)?, value)))
            .filter(|(instance, _)| !instance.is_empty())
    }

    /// The instances that any of these columns has, in order; no more than one column may have.
    #[must_use]
    pub fn instances<'a>(&'a self, columns: &'a [&'a [u32]]) -> Vec<&'a [u32]> {
        let mut all: Vec<&[u32]> = Vec::new();
        for column in columns {
            // Most columns of a table have the same rows.
            let (mut known, first) = (0, all.len());
            for (at, _) in self.rows(column) {
                if all.get(known) == Some(&at) && known < first {
                    known += 1;
                } else {
                    all.push(at);
                }
            }
        }
        all.sort_unstable();
        all.dedup();
        all.truncate(ROWS_PER_COLUMN);
        all
    }

    /// How many objects were read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether nothing was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Object identifiers with much in common, and with numbers at the edges of their places in a digest.
    fn arcs() -> impl Strategy<Value = Vec<u32>> {
        let edge = prop::sample::select(vec![0, 1, 2, 13, 14, 15, 16, 1_021, 1_022, 1_023, 1_024, u32::MAX]);
        let maker =
            prop::sample::select(vec![0, 43, 1_048_573, 1_048_574, 1_048_575, u32::MAX - 1, u32::MAX]);
        let printer = (prop::collection::vec(edge.clone(), 2), maker, prop::collection::vec(edge, 0..13))
            .prop_map(|(head, maker, tail)| [&COMMON[..], &head, &[maker], &tail].concat());
        prop_oneof![4 => printer, 1 => prop::collection::vec(0_u32..8, 0..7)]
    }

    proptest! {
        #[test]
        fn the_order_of_keys_is_that_of_the_objects(a in arcs(), b in arcs(), cut in 0_usize..16) {
            let key = |arcs: &[u32]| Key::new(Oid::new(arcs));
            prop_assert_eq!(key(&a).cmp(&key(&b)), a.cmp(&b));
            let head = &a[..cut.min(a.len())];
            prop_assert_eq!(key(&a).cmp(&key(head)), a.as_slice().cmp(head));
        }

        #[test]
        fn rows_of_unequal_columns_are_all_told_once(
            columns in prop::collection::vec(prop::collection::btree_set(0_u32..12, 0..8), 1..5),
        ) {
            let mut mib = Mib::default();
            let mut expected = std::collections::BTreeSet::new();
            let roots: Vec<[u32; 5]> = (1..).zip(&columns).map(|(column, _)| [1, 3, 6, 1, column]).collect();
            for (root, rows) in roots.iter().zip(&columns) {
                for row in rows {
                    mib.insert(join(root, &[1, *row]), Value::Integer(1));
                    expected.insert(vec![1, *row]);
                }
            }
            let roots: Vec<&[u32]> = roots.iter().map(<[u32; 5]>::as_slice).collect();
            let expected: Vec<Vec<u32>> = expected.into_iter().collect();
            prop_assert_eq!(mib.instances(&roots), expected);
        }
    }
}
