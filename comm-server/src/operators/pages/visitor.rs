//! Who visits a page: without a session to the login, with a one-time password to its change.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use wire::problem::ProblemCode;

use super::refused::PageRefused;
use crate::operators::OperatorState;
use crate::operators::caller::{Caller, Fields, identify};

const HX_REDIRECT: HeaderName = HeaderName::from_static("hx-redirect");

/// Somebody who visits a page.
pub(super) struct Visitor(pub(super) Caller);

/// Somebody who may still have a one-time password.
pub(super) struct NewVisitor(pub(super) Caller);

/// A submitted form, its token checked.
pub(super) struct Submitted {
    pub(super) caller: Caller,
    pub(super) fields: Fields,
}

/// As [`Submitted`], from somebody who may still have a one-time password.
pub(super) struct NewSubmitted(pub(super) Submitted);

async fn visitor(state: &OperatorState, headers: &HeaderMap) -> Result<Caller, Response> {
    match identify(state, headers).await {
        Ok(caller) => Ok(caller),
        Err(refused) if refused.0.code == ProblemCode::Unauthorized => Err(elsewhere(headers, "/login")),
        Err(refused) => Err(PageRefused(refused).into_response()),
    }
}

/// A script that refreshes a page follows a redirect silently: it is told to go there as a whole.
fn elsewhere(headers: &HeaderMap, to: &'static str) -> Response {
    if headers.contains_key("hx-request") {
        return (StatusCode::UNAUTHORIZED, [(HX_REDIRECT, HeaderValue::from_static(to))]).into_response();
    }
    Redirect::to(to).into_response()
}

/// Where somebody with a one-time password is sent.
fn gate(caller: &Caller, headers: &HeaderMap) -> Option<Response> {
    caller.must_change.then(|| elsewhere(headers, "/password"))
}

impl FromRequestParts<OperatorState> for NewVisitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &OperatorState) -> Result<Self, Response> {
        visitor(state, &parts.headers).await.map(Self)
    }
}

impl FromRequestParts<OperatorState> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &OperatorState) -> Result<Self, Response> {
        let caller = visitor(state, &parts.headers).await?;
        gate(&caller, &parts.headers).map_or(Ok(Self(caller)), Err)
    }
}

impl FromRequest<OperatorState> for NewSubmitted {
    type Rejection = Response;

    async fn from_request(request: Request, state: &OperatorState) -> Result<Self, Response> {
        let caller = visitor(state, request.headers()).await?;
        let refuse = |refused| PageRefused(refused).into_response();
        let fields = Fields::from_request(request, state).await.map_err(refuse)?;
        caller.check_csrf(fields.text("csrf")).map_err(refuse)?;
        Ok(Self(Submitted { caller, fields }))
    }
}

impl FromRequest<OperatorState> for Submitted {
    type Rejection = Response;

    async fn from_request(request: Request, state: &OperatorState) -> Result<Self, Response> {
        let headers = request.headers().clone();
        let NewSubmitted(Self { caller, fields }) = NewSubmitted::from_request(request, state).await?;
        gate(&caller, &headers).map_or(Ok(Self { caller, fields }), Err)
    }
}
