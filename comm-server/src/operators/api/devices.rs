//! `/api/v1/devices`, and the resources of one device.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use wire::ids::{DeviceId, GatewayId};
use wire::reading::Counter;

use super::errors::ReadErrors;
use super::list::{List, PageParams, Paged, limited};
use super::states;
use crate::operators::OperatorState;
use crate::operators::caller::{Caller, Params, PathIds};
use crate::operators::error::ApiError;
use crate::store;
use comm_server_core::roles::Permission;
use comm_server_core::tenancy::{CustomerId, Part, SiteId};

/// Maximum length of a name in a query, bytes.
const TEXT_BYTES: usize = 100;

/// Maximum length of a source (OIDs joined by `+`) in a query, bytes.
const SOURCE_BYTES: usize = 2000;

/// A device.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Device {
    gateway: String,
    device: String,
    vendor: String,
    model: String,
    serial: String,
    name: String,
    mac: String,
    address: String,
    /// Version of the main firmware.
    firmware: String,
    offline: bool,
    /// When the last full reading was made.
    read_at: Option<Timestamp>,
    /// The newest total of all pages.
    total: Option<i64>,
    total_at: Option<Timestamp>,
    first_seen_at: Timestamp,
    open_calls: i64,
    open_service_calls: i64,
    /// Number of gateways that see the device.
    seen_by: i64,
    /// Whether the device is counted under this gateway: if several see it, it is counted under one of them.
    counted: bool,
}

/// The latest value of a counter, with its evidence.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LatestCounter {
    #[schema(value_type = states::CounterName)]
    counter: Counter,
    value: i64,
    at: Timestamp,
    /// The object that was read, or several joined by `+`.
    oid: String,
    /// The value as it was read.
    raw: i64,
    /// The unit; empty if the device doesn't report it.
    unit: String,
}

/// A device with its last full reading.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeviceDetail {
    #[serde(flatten)]
    device: Device,
    counters: Vec<LatestCounter>,
    /// The last full reading: identity, status, supplies, trays, alerts.
    #[schema(value_type = Option<Object>)]
    reading: Option<serde_json::Value>,
}

/// A counter at a time.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CounterPoint {
    at: Timestamp,
    value: i64,
    /// The object that was read, or several joined by `+`.
    oid: String,
    /// The value as it was read.
    raw: i64,
}

/// A counter over time, from one source, because values of two sources can't be compared.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CounterSeries {
    /// The values, oldest first.
    items: Vec<CounterPoint>,
    /// Always null: a series has one page.
    next: Option<String>,
    /// The object that the values were read from, or several joined by `+`; empty if there is no value.
    source: String,
    /// All sources with values in the span, that of the newest value first.
    sources: Vec<CounterSource>,
}

/// A source of a counter.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CounterSource {
    /// Pass it as `source` to read its values.
    oid: String,
    /// Number of its values in the span.
    values: i64,
    first_at: Timestamp,
    last_at: Timestamp,
}

impl From<store::CounterSource> for CounterSource {
    fn from(s: store::CounterSource) -> Self {
        Self { oid: s.oid, values: s.values, first_at: s.first, last_at: s.last }
    }
}

impl From<store::Device> for Device {
    fn from(d: store::Device) -> Self {
        Self {
            gateway: d.gateway.into(),
            device: d.device.into(),
            vendor: d.vendor,
            model: d.model,
            serial: d.serial,
            name: d.name,
            mac: d.mac,
            address: d.address,
            firmware: d.firmware,
            offline: d.offline,
            read_at: d.read_at,
            total: d.total,
            total_at: d.total_at,
            first_seen_at: d.first_seen,
            open_calls: d.open_calls,
            open_service_calls: d.service_calls,
            seen_by: d.seen_by,
            counted: d.counted,
        }
    }
}

impl From<store::LatestCounter> for LatestCounter {
    fn from(c: store::LatestCounter) -> Self {
        Self { counter: c.counter, value: c.value, at: c.at, oid: c.oid, raw: c.raw, unit: c.unit }
    }
}

impl From<store::CounterPoint> for CounterPoint {
    fn from(p: store::CounterPoint) -> Self {
        Self { at: p.at, value: p.value, oid: p.oid, raw: p.raw }
    }
}

/// The filter and position of a list of devices.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeviceParams {
    /// Of this customer only.
    customer: Option<Uuid>,
    /// Of this site only; `customer` doesn't matter then.
    site: Option<Uuid>,
    /// Of this gateway only.
    #[param(value_type = Option<String>)]
    gateway: Option<GatewayId>,
    /// Part of model, serial, name, address or id.
    #[param(max_length = 100)]
    q: Option<String>,
    /// Only those that changed at or after this time, by the server's clock.
    updated_since: Option<Timestamp>,
}

