//! `/password`: the change of the password, which a one-time password requires.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use wire::problem::ProblemCode;

use super::error::{PageError, page, sentence};
use super::icon::Icon;
use super::return_to::ReturnTo;
use super::session::{FormSubmission, PageParams, UnverifiedFormSubmission, UnverifiedPageSession};
use super::static_files::{ASSETS, Assets};
use crate::operators::OperatorState;
use crate::operators::caller::Caller;
use crate::operators::error::ApiError;

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage {
    assets: &'static Assets,
    problem: Option<String>,
    must_change: bool,
    user: String,
    csrf: String,
    next: Option<ReturnTo>,
}

/// The page that the change returns to.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    next: String,
}

fn shown(caller: Caller, next: &str, problem: Option<String>) -> Response {
    let Caller { actor, csrf, must_change, .. } = caller;
    let user = actor.name;
    page(&PasswordPage { assets: &ASSETS, problem, must_change, user, csrf, next: ReturnTo::parse(next) })
}

/// `GET /password`
pub(super) async fn show(
    UnverifiedPageSession(caller): UnverifiedPageSession,
    PageParams(query): PageParams<Query>,
) -> Response {
    std::future::ready(shown(caller, &query.next, None)).await
}

/// `POST /password`
pub(super) async fn submit(
    State(state): State<OperatorState>,
    UnverifiedFormSubmission(FormSubmission { caller, fields }): UnverifiedFormSubmission,
) -> Response {
    let next = fields.text("next");
    if fields.text("new") != fields.text("again") {
        let problem = "The two new passwords differ.".to_owned();
        return (StatusCode::BAD_REQUEST, shown(caller, next, Some(problem))).into_response();
    }
    let users = &state.services.users;
    let changed = users.change_password(&caller, fields.text("current"), fields.text("new")).await;
    match changed.map_err(ApiError::from) {
        Ok(()) => {
            let next = ReturnTo::parse(next);
            Redirect::to(next.as_ref().map_or("/?done=password", ReturnTo::as_str)).into_response()
        }
        Err(refused) if matches!(refused.0.code, ProblemCode::Forbidden | ProblemCode::MalformedBody) => {
            let problem = sentence(refused.0.detail);
            (StatusCode::BAD_REQUEST, shown(caller, next, Some(problem))).into_response()
        }
        Err(refused) => PageError(refused).into_response(),
    }
}
