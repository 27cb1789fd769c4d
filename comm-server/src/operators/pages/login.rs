//! `/login` and `/logout`.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use program::listener::Peer;
use wire::problem::ProblemCode;

use super::assets::{ASSETS, Assets};
use super::icon::Icon;
use super::refused::{PageRefused, page};
use super::visitor::{NewSubmitted, Submitted};
use crate::operators::caller::{Fields, identify};
use crate::operators::{OperatorState, people, session};

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    assets: &'static Assets,
    problem: Option<String>,
    user: String,
}

/// `GET /login`
pub(super) async fn show(State(state): State<OperatorState>, headers: HeaderMap) -> Response {
    if identify(&state, &headers).await.is_ok() {
        return Redirect::to("/").into_response();
    }
    page(&LoginPage { assets: &ASSETS, problem: None, user: String::new() })
}

/// `POST /login`
pub(super) async fn submit(
    State(state): State<OperatorState>,
    peer: Option<Extension<Peer>>,
    jar: CookieJar,
    fields: Fields,
) -> Response {
    let address = people::address_of(peer.as_ref().map(|Extension(peer)| peer));
    let user = fields.text("user").trim();
    match people::log_in(&state, address, user, fields.text("password")).await {
        Ok(begun) => {
            let to = if begun.must_change { "/password" } else { "/" };
            (jar.add(session::cookie(begun.token)), Redirect::to(to)).into_response()
        }
        Err(refused) if refused.0.code == ProblemCode::Internal => PageRefused(refused).into_response(),
        Err(refused) => {
            let status = StatusCode::from_u16(refused.0.status).unwrap_or(StatusCode::UNAUTHORIZED);
            let problem = match refused.0.code {
                ProblemCode::Unauthorized => {
                    "User or password is wrong, or the account is locked: five failures lock it for 15 minutes."
                }
                ProblemCode::Overloaded => "Too many logins at once. Wait a minute, then try again.",
                ProblemCode::MalformedBody
                | ProblemCode::BodyTooLarge
                | ProblemCode::UnsupportedEncoding
                | ProblemCode::Forbidden
                | ProblemCode::NotFound
                | ProblemCode::SequenceGap
                | ProblemCode::Conflict
                | ProblemCode::Internal => "That did not work. Try again.",
            };
            let user = user.chars().take(64).collect();
            (status, page(&LoginPage { assets: &ASSETS, problem: Some(problem.to_owned()), user }))
                .into_response()
        }
    }
}

/// `POST /logout`
pub(super) async fn leave(
    State(state): State<OperatorState>,
    jar: CookieJar,
    NewSubmitted(Submitted { caller, .. }): NewSubmitted,
) -> Result<Response, PageRefused> {
    people::log_out(&state, &caller).await?;
    Ok((jar.add(session::ended_cookie()), Redirect::to("/login")).into_response())
}
