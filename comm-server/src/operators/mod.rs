//! The operators' side: login, the REST API under `/api/v1`, and the console's pages, over HTTPS.
//!
//! A handler parses the request, calls a service or reads a view, and responds. It has no access to the store:
//! permissions, checks and the audit are in `services`, and a view is limited to the caller's tenant.

mod api;
mod audit_body;
mod caller;
mod compression;
mod error;
mod headers;
mod pages;
mod precondition;
mod session;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use comm_server_core::roles::Permission;
use comm_server_core::tenancy::Part;
use runtime::listener::ListenerAuth;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::services::{Forbidden, Services, View};

/// The maximum size of a request's body, bytes.
const BODY_BYTES: usize = 64 << 10;

/// State of the operators' listener; cheap to clone.
#[derive(Clone, Debug)]
pub struct OperatorState {
    services: Services,
}

impl OperatorState {
    /// The state.
    #[must_use]
    pub const fn new(services: Services) -> Self {
        Self { services }
    }

    /// A view for a session, narrowed to a part of the tree.
    fn view_within(
        &self,
        caller: &caller::Caller,
        permission: Permission,
        part: Option<Part>,
    ) -> Result<View, Forbidden> {
        let mut caller = caller.clone();
        if let Some(part) = part {
            caller.actor.scope = caller.actor.scope.narrowed(part);
        }
        self.view(&caller, permission)
    }

    /// A view for a session. It may be some seconds old if there is a replica, but always contains the session's own
    /// changes.
    fn view(&self, caller: &caller::Caller, permission: Permission) -> Result<View, Forbidden> {
        let views = &self.services.views;
        if caller.recent_write {
            views.now(&caller.actor, permission)
        } else {
            views.stale(&caller.actor, permission)
        }
    }
}

/// All routes of operators.
pub(crate) fn router(state: OperatorState) -> Router {
    Router::new()
        .merge(api::router(&state))
        .merge(pages::router(&state))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(axum::middleware::from_fn_with_state(state.clone(), caller::record_write))
        .layer(compression::layer())
        .layer(axum::middleware::from_fn(headers::guard))
        .with_state(state)
}

/// Serves operators until `shutdown`.
pub async fn serve(
    listener: TcpListener,
    auth: ListenerAuth,
    state: OperatorState,
    shutdown: CancellationToken,
) {
    runtime::listener::serve(listener, auth, router(state), shutdown).await;
}
