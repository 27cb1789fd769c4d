//! `/gateways`: when each calls, and whether anything is missing.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::choice::address;
use super::icon::Icon;
use super::refused::{PageRefused, page};
use super::shell::Shell;
use super::state::{self, StateBadge};
use super::time::{When, grouped, span};
use super::visitor::Visitor;
use crate::operators::OperatorState;
use crate::operators::caller::Params;
use crate::operators::role::Act;
use crate::store::{Gateway, LaneState};

/// As the overview counts silent gateways: this late beyond twice the interval.
const SILENT_SLACK_S: i64 = 60;

/// Where a list goes on.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    page: String,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "gateways.html")]
struct GatewaysPage {
    shell: Shell,
    here: String,
    gateways: Vec<GatewayRow>,
    may_ask: bool,
    next: Option<String>,
}

struct GatewayRow {
    id: String,
    href: String,
    site: String,
    state: StateBadge,
    last_poll: Option<When>,
    cadence: String,
    next_poll: Option<When>,
    devices: String,
    offline: i64,
    /// Why it can store nothing at present.
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
    Visitor(caller): Visitor,
    Params(query): Params<Query>,
) -> Result<Response, PageRefused> {
    let now = Timestamp::now();
    let cursor = Some(query.page.as_str()).filter(|page| !page.is_empty());
    let found = state.seen_by(&caller).gateways(&caller.tenant, cursor).await?;
    let lanes = match (found.items.first(), found.items.last()) {
        (Some(first), Some(last)) => {
            state.seen_by(&caller).lanes(&caller.tenant, &first.gateway, &last.gateway).await?
        }
        (_, _) => Vec::new(),
    };
    let with = |page: &str| address("/gateways", &[("page", page)]);
    Ok(page(&GatewaysPage {
        shell: Shell::new(&caller, "/gateways", query.done.as_deref()),
        here: with(&query.page),
        next: found.next.as_deref().map(with),
        gateways: found.items.into_iter().map(|gateway| row(gateway, &lanes, now)).collect(),
        may_ask: caller.role.may(Act::AskGateway),
    }))
}

fn row(g: Gateway, lanes: &[LaneState], now: Timestamp) -> GatewayRow {
    let last = g.last_poll.unwrap_or(g.first_seen);
    let patience = SignedDuration::from_secs(g.next_poll_s.saturating_mul(2).saturating_add(SILENT_SLACK_S));
    let silent = now.duration_since(last) > patience;
    let due = g.last_poll.and_then(|at| at.checked_add(SignedDuration::from_secs(g.next_poll_s)).ok());
    let own = lanes.iter().filter(|lane| lane.gateway == g.gateway);
    GatewayRow {
        href: address("/", &[("q", &g.gateway)]),
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
        id: g.gateway,
    }
}

/// What is said of a clock that is off.
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
        name: lane.lane.clone(),
        acknowledged: grouped(lane.acknowledged),
        made: grouped(lane.made.max(lane.acknowledged)),
        missing: (lane.made - lane.acknowledged).max(0),
    }
}
