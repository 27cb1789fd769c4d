//! The objects of a device that were read so far.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::charset::Charset;
use super::oid::{Oid, join};
use super::text;
use super::value::Value;
use crate::reading::limits::{OCTETS_PER_READING, ROWS_PER_COLUMN, VARBINDS_PER_READING};

/// The sub-identifiers with which all objects of a printer begin.
const COMMON: [u32; 4] = [1, 3, 6, 1];

/// Initial capacity for objects; readings of most devices have no more.
const FIRST_ROOM: usize = 160;

/// Sub-identifiers after [`COMMON`] that a digest holds.
const LANES: usize = 13;

/// The maximum of each: `mgmt` or `private`, and `mib-2` or `enterprises` are small and have 4 bits; the MIB or the
/// maker has 20; tables, columns and rows have 10 each.
const LANES_MOST: [u32; LANES] = {
    const ROW: u32 = (1 << 10) - 1;
    [15, 15, (1 << 20) - 1, ROW, ROW, ROW, ROW, ROW, ROW, ROW, ROW, ROW, ROW]
};

/// A number that agrees with the order of objects: the lesser of two objects never has the greater digest. Objects
/// have long common prefixes, and the digest distinguishes nearly all of them with one comparison.
fn digest(object: &[u32], instance: &[u32]) -> u128 {
    let Some(own) = object.strip_prefix(&COMMON) else {
        return digest_of_another(&join(object, instance));
    };
    let mut lanes = [0; LANES];
    let count = own.len().min(LANES);
    let (of_object, of_instance) = lanes.split_at_mut(count);
    of_object.copy_from_slice(own.get(..count).unwrap_or_default());
    let further = instance.len().min(of_instance.len());
    if let (Some(lanes), Some(arcs)) = (of_instance.get_mut(..further), instance.get(..further)) {
        lanes.copy_from_slice(arcs);
    }
    // No object is less than zero.
    for (at, lane) in lanes.iter_mut().enumerate() {
        *lane = if at < count + further { lane.saturating_add(1) } else { 0 };
    }
    if LANES_MOST.iter().zip(&lanes).fold(false, |any, (most, lane)| any | (lane >= most)) {
        end(&mut lanes);
    }
    let [a, b, c, d, e, f, g, h, i, j, k, l, m] = lanes.map(u64::from);
    let high = a << 60 | b << 56 | c << 36 | d << 26 | e << 16 | f << 6 | g >> 4;
    let low = g << 60 | h << 50 | i << 40 | j << 30 | k << 20 | l << 10 | m;
    u128::from(high) << 64 | u128::from(low)
}

/// A number that doesn't fit ends the digest; the full comparison decides.
#[cold]
fn end(lanes: &mut [u32; LANES]) {
    let mut ended = false;
    for (lane, most) in lanes.iter_mut().zip(LANES_MOST) {
        *lane = if ended { 0 } else { (*lane).min(most) };
        ended |= *lane == most;
    }
}

/// The digest of an object that doesn't begin with [`COMMON`], or only together with its instance.
#[cold]
fn digest_of_another(oid: &Oid) -> u128 {
    match oid.arcs() {
        arcs if arcs.starts_with(&COMMON) => digest(arcs, &[]),
        arcs if arcs < COMMON.as_slice() => 0,
        _ => u128::MAX,
    }
}

const fn place(at: u32) -> usize {
    at as usize
}

#[derive(Debug, Clone)]
struct Entry {
    digest: u128,
    oid: Oid,
    value: Value,
}

impl Entry {
    /// Compares this entry with an instance of an object.
    fn cmp(&self, digest: u128, object: &[u32], instance: &[u32]) -> Ordering {
        self.digest.cmp(&digest).then_with(|| {
            let (own, own_instance) = self.oid.arcs().split_at(self.oid.arcs().len().min(object.len()));
            own.cmp(object).then_with(|| own_instance.cmp(instance))
        })
    }
}

/// The objects of one device that were read.
#[derive(Debug, Clone, Default)]
pub struct Mib {
    /// In the order of insertion.
    entries: Vec<Entry>,
    /// Positions in `entries`, in the order of objects.
    order: Vec<u32>,
    octets: usize,
    /// A value was dropped because a limit was reached.
    dropped: bool,
    /// Columns whose walk did not reach their end.
    cut: Vec<Oid>,
    charset: Charset,
}

