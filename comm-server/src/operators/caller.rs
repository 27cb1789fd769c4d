//! Extractors: the session behind a request's cookie, its body and its parameters.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use axum::body::Bytes;
use axum::extract::multipart::{Multipart, MultipartError};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use comm_server_core::second_factor::Stage;
use runtime::listener::Peer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::codec;
use wire::problem::ProblemCode;

use super::error::ApiError;
use super::{BODY_BYTES, OperatorState, session};
use crate::services::Session;

/// The valid session of a request.
pub(super) type Caller = Session;

/// Rejects a request without the session's own token.
pub(super) fn check_csrf(caller: &Caller, given: &str) -> Result<(), ApiError> {
    if session::is_own_csrf(&caller.csrf, given) {
        return Ok(());
    }
    let detail =
        format!("the session's CSRF token is missing or wrong: expected it in {}", session::CSRF_HEADER);
    Err(ApiError::new(ProblemCode::Forbidden, detail))
}

/// A condition that a session must meet before it can be used for everything, in the order in which they are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gate {
    /// The code of the second factor was entered.
    Code,
    /// The user has replaced the one-time password.
    Password,
    /// A required second factor was set up.
    Enrollment,
}

impl Gate {
    /// The first gate that a session has not passed.
    pub(super) fn of(caller: &Caller) -> Option<Self> {
        match (caller.stage, caller.must_change) {
            (Stage::Code, _) => Some(Self::Code),
            (Stage::Enroll | Stage::Open, true) => Some(Self::Password),
            (Stage::Enroll, false) => Some(Self::Enrollment),
            (Stage::Open, false) => None,
        }
    }

    /// The gate that keeps a session from routes behind `passed`; with `None`, from routes behind all gates.
    pub(super) fn before(caller: &Caller, passed: Option<Self>) -> Option<Self> {
        Self::of(caller).filter(|gate| passed.is_none_or(|passed| *gate <= passed))
    }

    const fn remedy(self) -> &'static str {
        match self {
            Self::Code => "the code of the second factor is missing: POST /api/v1/session/code",
            Self::Password => "the one-time password must be changed first: PUT /api/v1/account/password",
            Self::Enrollment => {
                "a second factor is required and must be set up first: POST /api/v1/account/second-factor"
            }
        }
    }
}

/// Rejects a request for a route behind a gate that the session has not passed.
fn check_gates(caller: &Caller, passed: Option<Gate>) -> Result<(), ApiError> {
    match Gate::before(caller, passed) {
        None => Ok(()),
        Some(gate) => Err(ApiError::new(ProblemCode::Forbidden, gate.remedy())),
    }
}

/// Finds the session of a request. Requests by which a page refreshes itself don't extend a session.
pub(super) async fn identify(state: &OperatorState, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let token = session::token_of(headers).ok_or_else(ApiError::not_logged_in)?;
    let found = state.services.sessions.find(&token, !refreshes_itself(headers)).await?;
    found.ok_or_else(ApiError::not_logged_in)
}

/// The API token of a request (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let token = value.to_str().ok().and_then(|value| value.split_once(' '));
    match token {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        Some(_) | None => {
            let detail = "the Authorization header has an unknown scheme: expected `Bearer` and an API token";
            Err(ApiError::new(ProblemCode::Unauthorized, detail))
        }
    }
}

async fn by_token(state: &OperatorState, parts: &Parts, token: &str) -> Result<Caller, ApiError> {
    // Without a listener (in tests) there is no peer.
    let peer =
        parts.extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.address.ip());
    let found = state.services.tokens.caller(token, peer).await?;
    found.ok_or_else(|| {
        let detail = "the API token is wrong, has expired, was revoked, or is not accepted from this network";
        ApiError::new(ProblemCode::Unauthorized, detail)
    })
}

