//! `/tokens`: tokens of programs.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use comm_server_core::roles::{Permission, Role};
use comm_server_core::tokens::TokenSpec;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use uuid::Uuid;

use super::error::{PageError, page};
use super::form::Choice;
use super::icon::Icon;
use super::layout::Layout;
use super::session::{FormSubmission, PageParams, PageSession};
use super::time::When;
use super::url::address;
use super::users::{parts, roles, spec};
use crate::operators::OperatorState;
use crate::operators::caller::PathIds;
use crate::operators::error::ApiError;
use crate::store::ApiToken;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    layout: Layout,
    tokens: Vec<TokenRow>,
    roles: Vec<Choice>,
    parts: Vec<Choice>,
    /// The token that was just created.
    made: Option<String>,
}

struct TokenRow {
    id: String,
    name: String,
    role: &'static str,
    networks: String,
    created_by: String,
    expires_at: When,
    used_at: Option<When>,
    state: &'static str,
    works: bool,
}

/// `GET /tokens`
pub(super) async fn show(
    State(state): State<OperatorState>,
    PageSession(caller): PageSession,
    PageParams(query): PageParams<Query>,
) -> Result<Response, PageError> {
    let layout = Layout::new(&caller, "/tokens", query.done.as_deref());
    listed(&state, &caller, layout, None).await
}

async fn listed(
    state: &OperatorState,
    caller: &crate::operators::caller::Caller,
    layout: Layout,
    made: Option<String>,
) -> Result<Response, PageError> {
    let (now, all) = (Timestamp::now(), state.services.tokens.list(&caller.actor).await?);
    let view = state.view(caller, Permission::ManageUsers)?;
    Ok(page(&TokensPage {
        tokens: all.into_iter().map(|token| row(token, now)).collect(),
        roles: roles(caller, Role::Viewer.name()),
        parts: parts(&view, caller, caller.actor.scope.granted()).await?,
        layout,
        made,
    }))
}

fn row(t: ApiToken, now: Timestamp) -> TokenRow {
    let state = match (t.revoked_at, now < t.spec.expires_at) {
        (Some(_), _) => "Revoked",
        (None, false) => "Expired",
        (None, true) => "Works",
    };
    TokenRow {
        id: t.id.to_string(),
        name: t.spec.name,
        role: t.spec.account.role.title(),
        networks: t.spec.networks,
        created_by: t.created_by,
        expires_at: When::new(t.spec.expires_at, now),
        used_at: t.used_at.map(|at| When::new(at, now)),
        works: state == "Works",
        state,
    }
}

/// `POST /tokens`
pub(super) async fn create(
    State(state): State<OperatorState>,
    FormSubmission { caller, fields }: FormSubmission,
) -> Result<Response, PageError> {
    let days: i64 = fields.text("days").parse().map_err(|_| ApiError::malformed("days is not a number"))?;
    let life = SignedDuration::try_from_hours(days.saturating_mul(24)).unwrap_or(SignedDuration::MAX);
    let expires_at = Timestamp::now().saturating_add(life).unwrap_or(Timestamp::MAX);
    let (name, networks) = (fields.text("name").to_owned(), fields.text("networks").to_owned());
    let spec = TokenSpec { name, account: spec(&fields)?, expires_at, networks };
    let made = state.services.tokens.create(&caller.actor, &spec).await?;
    listed(&state, &caller, Layout::new(&caller, "/tokens", None), Some(made.token)).await
}

/// `POST /tokens/{token}/revoke`
pub(super) async fn revoke(
    State(state): State<OperatorState>,
    PathIds(id): PathIds<Uuid>,
    FormSubmission { caller, .. }: FormSubmission,
) -> Result<Response, PageError> {
    state.services.tokens.revoke(&caller.actor, id).await?;
    Ok(Redirect::to(&address("/tokens", &[("done", "revoked")])).into_response())
}
