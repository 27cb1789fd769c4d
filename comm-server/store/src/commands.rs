//! Commands: queued for a gateway, delivered with its polls, answered, expired.

use comm_server_core::commands::{self, CommandEvent, CommandState};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use uuid::Uuid;
use wire::command::{Order, Response};
use wire::ids::CommandId;
use wire::limits::POLL_COMMANDS;

use super::page::{self, PAGE_ROWS, Page};
use super::writer::{Key, Urgency};
use super::{AuditEntry, Store, StoreError, audit, failed, rollouts, row};

/// A command.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Command {
    /// Its id.
    pub command: String,
    /// For this gateway.
    pub gateway: String,
    /// Kind of its order.
    pub kind: String,
    /// The order, a [`wire::command::Order`].
    pub order: serde_json::Value,
    /// The roll-out that it is part of.
    pub rollout: Option<String>,
    /// Name of its [`CommandState`].
    pub state: String,
    /// Who gave it: a user's name, `cli` or `server`.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// Not to be begun after this.
    pub expires_at: Timestamp,
    /// When it went out first.
    pub delivered_at: Option<Timestamp>,
    /// When the gateway answered last.
    pub answered_at: Option<Timestamp>,
    /// What a person should read.
    pub detail: String,
    /// What the order gave besides reports.
    pub result: Option<serde_json::Value>,
}

/// A command to be queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCommand {
    /// For this gateway.
    pub gateway: String,
    /// What is asked for.
    pub order: Order,
    /// Who gave it.
    pub created_by: String,
}

/// Why an answer to a command isn't taken.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// No such command for that gateway.
    #[error("gateway {gateway} was given no command {command}")]
    NotFound {
        /// The gateway.
        gateway: String,
        /// The command.
        command: CommandId,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A new command in the store's terms.
pub(super) struct Queued<'a> {
    pub(super) tenant: &'a str,
    pub(super) gateway: &'a str,
    pub(super) order: &'a Order,
    pub(super) by: &'a str,
    pub(super) now: Timestamp,
}

/// Queues a command in the transaction of a change.
pub(super) async fn queue(connection: &mut AnyConnection, new: Queued<'_>) -> Result<CommandId, StoreError> {
    let id = CommandId(Uuid::now_v7());
    let body = serde_json::to_string(new.order)
        .map_err(|source| StoreError::Document { what: "an order", source })?;
    let rollout = match new.order {
        Order::FirmwareUpdate(update) => Some(update.rollout.to_string()),
        Order::FirmwareCancel { rollout } => Some(rollout.to_string()),
        Order::CounterRequest { .. } | Order::StatusSense { .. } | Order::Diagnostics | Order::Discovery => {
            None
        }
    };
    sqlx::query(
        "INSERT INTO commands (tenant, gateway, command, kind, body, rollout, created_by, created_ms, \
         expires_ms, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(new.tenant.to_owned())
    .bind(new.gateway.to_owned())
    .bind(id.to_string())
    .bind(new.order.name())
    .bind(body)
    .bind(rollout)
    .bind(new.by.to_owned())
    .bind(new.now.as_millisecond())
    .bind(commands::expires_at(new.order, new.now).as_millisecond())
    .bind(CommandState::Queued.name())
    .execute(connection)
    .await
    .map_err(failed("a command"))?;
    Ok(id)
}

/// Takes the commands that go out with a poll, and notes that they went.
pub(super) async fn deliver(
    connection: &mut AnyConnection,
    tenant: &str,
    gateway: &str,
    now: Timestamp,
) -> Result<Vec<wire::command::Command>, StoreError> {
    let rows = sqlx::query(
        "SELECT command, body, expires_ms, state FROM commands WHERE tenant = $1 AND gateway = $2 \
         AND state IN ('queued', 'delivered') AND expires_ms > $3 ORDER BY created_ms, command LIMIT $4",
    )
    .bind(tenant.to_owned())
    .bind(gateway.to_owned())
    .bind(now.as_millisecond())
    .bind(i64::try_from(POLL_COMMANDS).unwrap_or(i64::MAX))
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("to read commands"))?;
    let mut delivered = Vec::with_capacity(rows.len());
    for found in &rows {
        let id = row::text(found, "command")?;
        if row::text(found, "state")? == CommandState::Queued.name() {
            let state = CommandState::Queued.after(CommandEvent::Deliver);
            sqlx::query(
                "UPDATE commands SET state = $4, delivered_ms = $5 \
                 WHERE tenant = $1 AND gateway = $2 AND command = $3",
            )
            .bind(tenant.to_owned())
            .bind(gateway.to_owned())
            .bind(id.clone())
            .bind(state.name())
            .bind(now.as_millisecond())
            .execute(&mut *connection)
            .await
            .map_err(failed("a delivery"))?;
        }
        let Ok(id) = id.parse() else { return Err(StoreError::Range { what: "command" }) };
        let order = serde_json::value::RawValue::from_string(row::text(found, "body")?)
            .map_err(|source| StoreError::Document { what: "an order", source })?;
        delivered.push(wire::command::Command { id, expires_at: row::time(found, "expires_ms")?, order });
    }
    Ok(delivered)
}

