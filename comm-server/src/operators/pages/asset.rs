//! `/assets/{asset}`: the present and earlier devices of an asset, and its usage.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use comm_server_core::assets::{Epoch, History, Opening, Placement, is_meter};
use comm_server_core::roles::Permission;
use comm_server_core::tenancy::AssetId;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::Deserialize;
use wire::ids::DeviceId;
use wire::reading::Counter;

use super::assets::{SiteChoice, page_of, place_of, sites, spec, time, word};
use super::error::{PageError, page};
use super::form::{Choice, choices, identifier, may_change, version};
use super::icon::Icon;
use super::layout::Layout;
use super::place::page_of_site;
use super::session::{FormSubmission, PageParams, PageSession};
use super::time::{When, grouped};
use super::url::address;
use crate::operators::OperatorState;
use crate::operators::caller::{Fields, PathIds};
use crate::operators::error::ApiError;
use crate::services::View;
use crate::store::{AssetDetail, AssetState, DevicePlace, NewSwap, Swap};

/// Months that are listed.
const MONTHS: usize = 12;

/// The counter to show.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    counter: String,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "asset.html")]
struct AssetPage {
    layout: Layout,
    id: String,
    name: String,
    erp_key: String,
    notes: String,
    site: String,
    place: String,
    place_href: String,
    state: &'static str,
    is_retired: bool,
    version: i64,
    device: String,
    device_href: String,
    device_title: String,
    counters: Vec<Choice>,
    counted: String,
    months: Vec<(String, String)>,
    epochs: Vec<EpochRow>,
    dips: usize,
    placements: Vec<PlacementRow>,
    swaps: Vec<SwapRow>,
    sites: Vec<SiteChoice>,
    unassigned: Vec<(String, String)>,
    may_change: bool,
}

struct EpochRow {
    device: String,
    opening: &'static str,
    source: String,
    begin: MeterCell,
    end: MeterCell,
    usage: String,
}

struct MeterCell {
    value: String,
    at: When,
    /// The report that contained it.
    report: String,
}

struct PlacementRow {
    device: String,
    from: When,
    to: Option<When>,
}

struct SwapRow {
    at: When,
    old: String,
    old_value: String,
    new: String,
    new_value: String,
    reason: String,
    by: String,
}

fn number(value: u64) -> String {
    grouped(i64::try_from(value).unwrap_or(i64::MAX))
}

fn counter(given: &str) -> Result<Counter, ApiError> {
    let given = if given.is_empty() { Counter::Total.name() } else { given };
    let parsed = given.parse::<Counter>().ok().filter(|counter| is_meter(*counter));
    parsed.ok_or_else(|| {
        ApiError::malformed("the counter in the address can't be summed: expected another one")
    })
}

/// `GET /assets/{asset}`
pub(super) async fn show(
    State(state): State<OperatorState>,
    PageSession(caller): PageSession,
    PathIds(id): PathIds<AssetId>,
    PageParams(query): PageParams<Query>,
) -> Result<Response, PageError> {
    let counter = counter(&query.counter)?;
    let view = state.view(&caller, Permission::SeeFleet)?;
    let found = view.asset(id).await?.ok_or_else(|| ApiError::not_found("asset"))?;
    let history = view.asset_history(id, counter).await?.unwrap_or_default();
    let may_change = may_change(&caller);
    let unassigned = if may_change { unassigned(&view).await? } else { Vec::new() };
    let sites = if may_change { sites(&view).await? } else { Vec::new() };
    let layout = Layout::new(&caller, "/assets", query.done.as_deref());
    let shown = AssetPage { sites, unassigned, may_change, ..asset_page(layout, found, (counter, &history)) };
    Ok(page(&shown))
}

/// The first devices to choose from, each with a title; others are entered by their id.
async fn unassigned(view: &View) -> Result<Vec<(String, String)>, PageError> {
    let found = view.unassigned_devices("", None).await?.items.into_iter().filter(|d| d.placeable);
    Ok(found.map(|d| (d.device.to_string(), format!("{} {}", d.model, d.serial))).collect())
}

fn asset_page(layout: Layout, found: AssetDetail, (counter, history): (Counter, &History)) -> AssetPage {
    let now = Timestamp::now();
    let asset = found.asset;
    let all: Vec<(&str, &str)> = Counter::ALL
        .into_iter()
        .filter(|counter| is_meter(*counter))
        .map(|counter| (counter.name(), counter.name()))
        .collect();
    let device_href = match (&asset.gateway, &asset.device) {
        (Some(gateway), Some(device)) => super::url::device_page(gateway, device),
        (_, _) => String::new(),
    };
    AssetPage {
        id: asset.id.to_string(),
        place: place_of(&asset),
        place_href: asset.spec.site.map(page_of_site).unwrap_or_default(),
        site: asset.spec.site.map(|site| site.to_string()).unwrap_or_default(),
        state: word(asset.state()),
        is_retired: asset.state() == AssetState::Retired,
        version: asset.version,
        device_title: format!("{} {}", asset.vendor, asset.model),
        device: asset.device.map(Into::into).unwrap_or_default(),
        device_href,
        counters: choices(&all, counter.name()),
        counted: number(history.usage(Timestamp::MIN, Timestamp::MAX)),
        months: months(history, now),
        epochs: history.epochs.iter().map(|epoch| epoch_row(epoch, now)).collect(),
        dips: history.dips.len(),
        placements: found.placements.into_iter().map(|placement| placement_row(placement, now)).collect(),
        swaps: found.swaps.iter().map(|swap| swap_row(swap, counter, now)).collect(),
        sites: Vec::new(),
        unassigned: Vec::new(),
        may_change: false,
        name: asset.spec.name,
        erp_key: asset.spec.erp_key,
        notes: asset.spec.notes,
        layout,
    }
}

