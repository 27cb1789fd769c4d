//! `POST /.well-known/est/simpleenroll`: a gateway's first certificate, for a one-time token (RFC 7030 §4.2).
//!
//! In this order: the token is taken for this key, on the disk; the certificate is issued, and is in the ledger; it is
//! kept beside the token; what the gateway had before is revoked, if the token says so; it is answered. After a crash between any two, the same token with the same key goes on.

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use data_encoding::BASE64;
use jiff::Timestamp;
use pki::authority::RevocationRecord;
use pki::est::Csr;
use pki::spiffe::Party;
use pki::token::{self, TokenRecord, TokenRejection};
use runtime::listener::Peer;
use rustls_pki_types::CertificateDer;
use secrecy::ExposeSecret as _;
use wire::ids::GatewayId;

use super::Enrollment;
use super::answer::{self, Refused};
use super::request::{self, EstBody};
use crate::store::{AuditEntry, Claim, Claimed, IssuedFor, Scoped, StoreError};

pub(super) async fn post_simpleenroll(
    State(enrollment): State<Enrollment>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    EstBody(body): EstBody,
) -> Result<Response, Refused> {
    let now = Timestamp::now();
    let address = peer.address.ip();
    let limits = &enrollment.0.limits;
    limits.first(address, now)?;
    let (user, presented) = request::token(&headers)?;
    let record = match good_record(&enrollment, &user, presented.expose_secret(), now).await {
        Ok(record) => record,
        Err(refused) => {
            if matches!(refused, Refused::WrongToken | Refused::Expired(_)) {
                limits.wrong(address, now);
                note_refusal(&enrollment, &peer, &refused, now).await;
            }
            return Err(refused);
        }
    };
    limits.right(address);
    let csr = request::csr(&headers, &body)?;
    let certificate = enroll(&enrollment, &record, csr, &peer, now).await.inspect_err(|refused| {
        tracing::warn!(peer.address = %address, gateway.id = %record.gateway, why = %refused, "enrollment rejected");
    })?;
    Ok(answer::certificates(answer::ISSUED, &[certificate]))
}

/// The record of a token that is good now; whose name, if one is given, is the gateway's.
async fn good_record(
    enrollment: &Enrollment,
    user: &str,
    presented: &str,
    now: Timestamp,
) -> Result<TokenRecord, Refused> {
    let found = enrollment.0.issuer.token(token::record_name(presented)).await?;
    let record = found.ok_or(Refused::WrongToken)?;
    token::verify(&record, presented, now).map_err(|refused| match refused {
        TokenRejection::Unknown => Refused::WrongToken,
        TokenRejection::Expired { expired_at } => Refused::Expired(expired_at),
    })?;
    if user.is_empty() || user == record.gateway.party.name() {
        return Ok(record);
    }
    Err(Refused::WrongToken)
}

async fn enroll(
    enrollment: &Enrollment,
    record: &TokenRecord,
    csr: Csr,
    peer: &Peer,
    now: Timestamp,
) -> Result<CertificateDer<'static>, Refused> {
    let Party::Gateway(name) = &record.gateway.party else { return Err(Refused::WrongToken) };
    let gateway: GatewayId = name.parse().map_err(|_| Refused::WrongToken)?;
    let claim = Claim {
        token_sha256: record.token_sha256.clone(),
        gateway: gateway.clone(),
        key_sha256: csr.key_sha256(),
        at: now,
    };
    let store = &enrollment.store_of(&gateway, record).await?;
    let kept = match store.claim_token(claim.clone()).await? {
        Claimed::ByAnother => return Err(Refused::Used),
        Claimed::Issued(certificate) => certificate,
        Claimed::Taken => {
            let (issued, certificate) = enrollment.0.issuer.enroll(record.clone(), csr, now).await?;
            let detail = format!("serial {} until {} to {}", issued.serial, issued.not_after, peer.address);
            let certificate = BASE64.encode(&certificate);
            let issued = IssuedFor { certificate, serial: issued.serial, detail };
            store.keep_issued(claim, issued, (enrollment.0.cadence, rand::random())).await?
        }
    };
    metrics::counter!("platen_comm_enrollments_total").increment(1);
    tracing::info!(gateway.id = %gateway, peer.address = %peer.address, "a gateway was enrolled");
    let damaged = |_| Refused::Store(StoreError::Range { what: "certificate" });
    let certificate = BASE64.decode(kept.as_bytes()).map(CertificateDer::from).map_err(damaged)?;
    if record.replaces {
        revoke_former(enrollment, store, (&gateway, &certificate), now).await?;
    }
    Ok(certificate)
}

/// Revokes the gateway's earlier certificates. The new one is durable: a repeated request with the token and the key
/// returns it again.
async fn revoke_former(
    enrollment: &Enrollment,
    store: &Scoped,
    (gateway, certificate): (&GatewayId, &CertificateDer<'static>),
    now: Timestamp,
) -> Result<(), Refused> {
    for revoked in enrollment.0.issuer.supersede(certificate.clone(), now).await? {
        let RevocationRecord { serial, reason, not_after, .. } = revoked;
        tracing::warn!(
            gateway.id = %gateway,
            serial,
            "a gateway was enrolled again and its former certificate revoked: publish new revocation lists \
             (platen-pki crl)"
        );
        let detail = format!("serial {serial} until {not_after}, {reason}: replaced by an enrollment");
        let entry = AuditEntry::new(now, gateway.as_str(), "certificate.revoke", detail);
        store.append_audit(entry).await?;
    }
    Ok(())
}

/// Records a rejection in the audit; the number of entries is bounded by the lock-out.
async fn note_refusal(enrollment: &Enrollment, peer: &Peer, refused: &Refused, now: Timestamp) {
    tracing::warn!(peer.address = %peer.address, why = %refused, "enrollment rejected");
    let entry = AuditEntry::new(
        now,
        "enrollment",
        "certificate.refused",
        format!("{}: {refused}", peer.address.ip()),
    );
    let appended = match enrollment.store_of_audit(None).await {
        Ok(store) => store.append_audit(entry).await,
        Err(error) => Err(error),
    };
    if let Err(error) = appended {
        let error: &dyn std::error::Error = &error;
        tracing::error!(error, "the audit entry of an enrollment can't be written");
    }
}
