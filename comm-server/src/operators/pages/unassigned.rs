//! `/unassigned` and `/not-read`: devices that would not be billed.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use comm_server_core::assets::{MOST_DAYS, UNREAD_DAYS, unread_since};
use comm_server_core::roles::Permission;
use jiff::Timestamp;
use serde::Deserialize;

use super::assets::page_of;
use super::error::{PageError, page};
use super::form::may_change;
use super::icon::Icon;
use super::layout::Layout;
use super::list::{Cursor, Pages};
use super::place::{Place, PlaceNote};
use super::session::{PageParams, PageSession};
use super::time::When;
use crate::operators::OperatorState;
use crate::operators::error::ApiError;

/// The filter of the list.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    q: String,
    #[serde(default)]
    days: String,
    #[serde(flatten)]
    place: Place,
    #[serde(default)]
    page: Cursor,
}

#[derive(Template)]
#[template(path = "unassigned.html")]
struct UnassignedPage {
    layout: Layout,
    q: String,
    place: Option<PlaceNote>,
    devices: Vec<UnassignedRow>,
    pages: Pages,
    may_change: bool,
}

struct UnassignedRow {
    device: String,
    href: String,
    title: String,
    address: String,
    /// A name for its asset.
    name: String,
    /// The site of its gateway, for its asset.
    place: String,
    gateway: String,
    first_seen: When,
    placeable: bool,
}

#[derive(Template)]
#[template(path = "not_read.html")]
struct UnreadPage {
    layout: Layout,
    days: u32,
    place: Option<PlaceNote>,
    devices: Vec<UnreadRow>,
    pages: Pages,
}

struct UnreadRow {
    device: String,
    href: String,
    model: String,
    asset: String,
    asset_href: String,
    place: String,
    gateway: String,
    read: Option<When>,
    reason: &'static str,
}

fn place(customer: &str, site: &str) -> String {
    if customer.is_empty() { site.to_owned() } else { format!("{customer} · {site}") }
}

/// `GET /unassigned`
pub(super) async fn show(
    State(state): State<OperatorState>,
    PageSession(caller): PageSession,
    PageParams(query): PageParams<Query>,
) -> Result<Response, PageError> {
    let now = Timestamp::now();
    let view = state.view_within(&caller, Permission::SeeFleet, query.place.part()?)?;
    let note = query.place.note(&view, "/unassigned").await?;
    let found = view.unassigned_devices(&query.q, query.page.get()).await?;
    let [customer, site] = query.place.values();
    let values = [("q", query.q.as_str()), customer, site];
    let pages = Pages::new("/unassigned", &values, found.next.as_deref())
        .with_table("/api/v1/unassigned-devices", &values);
    let row = |d: crate::store::UnassignedDevice| UnassignedRow {
        href: super::url::device_page(&d.gateway, &d.device),
        title: format!("{} {}", d.vendor, d.model),
        name: if d.serial.is_empty() { d.device.to_string() } else { d.serial },
        device: d.device.into(),
        address: d.address,
        place: place(&d.customer, &d.site),
        gateway: d.gateway.into(),
        first_seen: When::new(d.first_seen, now),
        placeable: d.placeable,
    };
    Ok(page(&UnassignedPage {
        layout: Layout::new(&caller, "/assets", None),
        devices: found.items.into_iter().map(row).collect(),
        may_change: may_change(&caller),
        place: note,
        q: query.q,
        pages,
    }))
}

/// `GET /not-read`
pub(super) async fn unread(
    State(state): State<OperatorState>,
    PageSession(caller): PageSession,
    PageParams(query): PageParams<Query>,
) -> Result<Response, PageError> {
    let days = if query.days.is_empty() { Some(UNREAD_DAYS) } else { query.days.parse().ok() };
    let days = days.filter(|days| (1..=MOST_DAYS).contains(days)).ok_or_else(|| {
        ApiError::malformed(format!(
            "the number of days in the address is not valid: expected 1 to {MOST_DAYS}"
        ))
    })?;
    let now = Timestamp::now();
    let view = state.view_within(&caller, Permission::SeeFleet, query.place.part()?)?;
    let note = query.place.note(&view, "/not-read").await?;
    let before = unread_since(now, days);
    let found = view.unread_devices((before, now), query.page.get()).await?;
    let [customer, site] = query.place.values();
    let in_words = days.to_string();
    let values = [("days", in_words.as_str()), customer, site];
    let pages =
        Pages::new("/not-read", &values, found.next.as_deref()).with_table("/api/v1/not-read", &values);
    let row = |d: crate::store::UnreadDevice| UnreadRow {
        href: super::url::device_page(&d.gateway, &d.device),
        model: d.model,
        asset_href: d.asset.map(page_of).unwrap_or_default(),
        asset: d.asset_name,
        place: place(&d.customer, &d.site),
        gateway: d.gateway.into(),
        device: d.device.into(),
        read: d.read_at.map(|at| When::new(at, now)),
        reason: d.reason.text(),
    };
    Ok(page(&UnreadPage {
        layout: Layout::new(&caller, "/assets", None),
        devices: found.items.into_iter().map(row).collect(),
        place: note,
        days,
        pages,
    }))
}
