//! Rows of settings: the values that are set at each part of the tree.

use comm_server_core::settings::{Level, Setting};
use comm_server_core::tenancy::TenantId;
use comm_server_core::tree::Node;
use jiff::Timestamp;
use sqlx::AnyConnection;

use crate::db::{StoreError, failed, row};

const TABLE: &str = "settings";

/// A part of the tree, by its own id and those of the parts above it; "" for each level below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lineage {
    pub(crate) customer: String,
    pub(crate) site: String,
    pub(crate) gateway: String,
}

/// The values set at a part of the tree and at those above it.
pub(crate) async fn of_lineage(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    lineage: &Lineage,
) -> Result<Vec<(Setting, Level, String)>, StoreError> {
    let rows = sqlx::query(
        "SELECT level, name, value FROM settings WHERE tenant = $1 AND ((level = $2 AND node = '') \
         OR (level = $3 AND node = $4) OR (level = $5 AND node = $6) OR (level = $7 AND node = $8)) \
         ORDER BY name, level",
    )
    .bind(tenant.to_string())
    .bind(Level::Tenant.name())
    .bind(Level::Customer.name())
    .bind(lineage.customer.clone())
    .bind(Level::Site.name())
    .bind(lineage.site.clone())
    .bind(Level::Gateway.name())
    .bind(lineage.gateway.clone())
    .fetch_all(connection)
    .await
    .map_err(failed("read settings"))?;
    let value = |r| {
        let setting = row::parsed(r, (TABLE, "name"), "a row")?;
        Ok((setting, row::parsed(r, (TABLE, "level"), "a row")?, row::text(r, "value")?))
    };
    rows.iter().map(value).collect()
}

/// The value set at a part of the tree.
pub(crate) async fn read(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    node: &Node,
    setting: Setting,
) -> Result<Option<String>, StoreError> {
    let found = sqlx::query(
        "SELECT value FROM settings WHERE tenant = $1 AND level = $2 AND node = $3 AND name = $4",
    )
    .bind(tenant.to_string())
    .bind(node.level().name())
    .bind(node.key())
    .bind(setting.name())
    .fetch_optional(connection)
    .await
    .map_err(failed("read setting"))?;
    found.as_ref().map(|r| row::text(r, "value")).transpose()
}

/// Sets the value of a part of the tree, or deletes it, so that the part inherits.
pub(crate) async fn set(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    (node, setting): (&Node, Setting),
    value: Option<&str>,
    (by, now): (&str, Timestamp),
) -> Result<(), StoreError> {
    let set = match value {
        Some(value) => sqlx::query(
            "INSERT INTO settings (tenant, level, node, name, value, updated_ms, updated_by) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant, level, node, name) \
             DO UPDATE SET value = excluded.value, updated_ms = excluded.updated_ms, \
             updated_by = excluded.updated_by",
        )
        .bind(tenant.to_string())
        .bind(node.level().name())
        .bind(node.key())
        .bind(setting.name())
        .bind(value.to_owned())
        .bind(now.as_millisecond())
        .bind(by.to_owned()),
        None => {
            sqlx::query("DELETE FROM settings WHERE tenant = $1 AND level = $2 AND node = $3 AND name = $4")
                .bind(tenant.to_string())
                .bind(node.level().name())
                .bind(node.key())
                .bind(setting.name())
        }
    };
    set.execute(connection).await.map_err(failed("set setting"))?;
    Ok(())
}

/// Deletes all values of a part of the tree that is deleted.
pub(crate) async fn delete_of(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    node: &Node,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM settings WHERE tenant = $1 AND level = $2 AND node = $3")
        .bind(tenant.to_string())
        .bind(node.level().name())
        .bind(node.key())
        .execute(connection)
        .await
        .map_err(failed("delete settings"))?;
    Ok(())
}
