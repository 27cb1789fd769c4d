//! Rows of customers.

use comm_server_core::customers::CustomerSpec;
use comm_server_core::tenancy::{CustomerId, Scope, TenantId};
use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::db::{StoreError, failed, row, sql};

const TABLE: &str = "customers";

/// A customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CustomerRow {
    pub(crate) id: CustomerId,
    pub(crate) spec: CustomerSpec,
    /// Increases by one with each change.
    pub(crate) version: i64,
}

pub(crate) fn of(found: &AnyRow) -> Result<CustomerRow, StoreError> {
    let spec = CustomerSpec { name: row::text(found, "name")?, erp_key: row::text(found, "erp_key")? };
    Ok(CustomerRow {
        id: row::parsed(found, (TABLE, "customer"), &spec.name)?,
        version: row::number(found, "version")?,
        spec,
    })
}

/// A customer within a scope.
pub(crate) async fn read(
    connection: &mut AnyConnection,
    scope: &Scope,
    id: CustomerId,
) -> Result<Option<CustomerRow>, StoreError> {
    let within = sql::customer_within(scope, "customer");
    let sql = format!(
        "SELECT customer, name, erp_key, version FROM customers WHERE tenant = $1{within} AND customer = $2"
    );
    let found = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(scope.tenant().to_string())
        .bind(id.to_string())
        .fetch_optional(connection)
        .await
        .map_err(failed("read customer"))?;
    found.as_ref().map(of).transpose()
}

/// The customers of a tenant with this name, or with this key if it isn't empty; at most two.
pub(crate) async fn like(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    spec: &CustomerSpec,
) -> Result<Vec<CustomerRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT customer, name, erp_key, version FROM customers WHERE tenant = $1 AND name = $2 \
         UNION SELECT customer, name, erp_key, version FROM customers \
         WHERE tenant = $1 AND erp_key = $3 AND erp_key <> ''",
    )
    .bind(tenant.to_string())
    .bind(spec.name.clone())
    .bind(spec.erp_key.clone())
    .fetch_all(connection)
    .await
    .map_err(failed("read customers"))?;
    rows.iter().map(of).collect()
}

/// Inserts a customer.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    id: CustomerId,
    spec: &CustomerSpec,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO customers (tenant, customer, name, erp_key, version, created_ms, updated_ms) \
         VALUES ($1, $2, $3, $4, 1, $5, $5)",
    )
    .bind(tenant.to_string())
    .bind(id.to_string())
    .bind(spec.name.clone())
    .bind(spec.erp_key.clone())
    .bind(now.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("insert customer"))?;
    Ok(())
}

/// Stores a change.
pub(crate) async fn update(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    id: CustomerId,
    spec: &CustomerSpec,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE customers SET name = $3, erp_key = $4, version = version + 1, updated_ms = $5 \
         WHERE tenant = $1 AND customer = $2",
    )
    .bind(tenant.to_string())
    .bind(id.to_string())
    .bind(spec.name.clone())
    .bind(spec.erp_key.clone())
    .bind(now.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("update customer"))?;
    Ok(())
}

/// Deletes a customer.
pub(crate) async fn delete(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    id: CustomerId,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM customers WHERE tenant = $1 AND customer = $2")
        .bind(tenant.to_string())
        .bind(id.to_string())
        .execute(connection)
        .await
        .map_err(failed("delete customer"))?;
    Ok(())
}
