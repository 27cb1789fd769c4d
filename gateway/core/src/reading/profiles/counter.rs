//! Counters in a profile: one object, a sum, rows of a table by type or by name, whole columns, or a record in an
//! octet string.

use serde::Deserialize;

use super::octets;
use crate::reading::mib::{Mib, Oid, Value};

/// The source of a counter.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "RawCounter")]
pub struct CounterSource {
    /// The place.
    pub value: CounterValue,
    /// Whether a zero means that this device doesn't count it.
    pub nonzero: bool,
}

/// Where a counter is read.
#[derive(Debug, Clone)]
pub enum CounterValue {
    /// One object.
    Object(Oid),
    /// The sum of objects: all of the first must exist, those of the second are added if they exist.
    Sum(Vec<Oid>, Vec<Oid>),
    /// The sum of rows of a table.
    Rows {
        /// The rows.
        choice: RowChoice,
        /// The column of the values.
        value: Oid,
    },
    /// The sum of whole columns whose rows are paper sizes, trays and the like. Each column of the
    /// first list must have a row; columns of the second list are added if they have one.
    Columns(Vec<Oid>, Vec<Oid>),
    /// A record in an octet string.
    Octets {
        /// The octet string.
        oid: Oid,
        /// The record's id.
        id: u8,
        /// The required length of its value, octets; `None` for any.
        length: Option<u8>,
    },
}

/// The selection of rows of a table.
#[derive(Debug, Clone)]
pub enum RowChoice {
    /// Rows whose number in a column is one of these.
    Key(Oid, Wanted<i64>),
    /// The first row of each of these names in a column, ignoring case and spaces.
    Label(Oid, Wanted<String>),
}

/// Rows to add up. A sum of only a part of them is not a total.
#[derive(Debug, Clone)]
pub struct Wanted<T> {
    /// Rows that must exist.
    pub all: Vec<T>,
    /// Rows that are added if they exist.
    pub optional: Vec<T>,
}

