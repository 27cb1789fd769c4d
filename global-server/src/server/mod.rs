//! The mutual-TLS listener: metadata and images, for gateways and communication servers.

mod images;
mod metadata;
mod range;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use runtime::problem_response::ProblemResponse;
use tokio::sync::Semaphore;
use tower_http::timeout::TimeoutLayer;
use wire::problem::ProblemCode;
use wire::{IMAGES_PATH, METADATA_PATH, TARGETS_PATH};

use crate::repository::Repository;

/// Concurrent downloads of images; further requests get 503 with `Retry-After`.
pub(crate) const MAX_DOWNLOADS: usize = 512;

/// Time limit for the head of a response.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// State shared by the handlers.
#[derive(Clone)]
struct Shared {
    repository: Repository,
    downloads: Arc<Semaphore>,
    metadata: Arc<metadata::Cache>,
}

/// The routes of a repository.
pub(crate) fn router(repository: Repository) -> Router {
    let shared =
        Shared { repository, downloads: Arc::new(Semaphore::new(MAX_DOWNLOADS)), metadata: Arc::default() };
    Router::new()
        .route(METADATA_PATH, get(metadata::answer))
        .route(IMAGES_PATH, get(images::answer))
        .route(TARGETS_PATH, get(images::answer_target))
        .fallback(async || ProblemResponse::new(ProblemCode::NotFound, "there is nothing at this path"))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_TIMEOUT))
        .with_state(shared)
}

/// Whether `If-None-Match` names the representation with this tag.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let weak = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    text(headers, header::IF_NONE_MATCH)
        .is_some_and(|tags| tags.trim() == "*" || tags.split(',').any(|tag| weak(tag) == etag))
}

fn not_modified(etag: &str) -> Result<Response, ProblemResponse> {
    let builder = Response::builder().status(StatusCode::NOT_MODIFIED).header(header::ETAG, etag);
    builder.body(axum::body::Body::empty()).map_err(internal)
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Logs the cause, which is not sent to the peer.
fn internal(error: impl std::error::Error) -> ProblemResponse {
    tracing::error!(error = %error, "a request failed");
    ProblemResponse::new(ProblemCode::Internal, "the repository can't be read")
}
