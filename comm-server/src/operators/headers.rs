//! Security headers of every response, and the rejection of cross-site requests.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use wire::problem::ProblemCode;

use super::error::ApiError;
use super::session;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const ALWAYS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Rejects changes requested by another site; adds the headers to every response.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let mut response = if changes && is_foreign(request.headers(), request.uri()) {
        ApiError::new(ProblemCode::Forbidden, "another site made this request").into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Whether the browser marks the request as cross-site, or the origin isn't this host.
fn is_foreign(headers: &HeaderMap, uri: &Uri) -> bool {
    if session::is_from_elsewhere(headers) {
        return true;
    }
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = text(header::ORIGIN) else { return false };
    let host = uri.authority().map(|authority| authority.as_str()).or_else(|| text(header::HOST));
    origin.strip_prefix("https://") != host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_origin_may_change_things() {
        let foreign = |origin: Option<&str>, host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            is_foreign(&headers, &Uri::from_static("/login"))
        };
        assert!(!foreign(None, "platen.test:8080"));
        assert!(!foreign(Some("https://platen.test:8080"), "platen.test:8080"));
        for origin in ["https://evil.test", "http://platen.test:8080", "https://platen.test", "null"] {
            assert!(foreign(Some(origin), "platen.test:8080"), "{origin}");
        }
    }
}
