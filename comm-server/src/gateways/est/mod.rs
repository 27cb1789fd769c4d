//! Enrollment over secure transport (RFC 7030): certificates for gateways. A file for each operation.
//!
//! The server decides every name: by the token's record at the first enrollment, by the certificate shown at a renewal.
//! A request gives its public key and the proof that its sender has the private one, nothing else.

mod answer;
mod get_cacerts;
mod issuer;
mod limits;
mod post_simpleenroll;
mod post_simplereenroll;
mod request;

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Method;
use axum::routing::{get, post};
use comm_server_core::cadence::Cadence;
use comm_server_core::tenancy::{Scope, TenantId};
use pki::Identity;
use pki::est::EST_BYTES;
use pki::token::TokenRecord;
use runtime::listener::ListenerAuth;
use runtime::problem_response::ProblemResponse;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use wire::ids::GatewayId;
use wire::problem::{Problem, ProblemCode};

use super::GatewayTenants;
use crate::store::{Scoped, Store, StoreError};
use answer::Refused;
pub(crate) use issuer::{CannotIssue, Issuer};
use limits::Limits;

/// RFC 7030 §3.2.2.
const CACERTS: &str = "/.well-known/est/cacerts";
const SIMPLEENROLL: &str = "/.well-known/est/simpleenroll";
const SIMPLEREENROLL: &str = "/.well-known/est/simplereenroll";

/// State of the enrollment listener, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Enrollment(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    tenants: GatewayTenants,
    cadence: Cadence,
    issuer: Arc<Issuer>,
    limits: Limits,
}

impl Enrollment {
    /// Enrollment with the authority in `dir`, which must be that of `identity`.
    ///
    /// # Errors
    /// There is none, or it is another one, or it has no key for gateways.
    pub(crate) fn new(
        store: Store,
        cadence: Cadence,
        dir: &Path,
        identity: &Identity,
    ) -> Result<Self, CannotIssue> {
        let (issuer, limits) = (Arc::new(Issuer::open(dir, identity)?), Limits::new());
        let tenants = GatewayTenants::new(store.clone());
        Ok(Self(Arc::new(Inner { store, tenants, cadence, issuer, limits })))
    }

    /// For gateways that have a certificate, beside their other endpoints: no token is taken here.
    pub(crate) fn renewal(&self) -> Router {
        Router::new()
            .route(CACERTS, get(get_cacerts::get_cacerts))
            .route(SIMPLEREENROLL, post(post_simplereenroll::post_simplereenroll))
            .layer(DefaultBodyLimit::max(EST_BYTES))
            .method_not_allowed_fallback(other_method)
            .with_state(self.clone())
    }

    /// For gateways with and without a certificate.
    pub(crate) fn router(&self) -> Router {
        let first = Router::new()
            .route(SIMPLEENROLL, post(post_simpleenroll::post_simpleenroll))
            .layer(DefaultBodyLimit::max(EST_BYTES))
            .method_not_allowed_fallback(other_method)
            .with_state(self.clone());
        self.renewal().merge(first).fallback(nothing_here)
    }
}

async fn nothing_here() -> ProblemResponse {
    ProblemResponse::new(ProblemCode::NotFound, "there is nothing at this path for enrollment")
}

async fn other_method(method: Method) -> ProblemResponse {
    let detail = format!("{method} is not allowed here");
    ProblemResponse(Problem { status: 405, ..Problem::new(ProblemCode::NotFound, detail) })
}

impl Enrollment {
    /// The store within the tenant of an enrollment: the one that the gateway is registered in, else the one that its
    /// token names, else the only dealer.
    async fn store_of(&self, gateway: &GatewayId, token: &TokenRecord) -> Result<Scoped, Refused> {
        let Inner { store, tenants, .. } = &*self.0;
        let registered = tenants.registered(gateway).await?;
        let tenant = match &token.dealer {
            Some(named) => {
                let named: TenantId = named.parse().map_err(|_| Refused::NoDealer)?;
                let is_there = store.dealer(&named).await?.is_some();
                let fits = registered.as_ref().is_none_or(|registered| *registered == named);
                (is_there && fits).then_some(named)
            }
            None => tenants.find(gateway).await?,
        };
        Ok(store.of(&Scope::of_tenant(tenant.ok_or(Refused::NoDealer)?)))
    }

    /// The store within the tenant in whose audit a renewal stands, or a rejection that names no gateway.
    async fn store_of_audit(&self, gateway: Option<&GatewayId>) -> Result<Scoped, StoreError> {
        let Inner { store, tenants, .. } = &*self.0;
        let tenant = match gateway {
            Some(gateway) => tenants.find(gateway).await?,
            None => store.only_dealer().await?,
        };
        Ok(store.of(&Scope::of_tenant(tenant.unwrap_or_else(TenantId::provider))))
    }
}

/// Serves enrollment until `shutdown`, where it is configured.
pub(crate) async fn serve(
    enrollment: Option<(TcpListener, Enrollment)>,
    auth: ListenerAuth,
    shutdown: CancellationToken,
) {
    if let Some((listener, enrollment)) = enrollment {
        runtime::listener::serve(listener, auth, enrollment.router(), shutdown).await;
    }
}
