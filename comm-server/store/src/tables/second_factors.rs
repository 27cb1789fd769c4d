//! Rows of second factors: the secrets of authenticators, and unused recovery codes.

use comm_server_core::tenancy::{TenantId, UserName};
use jiff::Timestamp;
use sqlx::AnyConnection;

use crate::db::{StoreError, failed, row};

/// The authenticator of a user.
#[derive(Clone, PartialEq, Eq)]
pub struct Authenticator {
    /// Its secret, base 32 (RFC 4648) without padding.
    pub secret: String,
    /// The time step of the newest code that was used; a code of this or an earlier step is rejected.
    pub last_step: i64,
    /// When it was confirmed by a code; `None` before.
    pub confirmed_at: Option<Timestamp>,
}

/// The authenticator of a user.
pub(crate) async fn read(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    user: &UserName,
) -> Result<Option<Authenticator>, StoreError> {
    let found = sqlx::query(
        "SELECT secret, last_step, confirmed_ms FROM totp_secrets WHERE tenant = $1 AND user_name = $2",
    )
    .bind(tenant.to_string())
    .bind(user.to_string())
    .fetch_optional(connection)
    .await
    .map_err(failed("read second factor"))?;
    let of = |r| {
        Ok(Authenticator {
            secret: row::text(r, "secret")?,
            last_step: row::number(r, "last_step")?,
            confirmed_at: row::maybe_time(r, "confirmed_ms")?,
        })
    };
    found.as_ref().map(of).transpose()
}

/// Inserts an authenticator to confirm, replacing another unconfirmed one; a confirmed one is kept.
pub(crate) async fn propose(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    user: &UserName,
    (secret, now): (&str, Timestamp),
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO totp_secrets (tenant, user_name, secret, last_step, created_ms) VALUES ($1, $2, $3, 0, $4) \
         ON CONFLICT (tenant, user_name) DO UPDATE SET secret = excluded.secret, created_ms = excluded.created_ms \
         WHERE totp_secrets.confirmed_ms IS NULL",
    )
    .bind(tenant.to_string())
    .bind(user.to_string())
    .bind(secret.to_owned())
    .bind(now.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("insert second factor"))?;
    Ok(done.rows_affected() == 1)
}

/// Confirms an authenticator by the step of a code; `false` if another request did, or replaced the secret.
pub(crate) async fn confirm(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    user: &UserName,
    secret: &str,
    (step, now): (i64, Timestamp),
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE totp_secrets SET confirmed_ms = $4, last_step = $5 \
         WHERE tenant = $1 AND user_name = $2 AND secret = $3 AND confirmed_ms IS NULL",
    )
    .bind(tenant.to_string())
    .bind(user.to_string())
    .bind(secret.to_owned())
    .bind(now.as_millisecond())
    .bind(step)
    .execute(connection)
    .await
    .map_err(failed("confirm second factor"))?;
    Ok(done.rows_affected() == 1)
}

/// Records the time step of a code as used; `false` if it or a later one was already used.
pub(crate) async fn take_step(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    user: &UserName,
    step: i64,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE totp_secrets SET last_step = $3 \
         WHERE tenant = $1 AND user_name = $2 AND last_step < $3 AND confirmed_ms IS NOT NULL",
    )
    .bind(tenant.to_string())
    .bind(user.to_string())
    .bind(step)
    .execute(connection)
    .await
    .map_err(failed("use second factor"))?;
    Ok(done.rows_affected() == 1)
}

/// Deletes a recovery code; `false` if it doesn't exist.
pub(crate) async fn take_recovery_code(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    user: &UserName,
    hash: &str,
) -> Result<bool, StoreError> {
    let done =
        sqlx::query("DELETE FROM recovery_codes WHERE tenant = $1 AND user_name = $2 AND code_hash = $3")
            .bind(tenant.to_string())
            .bind(user.to_string())
            .bind(hash.to_owned())
            .execute(connection)
            .await
            .map_err(failed("use recovery code"))?;
    Ok(done.rows_affected() == 1)
}

/// Replaces the recovery codes of a user.
pub(crate) async fn set_recovery_codes(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    user: &UserName,
    (hashes, now): (&[String], Timestamp),
) -> Result<(), StoreError> {
    delete_recovery_codes(connection, tenant, user).await?;
    for hash in hashes {
        sqlx::query(
            "INSERT INTO recovery_codes (tenant, user_name, code_hash, created_ms) VALUES ($1, $2, $3, $4)",
        )
        .bind(tenant.to_string())
        .bind(user.to_string())
        .bind(hash.clone())
        .bind(now.as_millisecond())
        .execute(&mut *connection)
        .await
        .map_err(failed("insert recovery code"))?;
    }
    Ok(())
}

/// The number of unused recovery codes of a user.
pub(crate) async fn count_recovery_codes(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    user: &UserName,
) -> Result<i64, StoreError> {
    let found =
        sqlx::query("SELECT COUNT(*) AS codes FROM recovery_codes WHERE tenant = $1 AND user_name = $2")
            .bind(tenant.to_string())
            .bind(user.to_string())
            .fetch_one(connection)
            .await
            .map_err(failed("count recovery codes"))?;
    row::number(&found, "codes")
}

async fn delete_recovery_codes(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    user: &UserName,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM recovery_codes WHERE tenant = $1 AND user_name = $2")
        .bind(tenant.to_string())
        .bind(user.to_string())
        .execute(connection)
        .await
        .map_err(failed("delete recovery codes"))?;
    Ok(())
}

/// Deletes a user's authenticator and recovery codes.
pub(crate) async fn delete(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    user: &UserName,
) -> Result<(), StoreError> {
    delete_recovery_codes(connection, tenant, user).await?;
    sqlx::query("DELETE FROM totp_secrets WHERE tenant = $1 AND user_name = $2")
        .bind(tenant.to_string())
        .bind(user.to_string())
        .execute(connection)
        .await
        .map_err(failed("delete second factor"))?;
    Ok(())
}
