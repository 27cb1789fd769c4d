//! Error responses: `application/problem+json` (RFC 9457) with an enumeration of codes.

use serde::{Deserialize, Serialize};

/// Media type of an error response.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// An error response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The kind of error.
    pub code: ProblemCode,
    /// HTTP status code.
    pub status: u16,
    /// What is wrong, where, and what was expected.
    pub detail: String,
    /// For [`ProblemCode::SequenceGap`]: the number that the server expects next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_seq: Option<u64>,
}

/// Kinds of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// The body is not what the path expects.
    MalformedBody,
    /// The body is larger than the limit.
    BodyTooLarge,
    /// The body's content encoding is unknown.
    UnsupportedEncoding,
    /// The certificate doesn't permit this.
    Forbidden,
    /// There is no such object, or it belongs to another party.
    NotFound,
    /// The batch begins after the expected number.
    SequenceGap,
    /// The request conflicts with the current state.
    Conflict,
    /// The object was changed since the version that the request names (`If-Match`, RFC 9110).
    PreconditionFailed,
    /// The request must name the version that it changes (`If-Match`, RFC 6585).
    PreconditionRequired,
    /// The login is missing or wrong.
    Unauthorized,
    /// Too many requests; `Retry-After` has the time of the next attempt.
    Overloaded,
    /// The server failed; nothing was stored.
    Internal,
}

impl ProblemCode {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::MalformedBody,
        Self::BodyTooLarge,
        Self::UnsupportedEncoding,
        Self::Forbidden,
        Self::NotFound,
        Self::SequenceGap,
        Self::Conflict,
        Self::PreconditionFailed,
        Self::PreconditionRequired,
        Self::Unauthorized,
        Self::Overloaded,
        Self::Internal,
    ];

    /// The HTTP status of this kind.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::MalformedBody => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::SequenceGap | Self::Conflict => 409,
            Self::PreconditionFailed => 412,
            Self::BodyTooLarge => 413,
            Self::UnsupportedEncoding => 415,
            Self::PreconditionRequired => 428,
            Self::Internal => 500,
            Self::Overloaded => 503,
        }
    }
}

impl Problem {
    /// A problem with a detail.
    #[must_use]
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self { code, status: code.status(), detail: detail.into(), expected_seq: None }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (status {})", self.detail, self.status)
    }
}

impl From<&crate::codec::CodecError> for Problem {
    fn from(error: &crate::codec::CodecError) -> Self {
        use crate::codec::CodecError;
        let code = match error {
            CodecError::Encode(_) => ProblemCode::Internal,
            CodecError::TooLarge { .. } => ProblemCode::BodyTooLarge,
            CodecError::UnknownEncoding { .. } => ProblemCode::UnsupportedEncoding,
            CodecError::Decompress(_) | CodecError::Json { .. } => ProblemCode::MalformedBody,
        };
        Self::new(code, error.to_string())
    }
}
