//! Problem documents as HTTP responses.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wire::problem::{MEDIA_TYPE, Problem, ProblemCode};

/// Seconds for `Retry-After` under overload: spread, so that clients don't return all at once.
const RETRY_AFTER_S: std::ops::RangeInclusive<u32> = 20..=60;

/// A [`Problem`] as a response: `application/problem+json` (RFC 9457).
#[derive(Debug, Clone)]
pub struct ProblemResponse(pub Problem);

impl ProblemResponse {
    /// A problem with a detail.
    #[must_use]
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self(Problem::new(code, detail))
    }
}

impl From<Problem> for ProblemResponse {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for ProblemResponse {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let overloaded = self.0.code == ProblemCode::Overloaded;
        let mut response = (status, axum::Json(self.0)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if overloaded {
            let pause_s = rand::random_range(RETRY_AFTER_S);
            response.headers_mut().insert(header::RETRY_AFTER, pause_s.into());
        }
        response
    }
}
