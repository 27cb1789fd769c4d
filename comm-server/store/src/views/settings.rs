//! Settings of a part of the tree, with the levels at which they are set.

use comm_server_core::settings::{Level, Setting};
use comm_server_core::tree::Node;
use sqlx::AnyConnection;

use crate::Scoped;
use crate::db::{StoreError, failed, row};
use crate::tables::settings::{self, Lineage};
use crate::tables::sites;

/// A value that is set at one level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnValue {
    /// The setting.
    pub setting: Setting,
    /// The level.
    pub level: Level,
    /// The value.
    pub value: String,
}

impl Scoped {
    /// The values that are set for a part of the tree and for the levels above it; `None` if the scope has no such part.
    pub async fn own_values(&self, node: &Node) -> Result<Option<Vec<OwnValue>>, StoreError> {
        let mut reader = self.reader().await?;
        let Some(lineage) = self.lineage(&mut reader, node).await? else { return Ok(None) };
        let found = settings::of_lineage(&mut reader, self.tenant(), &lineage).await?;
        let own = |(setting, level, value)| OwnValue { setting, level, value };
        Ok(Some(found.into_iter().map(own).collect()))
    }

    async fn lineage(
        &self,
        connection: &mut AnyConnection,
        node: &Node,
    ) -> Result<Option<Lineage>, StoreError> {
        let key = node.key();
        Ok(match node {
            Node::Tenant => Some(Lineage::default()),
            Node::Customer(id) => {
                let found = crate::tables::customers::read(connection, self.scope(), *id).await?;
                found.map(|_| Lineage { customer: key, ..Lineage::default() })
            }
            Node::Site(id) => {
                let found = sites::read(connection, self.scope(), *id).await?;
                found.map(|site| Lineage {
                    customer: site.customer.to_string(),
                    site: key,
                    ..Lineage::default()
                })
            }
            Node::Gateway(_) => {
                let within = self.within("gateway");
                let sql = format!(
                    "SELECT customer_id, site_id FROM gateways WHERE tenant = $1{within} AND gateway = $2"
                );
                let found = sqlx::query(sqlx::AssertSqlSafe(sql))
                    .bind(self.tenant().to_string())
                    .bind(key.clone())
                    .fetch_optional(connection)
                    .await
                    .map_err(failed("read gateway"))?;
                match found {
                    None => None,
                    Some(found) => Some(Lineage {
                        customer: row::text(&found, "customer_id")?,
                        site: row::text(&found, "site_id")?,
                        gateway: key,
                    }),
                }
            }
        })
    }
}
