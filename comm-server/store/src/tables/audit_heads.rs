//! The ends of the chain of each tenant's audit.

use comm_server_core::audit::{ChainHash, Head};
use comm_server_core::tenancy::TenantId;
use sqlx::AnyConnection;

use crate::db::{StoreError, failed, row};

const TABLE: &str = "audit_heads";

/// Reads a head; that of an empty chain if there is none yet.
pub(crate) async fn read(connection: &mut AnyConnection, tenant: &TenantId) -> Result<Head, StoreError> {
    let select =
        sqlx::query("SELECT number, hash, first_number, first_previous FROM audit_heads WHERE tenant = $1")
            .bind(tenant.to_string());
    let Some(found) = select.fetch_optional(connection).await.map_err(failed("read head of audit"))? else {
        return Ok(Head::START);
    };
    let hash = |column| row::parsed::<ChainHash>(&found, (TABLE, column), tenant.as_str());
    Ok(Head {
        number: row::count(&found, "number")?,
        hash: hash("hash")?,
        first_number: row::count(&found, "first_number")?,
        first_previous: hash("first_previous")?,
    })
}

/// Stores a head.
pub(crate) async fn upsert(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    head: &Head,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO audit_heads (tenant, number, hash, first_number, first_previous) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (tenant) DO UPDATE SET number = excluded.number, hash = excluded.hash, \
         first_number = excluded.first_number, first_previous = excluded.first_previous",
    )
    .bind(tenant.to_string())
    .bind(row::stored(head.number, "audit_heads.number")?)
    .bind(head.hash.to_string())
    .bind(row::stored(head.first_number, "audit_heads.first_number")?)
    .bind(head.first_previous.to_string())
    .execute(connection)
    .await
    .map_err(failed("store head of audit"))?;
    Ok(())
}
