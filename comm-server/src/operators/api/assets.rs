//! `/api/v1/assets`: things under contract, their devices and usage.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use comm_server_core::assets::{AssetSpec, is_meter};
use comm_server_core::roles::Permission;
use comm_server_core::tenancy::{AssetId, CustomerId, Part, SiteId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use wire::ids::DeviceId;
use wire::reading::Counter;

use super::asset_documents::{Asset, AssetDetail, AssetEpochs};
use super::errors::{ReadErrors, WriteErrors};
use super::list::{List, PageParams, Paged, limited};
use super::states;
use crate::operators::OperatorState;
use crate::operators::caller::{Body, Caller, Params, Patch, PathIds};
use crate::operators::error::ApiError;
use crate::operators::precondition::{Precondition, created, versioned};
use crate::store::{self, AssetFilter, DevicePlace, NewSwap};

/// The fields of an asset.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AssetFields {
    name: String,
    #[serde(default)]
    erp_key: String,
    #[serde(default)]
    site: Option<Uuid>,
    #[serde(default)]
    notes: String,
}

/// An asset to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAsset {
    /// Its name or number.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Its key in the ERP system, unique; "" for none.
    #[serde(default)]
    #[schema(max_length = 64)]
    erp_key: String,
    /// Its site; null if not yet known.
    #[serde(default)]
    site: Option<Uuid>,
    #[serde(default)]
    #[schema(max_length = 2000)]
    notes: String,
    /// A device to place under it.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 96)]
    device: Option<DeviceId>,
    /// Begin of the placement; if absent, the device's newest reading.
    #[serde(default)]
    device_since: Option<Timestamp>,
}

/// The fields of an asset that change (RFC 7396).
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes a merge patch, which is applied as JSON")]
pub(super) struct AssetPatch {
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    #[schema(max_length = 64)]
    erp_key: Option<String>,
    site: Option<Uuid>,
    #[schema(max_length = 2000)]
    notes: Option<String>,
}

/// A device to place under an asset.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AssetDevice {
    #[schema(value_type = String, max_length = 96)]
    device: DeviceId,
    /// Begin of the placement; if absent, the device's newest reading.
    #[serde(default)]
    at: Option<Timestamp>,
}

/// A device that replaces the one under an asset.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AssetSwap {
    /// The new device.
    #[schema(value_type = String, max_length = 96)]
    device: DeviceId,
    /// Time of the swap; if absent, the new device's first reading after the last one of the old device.
    #[serde(default)]
    at: Option<Timestamp>,
    /// Reason, for people.
    #[serde(default)]
    #[schema(max_length = 500)]
    reason: String,
}

/// The end of a placement.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AssetRemoval {
    /// Time of the end; if absent, now.
    #[serde(default)]
    at: Option<Timestamp>,
}

fn spec_of(fields: AssetFields) -> AssetSpec {
    let AssetFields { name, erp_key, site, notes } = fields;
    AssetSpec { name, erp_key, site: site.map(SiteId), notes }
}

/// The filter and position of a list of assets.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AssetParams {
    /// Only those of this customer.
    customer: Option<Uuid>,
    /// Only assets of this site; `customer` is then ignored.
    site: Option<Uuid>,
    /// Only those with this text in name, key, device, serial number or model.
    #[param(max_length = 100)]
    q: Option<String>,
    /// Only those in this state.
    #[param(inline, value_type = Option<states::AssetState>, max_length = 20)]
    state: Option<String>,
    /// Only those that changed at or after this time, by the server's clock.
    updated_since: Option<Timestamp>,
}

/// Assets by name.
#[utoipa::path(
    get, path = "/api/v1/assets", tag = "assets", operation_id = "list_assets", params(AssetParams, PageParams),
    responses((status = 200, body = List<Asset>, description = "A page of assets"), ReadErrors)
)]
pub(super) async fn list(
    State(state): State<OperatorState>,
    caller: Caller,
    Paged(params, page): Paged<AssetParams>,
) -> Result<Json<List<Asset>>, ApiError> {
    let text = limited("q", params.q.as_deref(), 400)?.unwrap_or_default().to_owned();
    let wanted = params.state.as_deref().map(str::parse).transpose();
    let wanted = wanted.map_err(|error: store::NoSuchState| ApiError::malformed(error.to_string()))?;
    let part = Part::of(params.customer.map(CustomerId), params.site.map(SiteId));
    let view = page.of(state.view_within(&caller, Permission::SeeFleet, part)?);
    let filter = AssetFilter { text, state: wanted, updated_since: params.updated_since };
    Ok(Json(List::of(view.assets(&filter, page.cursor()).await?)))
}

