//! Rows of sessions.

use comm_server_core::second_factor::Stage;
use comm_server_core::tenancy::{TenantId, UserName};
use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::db::{StoreError, failed, row};

const TABLE: &str = "sessions";

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the token, hexadecimal; the token itself is never stored.
    pub token_hash: String,
    /// Tenant.
    pub tenant: TenantId,
    /// Login name.
    pub user: UserName,
    /// CSRF token that changing requests must send.
    pub csrf: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The stage of its login.
    pub stage: Stage,
    /// When something was last changed in this session, milliseconds; 0 for never.
    pub changed_ms: i64,
}

/// A session to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    /// SHA-256 of the token, hexadecimal.
    pub token_hash: String,
    /// Login name.
    pub user: UserName,
    /// CSRF token that changing requests must send.
    pub csrf: String,
    /// When it begins.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Address from which it is started.
    pub address: String,
    /// `User-Agent` of the program.
    pub agent: String,
    /// The stage of its login.
    pub stage: Stage,
}

fn session(row: &AnyRow) -> Result<Session, StoreError> {
    Ok(Session {
        token_hash: row::text(row, "token_hash")?,
        tenant: row::parsed(row, (TABLE, "tenant"), "a session")?,
        user: row::parsed(row, (TABLE, "user_name"), "a session")?,
        csrf: row::text(row, "csrf")?,
        created_at: row::time(row, "created_ms")?,
        expires_at: row::time(row, "expires_ms")?,
        stage: row::parsed(row, (TABLE, "stage"), "a session")?,
        changed_ms: row::number(row, "changed_ms")?,
    })
}

/// A session that has not ended.
pub(crate) async fn read(
    connection: &mut AnyConnection,
    token_hash: &str,
    now: Timestamp,
) -> Result<Option<Session>, StoreError> {
    let found = sqlx::query("SELECT * FROM sessions WHERE token_hash = $1 AND expires_ms > $2")
        .bind(token_hash.to_owned())
        .bind(now.as_millisecond())
        .fetch_optional(connection)
        .await
        .map_err(failed("read session"))?;
    found.as_ref().map(session).transpose()
}

/// Inserts a session.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    new: NewSession,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO sessions (token_hash, tenant, user_name, csrf, created_ms, expires_ms, address, agent, \
         stage) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(new.token_hash)
    .bind(tenant.to_string())
    .bind(new.user.to_string())
    .bind(new.csrf)
    .bind(new.created_at.as_millisecond())
    .bind(new.expires_at.as_millisecond())
    .bind(new.address)
    .bind(new.agent)
    .bind(new.stage.name())
    .execute(connection)
    .await
    .map_err(failed("insert session"))?;
    Ok(())
}

/// Changes the expiry of a session.
pub(crate) async fn set_expiry(
    connection: &mut AnyConnection,
    token_hash: &str,
    expires_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE sessions SET expires_ms = $2 WHERE token_hash = $1")
        .bind(token_hash.to_owned())
        .bind(expires_ms)
        .execute(connection)
        .await
        .map_err(failed("update session"))?;
    Ok(())
}

/// Records when a session changed something.
pub(crate) async fn set_changed(
    connection: &mut AnyConnection,
    token_hash: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE sessions SET changed_ms = $2 WHERE token_hash = $1")
        .bind(token_hash.to_owned())
        .bind(now.as_millisecond())
        .execute(connection)
        .await
        .map_err(failed("update session"))?;
    Ok(())
}

/// Sets the stage of a session to the last one.
pub(crate) async fn open(connection: &mut AnyConnection, token_hash: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE sessions SET stage = $2 WHERE token_hash = $1")
        .bind(token_hash.to_owned())
        .bind(Stage::Open.name())
        .execute(connection)
        .await
        .map_err(failed("update session"))?;
    Ok(())
}

/// Deletes a session.
pub(crate) async fn delete(connection: &mut AnyConnection, token_hash: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sessions WHERE token_hash = $1")
        .bind(token_hash.to_owned())
        .execute(connection)
        .await
        .map_err(failed("delete session"))?;
    Ok(())
}

/// Deletes the sessions of a user except one; with an empty hash, all of them.
pub(crate) async fn delete_of_user(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    user: &UserName,
    keep: &str,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sessions WHERE tenant = $1 AND user_name = $2 AND token_hash <> $3")
        .bind(tenant.to_string())
        .bind(user.to_string())
        .bind(keep.to_owned())
        .execute(connection)
        .await
        .map_err(failed("delete sessions"))?;
    Ok(())
}

/// Deletes the sessions of all users of a tenant.
pub(crate) async fn delete_of_tenant(
    connection: &mut AnyConnection,
    tenant: &TenantId,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sessions WHERE tenant = $1")
        .bind(tenant.to_string())
        .execute(connection)
        .await
        .map_err(failed("delete sessions"))?;
    Ok(())
}

/// Deletes sessions that have expired; returns how many.
pub(crate) async fn delete_ended(connection: &mut AnyConnection, now: Timestamp) -> Result<u64, StoreError> {
    let delete = sqlx::query("DELETE FROM sessions WHERE expires_ms <= $1").bind(now.as_millisecond());
    Ok(delete.execute(connection).await.map_err(failed("delete sessions"))?.rows_affected())
}

/// A key that the servers of one database share; if there is none, `fresh` becomes the key.
pub(crate) async fn server_key(
    connection: &mut AnyConnection,
    name: &'static str,
    fresh: String,
    now: Timestamp,
) -> Result<String, StoreError> {
    sqlx::query(
        "INSERT INTO server_keys (name, secret, created_ms) VALUES ($1, $2, $3) \
         ON CONFLICT (name) DO NOTHING",
    )
    .bind(name)
    .bind(fresh)
    .bind(now.as_millisecond())
    .execute(&mut *connection)
    .await
    .map_err(failed("insert server key"))?;
    let found = sqlx::query("SELECT secret FROM server_keys WHERE name = $1")
        .bind(name)
        .fetch_one(connection)
        .await
        .map_err(failed("read server key"))?;
    row::text(&found, "secret")
}
