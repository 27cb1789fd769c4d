//! What a device has answered so far, by object.

use std::collections::BTreeMap;

use super::charset::Charset;
use super::limits::{OCTETS_PER_READING, ROWS_PER_COLUMN, VARBINDS_PER_READING};
use super::oid::{Oid, join};
use super::text;
use super::value::Value;

/// The objects of one device that were read.
#[derive(Debug, Clone, Default)]
pub struct Mib {
    values: BTreeMap<Oid, Value>,
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
        self.values.insert(oid, value);
        true
    }

    /// Texts are in this character set from now on.
    pub(crate) fn set_charset(&mut self, charset: Charset) {
        self.charset = charset;
    }

    /// A value.
    #[must_use]
    pub fn value(&self, oid: &[u32]) -> Option<&Value> {
        self.values.get(&Oid::new(oid))
    }

    /// An instance of an object.
    #[must_use]
    pub fn instance(&self, object: &[u32], instance: &[u32]) -> Option<&Value> {
        self.values.get(&join(object, instance))
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
            .range(Oid::new(column)..)
            .map_while(move |(oid, value)| Some((oid.after(column)?, value)))
            .filter(|(instance, _)| !instance.is_empty())
    }

    /// The instances that any of these columns has, in order; no more than one column may have.
    #[must_use]
    pub fn instances(&self, columns: &[&[u32]]) -> Vec<Vec<u32>> {
        let mut all: Vec<Vec<u32>> =
            columns.iter().flat_map(|column| self.rows(column).map(|(at, _)| at.to_vec())).collect();
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
