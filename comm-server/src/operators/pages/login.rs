//! `/login` and `/logout`.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use comm_server_core::second_factor::Stage;
use runtime::listener::Peer;
use serde::Deserialize;
use wire::problem::ProblemCode;

use super::error::{PageError, page};
use super::icon::Icon;
use super::return_to::ReturnTo;
use super::session::{AnyFormSubmission, FormSubmission, PageParams};
use super::static_files::{ASSETS, Assets};
use crate::operators::caller::{Fields, identify};
use crate::operators::{OperatorState, session};

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    assets: &'static Assets,
    problem: Option<String>,
    user: String,
    next: Option<ReturnTo>,
    /// Whether no user has chosen a password yet, so that the page explains the first login.
    is_first: bool,
}

/// The page that a login returns to.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    next: String,
}

/// `GET /login`
pub(super) async fn show(
    State(state): State<OperatorState>,
    PageParams(query): PageParams<Query>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let next = ReturnTo::parse(&query.next);
    if identify(&state, &headers).await.is_ok() {
        return Ok(Redirect::to(next.as_ref().map_or("/", ReturnTo::as_str)).into_response());
    }
    let is_first = state.services.users.awaits_first_login().await?;
    Ok(page(&LoginPage { assets: &ASSETS, problem: None, user: String::new(), next, is_first }))
}

/// `POST /login`
pub(super) async fn submit(
    State(state): State<OperatorState>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    fields: Fields,
) -> Response {
    let user = fields.text("user").trim();
    let next = ReturnTo::parse(fields.text("next"));
    match session::log_in(&state, peer, &headers, user, fields.text("password")).await {
        Ok((begun, cookies)) => {
            let to = match (begun.stage, begun.must_change) {
                (Stage::Code, _) => ReturnTo::after("/login/code", next.as_ref()),
                (Stage::Enroll | Stage::Open, true) => ReturnTo::after("/password", next.as_ref()),
                (Stage::Enroll, false) => ReturnTo::after("/second-factor", next.as_ref()),
                (Stage::Open, false) => next.as_ref().map_or("/", ReturnTo::as_str).to_owned(),
            };
            (cookies, Redirect::to(&to)).into_response()
        }
        Err(refused) if refused.0.code == ProblemCode::Internal => PageError(refused).into_response(),
        Err(refused) => {
            let status = StatusCode::from_u16(refused.0.status).unwrap_or(StatusCode::UNAUTHORIZED);
            let problem = match refused.0.code {
                ProblemCode::Unauthorized => {
                    "User or password is wrong, or there were too many failed logins: after five, wait 15 minutes."
                }
                ProblemCode::Overloaded => "Too many logins at once. Wait a minute, then try again.",
                ProblemCode::MalformedBody
                | ProblemCode::BodyTooLarge
                | ProblemCode::UnsupportedEncoding
                | ProblemCode::Forbidden
                | ProblemCode::NotFound
                | ProblemCode::SequenceGap
                | ProblemCode::Conflict
                | ProblemCode::PreconditionFailed
                | ProblemCode::PreconditionRequired
                | ProblemCode::Internal => "The request failed. Try again.",
            };
            let user = user.chars().take(64).collect();
            let problem = Some(problem.to_owned());
            let is_first = state.services.users.awaits_first_login().await.unwrap_or(false);
            (status, page(&LoginPage { assets: &ASSETS, problem, user, next, is_first })).into_response()
        }
    }
}

/// `POST /logout`
pub(super) async fn leave(
    State(state): State<OperatorState>,
    jar: CookieJar,
    AnyFormSubmission(FormSubmission { caller, .. }): AnyFormSubmission,
) -> Result<Response, PageError> {
    state.services.users.log_out(&caller).await?;
    Ok((jar.add(session::ended_cookie()), Redirect::to("/login")).into_response())
}
