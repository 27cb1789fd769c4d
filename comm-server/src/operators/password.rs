//! Passwords: the rule for new ones, and argon2id hashing that never runs on the async threads.
//!
//! A password is never logged, stored or answered; only its argon2id hash is stored.

use std::sync::Arc;
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::Semaphore;

/// A new password has at least so many characters.
pub(super) const MIN_CHARACTERS: usize = 12;

/// A password has at most so many bytes: argon2 would take 4 GiB.
pub(super) const MAX_BYTES: usize = 256;

/// Different characters that a new password has at least.
const MIN_DIFFERENT: usize = 5;

/// Hashes at once: each takes 19 MiB and one processor.
const AT_ONCE: usize = 2;

/// Who waits longer for a place is told to come again.
const WAIT: Duration = Duration::from_secs(10);

/// Memory of one hash, KiB; with two passes the first choice of OWASP's password storage cheat sheet.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Letters of a one-time password: none that look alike.
const ONE_TIME_LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789x";
const ONE_TIME_LENGTH: usize = 20;

/// A new password that isn't taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum WeakPassword {
    /// Too short.
    #[error("the new password has fewer than {MIN_CHARACTERS} characters")]
    Short,
    /// Too long.
    #[error("the new password has more than {MAX_BYTES} bytes")]
    Long,
    /// The same as before.
    #[error("the new password is the one that it replaces")]
    Same,
    /// Contains the user's name.
    #[error("the new password contains the user's name")]
    ContainsName,
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

/// Hashing that did not take place.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Too many logins at once.
    #[error("too many logins at once")]
    Busy,
    /// The system gave no random salt.
    #[error("the system gives no random numbers")]
    NoRandom,
    /// Argon2 refused.
    #[error("argon2id failed: {0}")]
    Argon(String),
}

/// Hashes and verifies, at most two at once.
#[derive(Debug, Clone)]
pub(super) struct Hasher {
    places: Arc<Semaphore>,
    decoy: Arc<str>,
}

impl Hasher {
    /// A hasher.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(super) fn new() -> Result<Self, HashError> {
        let decoy = hash_now(&one_time()?)?;
        Ok(Self { places: Arc::new(Semaphore::new(AT_ONCE)), decoy: decoy.into() })
    }

    /// Hashes a password: a PHC string.
    ///
    /// # Errors
    /// Busy, or the system failed.
    pub(super) async fn hash(&self, password: &str) -> Result<String, HashError> {
        let password = password.to_owned();
        self.run(move || hash_now(&password)).await
    }

    /// Whether the password is the one of `hash`. Without a hash (no such user) the same work is done, and the
    /// answer is no.
    ///
    /// # Errors
    /// Busy, or the system failed.
    pub(super) async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, HashError> {
        let known = hash.is_some();
        let hash = hash.unwrap_or(&self.decoy).to_owned();
        let mut password = password.to_owned();
        if password.len() > MAX_BYTES {
            password.clear();
        }
        self.run(move || Ok(known & argon()?.verify_password(password.as_bytes(), hash.as_str()).is_ok()))
            .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let place = tokio::time::timeout(WAIT, Arc::clone(&self.places).acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            return Err(HashError::Busy);
        };
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        });
        done.await.map_err(|error| HashError::Argon(error.to_string()))?
    }
}

/// A random one-time password of 100 bits.
///
/// # Errors
/// The system gives no random numbers.
pub(super) fn one_time() -> Result<String, HashError> {
    let mut bytes = [0_u8; ONE_TIME_LENGTH];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| HashError::NoRandom)?;
    let letter = |byte: &u8| ONE_TIME_LETTERS.get(usize::from(*byte % 32)).copied().map_or('x', char::from);
    Ok(bytes.iter().map(letter).collect())
}

fn argon() -> Result<Argon2<'static>, HashError> {
    let parameters = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(argon_error)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters))
}

fn hash_now(password: &str) -> Result<String, HashError> {
    let mut salt = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| HashError::NoRandom)?;
    let hash = argon()?.hash_password_with_salt(password.as_bytes(), &salt).map_err(argon_error)?;
    Ok(hash.to_string())
}

fn argon_error(error: impl std::fmt::Display) -> HashError {
    HashError::Argon(error.to_string())
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

    #[tokio::test]
    async fn a_hash_is_argon2id_and_verifies_its_own_password_only() {
        let hasher = Hasher::new().unwrap();
        let hash = hasher.hash("correct horse battery").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(hasher.verify("correct horse battery", Some(&hash)).await.unwrap());
        assert!(!hasher.verify("correct horse batterz", Some(&hash)).await.unwrap());
        assert!(!hasher.verify("correct horse battery", None).await.unwrap());
    }

    #[test]
    fn one_time_passwords_are_long_and_differ() {
        let (one, two) = (one_time().unwrap(), one_time().unwrap());
        assert_eq!(one.len(), ONE_TIME_LENGTH);
        assert_ne!(one, two);
        assert_eq!(check_new("admin", "", &one), Ok(()));
    }
}
