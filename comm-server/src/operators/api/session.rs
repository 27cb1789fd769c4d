//! `/api/v1/session`: logging in and out.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use axum_extra::extract::CookieJar;
use runtime::listener::Peer;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::problem::ProblemCode;

use super::errors::WriteErrors;
use super::states;
use crate::operators::caller::{AnyCaller, Body};
use crate::operators::error::ApiError;
use crate::operators::{OperatorState, session};
use crate::services::LoggedIn;

/// A login.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    /// The user's name.
    #[schema(max_length = 64)]
    user: String,
    /// The password.
    #[schema(max_length = 256)]
    password: String,
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Session {
    /// The user's name.
    user: String,
    #[schema(value_type = states::Role)]
    role: &'static str,
    #[schema(value_type = states::LoginStage)]
    stage: &'static str,
    /// Whether all other requests are rejected until the password is changed.
    must_change_password: bool,
    /// Send it as `x-csrf-token` with every request that changes something.
    csrf: String,
}

impl From<LoggedIn> for Session {
    fn from(begun: LoggedIn) -> Self {
        Self {
            user: begun.user.into(),
            role: begun.role.name(),
            stage: begun.stage.name(),
            must_change_password: begun.must_change,
            csrf: begun.csrf,
        }
    }
}

/// The code of the second factor.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginCode {
    /// Six digits of the authenticator, or a recovery code.
    #[schema(min_length = 6, max_length = 64)]
    code: String,
}

/// Continue a login whose `stage` is `code`. The response sets the cookie of a new session.
#[utoipa::path(
    post, path = "/api/v1/session/code", tag = "people", operation_id = "enter_code", request_body = LoginCode,
    params(("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token")),
    responses((status = 200, body = Session, description = "Logged in", headers(
        ("set-cookie" = String, description = "`__Host-platen_session`, and `__Host-platen_device`: keep both"))), WriteErrors)
)]
pub(super) async fn enter_code(
    State(state): State<OperatorState>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    AnyCaller(caller): AnyCaller,
    Body(given): Body<LoginCode>,
) -> Result<(session::LoginCookies, Json<Session>), ApiError> {
    let (begun, cookies) = session::enter_code(&state, peer, &headers, &caller, &given.code).await?;
    Ok((cookies, Json(begun.into())))
}

/// Log in. If `stage` of the response is `code`, send the code of the second factor next. The response sets the
/// session's cookie.
#[utoipa::path(
    post, path = "/api/v1/session", tag = "people", operation_id = "begin_session", security(()),
    request_body = Login,
    responses((status = 200, body = Session, description = "Logged in", headers(
        ("set-cookie" = String, description = "`__Host-platen_session`, and `__Host-platen_device`: keep both"))), WriteErrors)
)]
pub(super) async fn begin(
    State(state): State<OperatorState>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Body(login): Body<Login>,
) -> Result<(session::LoginCookies, Json<Session>), ApiError> {
    let (begun, cookies) = session::log_in(&state, peer, &headers, &login.user, &login.password).await?;
    Ok((cookies, Json(begun.into())))
}

/// Log out.
#[utoipa::path(
    delete, path = "/api/v1/session", tag = "people", operation_id = "end_session",
    params(("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token")),
    responses((status = 204, description = "Logged out"), WriteErrors)
)]
pub(super) async fn end(
    State(state): State<OperatorState>,
    AnyCaller(caller): AnyCaller,
    jar: CookieJar,
) -> Result<(CookieJar, StatusCode), ApiError> {
    if caller.user.is_none() {
        return Err(ApiError::new(ProblemCode::Forbidden, "an API token has no session: revoke it instead"));
    }
    state.services.users.log_out(&caller).await?;
    Ok((jar.add(session::ended_cookie()), StatusCode::NO_CONTENT))
}
