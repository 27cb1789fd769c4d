//! A gateway's response to a command.

use comm_server_core::commands::{CommandEvent, CommandState};
use comm_server_core::ingest::readable;
use jiff::Timestamp;
use sqlx::AnyConnection;
use wire::command::{OrderKind, Response};
use wire::ids::{CommandId, GatewayId};

use super::advance_rollout::fail_devices;
use crate::Store;
use crate::db::StoreError;
use crate::db::writer::{Caller, Urgency};
use crate::tables::commands::Responded;
use crate::tables::{GatewayRef, calls, commands};

/// Why a response to a command is rejected.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The gateway has no such command.
    #[error("gateway {gateway} has no command {command}")]
    NotFound {
        /// The gateway.
        gateway: GatewayId,
        /// The command.
        command: CommandId,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Stores a gateway's response; returns the number of its open service calls. The same response again changes
    /// nothing.
    ///
    /// # Errors
    /// The gateway has no such command, or the database failed.
    pub async fn answer_command(
        &self,
        caller: &Caller,
        id: CommandId,
        response: Response,
    ) -> Result<u64, AnswerError> {
        let (own, now) = (caller.key(), caller.now);
        let open_service_calls = self
            .writer()
            .write_of(caller.key(), Urgency::Urgent, move |connection| {
                Box::pin(async move { answer(connection, GatewayRef::of(&own), id, &response, now).await })
            })
            .await?;
        open_service_calls
            .ok_or_else(|| AnswerError::NotFound { gateway: caller.gateway.clone(), command: id })
    }
}

/// The number of the gateway's open service calls; `None` if it has no such command.
async fn answer(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    id: CommandId,
    response: &Response,
    now: Timestamp,
) -> Result<Option<u64>, StoreError> {
    let Some((before, kind)) = commands::state(connection, of, id).await? else { return Ok(None) };
    let state = before.after(CommandEvent::Respond(response.state));
    if state != before {
        let result = response.result.as_ref().map(serde_json::to_string).transpose();
        let result = result.map_err(|source| StoreError::Document { what: "commands.result", source })?;
        let detail = readable(&response.detail);
        let responded = Responded { state, detail: detail.clone(), result };
        commands::set_response(connection, of, id, responded, now).await?;
        if state == CommandState::Failed && kind == OrderKind::FirmwareUpdate {
            fail_devices(connection, of, id, &detail, now).await?;
        }
    }
    calls::count_service_calls(connection, of).await.map(Some)
}
