//! The first contact of a gateway that has only a token (RFC 7030 §4.1.1).
//!
//! This configuration verifies nothing, so the connection may only carry the public `cacerts`, whose root is then
//! compared with the token's fingerprint ([`crate::Trust::pinned`]). The token is sent over a second connection,
//! verified by that root.

use std::sync::Arc;

use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::{ClientConfig, Error};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{TlsError, provider, with_alpn};

/// Accepts any server: only for fetching `cacerts`.
///
/// # Errors
/// rustls rejects the TLS configuration.
pub fn first_contact_config() -> Result<ClientConfig, TlsError> {
    let verifier = AcceptAnyServer { signatures: provider().signature_verification_algorithms };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    Ok(with_alpn(builder.with_no_client_auth()))
}

#[derive(Debug)]
struct AcceptAnyServer {
    signatures: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for AcceptAnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    tls13_signatures!();
}