async fn found(state: &OperatorState, caller: &Caller, id: AssetId) -> Result<store::AssetDetail, ApiError> {
    let found = state.services.views.now(&caller.actor, Permission::SeeFleet)?.asset(id).await?;
    found.ok_or_else(|| ApiError::not_found("asset"))
}

/// The version on which a change is based; `None` for any.
async fn checked(
    state: &OperatorState,
    caller: &Caller,
    precondition: &Precondition,
    id: AssetId,
) -> Result<Option<i64>, ApiError> {
    precondition.check(found(state, caller, id).await?.asset.version)
}

type Detail = (HeaderMap, Json<AssetDetail>);

fn detail(found: store::AssetDetail) -> Detail {
    (versioned(found.asset.version), Json(found.into()))
}

/// One asset with its present and earlier devices.
#[utoipa::path(
    get, path = "/api/v1/assets/{asset}", tag = "assets", operation_id = "read_asset",
    params(("asset" = Uuid, Path, description = "The asset's id")),
    responses((status = 200, body = AssetDetail, description = "The asset; `ETag` is its version"), ReadErrors)
)]
pub(super) async fn one(
    State(state): State<OperatorState>,
    caller: Caller,
    PathIds(id): PathIds<AssetId>,
) -> Result<Detail, ApiError> {
    Ok(detail(found(&state, &caller, id).await?))
}

/// Create an asset, optionally with a device under it.
#[utoipa::path(
    post, path = "/api/v1/assets", tag = "assets", operation_id = "create_asset", request_body = NewAsset,
    params(("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token")),
    responses((status = 201, body = AssetDetail, description = "Created; `Location` is its address"), WriteErrors)
)]
pub(super) async fn create(
    State(state): State<OperatorState>,
    caller: Caller,
    Body(new): Body<NewAsset>,
) -> Result<(StatusCode, HeaderMap, Json<AssetDetail>), ApiError> {
    let NewAsset { name, erp_key, site, notes, device, device_since } = new;
    let spec = spec_of(AssetFields { name, erp_key, site, notes });
    let device = device.map(|device| DevicePlace { device, at: device_since });
    let id = state.services.assets.create(&caller.actor, &spec, device).await?;
    let made = found(&state, &caller, id).await?;
    let headers = created(&format!("/api/v1/assets/{id}"), made.asset.version);
    Ok((StatusCode::CREATED, headers, Json(made.into())))
}

/// Change an asset.
#[utoipa::path(
    patch, path = "/api/v1/assets/{asset}", tag = "assets", operation_id = "change_asset",
    request_body(content = AssetPatch, content_type = "application/merge-patch+json"),
    params(
        ("asset" = Uuid, Path, description = "The asset's id"),
        ("if-match" = String, Header, description = "The `ETag` of the version that the change is based on, or `*`"),
        ("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token"),
    ),
    responses((status = 200, body = AssetDetail, description = "As it is now"), WriteErrors)
)]
pub(super) async fn change(
    State(state): State<OperatorState>,
    caller: Caller,
    precondition: Precondition,
    PathIds(id): PathIds<AssetId>,
    patch: Patch,
) -> Result<Detail, ApiError> {
    let current = found(&state, &caller, id).await?.asset;
    let version = precondition.check(current.version)?;
    let AssetSpec { name, erp_key, site, notes } = current.spec;
    let fields = AssetFields { name, erp_key, site: site.map(|id| id.0), notes };
    let fields: AssetFields = patch.apply(&fields)?;
    state.services.assets.change(&caller.actor, id, version, &spec_of(fields)).await?;
    Ok(detail(found(&state, &caller, id).await?))
}

/// Place a device under an asset that has none.
#[utoipa::path(
    post, path = "/api/v1/assets/{asset}/assign", tag = "assets", operation_id = "assign_device",
    request_body = AssetDevice,
    params(
        ("asset" = Uuid, Path, description = "The asset's id"),
        ("if-match" = String, Header, description = "The `ETag` of the version that the change is based on, or `*`"),
        ("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token"),
    ),
    responses((status = 200, body = AssetDetail, description = "As it is now"), WriteErrors)
)]
pub(super) async fn assign(
    State(state): State<OperatorState>,
    caller: Caller,
    precondition: Precondition,
    PathIds(id): PathIds<AssetId>,
    Body(AssetDevice { device, at }): Body<AssetDevice>,
) -> Result<Detail, ApiError> {
    let version = checked(&state, &caller, &precondition, id).await?;
    state.services.assets.assign(&caller.actor, id, version, DevicePlace { device, at }).await?;
    Ok(detail(found(&state, &caller, id).await?))
}