/// After a change, and before its response is sent, records in the session that it changed something, so that its
/// next read sees the change on any server.
pub(super) async fn record_write(
    State(state): State<OperatorState>,
    request: Request,
    next: Next,
) -> Response {
    let writes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let sessions = &state.services.sessions;
    let token =
        (writes && sessions.must_record_writes()).then(|| session::token_of(request.headers())).flatten();
    let response = next.run(request).await;
    if let Some(token) = token.filter(|_| !response.status().is_client_error())
        && let Err(error) = sessions.record_write(&token).await
    {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(
            error,
            "a change can't be recorded in its session: the user's pages may not show it for some seconds"
        );
    }
    response
}

/// Whether the request was sent by a page's script to refresh it, and not by a person.
fn refreshes_itself(headers: &HeaderMap) -> bool {
    headers.get(runtime::live::HEADER).is_some_and(|why| why != "search")
}

/// The session of an API request, which may not have passed any gate.
pub(super) struct AnyCaller(pub(super) Caller);

/// The session of an API request, which may still have a one-time password.
pub(super) struct UnverifiedCaller(pub(super) Caller);

/// The session of an API request, for which a second factor may still have to be set up.
pub(super) struct EnrollingCaller(pub(super) Caller);

impl FromRequestParts<OperatorState> for UnverifiedCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &OperatorState) -> Result<Self, ApiError> {
        let AnyCaller(caller) = AnyCaller::from_request_parts(parts, state).await?;
        check_gates(&caller, Some(Gate::Code))?;
        Ok(Self(caller))
    }
}

impl FromRequestParts<OperatorState> for EnrollingCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &OperatorState) -> Result<Self, ApiError> {
        let AnyCaller(caller) = AnyCaller::from_request_parts(parts, state).await?;
        check_gates(&caller, Some(Gate::Password))?;
        Ok(Self(caller))
    }
}

impl FromRequestParts<OperatorState> for AnyCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &OperatorState) -> Result<Self, ApiError> {
        if let Some(token) = bearer(&parts.headers)? {
            // A browser sends no such header on its own: a request with it is not forged.
            return by_token(state, parts, token).await.map(Self);
        }
        let caller = identify(state, &parts.headers).await?;
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            let given = parts.headers.get(session::CSRF_HEADER).and_then(|value| value.to_str().ok());
            check_csrf(&caller, given.unwrap_or_default())?;
        }
        Ok(Self(caller))
    }
}

impl FromRequestParts<OperatorState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &OperatorState) -> Result<Self, ApiError> {
        let AnyCaller(caller) = AnyCaller::from_request_parts(parts, state).await?;
        check_gates(&caller, None)?;
        Ok(caller)
    }
}

/// A JSON body with a limited size; errors name the path.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<OperatorState> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &OperatorState) -> Result<Self, ApiError> {
        let is_json = media_type(request.headers()).is_some_and(|media| media == "application/json");
        if !is_json {
            let detail = "the body's media type is not known: expected application/json";
            return Err(ApiError::new(ProblemCode::UnsupportedEncoding, detail));
        }
        let body = limited(request, state).await?;
        codec::from_json(&body).map(Self).map_err(|error| ApiError::malformed(error.to_string()))
    }
}

/// A merge patch (RFC 7396) with a limited size.
pub(super) struct Patch(serde_json::Value);

impl FromRequest<OperatorState> for Patch {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &OperatorState) -> Result<Self, ApiError> {
        let media = media_type(request.headers()).unwrap_or_default();
        if !matches!(media.as_str(), "application/merge-patch+json" | "application/json") {
            let detail = "the body's media type is not known: expected application/merge-patch+json";
            return Err(ApiError::new(ProblemCode::UnsupportedEncoding, detail));
        }
        let body = limited(request, state).await?;
        let patch: serde_json::Value =
            codec::from_json(&body).map_err(|error| ApiError::malformed(error.to_string()))?;
        if !patch.is_object() {
            return Err(ApiError::malformed(
                "the patch is not a JSON object: expected the fields that change",
            ));
        }
        Ok(Self(patch))
    }
}

impl Patch {
    /// `current` with the patch applied; errors name the field.
    pub(super) fn apply<T: DeserializeOwned + Serialize>(&self, current: &T) -> Result<T, ApiError> {
        let mut document = serde_json::to_value(current).map_err(|error| ApiError::internal(&error))?;
        json_patch::merge(&mut document, &self.0);
        let merged = document.to_string();
        codec::from_json(merged.as_bytes()).map_err(|error| ApiError::malformed(error.to_string()))
    }
}

