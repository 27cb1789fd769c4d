//! Rows of sites.

use comm_server_core::customers::SiteSpec;
use comm_server_core::tenancy::{CustomerId, Scope, SiteId, TenantId};
use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::addresses;
use crate::db::{StoreError, failed, row, sql};

const TABLE: &str = "sites";

/// A site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SiteRow {
    pub(crate) id: SiteId,
    pub(crate) customer: CustomerId,
    pub(crate) spec: SiteSpec,
    /// Id of its address, "" for none.
    pub(crate) address: String,
    /// Increases by one with each change.
    pub(crate) version: i64,
}

/// A site and the id of its address, which is a row of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored<'a> {
    pub(crate) id: SiteId,
    pub(crate) spec: &'a SiteSpec,
    pub(crate) address: &'a str,
}

fn select(which: &str) -> String {
    format!(
        "SELECT s.site, s.customer, s.name, s.erp_key, s.address, s.version, {} FROM sites s \
         LEFT JOIN addresses a ON a.tenant = s.tenant AND a.address = s.address WHERE s.tenant = $1{which}",
        addresses::COLUMNS
    )
}

pub(crate) fn of(found: &AnyRow) -> Result<SiteRow, StoreError> {
    let spec = SiteSpec {
        name: row::text(found, "name")?,
        erp_key: row::text(found, "erp_key")?,
        address: addresses::of(found)?,
    };
    Ok(SiteRow {
        id: row::parsed(found, (TABLE, "site"), &spec.name)?,
        customer: row::parsed(found, (TABLE, "customer"), &spec.name)?,
        address: row::text(found, "address")?,
        version: row::number(found, "version")?,
        spec,
    })
}

/// A site within a scope.
pub(crate) async fn read(
    connection: &mut AnyConnection,
    scope: &Scope,
    id: SiteId,
) -> Result<Option<SiteRow>, StoreError> {
    let sql = select(&format!("{} AND s.site = $2", sql::site_within(scope, "s.site")));
    let found = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(scope.tenant().to_string())
        .bind(id.to_string())
        .fetch_optional(connection)
        .await
        .map_err(failed("read site"))?;
    found.as_ref().map(of).transpose()
}

/// The sites of a customer with this name, and the sites of the tenant with this key if it isn't empty.
pub(crate) async fn like(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    customer: CustomerId,
    spec: &SiteSpec,
) -> Result<Vec<SiteRow>, StoreError> {
    let sql = format!(
        "{} UNION {}",
        select(" AND s.customer = $2 AND s.name = $3"),
        select(" AND s.erp_key = $4 AND s.erp_key <> ''")
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(tenant.to_string())
        .bind(customer.to_string())
        .bind(spec.name.clone())
        .bind(spec.erp_key.clone())
        .fetch_all(connection)
        .await
        .map_err(failed("read sites"))?;
    rows.iter().map(of).collect()
}

/// The number of sites of a customer.
pub(crate) async fn count(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    customer: CustomerId,
) -> Result<i64, StoreError> {
    let found = sqlx::query("SELECT COUNT(*) AS sites FROM sites WHERE tenant = $1 AND customer = $2")
        .bind(tenant.to_string())
        .bind(customer.to_string())
        .fetch_one(connection)
        .await
        .map_err(failed("count sites"))?;
    row::number(&found, "sites")
}

/// Inserts a site.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    customer: CustomerId,
    new: Stored<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO sites (tenant, site, customer, name, erp_key, address, version, created_ms, updated_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $7)",
    )
    .bind(tenant.to_string())
    .bind(new.id.to_string())
    .bind(customer.to_string())
    .bind(new.spec.name.clone())
    .bind(new.spec.erp_key.clone())
    .bind(new.address.to_owned())
    .bind(now.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("insert site"))?;
    Ok(())
}

/// Stores a change.
pub(crate) async fn update(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    changed: Stored<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE sites SET name = $3, erp_key = $4, address = $5, version = version + 1, updated_ms = $6 \
         WHERE tenant = $1 AND site = $2",
    )
    .bind(tenant.to_string())
    .bind(changed.id.to_string())
    .bind(changed.spec.name.clone())
    .bind(changed.spec.erp_key.clone())
    .bind(changed.address.to_owned())
    .bind(now.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("update site"))?;
    Ok(())
}

/// Deletes a site.
pub(crate) async fn delete(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    id: SiteId,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sites WHERE tenant = $1 AND site = $2")
        .bind(tenant.to_string())
        .bind(id.to_string())
        .execute(connection)
        .await
        .map_err(failed("delete site"))?;
    Ok(())
}
