//! Rows of assets.

use comm_server_core::assets::AssetSpec;
use comm_server_core::tenancy::{AssetId, Scope, SiteId, TenantId};
use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::db::{StoreError, failed, row, sql};

const TABLE: &str = "assets";

/// An asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AssetRow {
    pub(crate) id: AssetId,
    pub(crate) spec: AssetSpec,
    /// Increases by one with each change.
    pub(crate) version: i64,
    pub(crate) retired_at: Option<Timestamp>,
}

pub(crate) fn of(found: &AnyRow) -> Result<AssetRow, StoreError> {
    let name = row::text(found, "name")?;
    Ok(AssetRow {
        id: row::parsed(found, (TABLE, "asset"), &name)?,
        version: row::number(found, "version")?,
        retired_at: row::maybe_time(found, "retired_ms")?,
        spec: AssetSpec {
            erp_key: row::text(found, "erp_key")?,
            site: row::parsed_or_none(found, (TABLE, "site"), &name)?,
            notes: row::text(found, "notes")?,
            name,
        },
    })
}

const SELECT: &str =
    "SELECT asset, name, erp_key, site, notes, version, retired_ms FROM assets WHERE tenant = $1";

/// An asset within a scope.
pub(crate) async fn read(
    connection: &mut AnyConnection,
    scope: &Scope,
    id: AssetId,
) -> Result<Option<AssetRow>, StoreError> {
    let sql = format!("{SELECT}{} AND asset = $2", sql::site_within(scope, "site"));
    let found = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(scope.tenant().to_string())
        .bind(id.to_string())
        .fetch_optional(connection)
        .await
        .map_err(failed("read asset"))?;
    found.as_ref().map(of).transpose()
}

/// The asset of a tenant with a key, which must not be empty.
pub(crate) async fn with_key(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    erp_key: &str,
) -> Result<Option<AssetRow>, StoreError> {
    let sql = format!("{SELECT} AND erp_key = $2 AND erp_key <> ''");
    let found = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(tenant.to_string())
        .bind(erp_key.to_owned())
        .fetch_optional(connection)
        .await
        .map_err(failed("read asset"))?;
    found.as_ref().map(of).transpose()
}

/// The number of assets of a site.
pub(crate) async fn count_of_site(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    site: SiteId,
) -> Result<i64, StoreError> {
    let found = sqlx::query("SELECT COUNT(*) AS assets FROM assets WHERE tenant = $1 AND site = $2")
        .bind(tenant.to_string())
        .bind(site.to_string())
        .fetch_one(connection)
        .await
        .map_err(failed("count assets"))?;
    row::number(&found, "assets")
}

/// Inserts an asset.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    id: AssetId,
    spec: &AssetSpec,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO assets (tenant, asset, name, erp_key, site, notes, version, created_ms, updated_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $7)",
    )
    .bind(tenant.to_string())
    .bind(id.to_string())
    .bind(spec.name.clone())
    .bind(spec.erp_key.clone())
    .bind(row::text_or_empty(spec.site.as_ref()))
    .bind(spec.notes.clone())
    .bind(now.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("insert asset"))?;
    Ok(())
}

/// Stores a change, and increments the version.
pub(crate) async fn update(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    changed: &AssetRow,
    now: Timestamp,
) -> Result<(), StoreError> {
    let AssetRow { id, spec, retired_at, version: _ } = changed;
    sqlx::query(
        "UPDATE assets SET name = $3, erp_key = $4, site = $5, notes = $6, retired_ms = $7, \
         version = version + 1, updated_ms = $8 WHERE tenant = $1 AND asset = $2",
    )
    .bind(tenant.to_string())
    .bind(id.to_string())
    .bind(spec.name.clone())
    .bind(spec.erp_key.clone())
    .bind(row::text_or_empty(spec.site.as_ref()))
    .bind(spec.notes.clone())
    .bind(retired_at.map(Timestamp::as_millisecond))
    .bind(now.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("update asset"))?;
    Ok(())
}
