//! `/commands`: what was asked of gateways.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Deserialize;
use wire::command::Order;

use super::choice::{Choice, address, choices, element};
use super::icon::Icon;
use super::refused::{PageRefused, page};
use super::shell::Shell;
use super::state::{self, StateBadge};
use super::time::When;
use super::visitor::{Submitted, Visitor};
use crate::operators::caller::{Caller, Params};
use crate::operators::refused::Refused;
use crate::operators::{OperatorState, orders};
use crate::store::Command;

/// Kinds that a form can ask for.
const KINDS: [(&str, &str); 4] = [
    ("counter_request", "Read counters"),
    ("status_sense", "Sense status"),
    ("discovery", "Find devices"),
    ("diagnostics", "Diagnose the gateway"),
];

/// Where a list goes on.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    gateway: String,
    #[serde(default)]
    page: String,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "commands.html")]
struct CommandsPage {
    shell: Shell,
    here: String,
    orders: Vec<Choice>,
    gateways: Vec<String>,
    commands: Vec<CommandRow>,
    next: Option<String>,
}

struct CommandRow {
    element: String,
    title: &'static str,
    state: StateBadge,
    gateway: String,
    detail: String,
    rollout: Option<String>,
    created_by: String,
    created_at: When,
    delivered_at: Option<When>,
    undelivered: &'static str,
    answered_at: Option<When>,
    expires_at: When,
}

/// `GET /commands`
pub(super) async fn show(
    State(state): State<OperatorState>,
    Visitor(caller): Visitor,
    Params(query): Params<Query>,
) -> Result<Response, PageRefused> {
    let now = Timestamp::now();
    let some = |text: &'_ str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let (gateway, cursor) = (some(&query.gateway), some(&query.page));
    let found =
        state.seen_by(&caller).commands(&caller.tenant, gateway.as_deref(), cursor.as_deref()).await?;
    let gateways = state.seen_by(&caller).gateways(&caller.tenant, None).await?;
    let with = |page: &str| address("/commands", &[("gateway", query.gateway.as_str()), ("page", page)]);
    Ok(page(&CommandsPage {
        shell: Shell::new(&caller, "/commands", query.done.as_deref()),
        here: with(&query.page),
        orders: allowed(&caller),
        gateways: gateways.items.into_iter().map(|gateway| gateway.gateway).collect(),
        next: found.next.as_deref().map(with),
        commands: found.items.into_iter().map(|command| row(command, now)).collect(),
    }))
}

fn allowed(caller: &Caller) -> Vec<Choice> {
    let may = |kind: &str| order(kind).is_ok_and(|order| caller.role.may(orders::act(&order)));
    choices(&KINDS, "").into_iter().filter(|choice| may(&choice.value)).collect()
}

/// The order for all devices that a form names.
fn order(kind: &str) -> Result<Order, Refused> {
    match kind {
        "counter_request" => Ok(Order::CounterRequest { devices: None }),
        "status_sense" => Ok(Order::StatusSense { devices: None }),
        "discovery" => Ok(Order::Discovery),
        "diagnostics" => Ok(Order::Diagnostics),
        _ => Err(Refused::malformed("there is no command of that kind")),
    }
}

/// `POST /commands`
pub(super) async fn create(
    State(state): State<OperatorState>,
    Submitted { caller, fields }: Submitted,
) -> Result<Response, PageRefused> {
    let order = order(fields.text("kind"))?;
    orders::queue(&state, &caller, fields.text("gateway"), order).await?;
    Ok(Redirect::to("/commands?done=queued").into_response())
}

fn row(c: Command, now: Timestamp) -> CommandRow {
    let title = match c.kind.as_str() {
        "firmware_update" => "Firmware update",
        "firmware_cancel" => "Firmware cancel",
        kind => KINDS.iter().find(|(own, _)| *own == kind).map_or("Other command", |(_, title)| *title),
    };
    CommandRow {
        element: element("k", &[&c.command]),
        title,
        undelivered: if c.state == "queued" { "at the next poll" } else { "–" },
        state: state::of_command(&c.state),
        rollout: c.rollout.map(|rollout| format!("/rollouts/{rollout}")),
        gateway: c.gateway,
        detail: c.detail,
        created_by: c.created_by,
        created_at: When::new(c.created_at, now),
        delivered_at: c.delivered_at.map(|at| When::new(at, now)),
        answered_at: c.answered_at.map(|at| When::new(at, now)),
        expires_at: When::new(c.expires_at, now),
    }
}
