//! Rows of enrollment tokens that were used.

use comm_server_core::tenancy::TenantId;
use sqlx::AnyConnection;
use wire::ids::GatewayId;

use crate::db::{StoreError, failed, row};
use jiff::Timestamp;

/// A token that is presented, with the key for which a certificate is requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// SHA-256 of the token, hexadecimal.
    pub token_sha256: String,
    /// The gateway that it enrolls.
    pub gateway: GatewayId,
    /// SHA-256 of the public key, hexadecimal.
    pub key_sha256: String,
    /// Now.
    pub at: Timestamp,
}

/// The certificate issued for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedFor {
    /// The certificate, DER in base64.
    pub certificate: String,
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// Detail of the audit entry.
    pub detail: String,
}

/// Inserts a token, unless it was used before.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    claim: &Claim,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO enrollments (tenant, token_sha256, gateway, key_sha256, taken_ms) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, token_sha256) DO NOTHING",
    )
    .bind(tenant.to_string())
    .bind(claim.token_sha256.clone())
    .bind(claim.gateway.to_string())
    .bind(claim.key_sha256.clone())
    .bind(claim.at.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("insert token"))?;
    Ok(())
}

/// Stores the certificate issued for a token and its key; `false` if one is already stored.
pub(crate) async fn set_issued(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    claim: &Claim,
    issued: &IssuedFor,
) -> Result<bool, StoreError> {
    let kept = sqlx::query(
        "UPDATE enrollments SET certificate = $3, serial = $4 \
         WHERE tenant = $1 AND token_sha256 = $2 AND key_sha256 = $5 AND certificate IS NULL",
    )
    .bind(tenant.to_string())
    .bind(claim.token_sha256.clone())
    .bind(issued.certificate.clone())
    .bind(issued.serial.clone())
    .bind(claim.key_sha256.clone())
    .execute(connection)
    .await
    .map_err(failed("update token"))?;
    Ok(kept.rows_affected() > 0)
}

/// The key for which a token was used, and the certificate that was issued.
pub(crate) async fn read(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    claim: &Claim,
) -> Result<(String, Option<String>), StoreError> {
    let found = sqlx::query(
        "SELECT key_sha256, certificate FROM enrollments WHERE tenant = $1 AND token_sha256 = $2",
    )
    .bind(tenant.to_string())
    .bind(claim.token_sha256.clone())
    .fetch_one(connection)
    .await
    .map_err(failed("read token"))?;
    Ok((row::text(&found, "key_sha256")?, row::maybe_text(&found, "certificate")?))
}
