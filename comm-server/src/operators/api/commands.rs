//! `/api/v1/commands`: commands to gateways.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use comm_server_core::commands::CommandState;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use wire::command::OrderKind;
use wire::ids::{DeviceId, GatewayId};

use super::errors::{ReadErrors, WriteErrors};
use super::list::{List, PageParams, Paged};
use super::states;
use crate::operators::OperatorState;
use crate::operators::caller::{Body, Caller};
use crate::operators::error::ApiError;
use crate::services::RequestKind;
use crate::store;
use comm_server_core::roles::Permission;
use comm_server_core::tenancy::{CustomerId, Part, SiteId};

/// A command.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Command {
    command: String,
    gateway: String,
    #[schema(value_type = states::OrderKind)]
    kind: OrderKind,
    /// The command as delivered to the gateway.
    #[schema(value_type = Object)]
    order: serde_json::Value,
    /// The roll-out that it is part of.
    rollout: Option<String>,
    #[schema(value_type = states::CommandState)]
    state: CommandState,
    created_by: String,
    created_at: Timestamp,
    expires_at: Timestamp,
    delivered_at: Option<Timestamp>,
    answered_at: Option<Timestamp>,
    /// The gateway's text for operators.
    detail: String,
    /// The result of the command, besides reports.
    #[schema(value_type = Option<Object>)]
    result: Option<serde_json::Value>,
}

impl From<store::Command> for Command {
    fn from(c: store::Command) -> Self {
        Self {
            command: c.command.to_string(),
            gateway: c.gateway.into(),
            kind: c.kind,
            order: c.order,
            rollout: c.rollout.map(|rollout| rollout.to_string()),
            state: c.state,
            created_by: c.created_by,
            created_at: c.created_at,
            expires_at: c.expires_at,
            delivered_at: c.delivered_at,
            answered_at: c.answered_at,
            detail: c.detail,
            result: c.result,
        }
    }
}

/// The kind of request. Firmware is updated by roll-outs only.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum NewOrder {
    /// Read the meters of these devices, or of all.
    CounterRequest {
        /// Ids of the devices; all if absent.
        #[schema(value_type = Option<Vec<String>>)]
        devices: Option<Vec<DeviceId>>,
    },
    /// Report full readings of these devices, or of all.
    StatusSense {
        /// Ids of the devices; all if absent.
        #[schema(value_type = Option<Vec<String>>)]
        devices: Option<Vec<DeviceId>>,
    },
    /// Report the state of the gateway itself.
    Diagnostics {},
    /// Search the gateway's networks for devices.
    Discovery {},
}

impl From<NewOrder> for (RequestKind, Option<Vec<DeviceId>>) {
    fn from(order: NewOrder) -> Self {
        match order {
            NewOrder::CounterRequest { devices } => (RequestKind::CounterRequest, devices),
            NewOrder::StatusSense { devices } => (RequestKind::StatusSense, devices),
            NewOrder::Diagnostics {} => (RequestKind::Diagnostics, None),
            NewOrder::Discovery {} => (RequestKind::Discovery, None),
        }
    }
}

/// A command to be queued.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCommand {
    /// The gateway.
    #[schema(value_type = String, min_length = 1, max_length = 64, pattern = "^[a-z0-9._-]+$")]
    gateway: GatewayId,
    /// The kind of request.
    order: NewOrder,
}

/// A command that was queued.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CommandCreated {
    /// Its id.
    command: Uuid,
}

/// The filter and position of a list of commands.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CommandParams {
    /// Of this customer only.
    customer: Option<Uuid>,
    /// Of this site only; `customer` doesn't matter then.
    site: Option<Uuid>,
    /// Of this gateway only.
    #[param(value_type = Option<String>)]
    gateway: Option<GatewayId>,
}

/// Commands, newest first.
#[utoipa::path(
    get, path = "/api/v1/commands", tag = "commands", operation_id = "list_commands", params(CommandParams, PageParams),
    responses((status = 200, body = List<Command>, description = "A page of commands"), ReadErrors)
)]
pub(super) async fn list(
    State(state): State<OperatorState>,
    caller: Caller,
    Paged(params, page): Paged<CommandParams>,
) -> Result<Json<List<Command>>, ApiError> {
    let part = Part::of(params.customer.map(CustomerId), params.site.map(SiteId));
    let view = page.of(state.view_within(&caller, Permission::SeeFleet, part)?);
    Ok(Json(List::of(view.commands(params.gateway.as_ref(), page.cursor()).await?)))
}

/// Queue a command; it is delivered with the gateway's next poll.
#[utoipa::path(
    post, path = "/api/v1/commands", tag = "commands", operation_id = "create_command",
    request_body = NewCommand,
    params(("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token")),
    responses((status = 201, body = CommandCreated, description = "Queued"), WriteErrors)
)]
pub(super) async fn create(
    State(state): State<OperatorState>,
    caller: Caller,
    Body(new): Body<NewCommand>,
) -> Result<(StatusCode, Json<CommandCreated>), ApiError> {
    let (kind, devices) = new.order.into();
    let command = state.services.commands.queue(&caller.actor, &new.gateway, kind, devices).await?;
    Ok((StatusCode::CREATED, Json(CommandCreated { command: command.0 })))
}