/// Replace the device under an asset by another. The last readings of the old device and the first ones of the new
/// one are recorded.
#[utoipa::path(
    post, path = "/api/v1/assets/{asset}/swap", tag = "assets", operation_id = "swap_device",
    request_body = AssetSwap,
    params(
        ("asset" = Uuid, Path, description = "The asset's id"),
        ("if-match" = String, Header, description = "The `ETag` of the version that the change is based on, or `*`"),
        ("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token"),
    ),
    responses((status = 200, body = AssetDetail, description = "As it is now"), WriteErrors)
)]
pub(super) async fn swap(
    State(state): State<OperatorState>,
    caller: Caller,
    precondition: Precondition,
    PathIds(id): PathIds<AssetId>,
    Body(AssetSwap { device, at, reason }): Body<AssetSwap>,
) -> Result<Detail, ApiError> {
    let version = checked(&state, &caller, &precondition, id).await?;
    state.services.assets.swap(&caller.actor, id, version, NewSwap { device, at, reason }).await?;
    Ok(detail(found(&state, &caller, id).await?))
}

/// End the placement of the device under an asset.
#[utoipa::path(
    post, path = "/api/v1/assets/{asset}/remove", tag = "assets", operation_id = "remove_device",
    request_body = AssetRemoval,
    params(
        ("asset" = Uuid, Path, description = "The asset's id"),
        ("if-match" = String, Header, description = "The `ETag` of the version that the change is based on, or `*`"),
        ("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token"),
    ),
    responses((status = 200, body = AssetDetail, description = "As it is now"), WriteErrors)
)]
pub(super) async fn remove(
    State(state): State<OperatorState>,
    caller: Caller,
    precondition: Precondition,
    PathIds(id): PathIds<AssetId>,
    Body(AssetRemoval { at }): Body<AssetRemoval>,
) -> Result<Detail, ApiError> {
    let version = checked(&state, &caller, &precondition, id).await?;
    state.services.assets.remove(&caller.actor, id, version, at).await?;
    Ok(detail(found(&state, &caller, id).await?))
}

/// Retire an asset: the placement of its device ends, and no device can be placed under it again.
#[utoipa::path(
    post, path = "/api/v1/assets/{asset}/retire", tag = "assets", operation_id = "retire_asset",
    params(
        ("asset" = Uuid, Path, description = "The asset's id"),
        ("if-match" = String, Header, description = "The `ETag` of the version that is to be retired, or `*`"),
        ("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token"),
    ),
    responses((status = 200, body = AssetDetail, description = "As it is now"), WriteErrors)
)]
pub(super) async fn retire(
    State(state): State<OperatorState>,
    caller: Caller,
    precondition: Precondition,
    PathIds(id): PathIds<AssetId>,
) -> Result<Detail, ApiError> {
    let version = checked(&state, &caller, &precondition, id).await?;
    state.services.assets.retire(&caller.actor, id, version).await?;
    Ok(detail(found(&state, &caller, id).await?))
}

/// The counter and period of epochs.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EpochParams {
    /// The counter; `total` if absent.
    #[param(inline, example = "total", value_type = Option<states::CounterName>)]
    counter: Option<Counter>,
    /// Usage after this time (RFC 3339); if absent, from the first reading.
    from: Option<Timestamp>,
    /// Usage up to and including this time (RFC 3339); if absent, up to the last reading.
    to: Option<Timestamp>,
}

/// The usage of an asset, by epochs: series of readings of one device and one object that never fall.
#[utoipa::path(
    get, path = "/api/v1/assets/{asset}/epochs", tag = "assets", operation_id = "read_epochs",
    params(("asset" = Uuid, Path, description = "The asset's id"), EpochParams),
    responses((status = 200, body = AssetEpochs, description = "The epochs"), ReadErrors)
)]
pub(super) async fn epochs(
    State(state): State<OperatorState>,
    caller: Caller,
    PathIds(id): PathIds<AssetId>,
    Params(params): Params<EpochParams>,
) -> Result<Json<AssetEpochs>, ApiError> {
    let counter = params.counter.unwrap_or(Counter::Total);
    if !is_meter(counter) {
        let detail =
            format!("counter is {}, which falls in normal operation: expected another one", counter.name());
        return Err(ApiError::malformed(detail));
    }
    let (from, to) = (params.from.unwrap_or(Timestamp::MIN), params.to.unwrap_or(Timestamp::MAX));
    let history = state.view(&caller, Permission::SeeFleet)?.asset_history(id, counter).await?;
    let history = history.ok_or_else(|| ApiError::not_found("asset"))?;
    Ok(Json(AssetEpochs::of(counter, &history, (from, to))))
}