/// Whether the gateway owes the answer to a meter request.
pub(super) async fn has_open_meter_request(
    connection: &mut AnyConnection,
    tenant: &str,
    gateway: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let open = sqlx::query(
        "SELECT COUNT(*) AS open_ones FROM commands WHERE tenant = $1 AND gateway = $2 \
         AND state IN ('queued', 'delivered', 'accepted', 'running') \
         AND kind = 'counter_request' AND expires_ms > $3",
    )
    .bind(tenant.to_owned())
    .bind(gateway.to_owned())
    .bind(now.as_millisecond())
    .fetch_one(connection)
    .await
    .map_err(failed("to count meter requests"))?;
    Ok(row::number(&open, "open_ones")? > 0)
}

fn command(row: &AnyRow) -> Result<Command, StoreError> {
    Ok(Command {
        command: row::text(row, "command")?,
        gateway: row::text(row, "gateway")?,
        kind: row::text(row, "kind")?,
        order: row::document(&row::text(row, "body")?, "an order")?,
        rollout: row::maybe_text(row, "rollout")?,
        state: row::text(row, "state")?,
        created_by: row::text(row, "created_by")?,
        created_at: row::time(row, "created_ms")?,
        expires_at: row::time(row, "expires_ms")?,
        delivered_at: row::maybe_time(row, "delivered_ms")?,
        answered_at: row::maybe_time(row, "answered_ms")?,
        detail: row::text(row, "detail")?,
        result: row::maybe_document(row, "result")?,
    })
}

impl Store {
    /// Queues a command; `None` if the tenant has no such gateway.
    ///
    /// # Errors
    /// The database.
    pub async fn create_command(
        &self,
        tenant: &str,
        new: NewCommand,
        now: Timestamp,
    ) -> Result<Option<CommandId>, StoreError> {
        let tenant = tenant.to_owned();
        self.writer()
            .write(move |connection| Box::pin(async move { create(connection, &tenant, &new, now).await }))
            .await
    }

    /// Takes a gateway's answer; the same answer twice changes nothing.
    ///
    /// # Errors
    /// The gateway was given no such command, or the database.
    pub async fn answer_command(
        &self,
        tenant: &str,
        gateway: &str,
        id: CommandId,
        response: Response,
        now: Timestamp,
    ) -> Result<u64, AnswerError> {
        let key = Key { tenant: tenant.to_owned(), gateway: gateway.to_owned() };
        let own = key.clone();
        let open_service_calls = self
            .writer()
            .write_of(key, Urgency::Urgent, move |connection| {
                Box::pin(async move {
                    let to = (own.tenant.as_str(), own.gateway.as_str());
                    answer(connection, to, id, &response, now).await
                })
            })
            .await?;
        open_service_calls.ok_or_else(|| AnswerError::NotFound { gateway: gateway.to_owned(), command: id })
    }

    /// Expires commands whose time is over, with the devices of their roll-outs; how many.
    ///
    /// # Errors
    /// The database.
    pub async fn expire_commands(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.writer().write(move |connection| Box::pin(async move { expire(connection, now).await })).await
    }

    /// Commands, newest first; of one gateway, or of all.
    ///
    /// # Errors
    /// The database.
    pub async fn commands(
        &self,
        tenant: &str,
        gateway: Option<&str>,
        cursor: Option<&str>,
    ) -> Result<Page<Command>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM commands WHERE tenant = $1 AND ($2 = '' OR gateway = $2) AND command < $3 \
             ORDER BY command DESC LIMIT $4",
        )
        .bind(tenant.to_owned())
        .bind(gateway.unwrap_or_default().to_owned())
        .bind(cursor.unwrap_or(page::LAST).to_owned())
        .bind(PAGE_ROWS + 1)
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(failed("to read the commands"))?;
        let items = rows.iter().map(command).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(items, |c| c.command.clone()))
    }

    /// One command.
    ///
    /// # Errors
    /// The database.
    pub async fn command(
        &self,
        tenant: &str,
        gateway: &str,
        id: CommandId,
    ) -> Result<Option<Command>, StoreError> {
        let row = sqlx::query("SELECT * FROM commands WHERE tenant = $1 AND gateway = $2 AND command = $3")
            .bind(tenant.to_owned())
            .bind(gateway.to_owned())
            .bind(id.to_string())
            .fetch_optional(&mut *self.reader().await?)
            .await
            .map_err(failed("to read a command"))?;
        row.as_ref().map(command).transpose()
    }
}

