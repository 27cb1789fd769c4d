//! Conditional requests (RFC 9110, section 13): a change names the version on which it is based.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum_extra::headers::{ETag, HeaderMapExt as _, IfMatch};
use wire::problem::ProblemCode;

use super::error::ApiError;

/// `If-Match` of a request.
#[derive(Debug, Clone)]
pub(super) struct Precondition(Option<IfMatch>);

impl<S: Sync> FromRequestParts<S> for Precondition {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let values = parts.headers.get_all(header::IF_MATCH).iter();
        if !values.map(HeaderValue::as_bytes).all(has_only_tag_octets) {
            let detail = "If-Match has an octet that is not allowed in an entity tag: expected the value of ETag, or *";
            return Err(ApiError::malformed(detail));
        }
        let parsed = parts.headers.typed_try_get::<IfMatch>();
        let malformed =
            |_| ApiError::malformed("If-Match is not an entity tag: expected the value of ETag, or *");
        std::future::ready(parsed.map(Self).map_err(malformed)).await
    }
}

/// Whether the quotes contain only what RFC 9110, section 8.8.3, allows (`etagc`). The parser doesn't check this.
fn has_only_tag_octets(value: &[u8]) -> bool {
    let quoted = value.split(|octet| *octet == b'"').skip(1).step_by(2);
    quoted.flatten().all(|octet| *octet > b' ' && *octet != 0x7f)
}

impl Precondition {
    /// Rejects a change that names no version, or another one than the current; `None` for `*`.
    pub(super) fn check(&self, current: i64) -> Result<Option<i64>, ApiError> {
        let Some(wanted) = &self.0 else {
            let detail =
                "If-Match is missing: expected the ETag of the version that the change was made from";
            return Err(ApiError::new(ProblemCode::PreconditionRequired, detail));
        };
        if wanted.is_any() {
            return Ok(None);
        }
        if tag(current).is_some_and(|tag| wanted.precondition_passes(&tag)) {
            return Ok(Some(current));
        }
        Err(ApiError::changed(current))
    }
}

fn tag(version: i64) -> Option<ETag> {
    format!("\"{version}\"").parse().ok()
}

/// The headers of a response with this version.
pub(super) fn versioned(version: i64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(tag) = tag(version) {
        headers.typed_insert(tag);
    }
    headers
}

/// The same for a resource that was created at `path`.
pub(super) fn created(path: &str, version: i64) -> HeaderMap {
    let mut headers = versioned(version);
    if let Ok(path) = HeaderValue::from_str(path) {
        headers.insert(header::LOCATION, path);
    }
    headers
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    async fn check(value: Option<&str>) -> Result<Option<i64>, u16> {
        let mut request = Request::patch("/");
        if let Some(value) = value {
            request = request.header(header::IF_MATCH, value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let precondition = Precondition::from_request_parts(&mut parts, &()).await.map_err(|e| e.0.status)?;
        precondition.check(7).map_err(|error| error.0.status)
    }

    #[tokio::test]
    async fn a_change_names_the_version_that_it_was_made_from() {
        assert_eq!(check(Some("\"7\"")).await, Ok(Some(7)));
        assert_eq!(check(Some("\"6\", \"7\"")).await, Ok(Some(7)));
        assert_eq!(check(Some("*")).await, Ok(None));
        assert_eq!(check(Some("\"6\"")).await, Err(412));
        assert_eq!(check(Some("W/\"7\"")).await, Err(412), "strong comparison");
        assert_eq!(check(Some("\" \"")).await, Err(400), "a blank is not an octet of a tag");
        assert_eq!(check(Some("\"6\" , \"7\"")).await, Ok(Some(7)), "blanks stand between tags");
        assert_eq!(check(None).await, Err(428));
        assert_eq!(check(Some("7")).await, Err(412), "no entity tag matches");
    }
}
