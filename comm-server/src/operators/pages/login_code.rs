//! `/login/code`: the code of the second factor, after the password.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use runtime::listener::Peer;
use serde::Deserialize;
use wire::problem::ProblemCode;

use super::error::{PageError, page, sentence};
use super::icon::Icon;
use super::return_to::ReturnTo;
use super::session::{AnyFormSubmission, AnyPageSession, FormSubmission, PageParams};
use super::static_files::{ASSETS, Assets};
use crate::operators::caller::{Caller, Gate};
use crate::operators::{OperatorState, session};

#[derive(Template)]
#[template(path = "login_code.html")]
struct CodePage {
    assets: &'static Assets,
    problem: Option<String>,
    user: String,
    csrf: String,
    next: Option<ReturnTo>,
}

/// The page that the login returns to.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    next: String,
}

fn shown(caller: Caller, next: &str, problem: Option<String>) -> Response {
    let Caller { actor, csrf, .. } = caller;
    page(&CodePage { assets: &ASSETS, problem, user: actor.name, csrf, next: ReturnTo::parse(next) })
}

/// `GET /login/code`
pub(super) async fn show(
    AnyPageSession(caller): AnyPageSession,
    PageParams(query): PageParams<Query>,
) -> Response {
    let answer = match Gate::of(&caller) {
        Some(Gate::Code) => shown(caller, &query.next, None),
        Some(Gate::Password | Gate::Enrollment) | None => Redirect::to("/").into_response(),
    };
    std::future::ready(answer).await
}

/// `POST /login/code`
pub(super) async fn submit(
    State(state): State<OperatorState>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    AnyFormSubmission(FormSubmission { caller, fields }): AnyFormSubmission,
) -> Response {
    let next = fields.text("next");
    match session::enter_code(&state, peer, &headers, &caller, fields.text("code")).await {
        Ok((_, cookies)) => {
            let to = ReturnTo::parse(next);
            (cookies, Redirect::to(to.as_ref().map_or("/", ReturnTo::as_str))).into_response()
        }
        Err(refused) if matches!(refused.0.code, ProblemCode::Unauthorized | ProblemCode::Overloaded) => {
            let status = StatusCode::from_u16(refused.0.status).unwrap_or(StatusCode::UNAUTHORIZED);
            (status, shown(caller, next, Some(sentence(refused.0.detail)))).into_response()
        }
        Err(refused) => PageError(refused).into_response(),
    }
}
