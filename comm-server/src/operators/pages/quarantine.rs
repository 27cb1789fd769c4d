//! `/quarantine`: reports that could not be used, and their replay.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Deserialize;
use wire::ids::GatewayId;
use wire::text::lines_with_marks;

use super::error::{PageError, page};
use super::form::identifier;
use super::icon::Icon;
use super::layout::Layout;
use super::list::{Cursor, Pages};
use super::session::{FormSubmission, PageParams, PageSession};
use super::time::When;
use super::url::address;
use crate::operators::OperatorState;
use crate::operators::error::ApiError;
use crate::store::Replayed;
use comm_server_core::roles::Permission;

/// The position in the list.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    page: Cursor,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "quarantine.html")]
struct QuarantinePage {
    layout: Layout,
    may_replay: bool,
    /// Gateways of the reports on this page.
    gateways: Vec<GatewayId>,
    items: Vec<Item>,
    pages: Pages,
}

struct Item {
    gateway: String,
    lane: String,
    seq: i64,
    received_at: When,
    reason: String,
    body: String,
}

/// `GET /quarantine`
pub(super) async fn show(
    State(state): State<OperatorState>,
    PageSession(caller): PageSession,
    PageParams(query): PageParams<Query>,
) -> Result<Response, PageError> {
    let now = Timestamp::now();
    let cursor = query.page.get();
    let found = state.view(&caller, Permission::SeeQuarantine)?.quarantine(cursor).await?;
    let item = |q: crate::store::Quarantined| Item {
        gateway: q.gateway.into(),
        lane: q.lane.name().to_owned(),
        seq: q.seq,
        received_at: When::new(q.received_at, now),
        reason: q.reason,
        body: lines_with_marks(&q.body).into_owned(),
    };
    let mut gateways: Vec<GatewayId> = found.items.iter().map(|q| q.gateway.clone()).collect();
    gateways.dedup();
    Ok(page(&QuarantinePage {
        layout: Layout::new(&caller, "/quarantine", query.done.as_deref()),
        may_replay: caller.actor.may(Permission::ReplayQuarantine),
        gateways,
        pages: Pages::new("/quarantine", &[], found.next.as_deref()).with_table("/api/v1/quarantine", &[]),
        items: found.items.into_iter().map(item).collect(),
    }))
}

/// `POST /quarantine/replay`: for one gateway, or for all if the form names none.
pub(super) async fn replay(
    State(state): State<OperatorState>,
    FormSubmission { caller, fields }: FormSubmission,
) -> Result<Response, PageError> {
    let gateway: Option<GatewayId> = identifier(fields.text("gateway").trim())?;
    if let Some(name) = &gateway
        && state.view(&caller, Permission::ReplayQuarantine)?.gateway(name).await?.is_none()
    {
        return Err(ApiError::not_found("gateway").into());
    }
    let done = state.services.quarantine.replay(&caller.actor, gateway.as_ref()).await?;
    let word = match done {
        Replayed { taken: 0, .. } => "kept",
        Replayed { kept: 0, .. } => "taken",
        Replayed { .. } => "partly-taken",
    };
    Ok(Redirect::to(&address("/quarantine", &[("done", word)])).into_response())
}
