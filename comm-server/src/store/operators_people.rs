//! What logins change: sessions that begin and slide, and failures that lock.

use jiff::Timestamp;

use super::{AuditEntry, Session, Store, StoreError, audit, failed};

impl Store {
    /// Begins a session and forgets the user's failures, unless the account is locked at that time: then nothing is
    /// changed and the answer is false.
    pub(crate) async fn begin_session(&self, new: Session, entry: AuditEntry) -> Result<bool, StoreError> {
        self.writer()
            .write(move |connection| {
                Box::pin(async move {
                    let done = sqlx::query(
                        "UPDATE users SET failures = 0, locked_until_ms = NULL WHERE tenant = $1 AND name = $2 \
                         AND (locked_until_ms IS NULL OR locked_until_ms <= $3)",
                    )
                    .bind(new.tenant.clone())
                    .bind(new.user.clone())
                    .bind(new.created_at.as_millisecond())
                    .execute(&mut *connection)
                    .await
                    .map_err(failed("to forget login failures"))?;
                    if done.rows_affected() != 1 {
                        return Ok(false);
                    }
                    sqlx::query(
                        "INSERT INTO sessions (token_hash, tenant, user_name, csrf, created_ms, expires_ms) \
                         VALUES ($1, $2, $3, $4, $5, $6)",
                    )
                    .bind(new.token_hash)
                    .bind(new.tenant.clone())
                    .bind(new.user)
                    .bind(new.csrf)
                    .bind(new.created_at.as_millisecond())
                    .bind(new.expires_at.as_millisecond())
                    .execute(&mut *connection)
                    .await
                    .map_err(failed("a session"))?;
                    audit::append(connection, &new.tenant, &entry).await?;
                    Ok(true)
                })
            })
            .await
    }

    /// Counts a failure and locks the account until `until` at the `limit`th; an unknown user costs the same work, and
    /// failures while it is locked don't count.
    /// Answers whether the account is locked by this failure.
    pub(crate) async fn count_login_failure(
        &self,
        tenant: &str,
        name: &str,
        limit: i64,
        until: Timestamp,
        entry: AuditEntry,
    ) -> Result<bool, StoreError> {
        let (tenant, name) = (tenant.to_owned(), name.to_owned());
        self.writer()
            .write(move |connection| {
                Box::pin(async move {
                    sqlx::query(
                        "UPDATE users SET failures = failures + 1 WHERE tenant = $1 AND name = $2 \
                         AND (locked_until_ms IS NULL OR locked_until_ms <= $3)",
                    )
                    .bind(tenant.clone())
                    .bind(name.clone())
                    .bind(entry.at.as_millisecond())
                    .execute(&mut *connection)
                    .await
                    .map_err(failed("a login failure"))?;
                    let locked = sqlx::query(
                        "UPDATE users SET failures = 0, locked_until_ms = $4 \
                         WHERE tenant = $1 AND name = $2 AND failures >= $3",
                    )
                    .bind(tenant.clone())
                    .bind(name)
                    .bind(limit)
                    .bind(until.as_millisecond())
                    .execute(&mut *connection)
                    .await
                    .map_err(failed("to lock an account"))?;
                    audit::append(connection, &tenant, &entry).await?;
                    Ok(locked.rows_affected() == 1)
                })
            })
            .await
    }

    /// Moves a session's end.
    pub(crate) async fn move_session_expiry(
        &self,
        token_hash: &str,
        expires_ms: i64,
    ) -> Result<(), StoreError> {
        let token_hash = token_hash.to_owned();
        self.writer()
            .write(move |connection| {
                Box::pin(async move {
                    sqlx::query("UPDATE sessions SET expires_ms = $2 WHERE token_hash = $1")
                        .bind(token_hash)
                        .bind(expires_ms)
                        .execute(connection)
                        .await
                        .map_err(failed("to move a session's end"))?;
                    Ok(())
                })
            })
            .await
    }

    /// Notes that a session changed something.
    pub(crate) async fn note_change(&self, token_hash: &str, now: Timestamp) -> Result<(), StoreError> {
        let token_hash = token_hash.to_owned();
        self.writer()
            .write(move |connection| {
                Box::pin(async move {
                    sqlx::query("UPDATE sessions SET changed_ms = $2 WHERE token_hash = $1")
                        .bind(token_hash)
                        .bind(now.as_millisecond())
                        .execute(connection)
                        .await
                        .map_err(failed("to note a session's change"))?;
                    Ok(())
                })
            })
            .await
    }
}
