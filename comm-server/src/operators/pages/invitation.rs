//! `/invitation`: an invited user chooses a password. The link is the only secret: it works once.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use wire::problem::ProblemCode;

use super::error::{PageError, page, sentence};
use super::icon::Icon;
use super::session::PageParams;
use super::static_files::{ASSETS, Assets};
use crate::operators::OperatorState;
use crate::operators::caller::Fields;
use crate::operators::error::ApiError;

/// The token of the link.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    token: String,
}

#[derive(Template)]
#[template(path = "invitation.html")]
struct InvitationPage<'a> {
    assets: &'static Assets,
    problem: Option<String>,
    user: String,
    token: &'a str,
}

/// `GET /invitation`
pub(super) async fn show(
    State(state): State<OperatorState>,
    PageParams(query): PageParams<Query>,
) -> Result<Response, PageError> {
    shown(&state, &query.token, None).await
}

async fn shown(state: &OperatorState, token: &str, problem: Option<String>) -> Result<Response, PageError> {
    let user = state.services.accounts.invited(token).await?.into();
    Ok(page(&InvitationPage { assets: &ASSETS, problem, user, token }))
}

/// `POST /invitation`
pub(super) async fn submit(
    State(state): State<OperatorState>,
    fields: Fields,
) -> Result<Response, PageError> {
    let token = fields.text("token");
    let refused = async |problem: String| {
        let again = shown(&state, token, Some(problem)).await?;
        Ok((StatusCode::BAD_REQUEST, again).into_response())
    };
    if fields.text("new") != fields.text("again") {
        return refused("The two passwords differ.".to_owned()).await;
    }
    match state.services.accounts.accept(token, fields.text("new")).await.map_err(ApiError::from) {
        Ok(_) => Ok(Redirect::to("/login").into_response()),
        Err(error) if error.0.code == ProblemCode::MalformedBody => refused(sentence(error.0.detail)).await,
        Err(error) => Err(PageError(error)),
    }
}
