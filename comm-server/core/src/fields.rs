//! Validates fields that a person, a program or a file enters.

use wire::text::{clipped, is_hidden};

/// An invalid field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {given:?}: expected {expected}")]
pub struct InvalidField {
    /// Its name, as in the API.
    pub field: &'static str,
    /// What was given, its first 40 bytes.
    pub given: String,
    /// What is accepted.
    pub expected: &'static str,
}

impl InvalidField {
    /// An invalid field; `given` is shortened.
    #[must_use]
    pub fn new(field: &'static str, given: &str, expected: &'static str) -> Self {
        Self { field, given: clipped(given, 40).to_owned(), expected }
    }
}

/// The text without spaces around it. Invisible characters are rejected, except joiners, which some scripts need.
pub(crate) fn line(
    field: &'static str,
    given: &str,
    bytes: usize,
    expected: &'static str,
) -> Result<String, InvalidField> {
    let trimmed = given.trim();
    let is_joiner = |c| matches!(c, '\u{200c}' | '\u{200d}');
    if trimmed.len() > bytes || trimmed.chars().any(|c| is_hidden(c) && !is_joiner(c)) {
        return Err(InvalidField::new(field, given, expected));
    }
    Ok(trimmed.to_owned())
}

/// As [`line`], but line feeds are kept; other line ends are converted to line feeds.
pub(crate) fn lines(
    field: &'static str,
    given: &str,
    bytes: usize,
    expected: &'static str,
) -> Result<String, InvalidField> {
    let plain = given.replace("\r\n", "\n");
    let checked: Result<Vec<String>, _> =
        plain.trim().split('\n').map(|own| line(field, own, bytes, expected)).collect();
    let joined = checked?.join("\n");
    if joined.len() > bytes { Err(InvalidField::new(field, given, expected)) } else { Ok(joined) }
}
