//! The page at the gateway's local port: the link, the queue, the devices and the firmware updates.
//!
//! The page is read-only: it has no form that changes anything, and loads nothing from other hosts. A script
//! refreshes it without disturbing selection and focus; without the script, a reload does.

mod devices;
mod firmware;
mod view;
pub(crate) mod words;

use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use crate::status::Status;
use runtime::live::SCRIPT;
use view::Page;

const CSS: &str = include_str!("../../templates/page.css");

const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// The query of a request.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// Only devices that contain this text.
    q: String,
    /// The page of the table of devices, from 1.
    page: Option<usize>,
}

/// The page at `/`, its style sheet and its script. `status` is called for each view.
pub(crate) fn router<S>(status: impl Fn() -> S + Clone + Send + Sync + 'static) -> Router
where
    S: Future<Output = Status> + Send,
{
    Router::new()
        .route("/", get(async move |Query(asked): Query<Asked>| show(&status().await, &asked)))
        .route("/page.css", get(async || ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], HEADERS, CSS)))
        .route(
            "/live.js",
            get(async || ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], HEADERS, SCRIPT)),
        )
}

fn show(status: &Status, asked: &Asked) -> Response {
    match Page::of(status, asked).render() {
        Ok(html) => (HEADERS, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(error = %error, "the local page can't be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, "the page can't be rendered\n").into_response()
        }
    }
}

#[cfg(test)]
mod tests;
