//! What a failure means: the one place that decides whether to try again.

use std::time::Duration;

use wire::codec::CodecError;
use wire::problem::ProblemCode;

use super::UplinkError;

/// What to do after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Later, with a back-off; not before this where the server said so.
    Later(Option<Duration>),
    /// The server expects another number: go on from there.
    Resume {
        /// The number.
        expected: u64,
    },
    /// Too much at once: send less.
    Smaller,
    /// This will never be taken: put it aside and go on.
    PutAside,
}

/// Judges a failure.
pub(super) fn verdict(error: &UplinkError) -> Verdict {
    match error {
        UplinkError::Setup { .. } | UplinkError::Unreachable { .. } => Verdict::Later(None),
        UplinkError::Strange { status, retry_after, .. } => {
            if *status == 413 {
                Verdict::Smaller
            } else {
                Verdict::Later(*retry_after)
            }
        }
        UplinkError::Codec { source, .. } => match source {
            CodecError::TooLarge { .. } => Verdict::Smaller,
            CodecError::Encode(_) => Verdict::PutAside,
            CodecError::UnknownEncoding { .. } | CodecError::Decompress(_) | CodecError::Json { .. } => {
                Verdict::Later(None)
            }
        },
        UplinkError::Refused { problem, retry_after, .. } => match problem.code {
            ProblemCode::SequenceGap => match problem.expected_seq {
                Some(expected) => Verdict::Resume { expected },
                None => Verdict::Later(*retry_after),
            },
            ProblemCode::BodyTooLarge | ProblemCode::MalformedBody => Verdict::Smaller,
            ProblemCode::NotFound | ProblemCode::Conflict => Verdict::PutAside,
            ProblemCode::UnsupportedEncoding
            | ProblemCode::Forbidden
            | ProblemCode::Unauthorized
            | ProblemCode::Overloaded
            | ProblemCode::Internal => Verdict::Later(*retry_after),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::problem::Problem;

    #[test]
    fn every_refusal_has_its_consequence() {
        let after = Some(Duration::from_secs(7));
        for (code, expected) in [
            (ProblemCode::MalformedBody, Verdict::Smaller),
            (ProblemCode::BodyTooLarge, Verdict::Smaller),
            (ProblemCode::UnsupportedEncoding, Verdict::Later(after)),
            (ProblemCode::Forbidden, Verdict::Later(after)),
            (ProblemCode::NotFound, Verdict::PutAside),
            (ProblemCode::SequenceGap, Verdict::Resume { expected: 9 }),
            (ProblemCode::Conflict, Verdict::PutAside),
            (ProblemCode::Unauthorized, Verdict::Later(after)),
            (ProblemCode::Overloaded, Verdict::Later(after)),
            (ProblemCode::Internal, Verdict::Later(after)),
        ] {
            let mut problem = Problem::new(code, "x");
            problem.expected_seq = (code == ProblemCode::SequenceGap).then_some(9);
            let error = UplinkError::Refused { what: "reports", problem, retry_after: after };
            assert_eq!(verdict(&error), expected, "{code:?}");
        }
        let strange = |status| UplinkError::Strange { what: "poll", status, retry_after: None };
        assert_eq!(verdict(&strange(413)), Verdict::Smaller);
        assert_eq!(verdict(&strange(502)), Verdict::Later(None));
    }
}