impl Mib {
    /// Inserts or replaces a value. Returns whether it was kept: `Missing` and values beyond the limits are not.
    pub(crate) fn insert(&mut self, oid: Oid, value: Value) -> bool {
        if !value.is_there() {
            return false;
        }
        if self.entries.len() >= VARBINDS_PER_READING {
            self.dropped = true;
            return false;
        }
        if let Value::Octets(octets) = &value {
            if octets.len() > OCTETS_PER_READING - self.octets {
                self.dropped = true;
                return false;
            }
            self.octets += octets.len();
        }
        if self.entries.is_empty() {
            self.entries.reserve(FIRST_ROOM);
            self.order.reserve(FIRST_ROOM);
        }
        let digest = digest(oid.arcs(), &[]);
        let found = self.order.binary_search_by(|at| self.cmp(*at, digest, oid.arcs(), &[]));
        match found {
            Ok(at) => {
                if let Some(entry) = self.order.get(at).and_then(|at| self.entries.get_mut(place(*at))) {
                    entry.value = value;
                }
            }
            Err(at) => {
                self.order.insert(at, u32::try_from(self.entries.len()).unwrap_or(u32::MAX));
                self.entries.push(Entry { digest, oid, value });
            }
        }
        true
    }

    /// Compares an entry with an instance of an object.
    fn cmp(&self, at: u32, digest: u128, object: &[u32], instance: &[u32]) -> Ordering {
        self.entries.get(place(at)).map_or(Ordering::Less, |entry| entry.cmp(digest, object, instance))
    }

    /// The entries from this instance on, in order.
    fn from(&self, object: &[u32], instance: &[u32]) -> impl Iterator<Item = &Entry> {
        let digest = digest(object, instance);
        let first = self.order.partition_point(|at| self.cmp(*at, digest, object, instance).is_lt());
        self.order.iter().skip(first).filter_map(|at| self.entries.get(place(*at)))
    }

    /// Whether no value was dropped.
    pub(crate) const fn is_whole(&self) -> bool {
        !self.dropped
    }

    /// Records the columns whose walk did not reach their end.
    pub(crate) fn set_cut(&mut self, columns: Vec<Oid>) {
        self.cut = columns;
    }

    /// Whether rows of a column may be missing here: its walk was cut short, or there was no room for all objects.
    pub(crate) fn is_cut(&self, column: &Oid) -> bool {
        self.dropped || self.cut.contains(column)
    }

    /// Sets the character set of texts.
    pub(crate) fn set_charset(&mut self, charset: Charset) {
        self.charset = charset;
    }

    /// A value.
    #[must_use]
    pub fn value(&self, oid: &[u32]) -> Option<&Value> {
        self.instance(oid, &[])
    }

    #[must_use]
    pub(crate) fn instance(&self, object: &[u32], instance: &[u32]) -> Option<&Value> {
        let entry = self.from(object, instance).next()?;
        (entry.oid.after(object) == Some(instance)).then_some(&entry.value)
    }

    /// A text, decoded and cleaned; `None` if nothing readable remains.
    #[must_use]
    pub(crate) fn text(&self, object: &[u32], instance: &[u32]) -> Option<String> {
        self.instance(object, instance).and_then(|value| self.text_of(value))
    }

    #[must_use]
    pub(crate) fn text_of(&self, value: &Value) -> Option<String> {
        self.as_text(value).map(Cow::into_owned)
    }

