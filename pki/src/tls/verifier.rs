//! The verifier of both sides: the chain by rustls-webpki, then the leaf by the decision in [`crate::leaf`].

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::facts;
use crate::identity::Identity;
use crate::leaf::{Expectation, Refused, Role, verify_leaf};
use crate::spiffe::{PartyKind, TrustDomain};

/// Verifies peers of some kinds in one trust domain; `chain` does the chain.
#[derive(Debug)]
pub(super) struct PeerVerifier<V: ?Sized> {
    trust_domain: TrustDomain,
    kinds: Vec<PartyKind>,
    chain: Arc<V>,
}

impl<V: ?Sized> PeerVerifier<V> {
    pub(super) fn new(chain: Arc<V>, identity: &Identity, kinds: &[PartyKind]) -> Self {
        Self { trust_domain: identity.id().trust_domain.clone(), kinds: kinds.to_vec(), chain }
    }

    fn verify_leaf(
        &self,
        role: Role,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let expected = Expectation { trust_domain: &self.trust_domain, role, kinds: &self.kinds, now };
        let verdict = facts::of_leaf(leaf, intermediates).and_then(|facts| verify_leaf(&facts, &expected));
        verdict.map(drop).map_err(as_rustls)
    }
}

fn as_rustls(refused: Refused) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refused))))
}

/// The client sees no more than a closed connection: the reason belongs in the server's log.
fn log_refusal(leaf: &CertificateDer<'_>, error: &Error) {
    let claimed = facts::of_leaf(leaf, &[]).map(|facts| facts.uris.into_iter().take(2).collect::<Vec<_>>());
    let claimed = claimed.map(|uris| uris.join(" ").chars().take(200).collect::<String>());
    let reason = super::reason(error);
    tracing::warn!(%reason, peer.claims = ?claimed.unwrap_or_default(), "client certificate refused");
}

impl ClientCertVerifier for PeerVerifier<dyn ClientCertVerifier> {
    /// Empty: a list of CA names would only make every handshake longer.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let chain = self.chain.verify_client_cert(end_entity, intermediates, now);
        let verdict =
            chain.and_then(|ok| self.verify_leaf(Role::Client, end_entity, intermediates, now).map(|()| ok));
        verdict.inspect_err(|error| log_refusal(end_entity, error))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

impl<V: ServerCertVerifier> ServerCertVerifier for PeerVerifier<V> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let ok = self.chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        self.verify_leaf(Role::Server, end_entity, intermediates, now)?;
        Ok(ok)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
