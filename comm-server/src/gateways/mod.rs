//! The gateways' listener, over mutual TLS: a file for each endpoint.
//!
//! The gateway is identified by the certificate alone; no body names one. Bodies are limited before they are read,
//! decompressed and parsed, and everything acknowledged is on disk.

mod admission;
mod body;
mod caller;
mod error;
pub(crate) mod est;
mod post_poll;
mod post_reports;
mod post_response;
mod tenants;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::http::Method;
use axum::routing::post;
use comm_server_core::cadence::Cadence;
use runtime::listener::ListenerAuth;
use runtime::problem_response::ProblemResponse;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use wire::problem::{Problem, ProblemCode};

use crate::store::Store;
pub(crate) use admission::AdmissionGate;
pub(crate) use body::BodyBudget;
pub(crate) use tenants::GatewayTenants;

/// State of the gateways' listener, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct GatewayState {
    /// The store.
    pub store: Store,
    /// Whose gateway is whose.
    pub(crate) tenants: GatewayTenants,
    /// The polling intervals.
    pub cadence: Cadence,
    /// Admission control.
    pub(crate) admission: AdmissionGate,
    /// The permits of bodies.
    pub(crate) body_budget: BodyBudget,
}

impl GatewayState {
    /// The state.
    #[must_use]
    pub(crate) fn new(store: Store, cadence: Cadence) -> Self {
        let (admission, body_budget) = (AdmissionGate::new(), BodyBudget::default());
        Self { tenants: GatewayTenants::new(store.clone()), store, cadence, admission, body_budget }
    }
}

/// Everything that gateways reach.
pub(crate) fn router(state: GatewayState) -> Router {
    Router::new()
        .route(wire::POLLS_PATH, post(post_poll::post_poll))
        .route(wire::REPORTS_PATH, post(post_reports::post_reports))
        .route(wire::RESPONSES_PATH, post(post_response::post_response))
        .route_layer(axum::middleware::from_fn_with_state(state.clone(), admission::pass))
        .fallback(nothing_here)
        .method_not_allowed_fallback(other_method)
        .with_state(state)
}

/// Serves gateways until `shutdown`; `renewal` comes from [`est::Enrollment::renewal`].
pub(crate) async fn serve(
    listener: TcpListener,
    auth: ListenerAuth,
    state: GatewayState,
    renewal: Option<Router>,
    shutdown: CancellationToken,
) {
    let router = router(state);
    let router = renewal.into_iter().fold(router, Router::merge);
    runtime::listener::serve(listener, auth, router, shutdown).await;
}

async fn nothing_here() -> ProblemResponse {
    ProblemResponse::new(ProblemCode::NotFound, "there is nothing at this path for gateways")
}

async fn other_method(method: Method) -> ProblemResponse {
    let detail = format!("{method} is not allowed here: expected POST");
    ProblemResponse(Problem { status: 405, ..Problem::new(ProblemCode::NotFound, detail) })
}
