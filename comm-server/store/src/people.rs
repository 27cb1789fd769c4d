//! Users and their sessions.

use comm_server_core::logins::FORGOTTEN;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::any::AnyRow;

use super::{Store, StoreError, failed, row};

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Tenant.
    pub tenant: String,
    /// Login name.
    pub name: String,
    /// `administrator`, `viewer`, ...
    pub role: String,
    /// argon2id, PHC string.
    pub password_hash: String,
    /// Whether the password must be changed before anything else.
    pub must_change: bool,
}

/// A user to be created.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Login name.
    pub name: String,
    /// `administrator`, `viewer`, ...
    pub role: String,
    /// argon2id, PHC string.
    pub password_hash: String,
    /// Whether the password must be changed before anything else.
    pub must_change: bool,
    /// When it is created.
    pub created_at: Timestamp,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Session {
    /// SHA-256 of the token, hexadecimal; the token itself is never stored.
    pub token_hash: String,
    /// Tenant.
    pub tenant: String,
    /// Login name.
    pub user: String,
    /// Token that changing requests must carry.
    pub csrf: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When something was last changed through it, milliseconds; 0 for never.
    pub changed_ms: i64,
}

fn user(row: &AnyRow) -> Result<User, StoreError> {
    Ok(User {
        tenant: row::text(row, "tenant")?,
        name: row::text(row, "name")?,
        role: row::text(row, "role")?,
        password_hash: row::text(row, "password_hash")?,
        must_change: row::flag(row, "must_change")?,
    })
}

fn session(row: &AnyRow) -> Result<Session, StoreError> {
    Ok(Session {
        token_hash: row::text(row, "token_hash")?,
        tenant: row::text(row, "tenant")?,
        user: row::text(row, "user_name")?,
        csrf: row::text(row, "csrf")?,
        created_at: row::time(row, "created_ms")?,
        expires_at: row::time(row, "expires_ms")?,
        changed_ms: row::number(row, "changed_ms")?,
    })
}

impl Store {
    /// A user.
    ///
    /// # Errors
    /// The database.
    pub async fn user(&self, tenant: &str, name: &str) -> Result<Option<User>, StoreError> {
        let row = sqlx::query("SELECT * FROM users WHERE tenant = $1 AND name = $2")
            .bind(tenant.to_owned())
            .bind(name.to_owned())
            .fetch_optional(&mut *self.reader().await?)
            .await
            .map_err(failed("to read a user"))?;
        row.as_ref().map(user).transpose()
    }

