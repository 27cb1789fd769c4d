//! `/assets`: things under contract.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use comm_server_core::assets::AssetSpec;
use comm_server_core::roles::Permission;
use comm_server_core::tenancy::{AssetId, SiteId};
use jiff::Timestamp;
use serde::Deserialize;

use super::error::PageError;
use super::form::{Choice, check_choice, choices, identifier, may_change};
use super::icon::Icon;
use super::layout::Layout;
use super::list::{Cursor, Pages};
use super::live::Wanted;
use super::place::{Place, PlaceNote};
use super::session::{FormSubmission, PageParams, PageSession};
use super::time::When;
use super::url::address;
use crate::operators::OperatorState;
use crate::operators::caller::Fields;
use crate::operators::error::ApiError;
use crate::services::View;
use crate::services::audit::parse_time;
use crate::store::{Asset, AssetFilter, AssetState, DevicePlace, PageRows, SiteFilter};

const STATES: [(&str, &str); 4] =
    [("", "All assets"), ("in_use", "In use"), ("empty", "Without a device"), ("retired", "Retired")];

/// The filter of the list.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
    #[serde(flatten)]
    place: Place,
    #[serde(default)]
    page: Cursor,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "assets.html")]
struct AssetsPage<'a> {
    layout: Layout,
    q: &'a str,
    states: Vec<Choice>,
    place: Option<PlaceNote>,
    /// The site that the list is narrowed to.
    site: &'a str,
    sites: Vec<SiteChoice>,
    may_change: bool,
    live: &'a AssetsLive,
}

#[derive(Template)]
#[template(path = "assets_live.html")]
struct AssetsLive {
    filtered: bool,
    assets: Vec<AssetRow>,
    pages: Pages,
}

struct AssetRow {
    id: String,
    href: String,
    name: String,
    erp_key: String,
    place: String,
    state: &'static str,
    device: String,
    model: String,
    read: Option<When>,
}

/// A site to choose.
pub(super) struct SiteChoice {
    pub(super) id: String,
    pub(super) title: String,
}

/// The page of an asset.
pub(super) fn page_of(id: AssetId) -> String {
    format!("/assets/{id}")
}

/// The text of a state.
pub(super) const fn word(state: AssetState) -> &'static str {
    match state {
        AssetState::InUse => "in use",
        AssetState::Empty => "without a device",
        AssetState::Retired => "retired",
    }
}

/// Customer and site of an asset.
pub(super) fn place_of(a: &Asset) -> String {
    if a.spec.site.is_none() { String::new() } else { format!("{} · {}", a.customer_name, a.site_name) }
}

/// `GET /assets`
pub(super) async fn show(
    State(state): State<OperatorState>,
    PageSession(caller): PageSession,
    PageParams(query): PageParams<Query>,
    wanted: Wanted,
) -> Result<Response, PageError> {
    check_choice("state", &STATES, &query.state)?;
    let now = Timestamp::now();
    let view = state.view_within(&caller, Permission::SeeFleet, query.place.part()?)?;
    let place = query.place.note(&view, "/assets").await?;
    let filter =
        AssetFilter { text: query.q.clone(), state: query.state.parse().ok(), ..AssetFilter::default() };
    let found = view.assets(&filter, query.page.get()).await?;
    let [customer, site] = query.place.values();
    let values = [("q", query.q.as_str()), ("state", query.state.as_str()), customer, site];
    let live = AssetsLive {
        filtered: !query.q.trim().is_empty() || place.is_some() || filter.state.is_some(),
        pages: Pages::new("/assets", &values, found.next.as_deref()).with_table("/api/v1/assets", &values),
        assets: found.items.into_iter().map(|asset| row(asset, now)).collect(),
    };
    let sites = sites(&state.view(&caller, Permission::SeeFleet)?).await?;
    Ok(wanted.answer(&[&live], || AssetsPage {
        layout: Layout::new(&caller, "/assets", query.done.as_deref()),
        may_change: may_change(&caller),
        q: &query.q,
        states: choices(&STATES, &query.state),
        place,
        site: site.1,
        sites,
        live: &live,
    }))
}

/// The first sites to choose from; others are entered by their id.
pub(super) async fn sites(view: &View) -> Result<Vec<SiteChoice>, PageError> {
    let view = view.clone().with_rows(PageRows::MAX);
    let found = view.sites(&SiteFilter::default(), None).await?.items.into_iter();
    let choice = |s: crate::store::Site| SiteChoice {
        id: s.id.to_string(),
        title: format!("{} · {}", s.customer_name, s.spec.name),
    };
    Ok(found.map(choice).collect())
}

fn row(a: Asset, now: Timestamp) -> AssetRow {
    AssetRow {
        id: a.id.to_string(),
        href: page_of(a.id),
        place: place_of(&a),
        state: word(a.state()),
        device: a.device.map(Into::into).unwrap_or_default(),
        model: a.model,
        read: a.read_at.map(|at| When::new(at, now)),
        name: a.spec.name,
        erp_key: a.spec.erp_key,
    }
}

/// `POST /assets`
pub(super) async fn create(
    State(state): State<OperatorState>,
    FormSubmission { caller, fields }: FormSubmission,
) -> Result<Response, PageError> {
    let device = identifier(fields.text("device"))?;
    let device = match device {
        None => None,
        Some(device) => Some(DevicePlace { device, at: time(&fields)? }),
    };
    let id = state.services.assets.create(&caller.actor, &spec(&fields)?, device).await?;
    Ok(Redirect::to(&address(&page_of(id), &[("done", "created")])).into_response())
}

/// The asset in a form.
pub(super) fn spec(fields: &Fields) -> Result<AssetSpec, ApiError> {
    let site = Some(fields.text("site").trim()).filter(|site| !site.is_empty());
    let site = site.map(str::parse::<SiteId>).transpose().map_err(|_| ApiError::not_found("site"))?;
    let text = |name: &str| fields.text(name).to_owned();
    Ok(AssetSpec { name: text("name"), erp_key: text("erp_key"), site, notes: text("notes") })
}

/// The time in a form; `None` if empty.
pub(super) fn time(fields: &Fields) -> Result<Option<Timestamp>, ApiError> {
    let given = Some(fields.text("at").trim()).filter(|given| !given.is_empty());
    given.map(parse_time).transpose().map_err(|error| ApiError::malformed(error.to_string()))
}
