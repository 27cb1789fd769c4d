//! `/dealers`: the dealers of a server, for its provider, and a page for each.

use askama::Template;
use axum::extract::{OriginalUri, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use comm_server_core::tenancy::TenantId;
use jiff::Timestamp;
use serde::Deserialize;

use super::error::{PageError, page};
use super::form::version;
use super::icon::Icon;
use super::layout::Layout;
use super::list::{Cursor, Pages};
use super::session::{FormSubmission, PageParams, PageSession};
use super::time::When;
use super::url::{address, segment};
use super::users::{Section, invited};
use crate::operators::OperatorState;
use crate::operators::caller::PathIds;
use crate::services::FirstAdministrator;
use crate::store::{Dealer, PageRows};

/// Position of the list.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    page: Cursor,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "dealers.html")]
struct DealersPage {
    layout: Layout,
    dealers: Vec<DealerRow>,
    pages: Pages,
}

struct DealerRow {
    href: String,
    id: String,
    name: String,
    state: &'static str,
    created_at: When,
}

#[derive(Template)]
#[template(path = "dealer.html")]
struct DealerPage {
    layout: Layout,
    path: String,
    dealer: Dealer,
    disabled_at: Option<When>,
}

fn page_of(id: &TenantId) -> String {
    format!("/dealers/{}", segment(id.as_str()))
}

/// `GET /dealers`
pub(super) async fn show(
    State(state): State<OperatorState>,
    PageSession(caller): PageSession,
    PageParams(query): PageParams<Query>,
) -> Result<Response, PageError> {
    let found = state.services.dealers.list(&caller.actor, (query.page.get(), PageRows::default())).await?;
    let now = Timestamp::now();
    let row = |dealer: Dealer| DealerRow {
        href: page_of(&dealer.id),
        id: dealer.id.into(),
        name: dealer.name,
        state: if dealer.disabled_at.is_some() { "Disabled" } else { "Active" },
        created_at: When::new(dealer.created_at, now),
    };
    Ok(page(&DealersPage {
        layout: Layout::new(&caller, "/dealers", query.done.as_deref()),
        pages: Pages::new("/dealers", &[], found.next.as_deref()).with_table("/api/v1/dealers", &[]),
        dealers: found.items.into_iter().map(row).collect(),
    }))
}

/// `POST /dealers`
pub(super) async fn create(
    State(state): State<OperatorState>,
    FormSubmission { caller, fields }: FormSubmission,
) -> Result<Response, PageError> {
    let dealers = &state.services.dealers;
    let id = dealers.create(&caller.actor, fields.text("dealer"), fields.text("name")).await?;
    Ok(Redirect::to(&address(&page_of(&id), &[("done", "created")])).into_response())
}

/// `GET /dealers/{dealer}`
pub(super) async fn show_one(
    State(state): State<OperatorState>,
    PageSession(caller): PageSession,
    PathIds(id): PathIds<TenantId>,
    PageParams(query): PageParams<Query>,
) -> Result<Response, PageError> {
    let dealer = state.services.dealers.read(&caller.actor, &id).await?;
    Ok(page(&DealerPage {
        layout: Layout::new(&caller, "/dealers", query.done.as_deref()),
        path: page_of(&id),
        disabled_at: dealer.disabled_at.map(|at| When::new(at, Timestamp::now())),
        dealer,
    }))
}

/// `POST /dealers/{dealer}`
pub(super) async fn change(
    State(state): State<OperatorState>,
    PathIds(id): PathIds<TenantId>,
    FormSubmission { caller, fields }: FormSubmission,
) -> Result<Response, PageError> {
    let change = (fields.text("name"), fields.text("disabled") == "yes");
    state.services.dealers.change(&caller.actor, &id, Some(version(&fields)?), change).await?;
    Ok(Redirect::to(&address(&page_of(&id), &[("done", "saved")])).into_response())
}

/// `POST /dealers/{dealer}/administrator`: invites the first one.
pub(super) async fn invite(
    State(state): State<OperatorState>,
    PathIds(id): PathIds<TenantId>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    FormSubmission { caller, fields }: FormSubmission,
) -> Result<Response, PageError> {
    let text = |name| fields.text(name).to_owned();
    let first = FirstAdministrator { name: text("name"), full_name: text("full_name"), mail: text("mail") };
    let made = state.services.dealers.invite_first(&caller.actor, &id, &first).await?;
    let section = Section { path: "/dealers", title: "Dealers", item: page_of(&id), item_title: id.into() };
    Ok(invited(&caller, (&headers, &uri), section, &made))
}
