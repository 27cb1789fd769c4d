//! The TLS configurations of all programs: TLS 1.3 only, post-quantum key exchange first, mutual, one verifier.
//!
//! Each configuration keeps its own resumption store: a new one never resumes what an older one let in. Whoever serves
//! asks [`crate::revocation::peer_still_good`] after every handshake all the same: a resumed one shows no certificate.

mod error_text;
mod first_contact;
mod verifier;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::server::VerifierBuilderError;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::CertificateDer;

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
    /// Roots.
    #[error("the roots can't be used for verification")]
    Verifier(#[from] VerifierBuilderError),
    /// Anything else that rustls refuses.
    #[error("rustls refuses the configuration")]
    Rustls(#[from] rustls::Error),
    /// Only servers listen.
    #[error(
        "a certificate of kind {0} can't be used to listen: issue one with the profile comm-server or global-server"
    )]
    NoServer(PartyKind),
}

/// A server's side of mutual TLS for clients of the kinds `accepts`; ALPN `h2` and `http/1.1`.
///
/// # Errors
/// The identity is no server's, or its roots can't be used.
pub fn server_config(identity: &Identity, accepts: &[PartyKind]) -> Result<ServerConfig, TlsError> {
    asking(identity, PeerVerifier::of_clients(&identity.trust, accepts)?)
}

/// The same, but a client may come without a certificate: for enrollment, where whoever serves must look at the peer
/// itself. A certificate that is shown is verified as strictly.
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
/// The identity is no server's.
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

/// A client's side: gives the own certificate, and verifies the server's name as well as its SPIFFE kind.
///
/// # Errors
/// The identity's roots can't be used.
pub fn client_config(identity: &Identity, expects: PartyKind) -> Result<ClientConfig, TlsError> {
    let own = SingleCertAndKey::from(Arc::clone(&identity.certified));
    Ok(with_alpn(calling(&identity.trust, expects)?.with_client_cert_resolver(Arc::new(own))))
}

/// A client's side before it has a certificate: verifies the server as strictly, gives none.
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

/// Who the peer is, by the leaf of a connection that one of these configurations has verified, and what it is measured
/// by as long as it stays.
///
/// # Errors
/// The certificate has not exactly one SPIFFE ID: it did not come from such a connection.
pub fn peer(leaf: &CertificateDer<'_>) -> Result<(SpiffeId, PeerLeaf), Rejection> {
    let certificate = facts::parse(leaf)?;
    let id = leaf::identity_of(&facts::of_parsed(&certificate, &[])?)?;
    Ok((id, PeerLeaf::of_parsed(&certificate)))
}

/// aws-lc-rs with AES-256-GCM and X25519MLKEM768 first.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    use aws_lc_rs::{cipher_suite, kx_group};
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            cipher_suite::TLS13_AES_128_GCM_SHA256,
        ],
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1],
        ..aws_lc_rs::default_provider()
    })
}

fn alpn() -> Vec<Vec<u8>> {
    vec![b"h2".to_vec(), b"http/1.1".to_vec()]
}
