//! Columns as values: texts, flags, times and documents.

use std::str::FromStr;

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{StoreError, failed};

/// A text.
pub(crate) fn text(row: &AnyRow, column: &'static str) -> Result<String, StoreError> {
    row.try_get(column).map_err(failed(column))
}

/// A text that may be absent.
pub(crate) fn maybe_text(row: &AnyRow, column: &'static str) -> Result<Option<String>, StoreError> {
    row.try_get(column).map_err(failed(column))
}

/// A number.
pub(crate) fn number(row: &AnyRow, column: &'static str) -> Result<i64, StoreError> {
    row.try_get(column).map_err(failed(column))
}

/// A number that may be absent.
pub(crate) fn maybe_number(row: &AnyRow, column: &'static str) -> Result<Option<i64>, StoreError> {
    row.try_get(column).map_err(failed(column))
}

/// A number that can't be negative.
pub(crate) fn count(row: &AnyRow, column: &'static str) -> Result<u64, StoreError> {
    u64::try_from(number(row, column)?).map_err(|_| StoreError::Range { what: column })
}

/// A flag.
pub(crate) fn flag(row: &AnyRow, column: &'static str) -> Result<bool, StoreError> {
    Ok(number(row, column)? != 0)
}

/// A time.
pub(crate) fn time(row: &AnyRow, column: &'static str) -> Result<Timestamp, StoreError> {
    from_ms(number(row, column)?, column)
}

/// A time that may be absent.
pub(crate) fn maybe_time(row: &AnyRow, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
    maybe_number(row, column)?.map(|ms| from_ms(ms, column)).transpose()
}

/// A value of an enum or an id, in the row with this `key`.
pub(crate) fn parsed<T: FromStr>(
    row: &AnyRow,
    (table, column): (&'static str, &'static str),
    key: &str,
) -> Result<T, StoreError> {
    let value = text(row, column)?;
    value.parse().map_err(|_| StoreError::Unknown { table, column, key: key.to_owned(), value })
}

/// As [`parsed`]; `None` for null.
pub(crate) fn maybe_parsed<T: FromStr>(
    row: &AnyRow,
    (table, column): (&'static str, &'static str),
    key: &str,
) -> Result<Option<T>, StoreError> {
    maybe_text(row, column)?.map(|_| parsed(row, (table, column), key)).transpose()
}

/// As [`parsed`]; `None` for an empty text.
pub(crate) fn parsed_or_none<T: FromStr>(
    row: &AnyRow,
    (table, column): (&'static str, &'static str),
    key: &str,
) -> Result<Option<T>, StoreError> {
    Ok(if text(row, column)?.is_empty() { None } else { Some(parsed(row, (table, column), key)?) })
}

/// The minimum of a time column, milliseconds; `None` sets no minimum.
pub(crate) fn since(time: Option<Timestamp>) -> i64 {
    time.map_or(i64::MIN, Timestamp::as_millisecond)
}

/// The text in a column, empty for none: the inverse of [`parsed_or_none`].
pub(crate) fn text_or_empty<T: ToString>(value: Option<&T>) -> String {
    value.map(T::to_string).unwrap_or_default()
}

/// A number as the engines store it.
pub(crate) fn stored(number: u64, what: &'static str) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Range { what })
}

/// A document.
pub(crate) fn document(text: &str, what: &'static str) -> Result<serde_json::Value, StoreError> {
    serde_json::from_str(text).map_err(|source| StoreError::Document { what, source })
}

/// A document that may be absent.
pub(crate) fn maybe_document(
    row: &AnyRow,
    column: &'static str,
) -> Result<Option<serde_json::Value>, StoreError> {
    maybe_text(row, column)?.map(|text| document(&text, column)).transpose()
}

fn from_ms(ms: i64, what: &'static str) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(ms).map_err(|_| StoreError::Range { what })
}
