//! `/calls`: open service calls first.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use comm_server_core::roles::Permission;
use jiff::Timestamp;
use serde::Deserialize;

use super::error::PageError;
use super::form::{Choice, check_choice, choices, identifier};
use super::icon::Icon;
use super::layout::Layout;
use super::list::{Cursor, Pages};
use super::live::Wanted;
use super::place::{Place, PlaceNote};
use super::session::{PageParams, PageSession};
use super::state::{self, StateBadge};
use super::time::When;
use super::url::{address, device_page, element};
use crate::operators::OperatorState;
use crate::store::{Call, CallFilter};
use wire::ids::{DeviceId, GatewayId};
use wire::report::CallKind;

const STATES: [(&str, &str); 3] = [("", "Open and closed"), ("open", "Open"), ("closed", "Closed")];

/// The kinds to choose from, after all of them.
fn kinds() -> Vec<(&'static str, &'static str)> {
    let kind = |kind: CallKind| (kind.name(), kind.title());
    std::iter::once(("", "All kinds")).chain(CallKind::ALL.map(kind)).collect()
}

/// Filters and position of the list.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    state: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    gateway: String,
    #[serde(default)]
    device: String,
    #[serde(flatten)]
    place: Place,
    #[serde(default)]
    page: Cursor,
}

#[derive(Template)]
#[template(path = "calls.html")]
struct CallsPage<'a> {
    layout: Layout,
    states: Vec<Choice>,
    kinds: Vec<Choice>,
    gateway: &'a str,
    device: &'a str,
    place: Option<PlaceNote>,
    live: &'a CallsLive,
}

#[derive(Template)]
#[template(path = "calls_live.html")]
struct CallsLive {
    sections: Vec<Section>,
    pages: Pages,
}

struct Section {
    id: &'static str,
    title: &'static str,
    empty: &'static str,
    calls: Vec<CallRow>,
    /// Link to the rest, for a section that shows only the first calls.
    more: Option<String>,
}

/// A call on a page.
pub(super) struct CallRow {
    pub(super) element: String,
    pub(super) title: &'static str,
    pub(super) icon: Icon,
    pub(super) tone: &'static str,
    pub(super) detail: String,
    pub(super) state: StateBadge,
    pub(super) href: String,
    pub(super) device: String,
    pub(super) gateway: String,
    pub(super) raised_at: When,
    pub(super) cleared_at: Option<When>,
    pub(super) cleared_detail: String,
}

/// `GET /calls`
pub(super) async fn show(
    State(state): State<OperatorState>,
    PageSession(caller): PageSession,
    PageParams(query): PageParams<Query>,
    wanted: Wanted,
) -> Result<Response, PageError> {
    check_choice("state", &STATES, &query.state)?;
    check_choice("kind", &kinds(), &query.kind)?;
    let now = Timestamp::now();
    let open =
        STATES.iter().skip(1).find(|(value, _)| *value == query.state).map(|(value, _)| *value == "open");
    let filter = CallFilter {
        open,
        kind: query.kind.parse().ok(),
        gateway: identifier(&query.gateway)?,
        device: identifier(&query.device)?.filter(|_| !query.gateway.is_empty()),
        updated_since: None,
    };
    let view = state.view_within(&caller, Permission::SeeFleet, query.place.part()?)?;
    let place = query.place.note(&view, "/calls").await?;
    let mut sections = Vec::new();
    let [customer, site] = query.place.values();
    let own = [
        ("state", query.state.as_str()),
        ("kind", query.kind.as_str()),
        ("gateway", query.gateway.as_str()),
        ("device", query.device.as_str()),
        customer,
        site,
    ];
    if own.iter().all(|(_, value)| value.is_empty()) && query.page.get().is_none() {
        let urgent =
            CallFilter { open: Some(true), kind: Some(CallKind::ServiceCall), ..CallFilter::default() };
        let found = view.calls(&urgent, None).await?;
        sections.push(Section {
            id: "service-calls",
            title: "Open service calls",
            empty: "No service call is open.",
            more: found.next.map(|_| address("/calls", &[("state", "open"), ("kind", "service_call")])),
            calls: rows(found.items, now),
        });
    }
    let found = view.calls(&filter, query.page.get()).await?;
    sections.push(Section {
        id: "all-calls",
        title: "Calls, newest first",
        empty: "No call matches. Calls open by themselves when a device reports a fault or another condition.",
        more: None,
        calls: rows(found.items, now),
    });
    let live = CallsLive {
        pages: Pages::new("/calls", &own, found.next.as_deref()).with_table("/api/v1/calls", &own),
        sections,
    };
    Ok(wanted.answer(&[&live], || CallsPage {
        layout: Layout::new(&caller, "/calls", None),
        states: choices(&STATES, &query.state),
        kinds: choices(&kinds(), &query.kind),
        gateway: &query.gateway,
        device: &query.device,
        place,
        live: &live,
    }))
}

/// The page with all calls of a device.
pub(super) fn page_of(gateway: &GatewayId, device: &DeviceId) -> String {
    address("/calls", &[("gateway", gateway.as_str()), ("device", device.as_str())])
}

/// Calls on a page.
pub(super) fn rows(calls: Vec<Call>, now: Timestamp) -> Vec<CallRow> {
    calls.into_iter().map(|call| row(call, now)).collect()
}

fn row(c: Call, now: Timestamp) -> CallRow {
    let kind = state::of_kind(c.kind);
    CallRow {
        element: element(
            "c",
            &[c.gateway.as_str(), c.lane.name(), &c.seq.to_string(), if c.open { "open" } else { "all" }],
        ),
        title: kind.word,
        icon: kind.icon,
        tone: if c.open { kind.tone } else { "idle" },
        state: state::of_call(c.open),
        href: device_page(&c.gateway, &c.device),
        device: called(&c.device_model, &c.device_name, c.device.as_str()),
        gateway: c.gateway.into(),
        detail: c.detail,
        raised_at: When::new(c.raised_at, now),
        cleared_at: c.cleared_at.map(|at| When::new(at, now)),
        cleared_detail: c.cleared_detail.unwrap_or_default(),
    }
}

/// A device's name for people: its model and name, or its serial number if the name repeats the model.
fn called(model: &str, name: &str, device: &str) -> String {
    let own = if name.is_empty() || name == model {
        device.split_once(':').map_or(device, |(_, serial)| serial)
    } else {
        name
    };
    if model.is_empty() { own.to_owned() } else { format!("{model} ({own})") }
}
