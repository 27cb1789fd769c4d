//! The session of a person who opens a page. Without a session, the person is redirected to the login; with a
//! one-time password, to the page that changes it.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::de::DeserializeOwned;
use wire::problem::ProblemCode;

use super::error::PageError;
use super::live;
use super::return_to::ReturnTo;
use crate::operators::OperatorState;
use crate::operators::caller::{Caller, Fields, Gate, Params, check_csrf, identify, upload};

/// The session of a page.
pub(super) struct PageSession(pub(super) Caller);

/// The session of a page, which may not have passed any gate.
pub(super) struct AnyPageSession(pub(super) Caller);

/// The session of a page, which may still have a one-time password.
pub(super) struct UnverifiedPageSession(pub(super) Caller);

/// The session of a page, for which a second factor may still have to be set up.
pub(super) struct EnrollingPageSession(pub(super) Caller);

/// A submitted form with a verified CSRF token.
pub(super) struct FormSubmission {
    pub(super) caller: Caller,
    pub(super) fields: Fields,
}

/// A submitted form with a file and a verified CSRF token.
pub(super) struct UploadSubmission {
    pub(super) caller: Caller,
    pub(super) fields: Fields,
    /// The contents of the file.
    pub(super) file: Bytes,
}

/// As [`FormSubmission`], from a session that may not have passed any gate.
pub(super) struct AnyFormSubmission(pub(super) FormSubmission);

/// As [`FormSubmission`], from a session that may still have a one-time password.
pub(super) struct UnverifiedFormSubmission(pub(super) FormSubmission);

/// As [`FormSubmission`], from a session for which a second factor may still have to be set up.
pub(super) struct EnrollingFormSubmission(pub(super) FormSubmission);

/// The values of a page's query; invalid ones are answered with an error page.
pub(super) struct PageParams<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<OperatorState> for PageParams<T> {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &OperatorState) -> Result<Self, PageError> {
        let Params(value) = Params::from_request_parts(parts, state).await?;
        Ok(Self(value))
    }
}

/// The parts of a request that show its origin and the requested page.
struct Asked {
    headers: HeaderMap,
    page: Option<ReturnTo>,
}

impl Asked {
    fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        Self { page: ReturnTo::of(method, uri, headers), headers: headers.clone() }
    }

    async fn page_session(&self, state: &OperatorState) -> Result<Caller, Response> {
        match identify(state, &self.headers).await {
            Ok(caller) => Ok(caller),
            Err(refused) if refused.0.code == ProblemCode::Unauthorized => Err(self.gate("/login")),
            Err(refused) => Err(PageError(refused).into_response()),
        }
    }

    /// Redirects to the page of the first gate before everything behind `passed`; see [`Gate::before`].
    fn first_gate(&self, caller: &Caller, passed: Option<Gate>) -> Option<Response> {
        Gate::before(caller, passed).map(|gate| {
            self.gate(match gate {
                Gate::Code => "/login/code",
                Gate::Password => "/password",
                Gate::Enrollment => "/second-factor",
            })
        })
    }

    /// The session, if it has passed a gate, or all gates.
    async fn session_behind(&self, state: &OperatorState, passed: Option<Gate>) -> Result<Caller, Response> {
        let caller = self.page_session(state).await?;
        self.first_gate(&caller, passed).map_or(Ok(caller), Err)
    }

    /// Redirects to a form that returns to the page afterwards. A script that refreshes a page would follow the
    /// redirect unnoticed, so it gets a header that makes it load the form as a page.
    fn gate(&self, gate: &str) -> Response {
        let to = ReturnTo::after(gate, self.page.as_ref());
        if live::asks_for_regions(&self.headers) {
            return (StatusCode::UNAUTHORIZED, [(header::LOCATION, to)]).into_response();
        }
        Redirect::to(&to).into_response()
    }
}

impl FromRequestParts<OperatorState> for AnyPageSession {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &OperatorState) -> Result<Self, Response> {
        Asked::of(&parts.method, &parts.uri, &parts.headers).page_session(state).await.map(Self)
    }
}

impl FromRequestParts<OperatorState> for UnverifiedPageSession {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &OperatorState) -> Result<Self, Response> {
        let asked = Asked::of(&parts.method, &parts.uri, &parts.headers);
        asked.session_behind(state, Some(Gate::Code)).await.map(Self)
    }
}

impl FromRequestParts<OperatorState> for EnrollingPageSession {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &OperatorState) -> Result<Self, Response> {
        let asked = Asked::of(&parts.method, &parts.uri, &parts.headers);
        asked.session_behind(state, Some(Gate::Password)).await.map(Self)
    }
}

impl FromRequestParts<OperatorState> for PageSession {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &OperatorState) -> Result<Self, Response> {
        let asked = Asked::of(&parts.method, &parts.uri, &parts.headers);
        asked.session_behind(state, None).await.map(Self)
    }
}

/// A form with a verified CSRF token, from a session that has passed a gate, or all gates.
async fn submitted(
    request: Request,
    state: &OperatorState,
    passed: Option<Gate>,
) -> Result<FormSubmission, Response> {
    let asked = Asked::of(request.method(), request.uri(), request.headers());
    let AnyFormSubmission(submission) = AnyFormSubmission::from_request(request, state).await?;
    asked.first_gate(&submission.caller, passed).map_or(Ok(submission), Err)
}

impl FromRequest<OperatorState> for AnyFormSubmission {
    type Rejection = Response;

    async fn from_request(request: Request, state: &OperatorState) -> Result<Self, Response> {
        let asked = Asked::of(request.method(), request.uri(), request.headers());
        let caller = asked.page_session(state).await?;
        let refuse = |refused| PageError(refused).into_response();
        let fields = Fields::from_request(request, state).await.map_err(refuse)?;
        check_csrf(&caller, fields.text("csrf")).map_err(refuse)?;
        Ok(Self(FormSubmission { caller, fields }))
    }
}

impl FromRequest<OperatorState> for UnverifiedFormSubmission {
    type Rejection = Response;

    async fn from_request(request: Request, state: &OperatorState) -> Result<Self, Response> {
        submitted(request, state, Some(Gate::Code)).await.map(Self)
    }
}

impl FromRequest<OperatorState> for EnrollingFormSubmission {
    type Rejection = Response;

    async fn from_request(request: Request, state: &OperatorState) -> Result<Self, Response> {
        submitted(request, state, Some(Gate::Password)).await.map(Self)
    }
}

impl FromRequest<OperatorState> for FormSubmission {
    type Rejection = Response;

    async fn from_request(request: Request, state: &OperatorState) -> Result<Self, Response> {
        submitted(request, state, None).await
    }
}

impl FromRequest<OperatorState> for UploadSubmission {
    type Rejection = Response;

    async fn from_request(request: Request, state: &OperatorState) -> Result<Self, Response> {
        let asked = Asked::of(request.method(), request.uri(), request.headers());
        let caller = asked.session_behind(state, None).await?;
        let refuse = |refused| PageError(refused).into_response();
        let (fields, file) = upload(request, state).await.map_err(refuse)?;
        check_csrf(&caller, fields.text("csrf")).map_err(refuse)?;
        Ok(Self { caller, fields, file })
    }
}
