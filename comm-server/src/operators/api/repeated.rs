//! `Idempotency-Key`: a repeated POST is executed once, and gets the response to the first one
//! (draft-ietf-httpapi-idempotency-key-header).

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest as _, FromRequestParts as _, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use wire::problem::ProblemCode;

use crate::operators::OperatorState;
use crate::operators::caller::AnyCaller;
use crate::operators::error::ApiError;
use crate::services::idempotency::{ClaimedKey, Repeated, fingerprint, parse_key};
use crate::store::StoredAnswer;

/// The header.
pub(super) const KEY: &str = "idempotency-key";

/// Headers of a response that are stored with it.
const KEPT: [HeaderName; 3] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION];

/// The largest response that is stored, bytes.
const ANSWER_BYTES: usize = 1 << 20;

/// Whether the response contains a secret, which must not be stored, or is about sessions.
pub(super) fn takes_no_key(path: &str) -> bool {
    let starts = ["/api/v1/session", "/api/v1/account/", "/api/v1/tokens", "/api/v1/users"];
    starts.iter().any(|start| path.starts_with(start)) || path.ends_with("/administrator")
}

/// Executes a POST with a key once.
pub(super) async fn once(State(state): State<OperatorState>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST || !request.headers().contains_key(KEY) {
        return next.run(request).await;
    }
    match claimed(&state, request).await {
        Err(refused) => refused.into_response(),
        Ok(Claimed::Unknown(request)) => next.run(*request).await,
        Ok(Claimed::Answered(answer)) => replayed(answer),
        Ok(Claimed::First(key, request)) => {
            // A caller who leaves doesn't stop it: the answer is stored in any case.
            let run = tokio::spawn(async move { finished(&key, next.run(*request).await).await });
            run.await.unwrap_or_else(|error| ApiError::internal(&error).into_response())
        }
    }
}

enum Claimed {
    /// The request has no valid session, so the handler will reject it.
    Unknown(Box<Request>),
    First(ClaimedKey, Box<Request>),
    Answered(StoredAnswer),
}

async fn claimed(state: &OperatorState, request: Request) -> Result<Claimed, ApiError> {
    let path = request.uri().path();
    if takes_no_key(path) {
        let detail = "this resource accepts no Idempotency-Key, because its response contains a secret";
        return Err(ApiError::malformed(detail));
    }
    let key = key_of(request.headers())?;
    let (mut parts, body) = request.into_parts();
    let Ok(AnyCaller(caller)) = AnyCaller::from_request_parts(&mut parts, state).await else {
        return Ok(Claimed::Unknown(Box::new(Request::from_parts(parts, body))));
    };
    let whole = Request::from_parts(parts.clone(), body);
    let body = Bytes::from_request(whole, state).await;
    let body = body.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::new(ProblemCode::BodyTooLarge, "the body is larger than the limit")
        }
        _ => ApiError::malformed(error.body_text()),
    })?;
    let media = parts.headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let request_hash = fingerprint(&[target.as_bytes(), media, &body]);
    match state.services.idempotency.claim(&caller.actor, key, request_hash).await? {
        Repeated::First(key) => {
            Ok(Claimed::First(key, Box::new(Request::from_parts(parts, Body::from(body)))))
        }
        Repeated::Answered(answer) => Ok(Claimed::Answered(answer)),
        Repeated::Running => {
            let detail = "the first request with this Idempotency-Key is still in flight: retry later";
            Err(ApiError::new(ProblemCode::Conflict, detail))
        }
        Repeated::Other => {
            let detail = "this Idempotency-Key belongs to another request: expected a new key for this one";
            let mut refused = ApiError::new(ProblemCode::Conflict, detail);
            refused.0.status = StatusCode::UNPROCESSABLE_ENTITY.as_u16();
            Err(refused)
        }
    }
}

fn key_of(headers: &HeaderMap) -> Result<String, ApiError> {
    let mut values = headers.get_all(KEY).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(ApiError::malformed("the request has several Idempotency-Keys: expected one"));
    };
    parse_key(value.as_bytes()).map_err(|error| ApiError::malformed(error.to_string()))
}

/// Stores the response if it is final. A request that changed nothing and may succeed later is not final.
async fn finished(key: &ClaimedKey, response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return ApiError::internal(&error).into_response(),
    };
    let text = std::str::from_utf8(&body).ok().filter(|text| text.len() <= ANSWER_BYTES);
    let stored = match text.filter(|_| is_final(parts.status)) {
        Some(text) => {
            let headers = kept(&parts.headers);
            key.answered(StoredAnswer { status: parts.status.as_u16(), headers, body: text.to_owned() }).await
        }
        None if parts.status.is_success() => Ok(()),
        None => key.release().await,
    };
    match stored {
        Ok(()) => Response::from_parts(parts, Body::from(body)),
        Err(error) => ApiError::from(error).into_response(),
    }
}

/// Whether the response to a retry would be the same.
fn is_final(status: StatusCode) -> bool {
    let later = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS];
    !status.is_server_error() && !later.contains(&status)
}

fn kept(headers: &HeaderMap) -> Value {
    let one = |name: &HeaderName| Some((name.as_str().to_owned(), json!(headers.get(name)?.to_str().ok()?)));
    KEPT.iter().filter_map(one).collect::<serde_json::Map<_, _>>().into()
}

fn replayed(answer: StoredAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = (status, Body::from(answer.body)).into_response();
    response.headers_mut().remove(header::CONTENT_TYPE);
    for name in KEPT {
        let value = answer.headers.get(name.as_str()).and_then(Value::as_str);
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