impl<T> Wanted<T> {
    /// The rows that `find` returns; `None` if a required one doesn't exist.
    fn rows(&self, find: impl Fn(&T) -> Vec<Vec<u32>>) -> Option<Vec<Vec<u32>>> {
        let mut rows = Vec::new();
        for wanted in &self.all {
            let found = find(wanted);
            if found.is_empty() {
                return None;
            }
            rows.extend(found);
        }
        rows.extend(self.optional.iter().flat_map(find));
        Some(rows)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCounter {
    oid: Option<Oid>,
    sum: Option<Vec<Oid>>,
    #[serde(default)]
    plus_if_there: Vec<Oid>,
    columns: Option<Vec<Oid>>,
    rows: Option<RawRows>,
    octets: Option<RawOctets>,
    #[serde(default)]
    nonzero: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRows {
    key: Option<Oid>,
    label: Option<Oid>,
    #[serde(default)]
    is: Vec<serde_yaml::Value>,
    #[serde(default)]
    plus_if_there: Vec<serde_yaml::Value>,
    value: Oid,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOctets {
    oid: Oid,
    id: u8,
    length: Option<u8>,
}

impl TryFrom<RawCounter> for CounterSource {
    type Error = &'static str;

    fn try_from(raw: RawCounter) -> Result<Self, &'static str> {
        let optional = raw.plus_if_there;
        let value = match (raw.oid, raw.sum, raw.columns, raw.rows, raw.octets) {
            (Some(oid), None, None, None, None) => CounterValue::Object(oid),
            (None, Some(sum), None, None, None) if !sum.is_empty() => CounterValue::Sum(sum, optional),
            (None, None, Some(columns), None, None) if !columns.is_empty() => {
                CounterValue::Columns(columns, optional)
            }
            (None, None, None, Some(rows), None) => rows.into_value()?,
            (None, None, None, None, Some(RawOctets { oid, id, length })) => {
                CounterValue::Octets { oid, id, length }
            }
            _ => return Err("expected exactly one of oid, sum, columns, rows and octets"),
        };
        Ok(Self { value, nonzero: raw.nonzero })
    }
}

impl RawRows {
    fn into_value(self) -> Result<CounterValue, &'static str> {
        let Self { key, label, is, plus_if_there, value } = self;
        if is.is_empty() && plus_if_there.is_empty() {
            return Err("rows: expected is or plus_if_there");
        }
        let choice = match (key, label) {
            (Some(_), Some(_)) | (None, None) => return Err("rows: expected exactly one of key and label"),
            (Some(column), None) => {
                let wanted = wanted(&is, &plus_if_there, serde_yaml::Value::as_i64);
                RowChoice::Key(column, wanted.ok_or("rows.is: expected numbers where key is given")?)
            }
            (None, Some(column)) => {
                let wanted = wanted(&is, &plus_if_there, |value| value.as_str().map(normal));
                RowChoice::Label(column, wanted.ok_or("rows.is: expected texts where label is given")?)
            }
        };
        Ok(CounterValue::Rows { choice, value })
    }
}

fn wanted<T>(
    all: &[serde_yaml::Value],
    optional: &[serde_yaml::Value],
    read: impl Fn(&serde_yaml::Value) -> Option<T>,
) -> Option<Wanted<T>> {
    let all: Option<_> = all.iter().map(&read).collect();
    let optional: Option<_> = optional.iter().map(read).collect();
    Some(Wanted { all: all?, optional: optional? })
}

/// A label without case and spaces, in which firmware versions differ.
fn normal(text: &str) -> String {
    text.split_whitespace().map(|word| lower(word).collect()).collect::<Vec<String>>().join(" ")
}

/// Whether a text has this [normal](normal) form.
fn is_normally(text: &str, label: &str) -> bool {
    let (mut words, mut wanted) = (text.split_whitespace(), label.split(' '));
    loop {
        match (words.next(), wanted.next()) {
            (Some(word), Some(wanted)) if lower(word).eq(wanted.chars()) => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

fn lower(word: &str) -> impl Iterator<Item = char> {
    word.chars().flat_map(char::to_lowercase)
}

impl CounterSource {
    /// The value and its source, with objects joined by `+`.
    #[must_use]
    pub fn read(&self, mib: &Mib) -> Option<(u64, String)> {
        self.value.read(mib).filter(|(count, _)| *count > 0 || !self.nonzero)
    }
}

impl CounterValue {
    fn read(&self, mib: &Mib) -> Option<(u64, String)> {
        match self {
            Self::Object(oid) => Some((count(mib, oid)?, oid.to_string())),
            Self::Sum(all, optional) => {
                let first: Option<Vec<_>> = all.iter().map(|oid| Some((count(mib, oid)?, oid))).collect();
                let further = optional.iter().filter_map(|oid| Some((count(mib, oid)?, oid)));
                let addends = first?.into_iter().chain(further).map(|(count, oid)| (count, oid.to_string()));
                add(addends)
            }
            Self::Columns(all, optional) => {
                if optional
                    .iter()
                    .any(|column| mib.is_cut(column) && mib.rows(column.arcs()).next().is_some())
                {
                    return None;
                }
                let first: Option<Vec<_>> = all.iter().map(|column| of_column(mib, column)).collect();
                let further = optional.iter().filter_map(|column| of_column(mib, column));
                add(first?.into_iter().chain(further))
            }
            Self::Rows { choice, value } => {
                let rows = choice.rows(mib)?.into_iter().map(|row| {
                    let oid = value.join(&row);
                    Some((count(mib, &oid)?, oid.to_string()))
                });
                add(rows.collect::<Option<Vec<_>>>()?.into_iter())
            }
            Self::Octets { oid, id, length } => match mib.value(oid.arcs())? {
                Value::Octets(octets) => Some((octets::value(octets, *id, *length)?, oid.to_string())),
                Value::Integer(_)
                | Value::Unsigned(_)
                | Value::Oid(_)
                | Value::Missing
                | Value::EndOfView => None,
            },
        }
    }

    /// Appends the single objects that it needs.
    pub(crate) fn objects(&self, objects: &mut Vec<Oid>) {
        match self {
            Self::Object(oid) | Self::Octets { oid, .. } => objects.push(oid.clone()),
            Self::Sum(all, optional) => objects.extend(all.iter().chain(optional).cloned()),
            Self::Rows { .. } | Self::Columns(..) => {}
        }
    }

    /// Appends the columns that it needs.
    pub(crate) fn columns(&self, columns: &mut Vec<Oid>) {
        match self {
            Self::Rows { choice: RowChoice::Key(column, _) | RowChoice::Label(column, _), value } => {
                columns.extend([column.clone(), value.clone()]);
            }
            Self::Columns(all, optional) => columns.extend(all.iter().chain(optional).cloned()),
            Self::Object(_) | Self::Octets { .. } | Self::Sum(..) => {}
        }
    }
}

impl RowChoice {
    /// The rows; `None` if a required one doesn't exist.
    fn rows(&self, mib: &Mib) -> Option<Vec<Vec<u32>>> {
        match self {
            Self::Key(column, _) if mib.is_cut(column) => None,
            Self::Key(column, keys) => keys.rows(|key| {
                let own = mib.rows(column.arcs()).filter(|(_, value)| value.number() == Some(*key));
                own.map(|(row, _)| row.to_vec()).collect()
            }),
            Self::Label(column, labels) => labels.rows(|label| {
                let is = |value: &Value| mib.as_text(value).is_some_and(|text| is_normally(&text, label));
                let own = mib.rows(column.arcs()).find(|(_, value)| is(value));
                own.map(|(row, _)| row.to_vec()).into_iter().collect()
            }),
        }
    }
}

/// The sum of a column, with the column as its source: an additional row doesn't change the source. `None` if the column
/// was not read to its end, because the sum of a part would be taken for the whole.
fn of_column(mib: &Mib, column: &Oid) -> Option<(u64, String)> {
    if mib.is_cut(column) {
        return None;
    }
    let mut counts = mib.rows(column.arcs()).map(|(_, value)| value.count());
    let first = counts.next()??;
    let sum = counts.try_fold(first, |sum, count| sum.checked_add(count?))?;
    Some((sum, column.to_string()))
}

fn count(mib: &Mib, oid: &Oid) -> Option<u64> {
    mib.value(oid.arcs()).and_then(Value::count)
}

/// The sum; `None` without addends or on overflow.
fn add(addends: impl Iterator<Item = (u64, String)>) -> Option<(u64, String)> {
    let mut sum: Option<(u64, String)> = None;
    for (count, oid) in addends {
        sum = Some(match sum {
            None => (count, oid),
            Some((so_far, places)) => (so_far.checked_add(count)?, format!("{places}+{oid}")),
        });
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mib() -> Mib {
        let mut mib = Mib::default();
        let rows = [
            ("1.9.1.0", Value::Unsigned(70)),
            ("1.9.2.0", Value::Integer(5)),
            ("1.9.3.0", Value::Integer(0)),
            ("1.9.4.0", Value::octets(&[2, 1, 2, 1, 0, 0xff])),
            ("1.9.5.1.1", Value::Integer(10)),
            ("1.9.5.1.7", Value::Integer(200)),
            ("1.9.5.2.1", Value::Unsigned(900)),
            ("1.9.5.2.7", Value::Unsigned(300)),
            ("1.9.6.1.1", Value::octets(b"Copies\0")),
            ("1.9.6.1.2", Value::octets(b"copies")),
            ("1.9.6.2.1", Value::Unsigned(11)),
            ("1.9.6.2.2", Value::Unsigned(13)),
        ];
        for (oid, value) in rows {
            mib.insert(oid.parse().unwrap(), value);
        }
        mib
    }

    #[test]
    fn a_column_that_was_cut_short_is_not_summed() {
        let read = |yaml: &str, cut: &[&str]| {
            let mut mib = mib();
            mib.set_cut(cut.iter().map(|oid| oid.parse().unwrap()).collect());
            serde_yaml::from_str::<CounterSource>(yaml).unwrap().read(&mib).map(|(count, _)| count)
        };
        let columns = "{columns: [1.9.5.2], plus_if_there: [1.9.6.2, 1.9.7.2]}";
        assert_eq!(read(columns, &[]), Some(1_224));
        assert_eq!(read(columns, &["1.9.5.2"]), None);
        assert_eq!(read(columns, &["1.9.6.2"]), None);
        assert_eq!(read(columns, &["1.9.7.2"]), Some(1_224), "it has no rows");
        let rows = "{rows: {key: 1.9.5.1, is: [10], value: 1.9.5.2}}";
        assert_eq!((read(rows, &[]), read(rows, &["1.9.5.1"])), (Some(900), None));
    }

    fn read(yaml: &str) -> Option<(u64, String)> {
        serde_yaml::from_str::<CounterSource>(yaml).unwrap().read(&mib())
    }

    #[test]
    fn every_kind_of_place_gives_its_count_and_evidence() {
        let found = |count: u64, at: &str| Some((count, at.to_owned()));
        assert_eq!(read("{oid: 1.9.1.0}"), found(70, "1.9.1.0"));
        assert_eq!(read("{oid: 1.9.9.0}"), None);
        assert_eq!(read("{oid: 1.9.3.0}"), found(0, "1.9.3.0"));
        assert_eq!(read("{oid: 1.9.3.0, nonzero: true}"), None);
        assert_eq!(read("{sum: [1.9.1.0, 1.9.2.0]}"), found(75, "1.9.1.0+1.9.2.0"));
        assert_eq!(read("{sum: [1.9.1.0, 1.9.9.0]}"), None);
        assert_eq!(read("{sum: [1.9.1.0], plus_if_there: [1.9.9.0, 1.9.2.0]}"), found(75, "1.9.1.0+1.9.2.0"));
        assert_eq!(read("{octets: {oid: 1.9.4.0, id: 0x02}}"), found(256, "1.9.4.0"));
        assert_eq!(read("{rows: {key: 1.9.5.1, is: [200], value: 1.9.5.2}}"), found(300, "1.9.5.2.7"));
        assert_eq!(read("{rows: {key: 1.9.5.1, is: [10, 200], value: 1.9.5.2}}").unwrap().0, 1200);
        assert_eq!(
            read("{rows: {key: 1.9.5.1, is: [10, 11], value: 1.9.5.2}}"),
            None,
            "a part is not a total"
        );
        assert_eq!(
            read("{rows: {key: 1.9.5.1, is: [10], plus_if_there: [11], value: 1.9.5.2}}"),
            found(900, "1.9.5.2.1")
        );
        assert_eq!(read("{rows: {key: 1.9.5.1, plus_if_there: [11], value: 1.9.5.2}}"), None);
        assert_eq!(read("{columns: [1.9.5.2]}"), found(1_200, "1.9.5.2"));
        assert_eq!(read("{columns: [1.9.7.2]}"), None);
        assert_eq!(read("{columns: [1.9.5.2, 1.9.7.2]}"), None);
        let both = "{columns: [1.9.5.2], plus_if_there: [1.9.7.2, 1.9.6.2]}";
        assert_eq!(read(both), found(1_224, "1.9.5.2+1.9.6.2"));
        assert_eq!(read("{octets: {oid: 1.9.4.0, id: 0x02, length: 4}}"), None);
        assert_eq!(read("{rows: {label: 1.9.6.1, is: [COPIES], value: 1.9.6.2}}"), found(11, "1.9.6.2.1"));
        assert_eq!(read("{rows: {label: 1.9.6.1, is: [Prints], value: 1.9.6.2}}"), None);
        assert_eq!(read("{rows: {label: 1.9.6.1, is: [Copies, Prints], value: 1.9.6.2}}"), None);
        for wrong in ["{columns: []}", "{rows: {is: [1], value: 1.9}}", "{rows: {key: 1.9, value: 1.9}}"] {
            assert!(serde_yaml::from_str::<CounterSource>(wrong).is_err(), "{wrong}");
        }
    }
}
