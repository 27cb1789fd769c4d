//! `POST /.well-known/est/simplereenroll`: a new certificate for the gateway that the certificate of the connection names
//! (RFC 7030 §4.2.2). Names in the request are not read: a gateway can renew only its own certificate.

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::Timestamp;
use pki::spiffe::Party;
use runtime::listener::Peer;
use wire::ids::GatewayId;

use super::Enrollment;
use super::answer::{self, Refused};
use super::request::{self, EstBody};
use crate::store::AuditEntry;

pub(super) async fn post_simplereenroll(
    State(enrollment): State<Enrollment>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    EstBody(body): EstBody,
) -> Result<Response, Refused> {
    let now = Timestamp::now();
    let Some(Party::Gateway(gateway)) = peer.id.as_ref().map(|id| &id.party) else {
        return Err(Refused::NoCertificate);
    };
    enrollment.0.limits.renewal(gateway)?;
    let csr = request::csr(&headers, &body)?;
    let (issued, certificate) = enrollment.0.issuer.issue(gateway, csr, now).await?;
    let detail = format!("serial {} until {} to {}", issued.serial, issued.not_after, peer.address);
    let entry = AuditEntry::new(now, gateway, "certificate.renew", detail);
    let id: Option<GatewayId> = gateway.parse().ok();
    enrollment.store_of_audit(id.as_ref()).await?.append_audit(entry).await?;
    metrics::counter!("platen_comm_renewals_total").increment(1);
    tracing::info!(gateway.id = gateway, serial = issued.serial, "a gateway's certificate was renewed");
    Ok(answer::certificates(answer::ISSUED, &[certificate]))
}
