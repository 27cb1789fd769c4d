//! Rows of addresses. A row is never changed, so that a document which was sent to an address still refers to it
//! after an edit.

use comm_server_core::customers::Address;
use comm_server_core::tenancy::TenantId;
use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use uuid::Uuid;

use crate::db::{StoreError, failed, row};

/// The columns of an address, of a table `a` that may lack the row.
pub(crate) const COLUMNS: &str = "COALESCE(a.street, '') AS street, COALESCE(a.postal_code, '') AS postal_code, \
    COALESCE(a.city, '') AS city, COALESCE(a.region, '') AS region, COALESCE(a.country, '') AS country";

/// The address of a row with [`COLUMNS`].
pub(crate) fn of(found: &AnyRow) -> Result<Address, StoreError> {
    Ok(Address {
        street: row::text(found, "street")?,
        postal_code: row::text(found, "postal_code")?,
        city: row::text(found, "city")?,
        region: row::text(found, "region")?,
        country: row::text(found, "country")?,
    })
}

/// Inserts an address and returns its id; "" for an empty address, which has no row.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    new: &Address,
    now: Timestamp,
) -> Result<String, StoreError> {
    if new.is_empty() {
        return Ok(String::new());
    }
    let id = Uuid::now_v7().to_string();
    sqlx::query(
        "INSERT INTO addresses (tenant, address, street, postal_code, city, region, country, created_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(tenant.to_string())
    .bind(id.clone())
    .bind(new.street.clone())
    .bind(new.postal_code.clone())
    .bind(new.city.clone())
    .bind(new.region.clone())
    .bind(new.country.clone())
    .bind(now.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("insert address"))?;
    Ok(id)
}
