//! Errors of the store as problem documents: logged here once, sent to the gateway without details.

use comm_server_core::ingest::BatchError;
use runtime::problem_response::ProblemResponse;
use wire::ids::GatewayId;
use wire::problem::{Problem, ProblemCode};

use crate::store::{AnswerError, IngestError, StoreError};

/// The store failed.
pub(super) fn store(gateway: &GatewayId, error: &StoreError) -> ProblemResponse {
    if matches!(error, StoreError::Busy) {
        return ProblemResponse::new(ProblemCode::Overloaded, "too many gateways at once: retry later");
    }
    if matches!(error, StoreError::Unreachable) {
        // The writer has logged it once for all of them.
        return ProblemResponse::new(
            ProblemCode::Overloaded,
            "the database can't be reached: nothing was stored",
        );
    }
    tracing::error!(gateway.id = %gateway, error = error as &dyn std::error::Error, "the database failed");
    ProblemResponse::new(
        ProblemCode::Internal,
        "the server's database failed: nothing was stored, retry the request",
    )
}

/// Nothing says which dealer a gateway belongs to.
pub(super) fn no_dealer(gateway: &GatewayId) -> ProblemResponse {
    tracing::warn!(
        gateway.id = %gateway,
        "an unknown gateway was rejected: this server has several dealers. Register it for one of them \
         (platen-comm-server gateway add --dealer ID) or enroll it with a token for one (platen-pki token --dealer ID)"
    );
    ProblemResponse::new(
        ProblemCode::Forbidden,
        "this gateway belongs to no dealer of this server: it must be registered for one first",
    )
}

/// A batch isn't taken.
pub(super) fn batch(gateway: &GatewayId, error: &IngestError) -> ProblemResponse {
    match error {
        IngestError::Store(error) => store(gateway, error),
        IngestError::Batch(error) => sequence(error),
    }
}

/// The sequence numbers of a batch are wrong.
pub(super) fn sequence(error: &BatchError) -> ProblemResponse {
    let detail = error.to_string();
    match error {
        BatchError::Gap { expected, .. } => ProblemResponse(Problem {
            expected_seq: Some(*expected),
            ..Problem::new(ProblemCode::SequenceGap, detail)
        }),
        BatchError::NotInSequence { .. } | BatchError::OutOfRange { .. } | BatchError::TooMany { .. } => {
            ProblemResponse::new(ProblemCode::MalformedBody, detail)
        }
    }
}

/// An answer to a command isn't taken.
pub(super) fn response(gateway: &GatewayId, error: &AnswerError) -> ProblemResponse {
    match error {
        AnswerError::Store(error) => store(gateway, error),
        AnswerError::NotFound { .. } => ProblemResponse::new(ProblemCode::NotFound, error.to_string()),
    }
}
