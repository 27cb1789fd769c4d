//! Sessions of operators: their expiry, and whether a session must see its own changes.
//!
//! Only the SHA-256 of a session's token is stored, so that a reader of the database can't use a session.

use aws_lc_rs::digest::{SHA256, digest};
use comm_server_core::replica::sees_own_change;
use comm_server_core::roles::Role;
use comm_server_core::second_factor::Stage;
use comm_server_core::tenancy::UserName;
use jiff::Timestamp;

use super::{Actor, HashError};
use crate::store::{Store, StoreError};

/// A session expires after this time without use, milliseconds.
const IDLE_MS: i64 = 30 * 60 * 1000;

/// A login expires after this time without the code of the second factor, milliseconds.
const CODE_MS: i64 = 5 * 60 * 1000;

/// Every session expires after this time, milliseconds.
const ABSOLUTE_MS: i64 = 12 * 60 * 60 * 1000;

/// Minimum time between two updates of a session's expiry, milliseconds, so that not every request writes to the
/// database.
const TOUCH_MS: i64 = 60 * 1000;

/// The maximum difference between the clocks of two servers, milliseconds.
const CLOCK_SLACK_MS: i64 = 5000;

/// A valid session.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) actor: Actor,
    /// `None` for a program with a token.
    pub(crate) user: Option<UserName>,
    pub(crate) role: Role,
    pub(crate) csrf: String,
    /// Whether the one-time password must be changed before anything else.
    pub(crate) must_change: bool,
    /// The stage of the login.
    pub(crate) stage: Stage,
    pub(crate) token_hash: String,
    /// Whether the session changed something that a replica may not have yet.
    pub(crate) recent_write: bool,
}

impl Session {
    /// The caller for a program with a token. It has no cookie, and therefore no CSRF token.
    pub(super) fn of_token(actor: Actor, role: Role) -> Self {
        Self {
            user: None,
            role,
            csrf: String::new(),
            must_change: false,
            stage: Stage::Open,
            token_hash: String::new(),
            recent_write: true,
            actor,
        }
    }
}

/// Why a session can't be found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Finds sessions; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    store: Store,
}

impl Sessions {
    pub(super) const fn new(store: Store) -> Self {
        Self { store }
    }

    /// The session of a token; with `keep_alive`, its expiry is extended.
    pub(crate) async fn find(&self, token: &str, keep_alive: bool) -> Result<Option<Session>, SessionError> {
        let (token_hash, now) = (token_hash(token), Timestamp::now());
        let Some((found, user)) = self.store.session(&token_hash, now).await? else { return Ok(None) };
        if user.disabled_at.is_some() {
            return Ok(None);
        }
        let role = user.role;
        if keep_alive && found.stage != Stage::Code {
            let (created, expires) = (found.created_at.as_millisecond(), found.expires_at.as_millisecond());
            if let Some(moved) = moved_expiry(created, expires, now.as_millisecond()) {
                self.store.move_session_expiry(&token_hash, moved).await?;
            }
        }
        let recent_write = self.store.replica_behind().is_some_and(|behind| {
            let behind_ms = i64::try_from(behind.as_millis()).unwrap_or(i64::MAX);
            sees_own_change(found.changed_ms, now.as_millisecond(), behind_ms, CLOCK_SLACK_MS)
        });
        Ok(Some(Session {
            actor: Actor::operator(user.scope(), user.name.as_str(), role),
            user: Some(user.name),
            role,
            csrf: found.csrf,
            must_change: user.must_change,
            stage: found.stage,
            token_hash,
            recent_write,
        }))
    }

    /// Whether several servers share the database, so that a change must be recorded in its session.
    pub(crate) fn must_record_writes(&self) -> bool {
        self.store.is_shared()
    }

    /// Records that the session of a token changed something, so that its next reads don't use a replica that lacks
    /// the change.
    pub(crate) async fn record_write(&self, token: &str) -> Result<(), StoreError> {
        self.store.note_change(&token_hash(token), Timestamp::now()).await
    }
}

/// 256 random bits, hexadecimal.
///
/// # Errors
/// The system's random number generator failed.
pub(super) fn random_token() -> Result<String, HashError> {
    let mut bytes = [0_u8; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| HashError::NoRandom)?;
    Ok(hex::encode(bytes))
}

/// The stored form of a token.
#[must_use]
pub(crate) fn token_hash(token: &str) -> String {
    hex::encode(digest(&SHA256, token.as_bytes()))
}

/// The expiry of a session that begins at `now_ms`, if it is not used.
#[must_use]
pub(super) fn first_expiry(stage: Stage, now_ms: i64) -> i64 {
    match stage {
        Stage::Code => now_ms + CODE_MS,
        Stage::Enroll | Stage::Open => expiry(now_ms, now_ms),
    }
}

/// The expiry of a session that began at `created_ms` and is used at `now_ms`.
#[must_use]
fn expiry(created_ms: i64, now_ms: i64) -> i64 {
    (now_ms + IDLE_MS).min(created_ms + ABSOLUTE_MS)
}

/// The new expiry of a session, if it differs enough to be stored.
#[must_use]
fn moved_expiry(created_ms: i64, expires_ms: i64, now_ms: i64) -> Option<i64> {
    let moved = expiry(created_ms, now_ms);
    (moved >= expires_ms + TOUCH_MS).then_some(moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_slides_until_its_absolute_end() {
        assert_eq!(expiry(0, 0), IDLE_MS);
        assert_eq!(expiry(0, ABSOLUTE_MS - 1), ABSOLUTE_MS);
        assert_eq!(moved_expiry(0, IDLE_MS, TOUCH_MS - 1), None);
        assert_eq!(moved_expiry(0, IDLE_MS, TOUCH_MS), Some(IDLE_MS + TOUCH_MS));
        assert_eq!(moved_expiry(0, ABSOLUTE_MS, ABSOLUTE_MS - 1), None);
    }

    #[test]
    fn tokens_are_long_and_stored_as_digests() {
        let token = random_token().unwrap();
        assert_eq!(token.len(), 64);
        assert_ne!(token_hash(&token), token);
        assert_eq!(token_hash("").len(), 64);
    }
}