/// Devices by gateway and id. Each is listed once; with `gateway`, all devices that this gateway sees.
#[utoipa::path(
    get, path = "/api/v1/devices", tag = "fleet", operation_id = "list_devices", params(DeviceParams, PageParams),
    responses((status = 200, body = List<Device>, description = "A page of devices"), ReadErrors)
)]
pub(super) async fn list(
    State(state): State<OperatorState>,
    caller: Caller,
    Paged(params, page): Paged<DeviceParams>,
) -> Result<Json<List<Device>>, ApiError> {
    let filter = store::DeviceFilter {
        gateway: params.gateway,
        text: limited("q", params.q.as_deref(), TEXT_BYTES)?.map(str::to_owned),
        updated_since: params.updated_since,
    };
    let part = Part::of(params.customer.map(CustomerId), params.site.map(SiteId));
    let view = page.of(state.view_within(&caller, Permission::SeeFleet, part)?);
    Ok(Json(List::of(view.devices(&filter, page.cursor()).await?)))
}

/// One device with its last reading.
#[utoipa::path(
    get, path = "/api/v1/gateways/{gateway}/devices/{device}", tag = "fleet", operation_id = "read_device",
    params(
        ("gateway" = String, Path, description = "The gateway's name"),
        ("device" = String, Path, description = "The device's id, percent-encoded")
    ),
    responses((status = 200, body = DeviceDetail, description = "The device"), ReadErrors)
)]
pub(super) async fn one(
    State(state): State<OperatorState>,
    caller: Caller,
    PathIds((gateway, device)): PathIds<(GatewayId, DeviceId)>,
) -> Result<Json<DeviceDetail>, ApiError> {
    let found = state.view(&caller, Permission::SeeFleet)?.device(&gateway, &device).await?;
    let found = found.ok_or_else(|| ApiError::not_found("device"))?;
    let counters = state.view(&caller, Permission::SeeFleet)?.latest_counters(&gateway, &device).await?;
    Ok(Json(DeviceDetail {
        device: found.device.into(),
        counters: counters.into_iter().map(Into::into).collect(),
        reading: found.reading,
    }))
}

/// The counter, span and source of a series.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SeriesParams {
    /// The counter; `total` if absent.
    #[param(inline, example = "total", value_type = Option<states::CounterName>)]
    counter: Option<Counter>,
    /// Not before this time (RFC 3339).
    from: Option<Timestamp>,
    /// Not after this time (RFC 3339).
    to: Option<Timestamp>,
    /// One of `sources`. If absent, the source of the device's total; for other counters, that of the newest value.
    #[param(max_length = 2000)]
    source: Option<String>,
}

/// A counter over time, from one source, oldest first. Up to a week, every value; up to two months, the last of each
/// hour; beyond that, the last of each day.
#[utoipa::path(
    get, path = "/api/v1/gateways/{gateway}/devices/{device}/counters", tag = "fleet",
    operation_id = "read_counters",
    params(
        ("gateway" = String, Path, description = "The gateway's name"),
        ("device" = String, Path, description = "The device's id, percent-encoded"),
        SeriesParams
    ),
    responses((status = 200, body = CounterSeries, description = "The values"), ReadErrors)
)]
pub(super) async fn counters(
    State(state): State<OperatorState>,
    caller: Caller,
    PathIds((gateway, device)): PathIds<(GatewayId, DeviceId)>,
    Params(params): Params<SeriesParams>,
) -> Result<Json<CounterSeries>, ApiError> {
    let counter = params.counter.unwrap_or(Counter::Total);
    let (from, to) = (params.from.unwrap_or(Timestamp::UNIX_EPOCH), params.to.unwrap_or(Timestamp::MAX));
    if state.view(&caller, Permission::SeeFleet)?.device(&gateway, &device).await?.is_none() {
        return Err(ApiError::not_found("device"));
    }
    let source = limited("source", params.source.as_deref(), SOURCE_BYTES)?;
    let query = store::SeriesQuery { gateway: &gateway, device: &device, counter, from, to, source };
    let series = state.view(&caller, Permission::SeeFleet)?.counter_series(query).await?;
    Ok(Json(CounterSeries {
        items: series.points.into_iter().map(Into::into).collect(),
        next: None,
        source: series.source,
        sources: series.sources.into_iter().map(Into::into).collect(),
    }))
}
