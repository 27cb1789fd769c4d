//! `/api/v1/rollouts`: firmware roll-outs.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use wire::ids::RolloutId;

use super::list::{List, PageParams, cursor};
use super::refusals::{Changing, Reading};
use crate::operators::caller::{Body, Caller, Params};
use crate::operators::refused::Refused;
use crate::operators::role::Act;
use crate::operators::{OperatorState, orders};
use crate::store;

/// A roll-out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Rollout {
    rollout: String,
    vendor: String,
    model: String,
    version: String,
    /// Name of the image in the firmware repository.
    target: String,
    /// Push not before this.
    not_before: Timestamp,
    created_by: String,
    created_at: Timestamp,
    /// `scheduled`, `running`, `done`, `failed` or `cancelled`.
    state: String,
    /// How many devices are in it, and how they ended.
    progress: Progress,
}

/// Devices of a roll-out, counted.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Progress {
    devices: i64,
    verified: i64,
    failed: i64,
    cancelled: i64,
}

/// A device in a roll-out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RolloutDevice {
    gateway: String,
    /// Its id; empty for the gateway's staging.
    device: String,
    /// `pending`, `staged`, `pushed`, `verified`, `failed` or `cancelled`.
    step: String,
    /// What a person should read: why it failed.
    detail: String,
    version_before: String,
    /// As read back from the device; empty until then.
    version_now: String,
    updated_at: Timestamp,
}

/// A roll-out and a page of its devices.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RolloutDetail {
    #[serde(flatten)]
    rollout: Rollout,
    devices: Vec<RolloutDevice>,
    /// Pass it as `page` for the next page of devices; null on the last one.
    next: Option<String>,
}

impl From<store::Rollout> for Rollout {
    fn from(r: store::Rollout) -> Self {
        let (devices, verified, failed, cancelled) = (r.devices, r.verified, r.failed, r.cancelled);
        Self {
            rollout: r.rollout,
            vendor: r.vendor,
            model: r.model,
            version: r.version,
            target: r.target,
            not_before: r.not_before,
            created_by: r.created_by,
            created_at: r.created_at,
            state: r.state,
            progress: Progress { devices, verified, failed, cancelled },
        }
    }
}

impl From<store::RolloutDevice> for RolloutDevice {
    fn from(d: store::RolloutDevice) -> Self {
        Self {
            gateway: d.gateway,
            device: d.device,
            step: d.step,
            detail: d.detail,
            version_before: d.version_before,
            version_now: d.version_now,
            updated_at: d.updated_at,
        }
    }
}

/// A roll-out to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRollout {
    /// Vendor's short name, as devices show it.
    #[schema(min_length = 1, max_length = 100)]
    vendor: String,
    /// Model, as devices show it.
    #[schema(min_length = 1, max_length = 100)]
    model: String,
    /// Version that the devices show afterwards.
    #[schema(min_length = 1, max_length = 100)]
    version: String,
    /// Push not before this; at once if absent.
    not_before: Option<Timestamp>,
}

/// A roll-out that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RolloutCreated {
    /// Its id.
    rollout: Uuid,
}

/// Roll-outs, newest first.
#[utoipa::path(
    get, path = "/api/v1/rollouts", tag = "firmware", operation_id = "list_rollouts", params(PageParams),
    responses((status = 200, body = List<Rollout>, description = "A page of roll-outs"), Reading)
)]
pub(super) async fn list(
    State(state): State<OperatorState>,
    caller: Caller,
    Params(params): Params<PageParams>,
) -> Result<Json<List<Rollout>>, Refused> {
    caller.may(Act::SeeFleet)?;
    let page = state.seen_by(&caller).rollouts(&caller.tenant, cursor(params.page.as_deref())?).await?;
    Ok(Json(List::of(page)))
}

/// Roll a version out to all devices of a model that don't show it yet.
#[utoipa::path(
    post, path = "/api/v1/rollouts", tag = "firmware", operation_id = "create_rollout",
    request_body = NewRollout,
    params(("x-csrf-token" = String, Header, description = "The session's `csrf`")),
    responses((status = 201, body = RolloutCreated, description = "Planned"), Changing)
)]
pub(super) async fn create(
    State(state): State<OperatorState>,
    caller: Caller,
    Body(new): Body<NewRollout>,
) -> Result<(StatusCode, Json<RolloutCreated>), Refused> {
    let what = (new.vendor.as_str(), new.model.as_str(), new.version.as_str());
    let rollout = orders::roll_out(&state, &caller, what, new.not_before).await?;
    Ok((StatusCode::CREATED, Json(RolloutCreated { rollout: rollout.0 })))
}

/// One roll-out with its devices.
#[utoipa::path(
    get, path = "/api/v1/rollouts/{rollout}", tag = "firmware", operation_id = "read_rollout",
    params(("rollout" = Uuid, Path, description = "The roll-out's id"), PageParams),
    responses((status = 200, body = RolloutDetail, description = "The roll-out"), Reading)
)]
pub(super) async fn one(
    State(state): State<OperatorState>,
    caller: Caller,
    Path(id): Path<String>,
    Params(params): Params<PageParams>,
) -> Result<Json<RolloutDetail>, Refused> {
    caller.may(Act::SeeFleet)?;
    let page = cursor(params.page.as_deref())?;
    Ok(Json(detail(&state, &caller, parse(&id)?, page).await?))
}

/// Cancel what isn't yet pushed.
#[utoipa::path(
    post, path = "/api/v1/rollouts/{rollout}/cancel", tag = "firmware", operation_id = "cancel_rollout",
    params(
        ("rollout" = Uuid, Path, description = "The roll-out's id"),
        ("x-csrf-token" = String, Header, description = "The session's `csrf`")
    ),
    responses((status = 200, body = RolloutDetail, description = "As it is now"), Changing)
)]
pub(super) async fn cancel(
    State(state): State<OperatorState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<RolloutDetail>, Refused> {
    let id = parse(&id)?;
    orders::cancel(&state, &caller, id).await?;
    Ok(Json(detail(&state, &caller, id, None).await?))
}

async fn detail(
    state: &OperatorState,
    caller: &Caller,
    id: RolloutId,
    page: Option<&str>,
) -> Result<RolloutDetail, Refused> {
    let found = state.seen_by(caller).rollout(&caller.tenant, id).await?;
    let rollout = found.ok_or_else(|| Refused::not_found("roll-out"))?.into();
    let devices = state.seen_by(caller).rollout_devices(&caller.tenant, id, page).await?;
    let next = devices.next;
    Ok(RolloutDetail { rollout, devices: devices.items.into_iter().map(Into::into).collect(), next })
}

fn parse(id: &str) -> Result<RolloutId, Refused> {
    id.parse().map_err(|_| Refused::not_found("roll-out"))
}