/// The usage in each of the last months, UTC, newest first; none before the first reading.
fn months(history: &History, now: Timestamp) -> Vec<(String, String)> {
    let Some(first) = history.epochs.first().map(|epoch| epoch.begin().at) else { return Vec::new() };
    let mut months = Vec::new();
    let mut begin = now.to_zoned(TimeZone::UTC).date().first_of_month();
    let mut end = now;
    while months.len() < MONTHS && end >= first {
        let Ok(midnight) = begin.to_zoned(TimeZone::UTC) else { break };
        let from = midnight.timestamp();
        months.push((begin.strftime("%Y-%m").to_string(), number(history.usage(from, end))));
        let Ok(before) = begin.checked_sub(1.month()) else { break };
        (begin, end) = (before, from);
    }
    months
}

fn epoch_row(epoch: &Epoch, now: Timestamp) -> EpochRow {
    let cell = |meter: &comm_server_core::assets::Meter| MeterCell {
        value: number(meter.value),
        at: When::new(meter.at, now),
        report: match meter.report {
            Some(report) => format!("{} {} {}", meter.gateway, report.lane.name(), report.seq),
            None => meter.gateway.to_string(),
        },
    };
    EpochRow {
        device: epoch.device.to_string(),
        opening: match epoch.opening {
            Opening::Placement => "placed",
            Opening::Fall => "the counter fell",
            Opening::Source => "another object",
        },
        source: epoch.source().to_owned(),
        begin: cell(epoch.begin()),
        end: cell(epoch.end()),
        usage: number(epoch.usage(Timestamp::MIN, Timestamp::MAX)),
    }
}

fn placement_row(placement: Placement, now: Timestamp) -> PlacementRow {
    PlacementRow {
        device: placement.device.into(),
        from: When::new(placement.from, now),
        to: placement.to.map(|to| When::new(to, now)),
    }
}

fn swap_row(swap: &Swap, counter: Counter, now: Timestamp) -> SwapRow {
    let value = |readings: &[crate::store::SwapReading]| {
        let own = readings.iter().find(|reading| reading.counter == counter);
        own.map_or_else(|| "not read".to_owned(), |reading| number(reading.meter.value))
    };
    SwapRow {
        at: When::new(swap.at, now),
        old: swap.old_device.to_string(),
        old_value: value(&swap.old),
        new: swap.new_device.to_string(),
        new_value: value(&swap.new),
        reason: swap.reason.clone(),
        by: swap.by.clone(),
    }
}

fn device(fields: &Fields) -> Result<DeviceId, ApiError> {
    let found = identifier::<DeviceId>(fields.text("device").trim())?;
    found.ok_or_else(|| ApiError::malformed("the form's device is empty: expected the id of a device"))
}

fn saved(id: AssetId) -> Response {
    Redirect::to(&address(&page_of(id), &[("done", "saved")])).into_response()
}

/// `POST /assets/{asset}`
pub(super) async fn change(
    State(state): State<OperatorState>,
    PathIds(id): PathIds<AssetId>,
    FormSubmission { caller, fields }: FormSubmission,
) -> Result<Response, PageError> {
    let version = version(&fields)?;
    state.services.assets.change(&caller.actor, id, Some(version), &spec(&fields)?).await?;
    Ok(saved(id))
}

/// `POST /assets/{asset}/assign`
pub(super) async fn assign(
    State(state): State<OperatorState>,
    PathIds(id): PathIds<AssetId>,
    FormSubmission { caller, fields }: FormSubmission,
) -> Result<Response, PageError> {
    let (version, place) = (version(&fields)?, DevicePlace { device: device(&fields)?, at: time(&fields)? });
    state.services.assets.assign(&caller.actor, id, Some(version), place).await?;
    Ok(saved(id))
}

/// `POST /assets/{asset}/swap`
pub(super) async fn swap(
    State(state): State<OperatorState>,
    PathIds(id): PathIds<AssetId>,
    FormSubmission { caller, fields }: FormSubmission,
) -> Result<Response, PageError> {
    let reason = fields.text("reason").to_owned();
    let swap = NewSwap { device: device(&fields)?, at: time(&fields)?, reason };
    state.services.assets.swap(&caller.actor, id, Some(version(&fields)?), swap).await?;
    Ok(saved(id))
}

/// `POST /assets/{asset}/remove`
pub(super) async fn remove(
    State(state): State<OperatorState>,
    PathIds(id): PathIds<AssetId>,
    FormSubmission { caller, fields }: FormSubmission,
) -> Result<Response, PageError> {
    let at = time(&fields)?;
    state.services.assets.remove(&caller.actor, id, Some(version(&fields)?), at).await?;
    Ok(saved(id))
}

/// `POST /assets/{asset}/retire`
pub(super) async fn retire(
    State(state): State<OperatorState>,
    PathIds(id): PathIds<AssetId>,
    FormSubmission { caller, fields }: FormSubmission,
) -> Result<Response, PageError> {
    state.services.assets.retire(&caller.actor, id, Some(version(&fields)?)).await?;
    Ok(saved(id))
}
