//! Rows of invitations: one-time links by which a user chooses a password.

use comm_server_core::tenancy::{TenantId, UserName};
use jiff::Timestamp;
use sqlx::AnyConnection;

use crate::db::{StoreError, failed, row, sql};

/// Inserts an invitation; an earlier one of the user no longer works.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    user: &UserName,
    token_hash: &str,
    (now, expires_at): (Timestamp, Timestamp),
) -> Result<(), StoreError> {
    delete_of(connection, tenant, user).await?;
    sqlx::query(
        "INSERT INTO invitations (tenant, token_hash, user_name, created_ms, expires_ms) \
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(tenant.to_string())
    .bind(token_hash.to_owned())
    .bind(user.to_string())
    .bind(now.as_millisecond())
    .bind(expires_at.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("insert invitation"))?;
    Ok(())
}

/// The account of an invitation that has not expired, whichever active tenant it belongs to.
pub(crate) async fn account_of(
    connection: &mut AnyConnection,
    token_hash: &str,
    now: Timestamp,
) -> Result<Option<(TenantId, UserName)>, StoreError> {
    let active = sql::of_active_tenant("tenant");
    let found = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT tenant, user_name FROM invitations WHERE token_hash = $1 AND expires_ms > $2{active}"
    )))
    .bind(token_hash.to_owned())
    .bind(now.as_millisecond())
    .fetch_optional(connection)
    .await
    .map_err(failed("read invitation"))?;
    let account = |r| {
        let column = |name| ("invitations", name);
        Ok((row::parsed(r, column("tenant"), "a row")?, row::parsed(r, column("user_name"), "a row")?))
    };
    found.as_ref().map(account).transpose()
}

/// Deletes an invitation; `false` if it doesn't exist.
pub(crate) async fn take(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    token_hash: &str,
) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM invitations WHERE tenant = $1 AND token_hash = $2")
        .bind(tenant.to_string())
        .bind(token_hash.to_owned())
        .execute(connection)
        .await
        .map_err(failed("delete invitation"))?;
    Ok(done.rows_affected() == 1)
}

/// Deletes the invitations of a user.
pub(crate) async fn delete_of(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    user: &UserName,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM invitations WHERE tenant = $1 AND user_name = $2")
        .bind(tenant.to_string())
        .bind(user.to_string())
        .execute(connection)
        .await
        .map_err(failed("delete invitations"))?;
    Ok(())
}

/// Deletes invitations that have expired.
pub(crate) async fn delete_expired(connection: &mut AnyConnection, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM invitations WHERE expires_ms <= $1")
        .bind(now.as_millisecond())
        .execute(connection)
        .await
        .map_err(failed("delete invitations"))?;
    Ok(())
}
