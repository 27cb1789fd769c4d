//! Why an exchange fails, and what is done about it: the one place that decides whether a request is retried.

use std::time::Duration;

use wire::codec::CodecError;
use wire::problem::{Problem, ProblemCode};
use wire::report::Lane;

/// Why a request to the communication server failed.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The server does not respond, or the connection broke.
    #[error("{what}: no response from the communication server: {problem}")]
    Unreachable {
        /// The request.
        what: &'static str,
        /// Why, with the source error.
        problem: String,
    },
    /// The server rejected the request.
    #[error("{what}: rejected by the communication server: {problem}")]
    Refused {
        /// The request.
        what: &'static str,
        /// The problem document of the response.
        problem: Problem,
        /// `Retry-After` of the response.
        retry_after: Option<Duration>,
    },
    /// The response is not from a communication server, but perhaps from a proxy or a portal.
    #[error("{what}: status {status} without a problem document, perhaps from a proxy in between")]
    NotAServer {
        /// The request.
        what: &'static str,
        /// HTTP status.
        status: u16,
        /// `Retry-After` of the response.
        retry_after: Option<Duration>,
    },
    /// The request or the response can't be encoded or decoded.
    #[error("{what}: {source}")]
    Codec {
        /// The request.
        what: &'static str,
        /// The cause.
        source: CodecError,
    },
}

/// What follows from a failed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Retry after a back-off, and not before the time that the server gave, if any.
    RetryAfter(Option<Duration>),
    /// Continue at the sequence number that the server expects.
    ResumeAt {
        /// The number.
        expected: u64,
    },
    /// Send smaller batches.
    Split,
    /// The server will never accept the report: quarantine it, and continue with the next one.
    Quarantine,
}

impl RequestError {
    /// What follows from this error.
    #[must_use]
    pub(crate) fn disposition(&self) -> Disposition {
        match self {
            Self::Unreachable { .. } => Disposition::RetryAfter(None),
            Self::NotAServer { status: 413, .. } => Disposition::Split,
            Self::NotAServer { retry_after, .. } => Disposition::RetryAfter(*retry_after),
            Self::Codec { source, .. } => match source {
                CodecError::TooLarge { .. } => Disposition::Split,
                CodecError::Encode(_) => Disposition::Quarantine,
                CodecError::UnknownEncoding { .. } | CodecError::Decompress(_) | CodecError::Json { .. } => {
                    Disposition::RetryAfter(None)
                }
            },
            Self::Refused { problem, retry_after, .. } => of_problem(problem, *retry_after),
        }
    }
}

fn of_problem(problem: &Problem, retry_after: Option<Duration>) -> Disposition {
    match problem.code {
        ProblemCode::SequenceGap => match problem.expected_seq {
            Some(expected) => Disposition::ResumeAt { expected },
            None => Disposition::RetryAfter(retry_after),
        },
        ProblemCode::BodyTooLarge | ProblemCode::MalformedBody => Disposition::Split,
        ProblemCode::NotFound
        | ProblemCode::Conflict
        | ProblemCode::PreconditionFailed
        | ProblemCode::PreconditionRequired => Disposition::Quarantine,
        ProblemCode::UnsupportedEncoding
        | ProblemCode::Forbidden
        | ProblemCode::Unauthorized
        | ProblemCode::Overloaded
        | ProblemCode::Internal => Disposition::RetryAfter(retry_after),
    }
}

/// Why a request to the spool failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct StorageError {
    /// Whether nothing can be stored at present; the same request will succeed when there is room.
    pub refuses: bool,
    /// The cause.
    pub problem: String,
}

/// Why an exchange ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// A request to the server failed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A request to the spool failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The server's sequence numbers contradict each other.
    #[error("the server and the spool disagree on the sequence numbers of lane {0}")]
    Disagreement(Lane),
    /// The commands of a poll were not stored in time.
    #[error("the gateway did not decide on the commands in time")]
    Undecided,
}

impl ExchangeError {
    /// The delay that the server requested (`Retry-After`).
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let Self::Request(error) = self else { return None };
        match error.disposition() {
            Disposition::RetryAfter(after) => after,
            Disposition::ResumeAt { .. } | Disposition::Split | Disposition::Quarantine => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_disposition() {
        let after = Some(Duration::from_secs(7));
        for code in ProblemCode::ALL {
            let expected = match code {
                ProblemCode::MalformedBody | ProblemCode::BodyTooLarge => Disposition::Split,
                ProblemCode::NotFound
                | ProblemCode::Conflict
                | ProblemCode::PreconditionFailed
                | ProblemCode::PreconditionRequired => Disposition::Quarantine,
                ProblemCode::SequenceGap => Disposition::ResumeAt { expected: 9 },
                ProblemCode::UnsupportedEncoding
                | ProblemCode::Forbidden
                | ProblemCode::Unauthorized
                | ProblemCode::Overloaded
                | ProblemCode::Internal => Disposition::RetryAfter(after),
            };
            let mut problem = Problem::new(code, "x");
            problem.expected_seq = (code == ProblemCode::SequenceGap).then_some(9);
            let error = RequestError::Refused { what: "reports", problem, retry_after: after };
            assert_eq!(error.disposition(), expected, "{code:?}");
        }
        let proxy = |status| RequestError::NotAServer { what: "poll", status, retry_after: None };
        assert_eq!(proxy(413).disposition(), Disposition::Split);
        assert_eq!(proxy(502).disposition(), Disposition::RetryAfter(None));
        let unreachable = RequestError::Unreachable { what: "poll", problem: String::new() };
        assert_eq!(unreachable.disposition(), Disposition::RetryAfter(None));
    }
}
