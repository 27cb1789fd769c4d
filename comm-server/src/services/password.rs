//! Passwords: the rule for new ones, and their argon2id hashes.
//!
//! A password is never logged, stored or sent in a response; only its argon2id hash is stored.

mod hasher;
mod leaked;

pub(crate) use hasher::Hasher;
pub(crate) use leaked::{Leaked, check_file};

/// Minimum length of a new password, characters.
pub(super) const MIN_CHARACTERS: usize = 12;

/// Maximum length of a password, bytes; argon2 would accept 4 GiB.
pub(super) const MAX_BYTES: usize = 256;

/// Minimum number of different characters in a new password.
const MIN_DIFFERENT: usize = 5;

/// Letters of a one-time password: none that look alike.
const ONE_TIME_LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789x";
const ONE_TIME_LENGTH: usize = 20;

/// Why a new password is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WeakPassword {
    /// Too short.
    #[error("the new password has fewer than {MIN_CHARACTERS} characters")]
    Short,
    /// Too long.
    #[error("the new password has more than {MAX_BYTES} bytes")]
    Long,
    /// The same as before.
    #[error("the new password is the current one")]
    Same,
    /// Contains the user's name.
    #[error("the new password contains the user's name")]
    ContainsName,
    /// In a list of leaked passwords.
    #[error("the new password is in a list of leaked passwords, or is one of them with digits around it")]
    Leaked,
    /// Too few different characters.
    #[error("the new password has fewer than {MIN_DIFFERENT} different characters")]
    Monotonous,
}

/// Checks a new password.
///
/// # Errors
/// Which rule it breaks.
pub(super) fn check_new(user: &str, current: &str, new: &str) -> Result<(), WeakPassword> {
    let mut characters: Vec<char> = new.chars().collect();
    if characters.len() < MIN_CHARACTERS {
        return Err(WeakPassword::Short);
    }
    if new.len() > MAX_BYTES {
        return Err(WeakPassword::Long);
    }
    if new == current {
        return Err(WeakPassword::Same);
    }
    if user.len() >= 3 && new.to_lowercase().contains(&user.to_lowercase()) {
        return Err(WeakPassword::ContainsName);
    }
    characters.sort_unstable();
    characters.dedup();
    if characters.len() < MIN_DIFFERENT {
        return Err(WeakPassword::Monotonous);
    }
    Ok(())
}

/// Why a password was not hashed.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Too many logins at once.
    #[error("too many logins at once: wait a minute, then try again")]
    Busy,
    /// Too many logins of one network at once.
    #[error("too many logins from this network at once: wait a minute, then try again")]
    BusyNetwork,
    /// The system gave no random salt.
    #[error("the system's random number generator failed")]
    NoRandom,
    /// Argon2 failed.
    #[error("argon2id failed: {0}")]
    Argon(String),
}

/// A random one-time password of 100 bits.
///
/// # Errors
/// The system's random number generator failed.
pub(super) fn one_time() -> Result<String, HashError> {
    let mut bytes = [0_u8; ONE_TIME_LENGTH];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| HashError::NoRandom)?;
    let letter = |byte: &u8| ONE_TIME_LETTERS.get(usize::from(*byte % 32)).copied().map_or('x', char::from);
    Ok(bytes.iter().map(letter).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_refuses_with_its_own_reason() {
        let old = "the old one-time word";
        let table: [(&str, Result<(), WeakPassword>); 7] = [
            ("correct horse battery", Ok(())),
            ("elevenchars", Err(WeakPassword::Short)),
            ("äöüäöüabcdef", Ok(())),
            (old, Err(WeakPassword::Same)),
            ("my-Admin-password", Err(WeakPassword::ContainsName)),
            ("aabbccddaabbccdd", Err(WeakPassword::Monotonous)),
            (&"abcdefgh".repeat(33), Err(WeakPassword::Long)),
        ];
        for (new, expected) in table {
            assert_eq!(check_new("admin", old, new), expected, "{new}");
        }
    }

    #[test]
    fn one_time_passwords_are_long_and_differ() {
        let (one, two) = (one_time().unwrap(), one_time().unwrap());
        assert_eq!(one.len(), ONE_TIME_LENGTH);
        assert_ne!(one, two);
        assert_eq!(check_new("admin", "", &one), Ok(()));
    }
}
