//! Creates a command that an operator orders.

use comm_server_core::commands::CommandState;
use comm_server_core::tenancy::Scope;
use jiff::Timestamp;
use serde_json::json;
use sqlx::AnyConnection;
use wire::command::Order;
use wire::ids::{CommandId, GatewayId};

use super::queue_command::queue_command;
use crate::db::StoreError;
use crate::tables::{GatewayRef, audit, gateways};
use crate::{AuditEntry, Scoped};

/// A command to queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCommand {
    /// Its gateway.
    pub gateway: GatewayId,
    /// The order.
    pub order: Order,
    /// The author.
    pub created_by: String,
}

impl Scoped {
    /// Queues a command; `None` if the scope has no such gateway.
    pub async fn create_command(
        &self,
        new: NewCommand,
        now: Timestamp,
    ) -> Result<Option<CommandId>, StoreError> {
        let scope = self.scope().clone();
        self.writer().write(move |c| Box::pin(async move { create(c, &scope, &new, now).await })).await
    }
}

async fn create(
    connection: &mut AnyConnection,
    scope: &Scope,
    new: &NewCommand,
    now: Timestamp,
) -> Result<Option<CommandId>, StoreError> {
    let of = GatewayRef { tenant: scope.tenant(), gateway: &new.gateway };
    if !gateways::is_within(connection, scope, &new.gateway).await? {
        return Ok(None);
    }
    let id = queue_command(connection, of, &new.order, &new.created_by, now).await?;
    let detail = format!("{} for {}: {id}", new.order.name(), new.gateway);
    let queued = json!({
        "gateway": new.gateway, "kind": new.order.name(), "state": CommandState::Queued.name(),
    });
    let entry = AuditEntry::new(now, &new.created_by, "command.create", detail).changing(None, Some(queued));
    audit::append(connection, scope.tenant(), &entry).await?;
    Ok(Some(id))
}
