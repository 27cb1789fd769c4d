//! `/api/v1/unassigned-devices` and `/api/v1/not-read`: devices that would not be billed.

use axum::Json;
use axum::extract::State;
use comm_server_core::assets::{MOST_DAYS, UNREAD_DAYS, unread_since};
use comm_server_core::roles::Permission;
use comm_server_core::tenancy::{CustomerId, Part, SiteId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::errors::ReadErrors;
use super::list::{List, PageParams, Paged, limited};
use super::states;
use crate::operators::OperatorState;
use crate::operators::caller::Caller;
use crate::operators::error::ApiError;
use crate::store;

/// A device that is not under any asset.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UnassignedDevice {
    /// The gateway under which it is counted.
    gateway: String,
    device: String,
    vendor: String,
    model: String,
    serial: String,
    address: String,
    /// Names of the customer and the site of its gateway, "" for none.
    customer: String,
    site: String,
    first_seen_at: Timestamp,
    read_at: Option<Timestamp>,
    /// Whether it can be placed under an asset; a device that is known by its address only can't.
    placeable: bool,
}

/// A device that has not been read for some days.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UnreadDevice {
    /// The gateway under which it is counted.
    gateway: String,
    device: String,
    model: String,
    serial: String,
    /// Names of the customer and the site of its gateway, "" for none.
    customer: String,
    site: String,
    /// The asset that it is under.
    asset: Option<Uuid>,
    asset_name: String,
    first_seen_at: Timestamp,
    /// When its counters were last read; null if never.
    read_at: Option<Timestamp>,
    #[schema(value_type = states::UnreadReason)]
    reason: &'static str,
}

impl From<store::UnassignedDevice> for UnassignedDevice {
    fn from(d: store::UnassignedDevice) -> Self {
        Self {
            gateway: d.gateway.into(),
            device: d.device.into(),
            vendor: d.vendor,
            model: d.model,
            serial: d.serial,
            address: d.address,
            customer: d.customer,
            site: d.site,
            first_seen_at: d.first_seen,
            read_at: d.read_at,
            placeable: d.placeable,
        }
    }
}

impl From<store::UnreadDevice> for UnreadDevice {
    fn from(d: store::UnreadDevice) -> Self {
        Self {
            gateway: d.gateway.into(),
            device: d.device.into(),
            model: d.model,
            serial: d.serial,
            customer: d.customer,
            site: d.site,
            asset: d.asset.map(|id| id.0),
            asset_name: d.asset_name,
            first_seen_at: d.first_seen,
            read_at: d.read_at,
            reason: d.reason.name(),
        }
    }
}

/// The filter and position of a list of unassigned devices.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UnassignedParams {
    /// Only devices seen by gateways of this customer.
    customer: Option<Uuid>,
    /// Only devices seen by gateways of this site; `customer` is then ignored.
    site: Option<Uuid>,
    /// Only those with this text in id, model, serial number or address.
    #[param(max_length = 100)]
    q: Option<String>,
}

/// Devices that are not under any asset, by gateway and id.
#[utoipa::path(
    get, path = "/api/v1/unassigned-devices", tag = "assets", operation_id = "list_unassigned_devices",
    params(UnassignedParams, PageParams),
    responses((status = 200, body = List<UnassignedDevice>, description = "A page of devices"), ReadErrors)
)]
pub(super) async fn unassigned(
    State(state): State<OperatorState>,
    caller: Caller,
    Paged(params, page): Paged<UnassignedParams>,
) -> Result<Json<List<UnassignedDevice>>, ApiError> {
    let text = limited("q", params.q.as_deref(), 400)?.unwrap_or_default();
    let part = Part::of(params.customer.map(CustomerId), params.site.map(SiteId));
    let view = page.of(state.view_within(&caller, Permission::SeeFleet, part)?);
    Ok(Json(List::of(view.unassigned_devices(text, page.cursor()).await?)))
}

/// The filter and position of a list of devices that are not read.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UnreadParams {
    /// Only devices seen by gateways of this customer.
    customer: Option<Uuid>,
    /// Only devices seen by gateways of this site; `customer` is then ignored.
    site: Option<Uuid>,
    /// Number of days without a reading, 1 to 3660; 7 if absent.
    #[param(minimum = 1, maximum = 3660, max_length = 4)]
    days: Option<u32>,
}

/// Devices that have not been read for some days, by gateway and id, with the reason.
#[utoipa::path(
    get, path = "/api/v1/not-read", tag = "assets", operation_id = "list_unread_devices", params(UnreadParams, PageParams),
    responses((status = 200, body = List<UnreadDevice>, description = "A page of devices"), ReadErrors)
)]
pub(super) async fn unread(
    State(state): State<OperatorState>,
    caller: Caller,
    Paged(params, page): Paged<UnreadParams>,
) -> Result<Json<List<UnreadDevice>>, ApiError> {
    let days = params.days.unwrap_or(UNREAD_DAYS);
    if days == 0 || days > MOST_DAYS {
        return Err(ApiError::malformed(format!("days is {days}: expected 1 to {MOST_DAYS}")));
    }
    let part = Part::of(params.customer.map(CustomerId), params.site.map(SiteId));
    let view = page.of(state.view_within(&caller, Permission::SeeFleet, part)?);
    let now = Timestamp::now();
    let before = unread_since(now, days);
    Ok(Json(List::of(view.unread_devices((before, now), page.cursor()).await?)))
}
