//! Texts for TLS errors: rustls and rustls-webpki show most of theirs as bare names.

use rustls::{CertificateError, Error, OtherError, PeerIncompatible};

use crate::rejection::Rejection;

const WEAK: &str =
    "its signature algorithm is not accepted: expected ECDSA, Ed25519 or RSA with SHA-256 or better";

/// Why a handshake failed, for people.
#[must_use]
#[expect(clippy::wildcard_enum_match_arm, reason = "rustls has words for the rest")]
pub fn reason(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(_) => of_chain(error),
        Error::NoCertificatesPresented => "the client sent no certificate".to_owned(),
        Error::PeerIncompatible(incompatible) => of_incompatible(incompatible),
        other => other.to_string(),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "rustls has names for the rest")]
fn of_incompatible(incompatible: &PeerIncompatible) -> String {
    match incompatible {
        PeerIncompatible::SupportedVersionsExtensionRequired
        | PeerIncompatible::SignatureAlgorithmsExtensionRequired
        | PeerIncompatible::Tls13RequiredForQuic
        | PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig => {
            "the peer does not offer TLS 1.3: older versions are not supported".to_owned()
        }
        PeerIncompatible::NoKxGroupsInCommon => {
            "the peer has no key exchange group in common: expected X25519MLKEM768, X25519, P-256 or P-384"
                .to_owned()
        }
        PeerIncompatible::NoCipherSuitesInCommon => {
            "the peer has no cipher suite of TLS 1.3 in common".to_owned()
        }
        PeerIncompatible::NoSignatureSchemesInCommon => {
            "the peer has no signature scheme in common".to_owned()
        }
        other => format!("the peer is incompatible: {other:?}"),
    }
}

/// Why a certificate is rejected, for people.
#[expect(clippy::wildcard_enum_match_arm, reason = "rustls has words for the rest")]
pub(super) fn of_chain(error: &Error) -> String {
    let Error::InvalidCertificate(fault) = error else { return error.to_string() };
    let words = match fault {
        CertificateError::UnknownIssuer => {
            "it doesn't chain to a trusted root: it is of another authority, self-signed, or was sent without its intermediate"
        }
        CertificateError::BadSignature => {
            "its signature or its intermediate's is wrong: it is damaged, or of an authority with the same name and another key"
        }
        CertificateError::BadEncoding => "it can't be parsed as an X.509 certificate of version 3",
        // A date beyond its bounds comes with its context: without one, webpki found the bounds the wrong way round.
        CertificateError::Expired => "its validity ends before it begins",
        CertificateError::UnhandledCriticalExtension => "it has an unknown critical extension",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its extended key usage, or its intermediate's, does not allow this role"
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => WEAK,
        CertificateError::Revoked => "it was revoked",
        CertificateError::UnknownRevocationStatus => "no revocation list of its issuer is loaded",
        CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
            "the revocation list of its issuer is too old"
        }
        CertificateError::Other(OtherError(other)) => {
            return of_other(&other.to_string(), &format!("{other:?}"));
        }
        other => return other.to_string(),
    };
    words.to_owned()
}

/// Errors of webpki, which rustls wraps and shows by their names only.
fn of_other(shown: &str, name: &str) -> String {
    let known = [
        ("UnsupportedCriticalExtension", "it has an unknown critical extension"),
        ("UnsupportedSignatureAlgorithm", WEAK),
        ("CaUsedAsEndEntity", "a CA certificate is not accepted as a party's certificate"),
        ("EndEntityUsedAsCa", "a party's certificate can't issue another"),
        ("NameConstraintViolation", "its intermediate's name constraints forbid one of its names"),
        ("PathLenConstraintViolated", "its chain is longer than its root allows"),
        ("UnsupportedCertVersion", "it is not an X.509 certificate of version 3"),
        ("InvalidSerialNumber", "its serial number is not valid"),
    ];
    let found = known.into_iter().find(|(known, _)| name.contains(known));
    found.map_or_else(|| shown.to_owned(), |(_, words)| words.to_owned())
}

/// Why a handshake failed: short name for a metric's label, from a small set.
#[must_use]
#[expect(clippy::wildcard_enum_match_arm, reason = "the rest has one name")]
pub fn label(error: &Error) -> &'static str {
    match error {
        Error::InvalidCertificate(fault) => label_of_certificate(fault),
        Error::NoCertificatesPresented => "no_certificate",
        Error::PeerIncompatible(PeerIncompatible::NoKxGroupsInCommon) => "no_common_group",
        Error::PeerIncompatible(
            PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::SignatureAlgorithmsExtensionRequired
            | PeerIncompatible::Tls13RequiredForQuic
            | PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => "tls_version",
        Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon) => "no_common_cipher",
        Error::PeerIncompatible(PeerIncompatible::NoSignatureSchemesInCommon) => "no_common_signature",
        Error::PeerIncompatible(_) => "incompatible",
        Error::AlertReceived(_) => "refused_by_peer",
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerMisbehaved(_)
        | Error::DecryptError => "malformed_handshake",
        Error::NoApplicationProtocol => "no_common_protocol",
        _ => "other",
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest has one name")]
fn label_of_certificate(fault: &CertificateError) -> &'static str {
    match fault {
        CertificateError::UnknownIssuer => "unknown_issuer",
        CertificateError::BadSignature => "bad_signature",
        CertificateError::BadEncoding => "malformed_certificate",
        CertificateError::UnhandledCriticalExtension => "unknown_critical_extension",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "extended_key_usage"
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => "weak_signature",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "not_yet_valid",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => "name",
        CertificateError::Revoked => "revoked",
        CertificateError::UnknownRevocationStatus => "unknown_revocation_status",
        CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
            "stale_revocation_list"
        }
        CertificateError::Other(OtherError(other)) => other
            .downcast_ref::<Rejection>()
            .map_or_else(|| label_of_other(&format!("{other:?}")), Rejection::label),
        _ => "other",
    }
}

fn label_of_other(name: &str) -> &'static str {
    let known = [
        ("UnsupportedCriticalExtension", "unknown_critical_extension"),
        ("UnsupportedSignatureAlgorithm", "weak_signature"),
        ("CaUsedAsEndEntity", "authority_as_party"),
        ("EndEntityUsedAsCa", "authority_as_party"),
        ("NameConstraintViolation", "name"),
        ("PathLenConstraintViolated", "issuer"),
        ("UnsupportedCertVersion", "malformed_certificate"),
        ("InvalidSerialNumber", "serial"),
    ];
    known.into_iter().find(|(known, _)| name.contains(known)).map_or("other", |(_, label)| label)
}

/// The TLS error among the sources of an error, however HTTP libraries wrap it.
#[must_use]
pub fn tls_error_in<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<Error>() {
            return Some(tls);
        }
        // An I/O error hides what it wraps from `source`.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
