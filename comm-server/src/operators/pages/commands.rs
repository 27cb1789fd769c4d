//! `/commands`: commands to gateways.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use comm_server_core::commands::CommandState;
use comm_server_core::roles::Permission;
use jiff::Timestamp;
use serde::Deserialize;
use wire::command::OrderKind;
use wire::ids::GatewayId;

use super::error::PageError;
use super::form::{Choice, choices, identifier};
use super::icon::Icon;
use super::layout::Layout;
use super::list::{Cursor, Pages};
use super::live::Wanted;
use super::place::{Place, PlaceNote};
use super::session::{FormSubmission, PageParams, PageSession};
use super::state::{self, StateBadge};
use super::time::When;
use super::url::{address, element};
use crate::operators::OperatorState;
use crate::operators::caller::Caller;
use crate::operators::error::ApiError;
use crate::services::RequestKind;
use crate::store::{Command, Gateway, GatewayFilter, Page};

/// The position in the list.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    /// The search text for gateways; without it, `gateway`.
    q: Option<String>,
    #[serde(default)]
    gateway: String,
    #[serde(flatten)]
    place: Place,
    #[serde(default)]
    page: Cursor,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "commands.html")]
struct CommandsPage<'a> {
    layout: Layout,
    orders: Vec<Choice>,
    q: &'a str,
    gateway: &'a str,
    place: Option<PlaceNote>,
    choice: &'a GatewayChoice,
    live: &'a CommandsLive,
}

/// The gateways that a search found.
#[derive(Template)]
#[template(path = "commands_choice.html")]
struct GatewayChoice {
    gateways: Vec<Found>,
    note: String,
}

struct Found {
    id: String,
    title: String,
}

#[derive(Template)]
#[template(path = "commands_live.html")]
struct CommandsLive {
    commands: Vec<CommandRow>,
    pages: Pages,
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
    PageSession(caller): PageSession,
    PageParams(query): PageParams<Query>,
    wanted: Wanted,
) -> Result<Response, PageError> {
    let now = Timestamp::now();
    let gateway = identifier(&query.gateway)?;
    let view = state.view_within(&caller, Permission::SeeFleet, query.place.part()?)?;
    let place = query.place.note(&view, "/commands").await?;
    let [customer, site] = query.place.values();
    let values = [("gateway", query.gateway.as_str()), customer, site];
    let found = view.commands(gateway.as_ref(), query.page.get()).await?;
    let q = query.q.as_deref().unwrap_or(&query.gateway);
    let gateways = view.find_gateways(&GatewayFilter { text: q.to_owned(), unassigned: false }, None).await?;
    let choice = found_gateways(gateways, q);
    let live = CommandsLive {
        pages: Pages::new("/commands", &values, found.next.as_deref())
            .with_table("/api/v1/commands", &values),
        commands: found.items.into_iter().map(|command| row(command, now)).collect(),
    };
    Ok(wanted.answer(&[&choice, &live], || CommandsPage {
        layout: Layout::new(&caller, "/commands", query.done.as_deref()),
        orders: allowed(&caller),
        q,
        gateway: &query.gateway,
        place,
        choice: &choice,
        live: &live,
    }))
}

/// The page of a gateway's commands, with the form for it.
pub(super) fn page_of(gateway: &GatewayId) -> String {
    address("/commands", &[("gateway", gateway.as_str())])
}

/// The gateways to choose from, and whether the list is complete, so that the page can say if it isn't.
fn found_gateways(found: Page<Gateway>, q: &str) -> GatewayChoice {
    let (count, is_sought) = (found.items.len(), !q.trim().is_empty());
    let note = match (count, found.next.is_some(), is_sought) {
        (0, _, true) => "No gateway matches: try a shorter word.".to_owned(),
        (0, _, false) => "No gateway has polled yet.".to_owned(),
        (_, true, _) => format!("The first {count} are listed: find others by name, customer or site."),
        (1, false, true) => "1 gateway matches.".to_owned(),
        (_, false, true) => format!("{count} gateways match."),
        (_, false, false) => String::new(),
    };
    let title = |g: &Gateway| {
        let place = [g.customer.as_str(), g.site.as_str()].into_iter().filter(|text| !text.is_empty());
        std::iter::once(g.gateway.as_str()).chain(place).collect::<Vec<_>>().join(" · ")
    };
    let one = |g: Gateway| Found { title: title(&g), id: g.gateway.into() };
    let mut gateways: Vec<Found> = found.items.into_iter().map(one).collect();
    // Who names a gateway in full means that one, also where others begin with its name.
    gateways.sort_by_key(|gateway| gateway.id != q.trim());
    GatewayChoice { gateways, note }
}

fn allowed(caller: &Caller) -> Vec<Choice> {
    let all = RequestKind::ALL.into_iter().filter(|kind| caller.actor.may(kind.permission()));
    choices(&all.map(|kind| (kind.name(), kind.title())).collect::<Vec<_>>(), "")
}

/// `POST /commands`
pub(super) async fn create(
    State(state): State<OperatorState>,
    FormSubmission { caller, fields }: FormSubmission,
) -> Result<Response, PageError> {
    let kind: RequestKind = fields.text("kind").parse()?;
    let gateway: GatewayId = fields.text("gateway").parse().map_err(|_| ApiError::not_found("gateway"))?;
    state.services.commands.queue(&caller.actor, &gateway, kind, None).await?;
    Ok(Redirect::to(&address("/commands", &[("gateway", gateway.as_str()), ("done", "queued")]))
        .into_response())
}

fn row(c: Command, now: Timestamp) -> CommandRow {
    let title = match c.kind {
        OrderKind::FirmwareUpdate => "Firmware update",
        OrderKind::FirmwareCancel => "Firmware cancel",
        OrderKind::CounterRequest => RequestKind::CounterRequest.title(),
        OrderKind::StatusSense => RequestKind::StatusSense.title(),
        OrderKind::Diagnostics => RequestKind::Diagnostics.title(),
        OrderKind::Discovery => RequestKind::Discovery.title(),
    };
    CommandRow {
        element: element("k", &[&c.command.to_string()]),
        title,
        undelivered: if c.state == CommandState::Queued { "at the next poll" } else { "–" },
        state: state::of_command(c.state),
        rollout: c.rollout.map(|rollout| format!("/rollouts/{rollout}")),
        gateway: c.gateway.into(),
        detail: c.detail,
        created_by: c.created_by,
        created_at: When::new(c.created_at, now),
        delivered_at: c.delivered_at.map(|at| When::new(at, now)),
        answered_at: c.answered_at.map(|at| When::new(at, now)),
        expires_at: When::new(c.expires_at, now),
    }
}
