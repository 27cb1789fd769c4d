//! Sessions of operators: how long each lives, and whether it must see its own writes.
//!
//! Only the SHA-256 of a session's token is stored: a reader of the database can't take over a session.

use aws_lc_rs::digest::{SHA256, digest};
use comm_server_core::replica::sees_own_change;
use comm_server_core::roles::Role;
use comm_server_core::second_factor::Stage;
use comm_server_core::tenancy::UserName;
use jiff::Timestamp;

use super::{Actor, HashError};
use crate::store::{Store, StoreError};

/// A session that isn't used ends after this, milliseconds.
const IDLE_MS: i64 = 30 * 60 * 1000;

/// A login ends after this unless its code is entered, milliseconds.
const CODE_MS: i64 = 5 * 60 * 1000;

/// Every session ends after this, milliseconds.
const ABSOLUTE_MS: i64 = 12 * 60 * 60 * 1000;

/// A session's end is moved at most this often, milliseconds: not every request writes.
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
    /// What the login still lacks.
    pub(crate) stage: Stage,
    pub(crate) token_hash: String,
    /// Whether the session wrote something that a replica may not have yet.
    pub(crate) recent_write: bool,
}

impl Session {
    /// The caller of a program with a token: it has no cookie, and so no CSRF token.
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

/// Why a session can't be looked up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    /// The store.
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

    /// The session of a token; with `keep_alive`, its end moves.
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

    /// Whether several servers share the database, so that a write must be recorded with its session.
    pub(crate) fn must_record_writes(&self) -> bool {
        self.store.is_shared()
    }

    /// Records that the session of a token wrote something, so that its next reads don't come from a replica that lacks
    /// the change.
    pub(crate) async fn record_write(&self, token: &str) -> Result<(), StoreError> {
        self.store.note_change(&token_hash(token), Timestamp::now()).await
    }
}

/// 256 random bits, hexadecimal.
///
/// # Errors
/// The system gives no random numbers.
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

/// When a session ends that begins at `now_ms`, unless it is used.
#[must_use]
pub(super) fn first_expiry(stage: Stage, now_ms: i64) -> i64 {
    match stage {
        Stage::Code => now_ms + CODE_MS,
        Stage::Enroll | Stage::Open => expiry(now_ms, now_ms),
    }
}

/// When a session ends that was begun at `created_ms` and is used at `now_ms`.
#[must_use]
fn expiry(created_ms: i64, now_ms: i64) -> i64 {
    (now_ms + IDLE_MS).min(created_ms + ABSOLUTE_MS)
}

/// The new end of a session, if it is worth a write.
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
