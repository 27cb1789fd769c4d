//! Commands, newest first.

use comm_server_core::commands::CommandState;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::any::AnyRow;
use wire::command::OrderKind;
use wire::ids::{CommandId, GatewayId, RolloutId};

use crate::Scoped;
use crate::db::page::{self, Page};
use crate::db::{StoreError, failed, row};
use crate::tables::commands;

const TABLE: &str = "commands";

/// A command.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Command {
    /// Its id.
    pub command: CommandId,
    /// Its gateway.
    pub gateway: GatewayId,
    /// Kind of its order.
    pub kind: OrderKind,
    /// The order, a [`wire::command::Order`].
    pub order: serde_json::Value,
    /// The roll-out that it is part of.
    pub rollout: Option<RolloutId>,
    /// Its state.
    pub state: CommandState,
    /// The author: a user's name, `cli` or `server`.
    pub created_by: String,
    /// The time.
    pub created_at: Timestamp,
    /// The latest time to begin it.
    pub expires_at: Timestamp,
    /// When it was first delivered.
    pub delivered_at: Option<Timestamp>,
    /// When the gateway last responded.
    pub answered_at: Option<Timestamp>,
    /// A text for people.
    pub detail: String,
    /// The result of the command, besides reports.
    pub result: Option<serde_json::Value>,
}

fn command(row: &AnyRow) -> Result<Command, StoreError> {
    let id = commands::id_of(row)?;
    Ok(Command {
        command: id,
        gateway: row::parsed(row, (TABLE, "gateway"), &id.to_string())?,
        kind: commands::kind_of(row, id)?,
        order: row::document(&row::text(row, "body")?, "an order")?,
        rollout: row::maybe_parsed(row, (TABLE, "rollout"), &id.to_string())?,
        state: commands::state_of(row, id)?,
        created_by: row::text(row, "created_by")?,
        created_at: row::time(row, "created_ms")?,
        expires_at: row::time(row, "expires_ms")?,
        delivered_at: row::maybe_time(row, "delivered_ms")?,
        answered_at: row::maybe_time(row, "answered_ms")?,
        detail: row::text(row, "detail")?,
        result: row::maybe_document(row, "result")?,
    })
}

impl Scoped {
    /// Commands, newest first; of one gateway, or of all.
    pub async fn commands(
        &self,
        gateway: Option<&GatewayId>,
        cursor: Option<&str>,
    ) -> Result<Page<Command>, StoreError> {
        let within = self.within("gateway");
        let sql = format!(
            "SELECT * FROM commands WHERE tenant = $1{within} AND ($2 = '' OR gateway = $2) AND command < $3 \
             ORDER BY command DESC LIMIT $4"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(row::text_or_empty(gateway))
            .bind(page::id(cursor)?)
            .bind(self.rows().and_one())
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read commands"))?;
        let items = rows.iter().map(command).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(items, self.rows(), |c| c.command.to_string()))
    }

    /// One command.
    pub async fn command(&self, gateway: &GatewayId, id: CommandId) -> Result<Option<Command>, StoreError> {
        let within = self.within("gateway");
        let sql =
            format!("SELECT * FROM commands WHERE tenant = $1{within} AND gateway = $2 AND command = $3");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(gateway.to_string())
            .bind(id.to_string())
            .fetch_optional(&mut *self.reader().await?)
            .await
            .map_err(failed("read command"))?;
        row.as_ref().map(command).transpose()
    }
}
