//! What logins change: sessions that begin and slide, failures that lock, and the key of device cookies.

use comm_server_core::logins::{self, Failures, Source};
use jiff::Timestamp;
use sqlx::AnyConnection;

use super::{AuditEntry, Session, Store, StoreError, audit, failed, row};

/// An account, and where somebody logs in to it from.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Tenant of the account.
    pub tenant: String,
    /// Login name, which may not exist.
    pub user: String,
    /// Where the attempt comes from.
    pub source: Source,
    /// When.
    pub now: Timestamp,
}

/// Failures from an attempt's source, and of its account.
type Counted = (Option<Failures>, Option<Failures>);

impl Attempt {
    /// Locks the account's row, so that attempts at several servers are counted one after the other, and reads.
    async fn failures(&self, connection: &mut AnyConnection) -> Result<Counted, StoreError> {
        sqlx::query("UPDATE users SET name = name WHERE tenant = $1 AND name = $2")
            .bind(self.tenant.clone())
            .bind(self.user.clone())
            .execute(&mut *connection)
            .await
            .map_err(failed("to lock an account's row"))?;
        let found = sqlx::query(
            "SELECT source, failures, last_ms FROM login_failures \
             WHERE tenant = $1 AND user_name = $2 AND source IN ($3, $4)",
        )
        .bind(self.tenant.clone())
        .bind(self.user.clone())
        .bind(self.source.key())
        .bind(Source::ACCOUNT)
        .fetch_all(connection)
        .await
        .map_err(failed("to read login failures"))?;
        let (mut own, mut account) = (None, None);
        for found in found {
            let count = u32::try_from(row::number(&found, "failures")?).unwrap_or(u32::MAX);
            let failures = Failures { count, last: row::time(&found, "last_ms")? };
            let is_account = row::text(&found, "source")? == Source::ACCOUNT;
            if is_account { account = Some(failures) } else { own = Some(failures) }
        }
        Ok((own, account))
    }

    /// Stores failures, where there is such an account; the same work where there is none.
    async fn keep(
        &self,
        connection: &mut AnyConnection,
        key: String,
        failures: Failures,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO login_failures (tenant, user_name, source, failures, last_ms) \
             SELECT tenant, name, $3, $4, $5 FROM users WHERE tenant = $1 AND name = $2 \
             ON CONFLICT (tenant, user_name, source) DO UPDATE \
             SET failures = excluded.failures, last_ms = excluded.last_ms",
        )
        .bind(self.tenant.clone())
        .bind(self.user.clone())
        .bind(key)
        .bind(i64::from(failures.count))
        .bind(failures.last.as_millisecond())
        .execute(connection)
        .await
        .map_err(failed("login failures"))?;
        Ok(())
    }
}

impl Store {
    /// Begins a session and forgets the failures of its source, unless the account is locked for that source: then
    /// nothing is changed and the answer is false.
    pub async fn begin_session(
        &self,
        attempt: Attempt,
        new: Session,
        entry: AuditEntry,
    ) -> Result<bool, StoreError> {
        self.writer()
            .write(move |connection| {
                Box::pin(async move {
                    let (own, account) = attempt.failures(&mut *connection).await?;
                    if logins::may_try(&attempt.source, own, account, attempt.now).is_err() {
                        return Ok(false);
                    }
                    sqlx::query(
                        "DELETE FROM login_failures WHERE tenant = $1 AND user_name = $2 AND source = $3",
                    )
                    .bind(attempt.tenant)
                    .bind(attempt.user)
                    .bind(attempt.source.key())
                    .execute(&mut *connection)
                    .await
                    .map_err(failed("to forget login failures"))?;
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

    /// Counts a failure; an unknown user costs the same work, and failures while the account is locked for their source
    /// don't count. Answers whether the account is locked for that source now.
    pub async fn count_login_failure(&self, attempt: Attempt, entry: AuditEntry) -> Result<bool, StoreError> {
        self.writer()
            .write(move |connection| {
                Box::pin(async move {
                    let (own, account) = attempt.failures(&mut *connection).await?;
                    let (now, source) = (attempt.now, &attempt.source);
                    let mut is_locked = logins::may_try(source, own, account, now).is_err();
                    if !is_locked {
                        let own = logins::failed(own, now);
                        attempt.keep(&mut *connection, source.key(), own).await?;
                        if source.counts_for_account() {
                            let account = logins::account_failed(account, now);
                            attempt.keep(&mut *connection, Source::ACCOUNT.to_owned(), account).await?;
                        }
                        is_locked = logins::may_try(source, Some(own), account, now).is_err();
                    }
                    audit::append(connection, &attempt.tenant, &entry).await?;
                    Ok(is_locked)
                })
            })
            .await
    }

    /// A key that servers of one database share: the one that is there, or else `fresh`.
    pub async fn server_key(
        &self,
        name: &'static str,
        fresh: String,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        self.writer()
            .write(move |connection| {
                Box::pin(async move {
                    sqlx::query(
                        "INSERT INTO server_keys (name, secret, created_ms) VALUES ($1, $2, $3) \
                         ON CONFLICT (name) DO NOTHING",
                    )
                    .bind(name)
                    .bind(fresh)
                    .bind(now.as_millisecond())
                    .execute(&mut *connection)
                    .await
                    .map_err(failed("a server's key"))?;
                    let found = sqlx::query("SELECT secret FROM server_keys WHERE name = $1")
                        .bind(name)
                        .fetch_one(connection)
                        .await
                        .map_err(failed("to read a server's key"))?;
                    row::text(&found, "secret")
                })
            })
            .await
    }

    /// Moves a session's end.
    pub async fn move_session_expiry(&self, token_hash: &str, expires_ms: i64) -> Result<(), StoreError> {
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
    pub async fn note_change(&self, token_hash: &str, now: Timestamp) -> Result<(), StoreError> {
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
