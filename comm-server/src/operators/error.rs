//! Refusals of the operators' side: what went wrong inside is logged with its chain, and told without detail.

use axum::response::{IntoResponse, Response};
use runtime::problem_response::ProblemResponse;
use wire::problem::{Problem, ProblemCode};

use super::password::HashError;
use crate::store::StoreError;

/// A refusal on its way out.
#[derive(Debug)]
pub(crate) struct ApiError(pub(crate) Problem);

impl ApiError {
    /// A refusal with a detail.
    pub(crate) fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self(Problem::new(code, detail))
    }

    /// The request is not what the path expects.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::MalformedBody, detail)
    }

    /// Nothing of that name.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(ProblemCode::NotFound, format!("there is no {what} of that name"))
    }

    /// No login.
    pub(crate) fn not_logged_in() -> Self {
        Self::new(ProblemCode::Unauthorized, "there is no valid session: log in first")
    }

    /// Too many requests from one address.
    pub(crate) fn too_many() -> Self {
        let mut problem = Problem::new(ProblemCode::Overloaded, "too many logins from this address");
        problem.status = 429;
        Self(problem)
    }

    /// Something inside failed.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "an operator's request failed");
        Self::new(ProblemCode::Internal, "the server failed; its log says why")
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if let StoreError::Cursor(cursor) = &error {
            return Self::malformed(cursor.to_string());
        }
        Self::internal(&error)
    }
}

impl From<HashError> for ApiError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Self::new(ProblemCode::Overloaded, error.to_string()),
            HashError::BusyNetwork => Self::too_many(),
            HashError::NoRandom | HashError::Argon(_) => Self::internal(&error),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        ProblemResponse(self.0).into_response()
    }
}