async fn create(
    connection: &mut AnyConnection,
    tenant: &str,
    new: &NewCommand,
    now: Timestamp,
) -> Result<Option<CommandId>, StoreError> {
    let gateway = sqlx::query("SELECT gateway FROM gateways WHERE tenant = $1 AND gateway = $2")
        .bind(tenant.to_owned())
        .bind(new.gateway.clone())
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed("to read a gateway"))?;
    if gateway.is_none() {
        return Ok(None);
    }
    let queued = Queued { tenant, gateway: &new.gateway, order: &new.order, by: &new.created_by, now };
    let id = queue(connection, queued).await?;
    let detail = format!("{} for {}: {id}", new.order.name(), new.gateway);
    let entry = AuditEntry::new(now, &new.created_by, "command.create", detail);
    audit::append(connection, tenant, &entry).await?;
    Ok(Some(id))
}

/// The gateway's open service calls, or `None` if there is no such command.
async fn answer(
    connection: &mut AnyConnection,
    (tenant, gateway): (&str, &str),
    id: CommandId,
    response: &Response,
    now: Timestamp,
) -> Result<Option<u64>, StoreError> {
    let found = sqlx::query(
        "SELECT state, rollout, kind FROM commands WHERE tenant = $1 AND gateway = $2 AND command = $3",
    )
    .bind(tenant.to_owned())
    .bind(gateway.to_owned())
    .bind(id.to_string())
    .fetch_optional(&mut *connection)
    .await
    .map_err(failed("to read a command"))?;
    let Some(found) = found else { return Ok(None) };
    let before = state_of(&found)?;
    let after = before.after(CommandEvent::Respond(response.state));
    if after != before {
        let result = response.result.as_ref().map(serde_json::to_string).transpose();
        let result = result.map_err(|source| StoreError::Document { what: "a command's result", source })?;
        let detail = comm_server_core::ingest::readable(&response.detail);
        sqlx::query(
            "UPDATE commands SET state = $4, answered_ms = $5, detail = $6, result = $7 \
             WHERE tenant = $1 AND gateway = $2 AND command = $3",
        )
        .bind(tenant.to_owned())
        .bind(gateway.to_owned())
        .bind(id.to_string())
        .bind(after.name())
        .bind(now.as_millisecond())
        .bind(detail.clone())
        .bind(result)
        .execute(&mut *connection)
        .await
        .map_err(failed("an answer"))?;
        if after == CommandState::Failed && row::text(&found, "kind")? == "firmware_update" {
            let at = rollouts::Place { tenant, gateway, command: id.to_string() };
            rollouts::fail_devices(connection, &at, &detail, now).await?;
        }
    }
    super::ingest::open_service_calls(connection, tenant, gateway).await.map(Some)
}

fn state_of(row: &AnyRow) -> Result<CommandState, StoreError> {
    row::text(row, "state")?.parse().map_err(|_| StoreError::Range { what: "commands.state" })
}

async fn expire(connection: &mut AnyConnection, now: Timestamp) -> Result<u64, StoreError> {
    let due = sqlx::query(
        "SELECT tenant, gateway, command, state, kind FROM commands \
         WHERE state IN ('queued', 'delivered', 'accepted') AND expires_ms <= $1 \
         ORDER BY tenant, gateway LIMIT 1000",
    )
    .bind(now.as_millisecond())
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("to read commands"))?;
    let mut expired = 0;
    for found in &due {
        let (tenant, gateway) = (row::text(found, "tenant")?, row::text(found, "gateway")?);
        let command = row::text(found, "command")?;
        let before = state_of(found)?;
        // An answer may have come through another server since it was read: that one stays.
        let done = sqlx::query(
            "UPDATE commands SET state = $4, detail = 'not begun in time' \
             WHERE tenant = $1 AND gateway = $2 AND command = $3 AND state = $5",
        )
        .bind(tenant.clone())
        .bind(gateway.clone())
        .bind(command.clone())
        .bind(before.after(CommandEvent::Expire).name())
        .bind(before.name())
        .execute(&mut *connection)
        .await
        .map_err(failed("an expiry"))?;
        if done.rows_affected() != 1 {
            continue;
        }
        expired += 1;
        if row::text(found, "kind")? == "firmware_update" {
            let at = rollouts::Place { tenant: &tenant, gateway: &gateway, command };
            rollouts::fail_devices(connection, &at, "the command was not begun in time", now).await?;
        }
    }
    Ok(expired)
}
