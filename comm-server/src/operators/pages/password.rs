//! `/password`: the change that a one-time password asks for, and any later one.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use wire::problem::ProblemCode;

use super::assets::{ASSETS, Assets};
use super::icon::Icon;
use super::refused::{PageRefused, page};
use super::visitor::{NewSubmitted, NewVisitor, Submitted};
use crate::operators::caller::Caller;
use crate::operators::{OperatorState, people};

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage {
    assets: &'static Assets,
    problem: Option<String>,
    must_change: bool,
    user: String,
    csrf: String,
}

fn shown(caller: Caller, problem: Option<String>) -> Response {
    let Caller { user, csrf, must_change, .. } = caller;
    page(&PasswordPage { assets: &ASSETS, problem, must_change, user, csrf })
}

/// `GET /password`
pub(super) async fn show(NewVisitor(caller): NewVisitor) -> Response {
    std::future::ready(shown(caller, None)).await
}

/// `POST /password`
pub(super) async fn submit(
    State(state): State<OperatorState>,
    NewSubmitted(Submitted { caller, fields }): NewSubmitted,
) -> Response {
    if fields.text("new") != fields.text("again") {
        let problem = "The two new passwords differ.".to_owned();
        return (StatusCode::BAD_REQUEST, shown(caller, Some(problem))).into_response();
    }
    match people::change_password(&state, &caller, fields.text("current"), fields.text("new")).await {
        Ok(()) => Redirect::to("/?done=password").into_response(),
        Err(refused) if matches!(refused.0.code, ProblemCode::Forbidden | ProblemCode::MalformedBody) => {
            let mut problem = refused.0.detail;
            if let Some(first) = problem.get(..1).map(str::to_uppercase) {
                problem.replace_range(..1, &first);
            }
            problem.push('.');
            (StatusCode::BAD_REQUEST, shown(caller, Some(problem))).into_response()
        }
        Err(refused) => PageRefused(refused).into_response(),
    }
}