    /// A value as text, for comparisons.
    #[must_use]
    pub(crate) fn as_text<'a>(&self, value: &'a Value) -> Option<Cow<'a, str>> {
        match value {
            Value::Octets(octets) => text::decode(octets, self.charset),
            Value::Integer(number) => Some(number.to_string().into()),
            Value::Unsigned(number) => Some(number.to_string().into()),
            Value::Oid(oid) => Some(oid.to_string().into()),
            Value::Missing | Value::EndOfView => None,
        }
    }

    /// A number.
    #[must_use]
    pub fn number(&self, object: &[u32], instance: &[u32]) -> Option<i64> {
        self.instance(object, instance).and_then(Value::number)
    }

    /// The rows of a column: instance and value.
    pub(crate) fn rows<'a>(&'a self, column: &'a [u32]) -> impl Iterator<Item = (&'a [u32], &'a Value)> {
        self.from(column, &[])
            .map_while(move |entry| Some((entry.oid.after(column)?, &entry.value)))
            .filter(|(instance, _)| !instance.is_empty())
    }

    /// The rows of a table that any of these columns has, in order; at most as many as one column may have.
    #[must_use]
    pub(crate) fn table<'a, const COLUMNS: usize>(
        &'a self,
        columns: &[&'a [u32]; COLUMNS],
    ) -> Vec<Row<'a, COLUMNS>> {
        let mut rows: Vec<Row<'a, COLUMNS>> = Vec::new();
        for (place, column) in columns.iter().enumerate() {
            // Most columns of a table have the same rows.
            let mut likely = 0;
            for (index, value) in self.rows(column) {
                let at = match rows.get(likely) {
                    Some(row) if row.index == index => likely,
                    _ => rows.binary_search_by(|row| row.index.cmp(index)).unwrap_or_else(|at| {
                        rows.insert(at, Row { mib: self, index, cells: [None; COLUMNS] });
                        at
                    }),
                };
                if let Some(cell) = rows.get_mut(at).and_then(|row| row.cells.get_mut(place)) {
                    *cell = Some((column.last().copied().unwrap_or_default(), value));
                }
                likely = at + 1;
            }
        }
        rows.truncate(ROWS_PER_COLUMN);
        rows
    }

    /// How many objects were read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A row of a table.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a, const COLUMNS: usize> {
    mib: &'a Mib,
    /// Its index.
    pub index: &'a [u32],
    /// For each column, its number and value.
    cells: [Option<(u32, &'a Value)>; COLUMNS],
}

impl<'a, const COLUMNS: usize> Row<'a, COLUMNS> {
    fn cell(&self, column: &[u32]) -> Option<&'a Value> {
        let own = |(number, _): &&(u32, &Value)| column.last() == Some(number);
        self.cells.iter().flatten().find(own).map(|(_, value)| *value)
    }

    /// A number.
    #[must_use]
    pub fn number(&self, column: &[u32]) -> Option<i64> {
        self.cell(column).and_then(Value::number)
    }

    /// A text, decoded and cleaned; `None` if nothing readable remains.
    #[must_use]
    pub(crate) fn text(&self, column: &[u32]) -> Option<String> {
        self.cell(column).and_then(|value| self.mib.text_of(value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Object identifiers with long common prefixes, and numbers at the limits of their fields in a digest.
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
        fn a_digest_never_contradicts_the_order(a in arcs(), b in arcs(), cut in 0_usize..16) {
            let head = &a[..cut.min(a.len())];
            for other in [b.as_slice(), head] {
                let order = digest(&a, &[]).cmp(&digest(other, &[]));
                prop_assert!(order.is_eq() || order == a.as_slice().cmp(other));
            }
            prop_assert_eq!(digest(head, &a[head.len()..]), digest(&a, &[]));
        }

        #[test]
        fn values_are_found_as_in_a_tree(
            objects in prop::collection::vec((arcs(), 0_i64..100), 0..40),
            cut in 0_usize..20,
        ) {
            let (mut mib, mut tree) = (Mib::default(), std::collections::BTreeMap::new());
            for (arcs, number) in &objects {
                mib.insert(Oid::new(arcs), Value::Integer(*number));
                tree.insert(arcs.clone(), *number);
                prop_assert_eq!(mib.len(), tree.len());
            }
            for (arcs, _) in &objects {
                let (object, instance) = arcs.split_at(cut.min(arcs.len()));
                let value = tree.get(arcs).copied().map(Value::Integer);
                prop_assert_eq!(mib.instance(object, instance), value.as_ref());
                let rows: Vec<(&[u32], i64)> = tree
                    .iter()
                    .filter_map(|(arcs, number)| Some((arcs.strip_prefix(object)?, *number)))
                    .filter(|(instance, _)| !instance.is_empty())
                    .collect();
                let own: Vec<(&[u32], i64)> = mib
                    .rows(object)
                    .map(|(instance, value)| (instance, value.number().unwrap()))
                    .collect();
                prop_assert_eq!(own, rows);
                let further = [arcs.as_slice(), &[7]].concat();
                prop_assert_eq!(mib.value(&further).is_some(), tree.contains_key(&further));
            }
        }

        #[test]
        fn rows_of_unequal_columns_are_all_returned_once(
            columns in prop::collection::vec(prop::collection::btree_set(0_u32..12, 0..8), 1..5),
        ) {
            let mut mib = Mib::default();
            let mut expected = std::collections::BTreeSet::new();
            let roots: Vec<[u32; 5]> = (1..).zip(&columns).map(|(column, _)| [1, 3, 6, 1, column]).collect();
            for (root, rows) in roots.iter().zip(&columns) {
                for row in rows {
                    mib.insert(join(root, &[1, *row]), Value::Integer(i64::from(*row)));
                    expected.insert(vec![1, *row]);
                }
            }
            let root = |at: usize| roots.get(at).map_or(&[1, 3, 6, 1, 99][..], <[u32; 5]>::as_slice);
            let table = mib.table(&[root(0), root(1), root(2), root(3)]);
            let expected: Vec<Vec<u32>> = expected.into_iter().collect();
            prop_assert_eq!(table.iter().map(|row| row.index).collect::<Vec<_>>(), expected);
            for (row, root) in table.iter().flat_map(|row| roots.iter().map(move |root| (row, root))) {
                prop_assert_eq!(row.number(root), mib.number(root, row.index));
            }
        }
    }
}