    /// All users of a tenant, by name.
    ///
    /// # Errors
    /// The database.
    pub async fn users(&self, tenant: &str) -> Result<Vec<User>, StoreError> {
        let rows = sqlx::query("SELECT * FROM users WHERE tenant = $1 ORDER BY name")
            .bind(tenant.to_owned())
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("to read the users"))?;
        rows.iter().map(user).collect()
    }

    /// Whether nobody has chosen a password of their own yet.
    ///
    /// # Errors
    /// The database.
    pub async fn awaits_first_login(&self) -> Result<bool, StoreError> {
        let own = sqlx::query("SELECT must_change FROM users WHERE must_change = 0 LIMIT 1")
            .fetch_optional(&mut *self.reader().await?)
            .await
            .map_err(failed("to look for a first login"))?;
        Ok(own.is_none())
    }

    /// Creates a user; false if one of that name exists.
    ///
    /// # Errors
    /// The database.
    pub async fn create_user(&self, tenant: &str, new: NewUser) -> Result<bool, StoreError> {
        let tenant = tenant.to_owned();
        self.writer()
            .write(move |connection| {
                Box::pin(async move {
                    let done = sqlx::query(
                        "INSERT INTO users (tenant, name, role, password_hash, must_change, created_ms) \
                         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, name) DO NOTHING",
                    )
                    .bind(tenant)
                    .bind(new.name)
                    .bind(new.role)
                    .bind(new.password_hash)
                    .bind(i64::from(new.must_change))
                    .bind(new.created_at.as_millisecond())
                    .execute(connection)
                    .await
                    .map_err(failed("a user"))?;
                    Ok(done.rows_affected() == 1)
                })
            })
            .await
    }

    /// Sets a password, lifts a lock and ends all sessions but the one kept; false if there is no such user.
    ///
    /// # Errors
    /// The database.
    pub async fn set_password(
        &self,
        tenant: &str,
        name: &str,
        password_hash: String,
        must_change: bool,
        keep_session: Option<String>,
    ) -> Result<bool, StoreError> {
        let (tenant, name) = (tenant.to_owned(), name.to_owned());
        self.writer()
            .write(move |connection| {
                Box::pin(async move {
                    let done = sqlx::query(
                        "UPDATE users SET password_hash = $3, must_change = $4 WHERE tenant = $1 AND name = $2",
                    )
                    .bind(tenant.clone())
                    .bind(name.clone())
                    .bind(password_hash)
                    .bind(i64::from(must_change))
                    .execute(&mut *connection)
                    .await
                    .map_err(failed("a password"))?;
                    sqlx::query("DELETE FROM login_failures WHERE tenant = $1 AND user_name = $2")
                        .bind(tenant.clone())
                        .bind(name.clone())
                        .execute(&mut *connection)
                        .await
                        .map_err(failed("to forget login failures"))?;
                    sqlx::query(
                        "DELETE FROM sessions WHERE tenant = $1 AND user_name = $2 AND token_hash <> $3",
                    )
                    .bind(tenant)
                    .bind(name)
                    .bind(keep_session.unwrap_or_default())
                    .execute(connection)
                    .await
                    .map_err(failed("to end sessions"))?;
                    Ok(done.rows_affected() == 1)
                })
            })
            .await
    }

    /// Begins a session.
    ///
    /// # Errors
    /// The database.
    pub async fn create_session(&self, new: Session) -> Result<(), StoreError> {
        self.writer()
            .write(move |connection| {
                Box::pin(async move {
                    sqlx::query(
                        "INSERT INTO sessions (token_hash, tenant, user_name, csrf, created_ms, expires_ms) \
                         VALUES ($1, $2, $3, $4, $5, $6)",
                    )
                    .bind(new.token_hash)
                    .bind(new.tenant)
                    .bind(new.user)
                    .bind(new.csrf)
                    .bind(new.created_at.as_millisecond())
                    .bind(new.expires_at.as_millisecond())
                    .execute(connection)
                    .await
                    .map_err(failed("a session"))?;
                    Ok(())
                })
            })
            .await
    }

    /// A session that has not ended, with its user.
    ///
    /// # Errors
    /// The database.
    pub async fn session(
        &self,
        token_hash: &str,
        now: Timestamp,
    ) -> Result<Option<(Session, User)>, StoreError> {
        let found = sqlx::query("SELECT * FROM sessions WHERE token_hash = $1 AND expires_ms > $2")
            .bind(token_hash.to_owned())
            .bind(now.as_millisecond())
            .fetch_optional(&mut *self.reader().await?)
            .await
            .map_err(failed("to read a session"))?;
        let Some(found) = found.as_ref().map(session).transpose()? else { return Ok(None) };
        Ok(self.user(&found.tenant, &found.user).await?.map(|user| (found, user)))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// The database.
    pub async fn end_session(&self, token_hash: &str) -> Result<(), StoreError> {
        let token_hash = token_hash.to_owned();
        self.writer()
            .write(move |connection| {
                Box::pin(async move {
                    sqlx::query("DELETE FROM sessions WHERE token_hash = $1")
                        .bind(token_hash)
                        .execute(connection)
                        .await
                        .map_err(failed("to end a session"))?;
                    Ok(())
                })
            })
            .await
    }

    /// Forgets sessions that have ended, and login failures that no longer count; how many sessions.
    ///
    /// # Errors
    /// The database.
    pub async fn expire_sessions(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.writer()
            .write(move |connection| {
                Box::pin(async move {
                    let forgotten = now.saturating_sub(FORGOTTEN).unwrap_or(now);
                    sqlx::query("DELETE FROM login_failures WHERE last_ms <= $1")
                        .bind(forgotten.as_millisecond())
                        .execute(&mut *connection)
                        .await
                        .map_err(failed("to forget login failures"))?;
                    let done = sqlx::query("DELETE FROM sessions WHERE expires_ms <= $1")
                        .bind(now.as_millisecond())
                        .execute(connection)
                        .await
                        .map_err(failed("to expire sessions"))?;
                    Ok(done.rows_affected())
                })
            })
            .await
    }
}
