//! `/api/v1/rollouts`: firmware roll-outs.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use comm_server_core::rollouts::{DeviceStep, Interface, RolloutSpec, RolloutState, Start};
use comm_server_core::tenancy::{CustomerId, Part, SiteId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use wire::ids::RolloutId;
use wire::problem::ProblemCode;
use wire::report::WaitReason;

use super::errors::{ReadErrors, WriteErrors};
use super::list::{List, PageParams, Paged};
use super::states;
use crate::operators::OperatorState;
use crate::operators::caller::{Body, Caller};
use crate::operators::error::ApiError;
use crate::services::rollouts::{parse_date, parse_id};
use crate::store;
use comm_server_core::roles::Permission;

/// A roll-out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Rollout {
    rollout: String,
    vendor: String,
    model: String,
    version: String,
    /// Name of the image in the firmware repository.
    target: String,
    /// The earliest time of a push.
    not_before: Timestamp,
    created_by: String,
    created_at: Timestamp,
    #[schema(value_type = states::RolloutState)]
    state: RolloutState,
    /// The roll-out whose failed devices this one orders again.
    retry_of: Option<String>,
    /// The newest roll-out that orders the failed devices of this one again.
    retried_by: Option<String>,
    /// Number of its devices, and their steps.
    progress: Progress,
}

/// Number of devices at each step.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Progress {
    devices: i64,
    /// No step was reported.
    pending: i64,
    /// The image is at their gateway.
    staged: i64,
    /// The image was pushed to them.
    pushed: i64,
    /// They show the new version.
    verified: i64,
    failed: i64,
    cancelled: i64,
}

/// A device in a roll-out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RolloutDevice {
    gateway: String,
    /// Its id; empty for the staging of the gateway.
    device: String,
    model: String,
    serial: String,
    name: String,
    /// Name of the gateway's customer.
    customer: String,
    /// Name of the gateway's site.
    site: String,
    #[schema(value_type = states::DeviceStep)]
    step: DeviceStep,
    #[schema(value_type = states::WaitsFor)]
    waiting_for: &'static str,
    /// A text for people: why it failed, or details of what it waits for.
    detail: String,
    /// The device's console text, if it explains the state.
    panel: String,
    version_before: String,
    /// The version that was read back from the device; empty until then.
    version_now: String,
    updated_at: Timestamp,
}

/// A failed device of a retried roll-out that was not ordered again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LeftOutDevice {
    gateway: String,
    device: String,
    /// Why: it is no longer in the fleet, has moved to another gateway, already shows the version, or has another
    /// model.
    reason: String,
}

/// A roll-out and a page of its devices.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RolloutDetail {
    #[serde(flatten)]
    rollout: Rollout,
    devices: Vec<RolloutDevice>,
    /// Pass it as `page` for the next page of devices; null on the last one.
    next: Option<String>,
    /// For a retry: failed devices that it does not order again, at most one page; empty on later pages of devices.
    left_out: Vec<LeftOutDevice>,
}

/// The filter and position of a roll-out's devices.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeviceParams {
    /// Only devices at this step.
    #[param(inline, value_type = Option<states::DeviceStep>)]
    step: Option<DeviceStep>,
}

impl From<store::Rollout> for Rollout {
    fn from(r: store::Rollout) -> Self {
        let progress = Progress {
            devices: r.devices,
            pending: r.pending,
            staged: r.staged,
            pushed: r.pushed,
            verified: r.verified,
            failed: r.failed,
            cancelled: r.cancelled,
        };
        Self {
            rollout: r.rollout.to_string(),
            vendor: r.vendor,
            model: r.model,
            version: r.version,
            target: r.target,
            not_before: r.not_before,
            created_by: r.created_by,
            created_at: r.created_at,
            state: r.state,
            retry_of: r.retry_of.map(|id| id.to_string()),
            retried_by: r.retried_by.map(|id| id.to_string()),
            progress,
        }
    }
}

impl From<store::RolloutDevice> for RolloutDevice {
    fn from(d: store::RolloutDevice) -> Self {
        Self {
            gateway: d.gateway.into(),
            device: d.device.map(String::from).unwrap_or_default(),
            model: d.model,
            serial: d.serial,
            name: d.name,
            customer: d.customer,
            site: d.site,
            step: d.step,
            waiting_for: d.waiting_for.map_or("", WaitReason::name),
            detail: d.detail,
            panel: d.panel,
            version_before: d.version_before,
            version_now: d.version_now,
            updated_at: d.updated_at,
        }
    }
}

impl From<store::LeftOutDevice> for LeftOutDevice {
    fn from(d: store::LeftOutDevice) -> Self {
        Self { gateway: d.gateway, device: d.device, reason: d.reason }
    }
}

/// A roll-out to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRollout {
    /// Vendor's short name, as devices show it.
    #[schema(min_length = 1, max_length = 100)]
    vendor: String,
    /// Model, as devices show it.
    #[schema(min_length = 1, max_length = 100)]
    model: String,
    /// Version that the devices show afterwards; it must be published at the global server.
    #[schema(min_length = 1, max_length = 100)]
    version: String,
    /// The earliest time of a push, at most five minutes in the past; if absent, each device is updated as soon as it
    /// is idle.
    #[schema(value_type = Option<Timestamp>, format = DateTime)]
    not_before: Option<String>,
    /// Whether devices that show a newer version are included.
    #[serde(default)]
    allow_downgrade: bool,
}

/// The options of a retry.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Retry {
    /// Whether devices that show a newer version by now are included.
    #[serde(default)]
    allow_downgrade: bool,
}

/// A roll-out that was created.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RolloutCreated {
    /// Its id.
    rollout: Uuid,
}

