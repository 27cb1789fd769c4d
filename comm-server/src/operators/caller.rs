//! Who sends a request: the session behind the cookie, checked before any handler runs.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use comm_server_core::replica::sees_own_change;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use wire::codec;
use wire::problem::ProblemCode;

use super::error::ApiError;
use super::role::{Permission, Role};
use super::{BODY_BYTES, OperatorState, session};

/// Somebody with a valid session.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) tenant: String,
    pub(super) user: String,
    pub(super) role: Role,
    pub(super) csrf: String,
    pub(super) must_change: bool,
    pub(super) token_hash: String,
    /// Whether this session changed something that a replica may not have yet.
    pub(super) recent_write: bool,
}

/// Clocks of two servers differ by so much at the most, milliseconds.
const CLOCK_SLACK_MS: i64 = 5000;

impl Caller {
    /// Refuses what the role doesn't allow.
    pub(super) fn may(&self, act: Permission) -> Result<(), ApiError> {
        if self.role.may(act) {
            return Ok(());
        }
        let detail = format!("the role {} does not allow this", self.role.name());
        Err(ApiError::new(ProblemCode::Forbidden, detail))
    }

    /// Refuses a request without the session's own token.
    pub(super) fn check_csrf(&self, given: &str) -> Result<(), ApiError> {
        if session::is_own_csrf(&self.csrf, given) {
            return Ok(());
        }
        let detail =
            format!("the session's CSRF token is missing or wrong: expected it in {}", session::CSRF_HEADER);
        Err(ApiError::new(ProblemCode::Forbidden, detail))
    }

    /// Refuses everything until the one-time password is changed.
    pub(super) fn check_password_is_own(&self) -> Result<(), ApiError> {
        if !self.must_change {
            return Ok(());
        }
        let detail = "the one-time password must be changed first: PUT /api/v1/account/password";
        Err(ApiError::new(ProblemCode::Forbidden, detail))
    }
}

/// Finds the session. What refreshes itself in a browser does not keep a session alive.
pub(super) async fn identify(state: &OperatorState, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let token = session::token_of(headers).ok_or_else(ApiError::not_logged_in)?;
    let token_hash = session::token_hash(&token);
    let now = Timestamp::now();
    let found = state.store().session(&token_hash, now).await?;
    let (found, user) = found.ok_or_else(ApiError::not_logged_in)?;
    let role = user.role.parse().map_err(|error| ApiError::internal(&error))?;
    if !refreshes_itself(headers) {
        let (created, expires) = (found.created_at.as_millisecond(), found.expires_at.as_millisecond());
        if let Some(moved) = session::moved_expiry(created, expires, now.as_millisecond()) {
            state.store().move_session_expiry(&token_hash, moved).await?;
        }
    }
    let recent_write = state.store().replica_behind().is_some_and(|behind| {
        let behind_ms = i64::try_from(behind.as_millis()).unwrap_or(i64::MAX);
        sees_own_change(found.changed_ms, now.as_millisecond(), behind_ms, CLOCK_SLACK_MS)
    });
    Ok(Caller {
        tenant: user.tenant,
        user: user.name,
        role,
        csrf: found.csrf,
        must_change: user.must_change,
        token_hash,
        recent_write,
    })
}

/// Notes after a change, and before its answer, that the session made one: whoever reads the answer and looks sees it,
/// at whatever server.
pub(super) async fn record_write(
    State(state): State<OperatorState>,
    request: Request,
    next: Next,
) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let token =
        (changes && state.store().is_shared()).then(|| session::token_of(request.headers())).flatten();
    let answer = next.run(request).await;
    if let Some(token) = token.filter(|_| !answer.status().is_client_error()) {
        let noted = state.store().note_change(&session::token_hash(&token), Timestamp::now()).await;
        if let Err(error) = noted {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "a change was made, but its session may not see it for some seconds");
        }
    }
    answer
}

/// Whether a page asks on its own, and not because a person chose what it shows.
fn refreshes_itself(headers: &HeaderMap) -> bool {
    headers.get(runtime::live::HEADER).is_some_and(|why| why != "search")
}

/// A caller of the API who may still have a one-time password.
pub(super) struct UnverifiedCaller(pub(super) Caller);

impl FromRequestParts<OperatorState> for UnverifiedCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &OperatorState) -> Result<Self, ApiError> {
        let caller = identify(state, &parts.headers).await?;
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            let given = parts.headers.get(session::CSRF_HEADER).and_then(|value| value.to_str().ok());
            caller.check_csrf(given.unwrap_or_default())?;
        }
        Ok(Self(caller))
    }
}

impl FromRequestParts<OperatorState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &OperatorState) -> Result<Self, ApiError> {
        let UnverifiedCaller(caller) = UnverifiedCaller::from_request_parts(parts, state).await?;
        caller.check_password_is_own()?;
        Ok(caller)
    }
}

/// A JSON body, limited, its errors naming the path.
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

/// The values of a query.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<OperatorState> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &OperatorState) -> Result<Self, ApiError> {
        let parsed = std::future::ready(Query::<T>::try_from_uri(&parts.uri)).await;
        parsed.map(|Query(value)| Self(value)).map_err(|error| ApiError::malformed(error.body_text()))
    }
}

/// Fields of a submitted form; a field that comes twice counts once, the last.
#[derive(Debug, Default)]
pub(super) struct Fields(BTreeMap<String, String>);

impl Fields {
    /// A field's text, empty when absent.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// A form larger than the limit is refused by the router's body limit.
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
    fn only_a_page_that_asks_on_its_own_leaves_the_session_to_end() {
        let of = |pairs: &[(&'static str, &'static str)]| {
            let headers = pairs.iter().map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            refreshes_itself(&headers.collect::<HeaderMap>())
        };
        assert!(of(&[(runtime::live::HEADER, "refresh")]));
        assert!(!of(&[(runtime::live::HEADER, "search")]));
        assert!(!of(&[]));
    }
}
