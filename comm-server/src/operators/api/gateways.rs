//! `/api/v1/gateways`: gateways, and the state of their lanes.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use wire::ids::GatewayId;

use super::errors::{ReadErrors, WriteErrors};
use super::list::{List, PageParams, Paged, limited};
use super::states;
use crate::operators::OperatorState;
use crate::operators::caller::{Body, Caller, PathIds};
use crate::operators::error::ApiError;
use crate::store::{self, GatewayFilter};
use comm_server_core::roles::Permission;
use comm_server_core::tenancy::{CustomerId, Part, SiteId};

/// A gateway.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Gateway {
    gateway: String,
    /// Name of its customer, "" if it is not assigned.
    customer: String,
    /// Name of its site, "" if it is not assigned.
    site: String,
    customer_id: Option<Uuid>,
    site_id: Option<Uuid>,
    /// Version of its program.
    version: String,
    devices: i64,
    devices_offline: i64,
    open_calls: i64,
    open_service_calls: i64,
    uptime_s: i64,
    /// Why it can't store anything at present (usually, its disk is full); "" if it can.
    storage_problem: String,
    first_seen_at: Timestamp,
    last_poll_at: Option<Timestamp>,
    /// Seconds between two polls, as in the last response.
    next_poll_s: i64,
    /// Seconds that its clock was ahead of the server's at its last poll; negative if behind, 0 within the tolerance.
    clock_ahead_s: i64,
    /// When its meters are requested next.
    meters_due_at: Option<Timestamp>,
}

/// Reports of one lane.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Lane {
    #[schema(value_type = states::LaneName)]
    lane: wire::report::Lane,
    /// Sequence number of the last report that this server has stored.
    acknowledged: i64,
    /// Sequence number of the newest report, according to the gateway's last poll.
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
            customer_id: g.customer_id.map(|id| id.0),
            site_id: g.site_id.map(|id| id.0),
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

/// The filter and position of a list of gateways.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct GatewayParams {
    /// Only those of this customer.
    customer: Option<Uuid>,
    /// Only those of this site; `customer` is then ignored.
    site: Option<Uuid>,
    /// Only gateways with this text in name, customer or site.
    #[param(max_length = 100)]
    q: Option<String>,
    /// Only gateways without a site.
    unassigned: Option<bool>,
}

/// The site of a gateway.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GatewayPatch {
    /// Its site; null for none.
    #[serde(deserialize_with = "Option::deserialize")]
    site: Option<Uuid>,
}

/// Gateways by name.
#[utoipa::path(
    get, path = "/api/v1/gateways", tag = "fleet", operation_id = "list_gateways", params(GatewayParams, PageParams),
    responses((status = 200, body = List<Gateway>, description = "A page of gateways"), ReadErrors)
)]
pub(super) async fn list(
    State(state): State<OperatorState>,
    caller: Caller,
    Paged(params, page): Paged<GatewayParams>,
) -> Result<Json<List<Gateway>>, ApiError> {
    let text = limited("q", params.q.as_deref(), 400)?.unwrap_or_default().to_owned();
    let part = Part::of(params.customer.map(CustomerId), params.site.map(SiteId));
    let filter = GatewayFilter { text, unassigned: params.unassigned.unwrap_or_default() };
    let view = page.of(state.view_within(&caller, Permission::SeeFleet, part)?);
    Ok(Json(List::of(view.find_gateways(&filter, page.cursor()).await?)))
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

/// Assign a gateway to a site.
#[utoipa::path(
    patch, path = "/api/v1/gateways/{gateway}", tag = "tree", operation_id = "assign_gateway",
    request_body = GatewayPatch,
    params(
        ("gateway" = String, Path, description = "The gateway's name"),
        ("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token"),
    ),
    responses((status = 200, body = GatewayDetail, description = "As it is now"), WriteErrors)
)]
pub(super) async fn assign(
    state: State<OperatorState>,
    caller: Caller,
    PathIds(name): PathIds<GatewayId>,
    Body(patch): Body<GatewayPatch>,
) -> Result<Json<GatewayDetail>, ApiError> {
    state.services.customers.assign(&caller.actor, &name, patch.site.map(SiteId)).await?;
    let view = state.services.views.now(&caller.actor, Permission::SeeFleet)?;
    let gateway = view.gateway(&name).await?.ok_or_else(|| ApiError::not_found("gateway"))?;
    let lanes = view.lanes(&name, &name).await?;
    Ok(Json(GatewayDetail { gateway: gateway.into(), lanes: lanes.into_iter().map(Into::into).collect() }))
}
