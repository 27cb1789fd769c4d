//! Errors in the OpenAPI document.

use std::collections::BTreeMap;

use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder, ResponsesBuilder};
use utoipa::{IntoResponses, ToSchema};
use wire::problem::MEDIA_TYPE;

/// An error (RFC 9457).
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "it describes wire::problem::Problem, which has no schema of its own")]
pub(super) struct ProblemSchema {
    // Without a description of its own: beside a reference, utoipa would write a second type.
    code: Code,
    /// HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong, where, and what was expected.
    detail: String,
}

/// Kinds of errors.
#[derive(ToSchema)]
#[schema(as = ProblemCode, rename_all = "snake_case")]
#[expect(dead_code, reason = "it describes wire::problem::ProblemCode, which has no schema of its own")]
pub(super) enum Code {
    MalformedBody,
    BodyTooLarge,
    UnsupportedEncoding,
    Forbidden,
    NotFound,
    Conflict,
    PreconditionFailed,
    PreconditionRequired,
    Unauthorized,
    Overloaded,
    Internal,
}

const READ_ERRORS: [(&str, &str); 6] = [
    ("400", "The path or the query is not valid"),
    ("401", "No session"),
    ("403", "The role does not allow this, or the one-time password must be changed first"),
    ("404", "Not found"),
    ("500", "The server failed"),
    ("503", "Too many requests: `Retry-After` says when to retry"),
];

const WRITE_ERRORS: [(&str, &str); 6] = [
    ("409", "The request conflicts with the current state"),
    ("412", "`If-Match` names another version than the current one"),
    ("428", "`If-Match` is missing"),
    ("413", "The body is larger than the limit"),
    ("415", "The body's media type isn't application/json"),
    ("429", "Too many logins from this address"),
];

/// Errors of requests that read.
pub(super) struct ReadErrors;

impl IntoResponses for ReadErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        describe(&READ_ERRORS)
    }
}

/// Errors of requests that change something.
pub(super) struct WriteErrors;

impl IntoResponses for WriteErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut all = describe(&READ_ERRORS);
        all.append(&mut describe(&WRITE_ERRORS));
        all
    }
}

/// A response with a reason.
pub(super) fn problem(text: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(text).content(MEDIA_TYPE, content).build()
}

fn describe(errors: &[(&str, &str)]) -> BTreeMap<String, RefOr<Response>> {
    let all = errors
        .iter()
        .fold(ResponsesBuilder::new(), |all, (status, text)| all.response(*status, problem(text)));
    all.build().responses
}
