//! `/api/v1/calls`: what devices reported.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use wire::ids::{DeviceId, GatewayId};
use wire::report::{CallKind, Lane};

use super::errors::ReadErrors;
use super::list::{List, PageParams, Paged};
use super::states;
use crate::operators::OperatorState;
use crate::operators::caller::Caller;
use crate::operators::error::ApiError;
use crate::store;
use comm_server_core::roles::Permission;
use comm_server_core::tenancy::{CustomerId, Part, SiteId};

/// Whether a call is open.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum CallState {
    Open,
    Closed,
}

/// A call.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Call {
    gateway: String,
    device: String,
    device_model: String,
    device_name: String,
    #[schema(value_type = states::CallKind)]
    kind: CallKind,
    state: CallState,
    /// The part of the device.
    subject: String,
    /// A text for people.
    detail: String,
    raised_at: Timestamp,
    received_at: Timestamp,
    cleared_at: Option<Timestamp>,
    cleared_detail: Option<String>,
    // Lane of the report that raised it.
    #[schema(value_type = states::LaneName)]
    lane: Lane,
    /// Sequence number of the report that opened it.
    seq: i64,
}

impl From<store::Call> for Call {
    fn from(c: store::Call) -> Self {
        Self {
            gateway: c.gateway.into(),
            device: c.device.into(),
            device_model: c.device_model,
            device_name: c.device_name,
            kind: c.kind,
            state: if c.open { CallState::Open } else { CallState::Closed },
            subject: c.subject,
            detail: c.detail,
            raised_at: c.raised_at,
            received_at: c.received_at,
            cleared_at: c.cleared_at,
            cleared_detail: c.cleared_detail,
            lane: c.lane,
            seq: c.seq,
        }
    }
}

/// The filter and position of a list of calls.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CallParams {
    /// Of this customer only.
    customer: Option<Uuid>,
    /// Of this site only; `customer` doesn't matter then.
    site: Option<Uuid>,
    /// `open` or `closed`.
    #[param(inline)]
    state: Option<CallState>,
    /// Only those of this kind.
    #[param(inline, value_type = Option<states::CallKind>)]
    kind: Option<CallKind>,
    /// Only those of this gateway.
    #[param(value_type = Option<String>)]
    gateway: Option<GatewayId>,
    /// Of this device only; with `gateway`.
    #[param(value_type = Option<String>)]
    device: Option<DeviceId>,
    /// Changed at this time or later, by the server's clock.
    updated_since: Option<Timestamp>,
}

/// Calls, newest first.
#[utoipa::path(
    get, path = "/api/v1/calls", tag = "fleet", operation_id = "list_calls", params(CallParams, PageParams),
    responses((status = 200, body = List<Call>, description = "A page of calls"), ReadErrors)
)]
pub(super) async fn list(
    State(state): State<OperatorState>,
    caller: Caller,
    Paged(params, page): Paged<CallParams>,
) -> Result<Json<List<Call>>, ApiError> {
    let filter = store::CallFilter {
        open: params.state.map(|state| matches!(state, CallState::Open)),
        kind: params.kind,
        device: params.device.filter(|_| params.gateway.is_some()),
        gateway: params.gateway,
        updated_since: params.updated_since,
    };
    let part = Part::of(params.customer.map(CustomerId), params.site.map(SiteId));
    let view = page.of(state.view_within(&caller, Permission::SeeFleet, part)?);
    Ok(Json(List::of(view.calls(&filter, page.cursor()).await?)))
}
