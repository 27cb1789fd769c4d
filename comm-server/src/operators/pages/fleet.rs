//! `/`: the fleet.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;

use super::choice::{Choice, address, choices, device_page, element};
use super::icon::Icon;
use super::refused::{PageRefused, page};
use super::shell::Shell;
use super::state::{self, StateBadge};
use super::supply::{self, Bar};
use super::time::{When, grouped};
use super::visitor::Visitor;
use crate::operators::OperatorState;
use crate::operators::caller::Params;
use crate::store::{FleetDevice, FleetNumbers, Show};

const STATES: [(&str, &str); 4] = [
    ("", "All devices"),
    ("attention", "Needing attention"),
    ("offline", "Offline"),
    ("supplies", "Supplies low"),
];

/// What is sought, and where the list goes on.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    page: String,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "fleet.html")]
struct FleetPage {
    shell: Shell,
    q: String,
    states: Vec<Choice>,
    here: String,
    tiles: Vec<Tile>,
    filtered: bool,
    devices: Vec<DeviceRow>,
    next: Option<String>,
}

struct Tile {
    id: &'static str,
    title: &'static str,
    href: &'static str,
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
    site: String,
    gateway: String,
    seen_by: i64,
    total: String,
    read_at: Option<When>,
}

/// `GET /`
pub(super) async fn show(
    State(state): State<OperatorState>,
    Visitor(caller): Visitor,
    Params(query): Params<Query>,
) -> Result<Response, PageRefused> {
    let now = Timestamp::now();
    let show = match query.state.as_str() {
        "attention" => Show::Attention,
        "offline" => Show::Offline,
        "supplies" => Show::Supplies,
        _ => Show::All,
    };
    let numbers = state.seen_by(&caller).fleet_numbers(&caller.tenant, now).await?;
    let cursor = Some(query.page.as_str()).filter(|page| !page.is_empty());
    let found = state.seen_by(&caller).fleet(&caller.tenant, &query.q, show, cursor).await?;
    let filter = [("q", query.q.as_str()), ("state", query.state.as_str())];
    let with = |page: &str| address("/", &[filter.as_slice(), &[("page", page)]].concat());
    Ok(page(&FleetPage {
        shell: Shell::new(&caller, "/", query.done.as_deref()),
        states: choices(&STATES, &query.state),
        here: with(&query.page),
        tiles: tiles(&numbers),
        filtered: !query.q.trim().is_empty() || show != Show::All,
        next: found.next.as_deref().map(with),
        devices: found.items.into_iter().map(|device| row(device, now)).collect(),
        q: query.q.clone(),
    }))
}

fn tiles(n: &FleetNumbers) -> Vec<Tile> {
    let tile = |id, title, href, icon, alarm: &'static str, number: i64, note: String| Tile {
        id,
        title,
        href,
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
        tile("tile-devices", "Devices", "/", Icon::Fleet, "", n.devices, gateways),
        tile(
            "tile-offline",
            "Offline",
            "/?state=offline",
            Icon::Offline,
            "bad",
            n.offline,
            or(n.offline, "do not answer their gateway", "all answer"),
        ),
        tile(
            "tile-calls",
            "Service calls",
            "/calls?state=open&kind=service_call",
            Icon::Wrench,
            "bad",
            n.service_calls,
            or(n.service_calls, "open, polled every minute", "none open"),
        ),
        tile(
            "tile-supplies",
            "Supplies low",
            "/?state=supplies",
            Icon::Drop,
            "warn",
            n.supplies,
            or(n.supplies, "near end or at end", "none near end"),
        ),
        tile(
            "tile-silent",
            "Silent gateways",
            "/gateways",
            Icon::Gateway,
            "bad",
            n.silent,
            or(n.silent, "missed their poll", "all on time"),
        ),
    ]
}

fn row(d: FleetDevice, now: Timestamp) -> DeviceRow {
    let status = d.reading.as_ref().map(|reading| &reading.status);
    // Many makers write the model as the name.
    let name = if d.name == d.model { String::new() } else { d.name };
    DeviceRow {
        element: element("d", &[&d.gateway, &d.device]),
        href: device_page(&d.gateway, &d.device),
        state: state::of_device(d.offline, d.gravest, status),
        supplies: d.reading.as_ref().map(|reading| supply::minis(&reading.supplies)).unwrap_or_default(),
        model: if d.model.is_empty() { d.device.clone() } else { d.model },
        serial: if d.serial.is_empty() { d.address } else { d.serial },
        name,
        site: d.site,
        gateway: d.gateway,
        seen_by: d.seen_by,
        total: d.total.map_or_else(|| "–".to_owned(), grouped),
        read_at: d.read_at.map(|at| When::new(at, now)),
    }
}
