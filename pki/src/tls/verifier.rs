//! The verifier of both sides: the chain by rustls-webpki, then the leaf by the decision in [`crate::leaf`],
//! then its issuer's revocation list.

use std::net::Ipv4Addr;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DistinguishedName, Error, OtherError};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{TlsError, error_text, provider};
use crate::facts;
use crate::leaf::{Expectation, chain_instant, verify_leaf};
use crate::leaf_facts::Role;
use crate::rejection::Rejection;
use crate::revocation::{PeerLeaf, peer_still_good};
use crate::spiffe::{PartyKind, SpiffeId};
use crate::trust::Trust;

/// Why a peer's certificate is rejected. `Display` is a text for people.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PeerRejection {
    /// rustls-webpki rejects its chain.
    #[error("{}", error_text::of_chain(.0))]
    Chain(Error),
    /// A rule of ours rejects its leaf.
    #[error(transparent)]
    Rule(#[from] Rejection),
}

/// The error that rustls reports, and the alert sent to the peer.
impl From<PeerRejection> for Error {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest has no name in rustls")]
    fn from(refused: PeerRejection) -> Self {
        let refused = match refused {
            PeerRejection::Chain(error) => return error,
            PeerRejection::Rule(refused) => refused,
        };
        let at = |seconds: i64| {
            UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds.max(0).unsigned_abs()))
        };
        Self::InvalidCertificate(match &refused {
            Rejection::Revoked { .. } => CertificateError::Revoked,
            Rejection::UnknownStatus { .. } => CertificateError::UnknownRevocationStatus,
            Rejection::StaleList { next_update, now, .. } => CertificateError::ExpiredRevocationListContext {
                time: at(*now),
                next_update: at(*next_update),
            },
            _ => CertificateError::Other(OtherError(Arc::new(refused))),
        })
    }
}

/// Verifies peers of some kinds. `chain` verifies the chain.
#[derive(Debug)]
pub(super) struct PeerVerifier<V: ?Sized> {
    trust: Trust,
    kinds: Vec<PartyKind>,
    mandatory: bool,
    chain: Arc<V>,
    signatures: WebPkiSupportedAlgorithms,
}

impl PeerVerifier<dyn ClientCertVerifier> {
    pub(super) fn of_clients(trust: &Trust, kinds: &[PartyKind]) -> Result<Self, TlsError> {
        let roots = Arc::clone(&trust.roots);
        let builder = WebPkiClientVerifier::builder_with_provider(roots, provider());
        let chain = builder.clear_root_hint_subjects().build()?;
        Ok(Self::new(trust, kinds, chain))
    }

    /// Accepts clients without a certificate.
    pub(super) fn or_none(self) -> Self {
        Self { mandatory: false, ..self }
    }

    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(ClientCertVerified, SpiffeId), PeerRejection> {
        let chain = |at| self.chain.verify_client_cert(leaf, intermediates, at);
        self.verify_by(Role::Client, leaf, intermediates, now, chain)
    }
}

impl PeerVerifier<WebPkiServerVerifier> {
    pub(super) fn of_servers(trust: &Trust, kinds: &[PartyKind]) -> Result<Self, TlsError> {
        let roots = Arc::clone(&trust.roots);
        let chain = WebPkiServerVerifier::builder_with_provider(roots, provider()).build()?;
        Ok(Self::new(trust, kinds, chain))
    }

    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(ServerCertVerified, SpiffeId), PeerRejection> {
        let chain = |at| self.chain.verify_server_cert(leaf, intermediates, name, &[], at);
        self.verify_by(Role::Server, leaf, intermediates, now, chain)
    }
}

impl<V: ?Sized> PeerVerifier<V> {
    fn new(trust: &Trust, kinds: &[PartyKind], chain: Arc<V>) -> Self {
        let signatures = provider().signature_verification_algorithms;
        Self { trust: trust.clone(), kinds: kinds.to_vec(), mandatory: true, chain, signatures }
    }

