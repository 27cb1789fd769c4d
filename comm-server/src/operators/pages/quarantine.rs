//! `/quarantine`: reports that could not be used.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;

use super::choice::address;
use super::icon::Icon;
use super::refused::{PageRefused, page};
use super::shell::Shell;
use super::time::When;
use super::visitor::Visitor;
use crate::operators::OperatorState;
use crate::operators::caller::Params;
use crate::operators::role::Act;

/// Where a list goes on.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    page: String,
}

#[derive(Template)]
#[template(path = "quarantine.html")]
struct QuarantinePage {
    shell: Shell,
    items: Vec<Item>,
    next: Option<String>,
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
    Visitor(caller): Visitor,
    Params(query): Params<Query>,
) -> Result<Response, PageRefused> {
    caller.may(Act::SeeQuarantine)?;
    let now = Timestamp::now();
    let cursor = Some(query.page.as_str()).filter(|page| !page.is_empty());
    let found = state.store().quarantine(&caller.tenant, cursor).await?;
    let item = |q: crate::store::Quarantined| Item {
        gateway: q.gateway,
        lane: q.lane,
        seq: q.seq,
        received_at: When::new(q.received_at, now),
        reason: q.reason,
        body: q.body,
    };
    Ok(page(&QuarantinePage {
        shell: Shell::new(&caller, "/quarantine", None),
        next: found.next.as_deref().map(|next| address("/quarantine", &[("page", next)])),
        items: found.items.into_iter().map(item).collect(),
    }))
}
