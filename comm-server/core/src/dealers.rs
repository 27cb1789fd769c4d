//! Dealers: what a provider enters about one, checked and in one form.

use crate::customers::NAME_BYTES;
use crate::fields::{InvalidField, line};

/// The name of a dealer in its stored form.
///
/// # Errors
/// It is empty, too long, or has control characters.
pub fn checked_name(name: &str) -> Result<String, InvalidField> {
    const EXPECTED: &str = "1 to 200 bytes without control characters";
    let checked = line("name", name, NAME_BYTES, EXPECTED)?;
    if checked.is_empty() { Err(InvalidField::new("name", name, EXPECTED)) } else { Ok(checked) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dealer_has_a_name() {
        assert_eq!(checked_name(" North Office ").unwrap(), "North Office");
        for bad in ["", "  ", "a\nb", &"x".repeat(201)] {
            assert!(checked_name(bad).is_err(), "{bad:?}");
        }
    }
}