    fn verify_by<T>(
        &self,
        role: Role,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        chain: impl FnOnce(UnixTime) -> Result<T, Error>,
    ) -> Result<(T, SpiffeId), PeerRejection> {
        let certificate = facts::parse(leaf);
        let facts = match &certificate {
            Ok(certificate) => facts::of_parsed(certificate, intermediates),
            Err(refused) => Err(refused.clone()),
        };
        let (seconds, skew) = (unix_seconds(now), self.trust.crls.tolerance().skew());
        // What can't be parsed here is refused below, after webpki had its word on it.
        let instant = facts.as_ref().map_or(now, |facts| {
            let instant = chain_instant((facts.not_before, facts.not_after), seconds, skew);
            u64::try_from(instant)
                .map_or(now, |at| UnixTime::since_unix_epoch(std::time::Duration::from_secs(at)))
        });
        let verified = chain(instant).map_err(PeerRejection::Chain)?;
        let trust_domain = &self.trust.trust_domain;
        let expected =
            Expectation { trust_domain, role, kinds: &self.kinds, now: seconds, clock_skew_s: skew };
        let id = verify_leaf(&facts?, &expected)?;
        peer_still_good(&PeerLeaf::of_parsed(&certificate?), &self.trust.crls, seconds)?;
        Ok((verified, id))
    }
}

fn unix_seconds(now: UnixTime) -> i64 {
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

/// Decides on a chain (leaf first) as a handshake would, and returns the party. A server's name is not checked.
///
/// # Errors
/// The chain would be rejected, or `trust` has no root.
pub fn explain(
    trust: &Trust,
    chain: &[CertificateDer<'_>],
    role: Role,
    kinds: &[PartyKind],
    now: i64,
) -> Result<SpiffeId, PeerRejection> {
    let (leaf, intermediates) =
        chain.split_first().ok_or(PeerRejection::Rule(Rejection::Malformed("there is none")))?;
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.max(0).unsigned_abs()));
    let no_root = |error: TlsError| PeerRejection::Chain(Error::General(error.to_string()));
    match role {
        Role::Client => {
            let verifier = PeerVerifier::of_clients(trust, kinds).map_err(no_root)?;
            verifier.verify(leaf, intermediates, now).map(|(_, id)| id)
        }
        Role::Server => {
            let verifier = PeerVerifier::of_servers(trust, kinds).map_err(no_root)?;
            let name =
                facts::any_host(leaf).unwrap_or_else(|| ServerName::IpAddress(Ipv4Addr::LOCALHOST.into()));
            verifier.verify(leaf, intermediates, &name, now).map(|(_, id)| id)
        }
    }
}

/// Logs the reason, because the client receives only an alert.
fn log_refusal(leaf: &CertificateDer<'_>, reason: &PeerRejection) {
    let claimed = facts::of_leaf(leaf, &[]).map(|facts| facts.uris.into_iter().take(2).collect::<Vec<_>>());
    let claimed = claimed.map(|uris| uris.join(" ").chars().take(200).collect::<String>());
    tracing::warn!(%reason, peer.claims = ?claimed.unwrap_or_default(), "client certificate rejected");
}

impl ClientCertVerifier for PeerVerifier<dyn ClientCertVerifier> {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    /// Empty, because a list of CA names would only make handshakes larger.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verdict = self.verify(end_entity, intermediates, now);
        let (ok, _) = verdict.inspect_err(|refused| log_refusal(end_entity, refused))?;
        Ok(ok)
    }

    tls13_signatures!();
}

impl ServerCertVerifier for PeerVerifier<WebPkiServerVerifier> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // Ours staple none, and a revoked server is in the revocation lists.
        let _: &[u8] = ocsp_response;
        let (ok, _) = self.verify(end_entity, intermediates, server_name, now)?;
        Ok(ok)
    }

    tls13_signatures!();
}
