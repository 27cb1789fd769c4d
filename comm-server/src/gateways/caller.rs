//! The gateway that sends a request, by its certificate.

use axum::Extension;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use jiff::Timestamp;
use pki::spiffe::Party;
use runtime::listener::Peer;
use runtime::problem_response::ProblemResponse;
use wire::ids::GatewayId;
use wire::problem::ProblemCode;

use super::{GatewayState, error};
use crate::store::Caller;

/// The id of the calling gateway.
pub(super) struct NamedGateway(pub(super) GatewayId);

/// The calling gateway with its tenant, now.
pub(super) struct AuthenticatedGateway(pub(super) Caller);

impl FromRequestParts<GatewayState> for NamedGateway {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, state: &GatewayState) -> Result<Self, ProblemResponse> {
        let peer = Extension::<Peer>::from_request_parts(parts, state).await;
        let id = peer.ok().and_then(|Extension(peer)| peer.id);
        gateway(id.as_ref().map(|id| &id.party)).map(Self)
    }
}

impl FromRequestParts<GatewayState> for AuthenticatedGateway {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, state: &GatewayState) -> Result<Self, ProblemResponse> {
        let NamedGateway(gateway) = NamedGateway::from_request_parts(parts, state).await?;
        let tenant = state.tenants.find(&gateway).await.map_err(|error| error::store(&gateway, &error))?;
        let tenant = tenant.ok_or_else(|| error::no_dealer(&gateway))?;
        Ok(Self(Caller { tenant, gateway, cadence: state.cadence, now: Timestamp::now() }))
    }
}

fn gateway(party: Option<&Party>) -> Result<GatewayId, ProblemResponse> {
    let forbidden = |detail: String| ProblemResponse::new(ProblemCode::Forbidden, detail);
    match party {
        Some(Party::Gateway(name)) => name.parse().map_err(|e| forbidden(format!("certificate: {e}"))),
        Some(other) => {
            Err(forbidden(format!("the certificate of {} is not that of a gateway", other.name())))
        }
        None => Err(forbidden("a gateway's certificate is required".to_owned())),
    }
}
