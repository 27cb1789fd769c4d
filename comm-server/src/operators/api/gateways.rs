//! `/api/v1/gateways`: gateways, and the state of their lanes.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use wire::ids::GatewayId;

use super::errors::ReadErrors;
use super::list::{List, PageParams, cursor};
use super::states;
use crate::operators::OperatorState;
use crate::operators::caller::{Caller, Params, PathIds};
use crate::operators::error::ApiError;
use crate::store;
use comm_server_core::roles::Permission;

/// A gateway.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Gateway {
    gateway: String,
    customer: String,
    site: String,
    /// Version of its program.
    version: String,
    devices: i64,
    devices_offline: i64,
    open_calls: i64,
    open_service_calls: i64,
    uptime_s: i64,
    /// Why it can store nothing at present (its disk is full, most of the time); "" while it can.
    storage_problem: String,
    first_seen_at: Timestamp,
    last_poll_at: Option<Timestamp>,
    /// Seconds between two polls, as in the last response.
    next_poll_s: i64,
    /// Seconds that its clock was ahead of the server's at its last poll; negative behind, 0 when it was right.
    clock_ahead_s: i64,
    /// When its meters are requested next.
    meters_due_at: Option<Timestamp>,
}

/// Reports of one lane.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Lane {
    #[schema(value_type = states::LaneName)]
    lane: wire::report::Lane,
    /// Number of the last report that is on this server's disk.
    acknowledged: i64,
    /// Number of the newest report that the gateway made, as it reported last.
    made: i64,
}

/// A gateway and its lanes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GatewayDetail {
    #[serde(flatten)]
    gateway: Gateway,
    lanes: Vec<Lane>,
}

impl From<store::Gateway> for Gateway {
    fn from(g: store::Gateway) -> Self {
        Self {
            gateway: g.gateway.into(),
            customer: g.customer,
            site: g.site,
            version: g.version,
            devices: g.devices,
            devices_offline: g.devices_offline,
            open_calls: g.open_calls,
            open_service_calls: g.service_calls,
            uptime_s: g.uptime_s,
            storage_problem: g.storage_problem,
            first_seen_at: g.first_seen,
            last_poll_at: g.last_poll,
            next_poll_s: g.next_poll_s,
            clock_ahead_s: g.clock_ahead_s,
            meters_due_at: g.meters_due,
        }
    }
}

impl From<store::LaneState> for Lane {
    fn from(lane: store::LaneState) -> Self {
        Self { lane: lane.lane, acknowledged: lane.acknowledged, made: lane.made }
    }
}

/// Gateways by name.
#[utoipa::path(
    get, path = "/api/v1/gateways", tag = "fleet", operation_id = "list_gateways", params(PageParams),
    responses((status = 200, body = List<Gateway>, description = "A page of gateways"), ReadErrors)
)]
pub(super) async fn list(
    State(state): State<OperatorState>,
    caller: Caller,
    Params(params): Params<PageParams>,
) -> Result<Json<List<Gateway>>, ApiError> {
    let page = state.view(&caller, Permission::SeeFleet)?.gateways(cursor(params.page.as_deref())?).await?;
    Ok(Json(List::of(page)))
}

/// One gateway.
#[utoipa::path(
    get, path = "/api/v1/gateways/{gateway}", tag = "fleet", operation_id = "read_gateway",
    params(("gateway" = String, Path, description = "The gateway's name")),
    responses((status = 200, body = GatewayDetail, description = "The gateway"), ReadErrors)
)]
pub(super) async fn one(
    State(state): State<OperatorState>,
    caller: Caller,
    PathIds(name): PathIds<GatewayId>,
) -> Result<Json<GatewayDetail>, ApiError> {
    let found = state.view(&caller, Permission::SeeFleet)?.gateway(&name).await?;
    let gateway = found.ok_or_else(|| ApiError::not_found("gateway"))?;
    let lanes = state.view(&caller, Permission::SeeFleet)?.lanes(&name, &name).await?;
    Ok(Json(GatewayDetail { gateway: gateway.into(), lanes: lanes.into_iter().map(Into::into).collect() }))
}
