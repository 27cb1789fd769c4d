//! A setting of a part of the tree.

use comm_server_core::settings::Setting;
use comm_server_core::tenancy::Scope;
use comm_server_core::tree::Node;
use serde_json::json;
use sqlx::AnyConnection;

use super::customers::{Author, ChangeError, Outcome};
use crate::db::StoreError;
use crate::tables::{audit, customers, gateways, settings, sites, tenants};
use crate::{AuditEntry, Scoped};

impl Scoped {
    /// Sets a validated value of a part of the tree; `None` removes it, so that the part inherits.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn set_setting(
        &self,
        node: Node,
        setting: Setting,
        value: Option<String>,
        author: Author,
    ) -> Result<(), ChangeError> {
        let scope = self.scope().clone();
        let work = self.writer().write(move |c| {
            Box::pin(async move {
                tenants::lock(c, scope.tenant()).await?;
                if let Err(refused) = reached(c, &scope, &node).await? {
                    return Ok(Err(refused));
                }
                set_setting(c, &scope, (&node, setting), value.as_deref(), &author).await?;
                Ok(Ok(()))
            })
        });
        work.await?
    }
}

/// Whether the part is within the scope. A value of the tenant requires access to all of it.
async fn reached(connection: &mut AnyConnection, scope: &Scope, node: &Node) -> Outcome<()> {
    let (found, what) = match node {
        Node::Tenant => (scope.parts().next().is_none(), "tenant"),
        Node::Customer(id) => {
            // A login of a site sees its customer, which has other sites.
            let is_granted =
                scope.parts().all(|part| !matches!(part, comm_server_core::tenancy::Part::Site(_)));
            (is_granted && customers::read(connection, scope, *id).await?.is_some(), "customer")
        }
        Node::Site(id) => (sites::read(connection, scope, *id).await?.is_some(), "site"),
        Node::Gateway(id) => (gateways::is_within(connection, scope, id).await?, "gateway"),
    };
    Ok(if found { Ok(()) } else { Err(ChangeError::NotFound { what }) })
}

/// Stores a value, and the values derived from it for the gateways below.
pub(super) async fn set_setting(
    connection: &mut AnyConnection,
    scope: &Scope,
    (node, setting): (&Node, Setting),
    value: Option<&str>,
    author: &Author,
) -> Result<(), StoreError> {
    let tenant = scope.tenant();
    let before = settings::read(connection, tenant, node, setting).await?;
    if before.as_deref() == value {
        return Ok(());
    }
    settings::set(connection, tenant, (node, setting), value, (&author.by, author.now)).await?;
    match setting {
        Setting::PollInterval => gateways::derive_poll_interval(connection, tenant, node).await?,
        Setting::TimeZone | Setting::RequireTotp => {}
    }
    let place = [node.level().name(), &node.key()].join(" ");
    let detail = format!("{} of {}", setting.name(), place.trim_end());
    let entry = AuditEntry::new(author.now, &author.by, "setting.change", detail);
    let shown = |value: Option<&str>| value.map(|value| json!({ setting.name(): value }));
    audit::append(connection, tenant, &entry.changing(shown(before.as_deref()), shown(value))).await
}
