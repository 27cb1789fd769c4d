//! `/gateways`: when each gateway polls, and whether reports are missing.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;

use super::error::PageError;
use super::icon::Icon;
use super::layout::Layout;
use super::list::{Cursor, Pages};
use super::live::Wanted;
use super::place::{Place, PlaceNote};
use super::session::{PageParams, PageSession};
use super::state::{self, StateBadge};
use super::time::{When, grouped, span};
use super::url::address;
use crate::operators::OperatorState;
use crate::store::{Gateway, GatewayFilter, LaneState};
use comm_server_core::roles::Permission;

/// The position in the list.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    q: String,
    #[serde(default)]
    unassigned: String,
    #[serde(flatten)]
    place: Place,
    #[serde(default)]
    page: Cursor,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "gateways.html")]
struct GatewaysPage<'a> {
    layout: Layout,
    may_ask: bool,
    q: &'a str,
    unassigned: bool,
    place: Option<PlaceNote>,
    live: &'a GatewaysLive,
}

#[derive(Template)]
#[template(path = "gateways_live.html")]
struct GatewaysLive {
    filtered: bool,
    gateways: Vec<GatewayRow>,
    pages: Pages,
}

struct GatewayRow {
    id: String,
    href: String,
    /// The page of its commands.
    commands: String,
    site: String,
    state: StateBadge,
    last_poll: Option<When>,
    cadence: String,
    next_poll: Option<When>,
    devices: String,
    offline: i64,
    /// Why it can't store anything at present.
    problem: String,
    clock: Option<String>,
    lanes: Vec<LaneRow>,
    version: String,
}

struct LaneRow {
    name: String,
    acknowledged: String,
    made: String,
    missing: i64,
}

/// `GET /gateways`
pub(super) async fn show(
    State(state): State<OperatorState>,
    PageSession(caller): PageSession,
    PageParams(query): PageParams<Query>,
    wanted: Wanted,
) -> Result<Response, PageError> {
    let now = Timestamp::now();
    let cursor = query.page.get();
    let view = state.view_within(&caller, Permission::SeeFleet, query.place.part()?)?;
    let place = query.place.note(&view, "/gateways").await?;
    let filter = GatewayFilter { text: query.q.clone(), unassigned: query.unassigned == "yes" };
    let found = view.find_gateways(&filter, cursor).await?;
    let lanes = match (found.items.first(), found.items.last()) {
        (Some(first), Some(last)) => view.lanes(&first.gateway, &last.gateway).await?,
        (_, _) => Vec::new(),
    };
    let [customer, site] = query.place.values();
    let values = [("q", query.q.as_str()), ("unassigned", query.unassigned.as_str()), customer, site];
    let unassigned = if filter.unassigned { "true" } else { "" };
    let of_table = [("q", query.q.as_str()), ("unassigned", unassigned), customer, site];
    let live = GatewaysLive {
        filtered: !query.q.trim().is_empty() || place.is_some() || filter.unassigned,
        pages: Pages::new("/gateways", &values, found.next.as_deref())
            .with_table("/api/v1/gateways", &of_table),
        gateways: found.items.into_iter().map(|gateway| row(gateway, &lanes, now)).collect(),
    };
    Ok(wanted.answer(&[&live], || GatewaysPage {
        layout: Layout::new(&caller, "/gateways", query.done.as_deref()),
        may_ask: caller.actor.may(Permission::AskGateway),
        q: &query.q,
        unassigned: filter.unassigned,
        place,
        live: &live,
    }))
}

fn row(g: Gateway, lanes: &[LaneState], now: Timestamp) -> GatewayRow {
    let (silent, due) = (g.is_silent(now), g.next_poll());
    let own = lanes.iter().filter(|lane| lane.gateway == g.gateway);
    GatewayRow {
        href: address("/", &[("q", g.gateway.as_str())]),
        commands: super::commands::page_of(&g.gateway),
        state: state::of_gateway(silent, g.storage_problem.is_empty(), g.service_calls > 0),
        last_poll: g.last_poll.map(|at| When::new(at, now)),
        cadence: cadence(g.next_poll_s),
        next_poll: due.filter(|due| *due > now).map(|due| When::new(due, now)),
        devices: grouped(g.devices),
        offline: g.devices_offline,
        problem: g.storage_problem,
        clock: clock(g.clock_ahead_s),
        lanes: own.map(lane).collect(),
        version: g.version,
        site: if g.customer.is_empty() { g.site } else { format!("{} · {}", g.customer, g.site) },
        id: g.gateway.into(),
    }
}

/// The text about a clock skew.
fn clock(ahead_s: i64) -> Option<String> {
    let way = if ahead_s > 0 { "ahead" } else { "behind" };
    (ahead_s != 0).then(|| format!("clock {} {way}", span(ahead_s.saturating_abs())))
}

fn cadence(seconds: i64) -> String {
    match seconds {
        60 => "every minute".to_owned(),
        3600 => "every hour".to_owned(),
        s if s > 0 && s % 60 == 0 => format!("every {} min", s / 60),
        s => format!("every {s} s"),
    }
}

fn lane(lane: &LaneState) -> LaneRow {
    LaneRow {
        name: lane.lane.name().to_owned(),
        acknowledged: grouped(lane.acknowledged),
        made: grouped(lane.made.max(lane.acknowledged)),
        missing: (lane.made - lane.acknowledged).max(0),
    }
}
