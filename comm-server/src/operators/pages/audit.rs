//! `/audit`: changes and their authors.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;

use super::error::{PageError, page};
use super::icon::Icon;
use super::layout::Layout;
use super::list::{Cursor, next_page};
use super::session::{PageParams, PageSession};
use super::time::When;
use crate::operators::OperatorState;
use crate::store::AuditEntry;
use comm_server_core::roles::Permission;

/// The position in the list.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    page: Cursor,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    layout: Layout,
    entries: Vec<Entry>,
    next: Option<String>,
}

struct Entry {
    at: When,
    who: String,
    what: String,
    detail: String,
}

/// `GET /audit`
pub(super) async fn show(
    State(state): State<OperatorState>,
    PageSession(caller): PageSession,
    PageParams(query): PageParams<Query>,
) -> Result<Response, PageError> {
    let now = Timestamp::now();
    let cursor = query.page.get();
    let found = state.view(&caller, Permission::SeeAudit)?.audit(cursor).await?;
    let entry =
        |e: AuditEntry| Entry { at: When::new(e.at, now), who: e.who, what: e.what, detail: e.detail };
    Ok(page(&AuditPage {
        layout: Layout::new(&caller, "/audit", None),
        next: next_page("/audit", &[], found.next.as_deref()),
        entries: found.items.into_iter().map(entry).collect(),
    }))
}