/// Identifiers in a path; an invalid one is answered with 404.
pub(super) struct PathIds<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<OperatorState> for PathIds<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &OperatorState) -> Result<Self, ApiError> {
        let parsed = Path::<T>::from_request_parts(parts, state).await;
        parsed.map(|Path(ids)| Self(ids)).map_err(|_| ApiError::not_found("resource"))
    }
}

/// Rejects a query with a NUL character: PostgreSQL has no texts with one.
pub(super) fn check_query(parts: &Parts) -> Result<(), ApiError> {
    if parts.uri.query().is_some_and(|query| query.contains("%00")) {
        return Err(ApiError::malformed("the query has a NUL character: no text has one"));
    }
    Ok(())
}

/// The values of a query.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<OperatorState> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &OperatorState) -> Result<Self, ApiError> {
        check_query(parts)?;
        let parsed = std::future::ready(Query::<T>::try_from_uri(&parts.uri)).await;
        parsed.map(|Query(value)| Self(value)).map_err(|error| ApiError::malformed(error.body_text()))
    }
}

/// Fields of a submitted form; if a field is repeated, the last one is used.
#[derive(Debug, Default)]
pub(super) struct Fields(BTreeMap<String, String>);

impl Fields {
    /// A field's text, empty when absent.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// A form larger than the limit is rejected by the router's body limit.
impl FromRequest<OperatorState> for Fields {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &OperatorState) -> Result<Self, ApiError> {
        let is_form =
            media_type(request.headers()).is_some_and(|media| media == "application/x-www-form-urlencoded");
        if !is_form {
            return Err(ApiError::new(ProblemCode::UnsupportedEncoding, "expected a form"));
        }
        let form = axum::Form::<Vec<(String, String)>>::from_request(request, state);
        let axum::Form(pairs) =
            form.await.map_err(|error| refused_body(error.status(), error.body_text()))?;
        Ok(Self(pairs.into_iter().collect()))
    }
}

/// The fields of a form and the contents of its one file (RFC 7578).
pub(super) async fn upload(request: Request, state: &OperatorState) -> Result<(Fields, Bytes), ApiError> {
    let not_read = |error: MultipartError| refused_body(error.status(), error.body_text());
    let parsed = Multipart::from_request(request, state).await;
    let mut form =
        parsed.map_err(|_| ApiError::new(ProblemCode::UnsupportedEncoding, "expected a form with a file"))?;
    let (mut fields, mut file) = (Fields::default(), None);
    while let Some(part) = form.next_field().await.map_err(not_read)? {
        let name: String = part.name().unwrap_or_default().chars().take(100).collect();
        if part.file_name().is_some() {
            file = Some(part.bytes().await.map_err(not_read)?);
        } else {
            fields.0.insert(name, part.text().await.map_err(not_read)?);
        }
    }
    let file = file.filter(|file: &Bytes| !file.is_empty());
    Ok((fields, file.ok_or_else(|| ApiError::malformed("the form has no file: choose one"))?))
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next()?.trim().to_ascii_lowercase())
}

async fn limited(request: Request, state: &OperatorState) -> Result<Bytes, ApiError> {
    let body = Bytes::from_request(request, state).await;
    body.map_err(|error| refused_body(error.status(), error.body_text()))
}

fn refused_body(status: StatusCode, why: String) -> ApiError {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        let detail = format!("the body is larger than {BODY_BYTES} bytes");
        return ApiError::new(ProblemCode::BodyTooLarge, detail);
    }
    ApiError::malformed(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_automatic_refreshes_let_the_session_expire() {
        let of = |pairs: &[(&'static str, &'static str)]| {
            let headers = pairs.iter().map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            refreshes_itself(&headers.collect::<HeaderMap>())
        };
        assert!(of(&[(runtime::live::HEADER, "refresh")]));
        assert!(!of(&[(runtime::live::HEADER, "search")]));
        assert!(!of(&[]));
    }
}
