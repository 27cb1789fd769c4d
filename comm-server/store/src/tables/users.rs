//! Rows of users.

use comm_server_core::roles::Role;
use comm_server_core::tenancy::{TenantId, UserName};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::AccountRef;
use crate::db::{StoreError, failed, row};
use jiff::Timestamp;

const TABLE: &str = "users";

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Tenant.
    pub tenant: TenantId,
    /// Login name.
    pub name: UserName,
    /// `administrator`, `viewer`, ...
    pub role: Role,
    /// argon2id, PHC string.
    pub password_hash: String,
    /// Whether the password must be changed before anything else.
    pub must_change: bool,
}

/// A user to be created.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Login name.
    pub name: UserName,
    /// `administrator`, `viewer`, ...
    pub role: Role,
    /// argon2id, PHC string.
    pub password_hash: String,
    /// Whether the password must be changed before anything else.
    pub must_change: bool,
    /// When it is created.
    pub created_at: Timestamp,
}

fn user(row: &AnyRow) -> Result<User, StoreError> {
    let name: UserName = row::parsed(row, (TABLE, "name"), "a row")?;
    Ok(User {
        tenant: row::parsed(row, (TABLE, "tenant"), name.as_str())?,
        role: row::parsed(row, (TABLE, "role"), name.as_str())?,
        name,
        password_hash: row::text(row, "password_hash")?,
        must_change: row::flag(row, "must_change")?,
    })
}

/// A user.
pub(crate) async fn read(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    name: &UserName,
) -> Result<Option<User>, StoreError> {
    let found = sqlx::query("SELECT * FROM users WHERE tenant = $1 AND name = $2")
        .bind(tenant.to_string())
        .bind(name.to_string())
        .fetch_optional(connection)
        .await
        .map_err(failed("read user"))?;
    found.as_ref().map(user).transpose()
}

/// All users of a tenant, by name.
pub(crate) async fn all(connection: &mut AnyConnection, tenant: &TenantId) -> Result<Vec<User>, StoreError> {
    let rows = sqlx::query("SELECT * FROM users WHERE tenant = $1 ORDER BY name")
        .bind(tenant.to_string())
        .fetch_all(connection)
        .await
        .map_err(failed("read users"))?;
    rows.iter().map(user).collect()
}

/// Whether some user has chosen a password of their own.
pub(crate) async fn any_own_password(connection: &mut AnyConnection) -> Result<bool, StoreError> {
    let own = sqlx::query("SELECT must_change FROM users WHERE must_change = 0 LIMIT 1")
        .fetch_optional(connection)
        .await
        .map_err(failed("read users"))?;
    Ok(own.is_some())
}

/// Inserts a user; false if one of that name exists.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    new: NewUser,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO users (tenant, name, role, password_hash, must_change, created_ms) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, name) DO NOTHING",
    )
    .bind(tenant.to_string())
    .bind(new.name.to_string())
    .bind(new.role.name())
    .bind(new.password_hash)
    .bind(i64::from(new.must_change))
    .bind(new.created_at.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("insert user"))?;
    Ok(done.rows_affected() == 1)
}

/// Stores a password; false if there is no such user.
pub(crate) async fn set_password(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    name: &UserName,
    password_hash: String,
    must_change: bool,
) -> Result<bool, StoreError> {
    let done =
        sqlx::query("UPDATE users SET password_hash = $3, must_change = $4 WHERE tenant = $1 AND name = $2")
            .bind(tenant.to_string())
            .bind(name.to_string())
            .bind(password_hash)
            .bind(i64::from(must_change))
            .execute(connection)
            .await
            .map_err(failed("update user"))?;
    Ok(done.rows_affected() == 1)
}

/// Locks a user's row, so that attempts at several servers are counted one after the other.
pub(crate) async fn lock(connection: &mut AnyConnection, of: AccountRef<'_>) -> Result<(), StoreError> {
    sqlx::query("UPDATE users SET name = name WHERE tenant = $1 AND name = $2")
        .bind(of.tenant.to_string())
        .bind(row::text_or_empty(of.user))
        .execute(connection)
        .await
        .map_err(failed("lock user"))?;
    Ok(())
}
