//! Rows of idempotency keys: requests that may be repeated, and the responses of those that were executed.

use comm_server_core::tenancy::TenantId;
use jiff::Timestamp;
use sqlx::AnyConnection;

use crate::db::{StoreError, failed, row};

/// A key of a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The user, or `token:` and the name of a token.
    pub caller: String,
    /// The key.
    pub key: String,
}

/// The response to a request that was executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// HTTP status.
    pub status: u16,
    /// Headers as a JSON object of strings.
    pub headers: serde_json::Value,
    /// The body.
    pub body: String,
}

/// A known key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    /// Identifies the first request: a hash.
    pub(crate) fingerprint: String,
    /// `None` while the first request is in flight.
    pub(crate) answer: Option<StoredAnswer>,
}

/// Inserts a key; `false` if it exists.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    of: &IdempotencyKey,
    (fingerprint, now): (&str, Timestamp),
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO idempotency_keys (tenant, caller, key_text, fingerprint, created_ms) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, caller, key_text) DO NOTHING",
    )
    .bind(tenant.to_string())
    .bind(of.caller.clone())
    .bind(of.key.clone())
    .bind(fingerprint.to_owned())
    .bind(now.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("insert idempotency key"))?;
    Ok(done.rows_affected() == 1)
}

/// A key with its response.
pub(crate) async fn read(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    of: &IdempotencyKey,
) -> Result<Option<Known>, StoreError> {
    let found = sqlx::query(
        "SELECT fingerprint, status, headers, body FROM idempotency_keys \
         WHERE tenant = $1 AND caller = $2 AND key_text = $3",
    )
    .bind(tenant.to_string())
    .bind(of.caller.clone())
    .bind(of.key.clone())
    .fetch_optional(connection)
    .await
    .map_err(failed("read idempotency key"))?;
    let Some(found) = found else { return Ok(None) };
    let answer = match row::maybe_number(&found, "status")? {
        None => None,
        Some(status) => Some(StoredAnswer {
            status: u16::try_from(status).map_err(|_| StoreError::Range { what: "status" })?,
            headers: row::document(&row::text(&found, "headers")?, "headers")?,
            body: row::text(&found, "body")?,
        }),
    };
    Ok(Some(Known { fingerprint: row::text(&found, "fingerprint")?, answer }))
}

/// Stores the response to the request in flight.
pub(crate) async fn set_answer(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    of: &IdempotencyKey,
    answer: &StoredAnswer,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE idempotency_keys SET status = $4, headers = $5, body = $6 \
         WHERE tenant = $1 AND caller = $2 AND key_text = $3",
    )
    .bind(tenant.to_string())
    .bind(of.caller.clone())
    .bind(of.key.clone())
    .bind(i64::from(answer.status))
    .bind(answer.headers.to_string())
    .bind(answer.body.clone())
    .execute(connection)
    .await
    .map_err(failed("update idempotency key"))?;
    Ok(())
}

/// Deletes a key, so that its request can be retried.
pub(crate) async fn delete(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    of: &IdempotencyKey,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM idempotency_keys WHERE tenant = $1 AND caller = $2 AND key_text = $3")
        .bind(tenant.to_string())
        .bind(of.caller.clone())
        .bind(of.key.clone())
        .execute(connection)
        .await
        .map_err(failed("delete idempotency key"))?;
    Ok(())
}

/// Deletes keys that were inserted before a time.
pub(crate) async fn delete_before(connection: &mut AnyConnection, time: Timestamp) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM idempotency_keys WHERE created_ms < $1")
        .bind(time.as_millisecond())
        .execute(connection)
        .await
        .map_err(failed("delete idempotency keys"))?;
    Ok(())
}
