//! `/`: the fleet.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use comm_server_core::roles::Permission;
use jiff::Timestamp;
use serde::Deserialize;

use super::error::PageError;
use super::form::{Choice, check_choice, choices};
use super::icon::Icon;
use super::layout::Layout;
use super::list::{Cursor, Pages};
use super::live::Wanted;
use super::place::{Place, PlaceNote};
use super::session::{PageParams, PageSession};
use super::state::{self, StateBadge};
use super::supply::{self, Alarms, Bar};
use super::time::{When, grouped};
use super::url::{address, device_page, element};
use crate::operators::OperatorState;
use crate::services::View;
use crate::store::{FleetDevice, FleetFilter, FleetNumbers, SupplyCall};

const STATES: [(&str, &str); 4] = [
    ("", "All devices"),
    ("attention", "Needing attention"),
    ("offline", "Offline"),
    ("supplies", "Supplies low"),
];

/// Search text and position of the list.
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
#[template(path = "fleet.html")]
struct FleetPage<'a> {
    layout: Layout,
    q: &'a str,
    states: Vec<Choice>,
    place: Option<PlaceNote>,
    live: &'a FleetLive,
}

#[derive(Template)]
#[template(path = "fleet_live.html")]
struct FleetLive {
    tiles: Vec<Tile>,
    filtered: bool,
    devices: Vec<DeviceRow>,
    pages: Pages,
}

struct Tile {
    id: &'static str,
    title: &'static str,
    href: String,
    icon: Icon,
    tone: &'static str,
    number: String,
    note: String,
}

struct DeviceRow {
    element: String,
    href: String,
    model: String,
    serial: String,
    name: String,
    state: StateBadge,
    supplies: Vec<Bar>,
    /// Whether the shown state dates from before the device, or its gateway, stopped responding.
    stale: bool,
    /// Its gateway doesn't poll.
    unheard: bool,
    site: String,
    /// Its customer and its gateway.
    gateway: String,
    seen_by: i64,
    total: String,
    read_at: Option<When>,
}

/// `GET /`
pub(super) async fn show(
    State(state): State<OperatorState>,
    PageSession(caller): PageSession,
    PageParams(query): PageParams<Query>,
    wanted: Wanted,
) -> Result<Response, PageError> {
    if caller.actor.may(Permission::ManageDealers) {
        // The provider has no fleet.
        return Ok(Redirect::to("/dealers").into_response());
    }
    check_choice("state", &STATES, &query.state)?;
    let now = Timestamp::now();
    let show = match query.state.as_str() {
        "attention" => FleetFilter::Attention,
        "offline" => FleetFilter::Offline,
        "supplies" => FleetFilter::Supplies,
        _ => FleetFilter::All,
    };
    let view = state.view_within(&caller, Permission::SeeFleet, query.place.part()?)?;
    let place = query.place.note(&view, "/").await?;
    let numbers = view.fleet_numbers(now).await?;
    let found = view.fleet(&query.q, show, query.page.get(), now).await?;
    let alarms = alarms(&view, &found.items).await?;
    let [customer, site] = query.place.values();
    let filter = [("q", query.q.as_str()), ("state", query.state.as_str()), customer, site];
    let mut pages = Pages::new("/", &filter, found.next.as_deref());
    // The API's list of devices doesn't know the other filters of this page.
    if query.q.trim().is_empty() && show == FleetFilter::All {
        pages = pages.with_table("/api/v1/devices", &[customer, site]);
    }
    let live = FleetLive {
        tiles: tiles(&numbers, &query.place),
        filtered: !query.q.trim().is_empty() || show != FleetFilter::All || place.is_some(),
        pages,
        devices: found.items.into_iter().map(|device| row(device, &alarms, now)).collect(),
    };
    Ok(wanted.answer(&[&live], || FleetPage {
        layout: Layout::new(&caller, "/", query.done.as_deref()),
        states: choices(&STATES, &query.state),
        q: &query.q,
        place,
        live: &live,
    }))
}

/// Open supply calls of a page's devices.
async fn alarms(view: &View, devices: &[FleetDevice]) -> Result<Vec<SupplyCall>, PageError> {
    let (Some(first), Some(last)) = (devices.first(), devices.last()) else { return Ok(Vec::new()) };
    let (first, last) = ((&first.gateway, &first.device), (&last.gateway, &last.device));
    Ok(view.supply_calls(first, last).await?)
}

fn tiles(n: &FleetNumbers, place: &Place) -> Vec<Tile> {
    let tile =
        |id, title, (path, query): (&str, &[(&str, &str)]), icon, alarm: &'static str, number, note| Tile {
            id,
            title,
            href: address(path, &[query, &place.values()].concat()),
            icon,
            tone: if number > 0 { alarm } else { "" },
            number: grouped(number),
            note,
        };
    let gateways = if n.gateways == 1 {
        "behind 1 gateway".to_owned()
    } else {
        format!("behind {} gateways", n.gateways)
    };
    let or = |number: i64, some: &str, none: &str| if number > 0 { some } else { none }.to_owned();
    vec![
        tile("tile-devices", "Devices", ("/", &[]), Icon::Fleet, "", n.devices, gateways),
        tile(
            "tile-offline",
            "Offline",
            ("/", &[("state", "offline")]),
            Icon::Offline,
            "bad",
            n.offline,
            or(n.offline, "do not respond to their gateway", "all answer"),
        ),
        tile(
            "tile-calls",
            "Service calls",
            ("/calls", &[("state", "open"), ("kind", "service_call")]),
            Icon::Wrench,
            "bad",
            n.service_calls,
            or(n.service_calls, "open, polled every minute", "none open"),
        ),
        tile(
            "tile-supplies",
            "Supplies low",
            ("/", &[("state", "supplies")]),
            Icon::Drop,
            "warn",
            n.supplies,
            or(n.supplies, "near end or at end", "none near end"),
        ),
        tile(
            "tile-silent",
            "Gateways not polling",
            ("/gateways", &[]),
            Icon::Gateway,
            "bad",
            n.silent,
            or(n.silent, "missed their polls", "all on time"),
        ),
    ]
}

fn row(d: FleetDevice, alarms: &[SupplyCall], now: Timestamp) -> DeviceRow {
    let status = d.reading.as_ref().map(|reading| &reading.status);
    let own = Alarms::of(alarms, &d.gateway, &d.device);
    // Many makers write the model as the name.
    let name = if d.name == d.model { String::new() } else { d.name };
    DeviceRow {
        element: element("d", &[d.gateway.as_str(), d.device.as_str()]),
        href: device_page(&d.gateway, &d.device),
        state: state::of_device(d.offline, d.top_call, status),
        supplies: d
            .reading
            .as_ref()
            .map(|reading| supply::minis(&reading.supplies, &own))
            .unwrap_or_default(),
        stale: d.offline || d.silent,
        unheard: d.silent,
        model: if d.model.is_empty() { d.device.to_string() } else { d.model },
        serial: if d.serial.is_empty() { d.address } else { d.serial },
        name,
        gateway: if d.customer.is_empty() {
            d.gateway.into()
        } else {
            format!("{} · {}", d.customer, d.gateway)
        },
        site: d.site,
        seen_by: d.seen_by,
        total: d.total.map_or_else(|| "–".to_owned(), grouped),
        read_at: d.read_at.map(|at| When::new(at, now)),
    }
}