/// The filter of a list of roll-outs.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RolloutParams {
    /// Only those with devices of this customer.
    customer: Option<Uuid>,
    /// Only those with devices of this site; `customer` doesn't matter then.
    site: Option<Uuid>,
}

/// Roll-outs, newest first.
#[utoipa::path(
    get, path = "/api/v1/rollouts", tag = "firmware", operation_id = "list_rollouts",
    params(RolloutParams, PageParams),
    responses((status = 200, body = List<Rollout>, description = "A page of roll-outs"), ReadErrors)
)]
pub(super) async fn list(
    State(state): State<OperatorState>,
    caller: Caller,
    Paged(params, page): Paged<RolloutParams>,
) -> Result<Json<List<Rollout>>, ApiError> {
    let part = Part::of(params.customer.map(CustomerId), params.site.map(SiteId));
    let view = page.of(state.view_within(&caller, Permission::SeeFleet, part)?);
    Ok(Json(List::of(view.rollouts(page.cursor()).await?)))
}

/// Create a roll-out for all devices of a model that don't show the version yet.
#[utoipa::path(
    post, path = "/api/v1/rollouts", tag = "firmware", operation_id = "create_rollout",
    request_body = NewRollout,
    params(("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token")),
    responses((status = 201, body = RolloutCreated, description = "Planned"), WriteErrors)
)]
pub(super) async fn create(
    State(state): State<OperatorState>,
    caller: Caller,
    Body(new): Body<NewRollout>,
) -> Result<(StatusCode, Json<RolloutCreated>), ApiError> {
    let start = match new.not_before.as_deref().map(parse_date).transpose() {
        Ok(date) => date.map_or(Start::Now, Start::NotBefore),
        Err(error) => return Err(ApiError::malformed(format!("not_before: {error}"))),
    };
    let spec = RolloutSpec {
        vendor: new.vendor,
        model: new.model,
        version: new.version,
        start,
        allow_downgrade: new.allow_downgrade,
        only: None,
    };
    let created = state.services.rollouts.create(&caller.actor, spec).await;
    let rollout = created.map_err(|error| ApiError::of_rollout(error, Interface::Api))?;
    Ok((StatusCode::CREATED, Json(RolloutCreated { rollout: rollout.0 })))
}

/// One roll-out with its devices.
#[utoipa::path(
    get, path = "/api/v1/rollouts/{rollout}", tag = "firmware", operation_id = "read_rollout",
    params(("rollout" = Uuid, Path, description = "The roll-out's id"), DeviceParams, PageParams),
    responses((status = 200, body = RolloutDetail, description = "The roll-out"), ReadErrors)
)]
pub(super) async fn one(
    State(state): State<OperatorState>,
    caller: Caller,
    Path(id): Path<String>,
    Paged(params, page): Paged<DeviceParams>,
) -> Result<Json<RolloutDetail>, ApiError> {
    Ok(Json(detail(&state, &caller, parse(&id)?, params.step, &page).await?))
}

/// Order the failed devices of a roll-out that has ended again, as a new roll-out that starts at once.
#[utoipa::path(
    post, path = "/api/v1/rollouts/{rollout}/retry", tag = "firmware", operation_id = "retry_rollout",
    request_body = Retry,
    params(
        ("rollout" = Uuid, Path, description = "The roll-out's id"),
        ("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token")
    ),
    responses((status = 201, body = RolloutCreated, description = "Ordered again"), WriteErrors)
)]
pub(super) async fn retry(
    State(state): State<OperatorState>,
    caller: Caller,
    Path(id): Path<String>,
    Body(retry): Body<Retry>,
) -> Result<(StatusCode, Json<RolloutCreated>), ApiError> {
    let created = state.services.rollouts.retry(&caller.actor, parse(&id)?, retry.allow_downgrade).await;
    let rollout = created.map_err(|error| ApiError::of_rollout(error, Interface::Api))?;
    Ok((StatusCode::CREATED, Json(RolloutCreated { rollout: rollout.0 })))
}

/// Cancel the devices to which no image was pushed yet.
#[utoipa::path(
    post, path = "/api/v1/rollouts/{rollout}/cancel", tag = "firmware", operation_id = "cancel_rollout",
    params(
        ("rollout" = Uuid, Path, description = "The roll-out's id"),
        ("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token")
    ),
    responses((status = 200, body = RolloutDetail, description = "As it is now"), WriteErrors)
)]
pub(super) async fn cancel(
    State(state): State<OperatorState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<RolloutDetail>, ApiError> {
    let id = parse(&id)?;
    let cancelled = state.services.rollouts.cancel(&caller.actor, id).await;
    cancelled.map_err(|error| ApiError::of_rollout(error, Interface::Api))?;
    Ok(Json(detail(&state, &caller, id, None, &PageParams::default()).await?))
}

async fn detail(
    state: &OperatorState,
    caller: &Caller,
    id: RolloutId,
    step: Option<DeviceStep>,
    page: &PageParams,
) -> Result<RolloutDetail, ApiError> {
    let view = page.of(state.view(caller, Permission::SeeFleet)?);
    let rollout = view.rollout(id).await?.ok_or_else(|| ApiError::not_found("roll-out"))?.into();
    let devices = view.rollout_devices(id, step, page.cursor()).await?;
    let left_out = match page.cursor() {
        None => view.left_out_devices(id, None).await?.items,
        Some(_) => Vec::new(),
    };
    Ok(RolloutDetail {
        rollout,
        devices: devices.items.into_iter().map(Into::into).collect(),
        next: devices.next,
        left_out: left_out.into_iter().map(Into::into).collect(),
    })
}

fn parse(id: &str) -> Result<RolloutId, ApiError> {
    parse_id(id).map_err(|error| ApiError::new(ProblemCode::NotFound, error.to_string()))
}
