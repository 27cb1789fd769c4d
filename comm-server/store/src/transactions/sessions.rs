//! Sessions: extended, ended and expired.

use comm_server_core::logins::FORGOTTEN;
use jiff::{SignedDuration, Timestamp};

use crate::Store;
use crate::db::StoreError;
use crate::tables::{idempotency_keys, invitations, login_failures, sessions};

/// Validity of an idempotency key.
const KEYS: SignedDuration = SignedDuration::from_hours(24);

impl Store {
    /// Ends a session.
    pub async fn end_session(&self, token_hash: &str) -> Result<(), StoreError> {
        let hash = token_hash.to_owned();
        self.writer().write(move |c| Box::pin(async move { sessions::delete(c, &hash).await })).await
    }

    /// Changes a session's expiry.
    pub async fn move_session_expiry(&self, token_hash: &str, expires_ms: i64) -> Result<(), StoreError> {
        let hash = token_hash.to_owned();
        self.writer()
            .write(move |c| Box::pin(async move { sessions::set_expiry(c, &hash, expires_ms).await }))
            .await
    }

    /// Records that a session changed something.
    pub async fn note_change(&self, token_hash: &str, now: Timestamp) -> Result<(), StoreError> {
        let hash = token_hash.to_owned();
        self.writer()
            .write(move |c| Box::pin(async move { sessions::set_changed(c, &hash, now).await }))
            .await
    }

    /// Deletes expired sessions, login failures and idempotency keys; returns the number of sessions.
    pub async fn expire_sessions(&self, now: Timestamp) -> Result<u64, StoreError> {
        let kept_since = now.saturating_sub(KEYS).unwrap_or(now);
        let forgotten = now.saturating_sub(FORGOTTEN).unwrap_or(now);
        self.writer()
            .write(move |c| {
                Box::pin(async move {
                    login_failures::delete_before(c, forgotten).await?;
                    invitations::delete_expired(c, now).await?;
                    idempotency_keys::delete_before(c, kept_since).await?;
                    sessions::delete_ended(c, now).await
                })
            })
            .await
    }

    /// A key that the servers of one database share; if there is none, `fresh` becomes the key.
    pub async fn server_key(
        &self,
        name: &'static str,
        fresh: String,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        self.writer()
            .write(move |c| Box::pin(async move { sessions::server_key(c, name, fresh, now).await }))
            .await
    }
}
