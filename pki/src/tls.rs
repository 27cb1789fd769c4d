//! The TLS configurations of all programs: TLS 1.3 only, post-quantum key exchange first, mutual, one verifier.
//!
//! Each configuration has its own store of sessions, so that a new one never resumes a session of an older one. A
//! server must still call [`crate::revocation::peer_still_good`] after every handshake, because a resumed handshake
//! contains no certificate.

/// The methods of a rustls verifier that check the peer's signature: TLS 1.3 only, by the algorithms in `self.signatures`.
macro_rules! tls13_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &rustls_pki_types::CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            Err(rustls::PeerIncompatible::Tls12NotOffered.into())
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &rustls_pki_types::CertificateDer<'_>,
            dss: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            rustls::crypto::verify_tls13_signature(message, cert, dss, &self.signatures)
        }

        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            self.signatures.supported_schemes()
        }
    };
}

mod error_text;
mod first_contact;
mod verifier;

use std::sync::Arc;

use rustls::server::VerifierBuilderError;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::CertificateDer;

pub use crate::crypto::provider;
use crate::facts;
use crate::identity::Identity;
use crate::leaf;
use crate::rejection::Rejection;
use crate::revocation::PeerLeaf;
use crate::spiffe::{PartyKind, SpiffeId};
use crate::trust::Trust;
pub use error_text::{label, reason, tls_error_in};
pub use first_contact::first_contact_config;
use verifier::PeerVerifier;
pub use verifier::{PeerRejection, explain};

/// Why a TLS configuration can't be built.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The verifier can't be built from the roots.
    #[error("the roots can't be used for verification")]
    Verifier(#[from] VerifierBuilderError),
    /// Another error of rustls.
    #[error("rustls rejects the TLS configuration")]
    Rustls(#[from] rustls::Error),
    /// The identity is not a server's.
    #[error(
        "a certificate of kind {0} can't be used to listen: issue one with the profile comm-server or global-server"
    )]
    NoServer(PartyKind),
}

/// A server's side of mutual TLS for clients of the kinds `accepts`; ALPN `h2` and `http/1.1`.
///
/// # Errors
/// The identity is not a server's, or its roots can't be used.
pub fn server_config(identity: &Identity, accepts: &[PartyKind]) -> Result<ServerConfig, TlsError> {
    asking(identity, PeerVerifier::of_clients(&identity.trust, accepts)?)
}

/// The same, but a client certificate is optional: for enrollment, where the routes must check the peer. A presented
/// certificate is verified as strictly.
///
/// # Errors
/// As [`server_config`].
pub fn enrollment_server_config(
    identity: &Identity,
    accepts: &[PartyKind],
) -> Result<ServerConfig, TlsError> {
    asking(identity, PeerVerifier::of_clients(&identity.trust, accepts)?.or_none())
}

fn asking(
    identity: &Identity,
    verifier: PeerVerifier<dyn rustls::server::danger::ClientCertVerifier>,
) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(verifier));
    listening(identity, builder)
}

/// Operators' HTTPS: no client certificate.
///
/// # Errors
/// The identity is not a server's.
pub fn public_server_config(identity: &Identity) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth();
    listening(identity, builder)
}

fn listening(
    identity: &Identity,
    builder: rustls::ConfigBuilder<ServerConfig, rustls::server::WantsServerCert>,
) -> Result<ServerConfig, TlsError> {
    let kind = identity.id().party.kind();
    if !kind.is_server() {
        return Err(TlsError::NoServer(kind));
    }
    let own = SingleCertAndKey::from(Arc::clone(&identity.certified));
    let mut config = builder.with_cert_resolver(Arc::new(own));
    config.alpn_protocols = alpn();
    Ok(config)
}

/// The client's side: presents our own certificate, and verifies the server's name and its SPIFFE kind.
///
/// # Errors
/// The identity's roots can't be used.
pub fn client_config(identity: &Identity, expects: PartyKind) -> Result<ClientConfig, TlsError> {
    let own = SingleCertAndKey::from(Arc::clone(&identity.certified));
    Ok(with_alpn(calling(&identity.trust, expects)?.with_client_cert_resolver(Arc::new(own))))
}

/// The client's side without a certificate, before enrollment. The server is verified as strictly.
///
/// # Errors
/// The roots can't be used.
pub fn enrollment_client_config(trust: &Trust, expects: PartyKind) -> Result<ClientConfig, TlsError> {
    Ok(with_alpn(calling(trust, expects)?.with_no_client_auth()))
}

fn calling(
    trust: &Trust,
    expects: PartyKind,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>, TlsError> {
    let verifier = PeerVerifier::of_servers(trust, &[expects])?;
    Ok(ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier)))
}

fn with_alpn(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = alpn();
    config
}

/// The peer's SPIFFE ID and revocation data, from the leaf of a connection that one of these configurations has
/// verified.
///
/// # Errors
/// The certificate doesn't have exactly one SPIFFE ID, so it didn't come from such a connection.
pub fn peer(leaf: &CertificateDer<'_>) -> Result<(SpiffeId, PeerLeaf), Rejection> {
    let certificate = facts::parse(leaf)?;
    let id = leaf::identity_of(&facts::of_parsed(&certificate, &[])?)?;
    Ok((id, PeerLeaf::of_parsed(&certificate)))
}

fn alpn() -> Vec<Vec<u8>> {
    vec![b"h2".to_vec(), b"http/1.1".to_vec()]
}
