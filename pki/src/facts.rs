//! Reads the facts of a certificate that [`crate::leaf`] needs, with x509-parser. Makes no decision.

use std::net::IpAddr;

use rustls_pki_types::{CertificateDer, ServerName};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry as oid;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use crate::leaf_facts::{Issuer, Key, KeyUsage, LeafFacts, Purposes, Signature};
use crate::rejection::Rejection;

/// The largest certificate that is parsed, bytes.
pub(crate) const CERTIFICATE_BYTES: usize = 16 << 10;

/// Parses a certificate, which must be complete and not longer than 16 KiB.
///
/// # Errors
/// It is too long or invalid.
pub fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Rejection> {
    if der.len() > CERTIFICATE_BYTES {
        return Err(Rejection::Malformed("it is larger than 16 KiB"));
    }
    let (rest, certificate) =
        X509Certificate::from_der(der).map_err(|_| Rejection::Malformed("it is not an X.509 certificate"))?;
    if !rest.is_empty() {
        return Err(Rejection::Malformed("bytes follow it"));
    }
    Ok(certificate)
}

/// The first DNS name or address of a server's certificate.
#[expect(clippy::wildcard_enum_match_arm, reason = "a server is called by no other kind of name")]
pub(crate) fn any_host(leaf: &CertificateDer<'_>) -> Option<ServerName<'static>> {
    let certificate = parse(leaf).ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    names.value.general_names.iter().find_map(|name| match name {
        GeneralName::DNSName(dns) => ServerName::try_from((*dns).to_owned()).ok(),
        GeneralName::IPAddress(bytes) => {
            let address = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = address.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.ok().map(|address| ServerName::IpAddress(address.into()))
        }
        _ => None,
    })
}

/// Reads the facts of a leaf; `intermediates` are those that the peer sent.
///
/// # Errors
/// A certificate can't be parsed, or has an extension twice.
pub fn of_leaf(
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Result<LeafFacts, Rejection> {
    of_parsed(&parse(leaf)?, intermediates)
}

/// The same for a parsed leaf.
///
/// # Errors
/// As [`of_leaf`].
pub fn of_parsed(
    certificate: &X509Certificate<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Result<LeafFacts, Rejection> {
    certificate.extensions_map().map_err(|_| Rejection::Malformed("an extension occurs twice"))?;
    let mut facts = LeafFacts {
        uris: Vec::new(),
        hosts: 0,
        other_names: 0,
        purposes: None,
        is_ca: false,
        key_usage: None,
        key: key_of(certificate.public_key()),
        signature: signature_of(&certificate.signature_algorithm),
        unknown_critical: None,
        serial: certificate.raw_serial().to_vec(),
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
        issuer: issuer_of(certificate, intermediates)?,
    };
    for extension in certificate.extensions() {
        let understood = read_extension(extension.parsed_extension(), &mut facts)?;
        if extension.critical && !understood {
            facts.unknown_critical = Some(extension.oid.to_id_string());
        }
    }
    Ok(facts)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "whatever is not named here is not understood")]
fn read_extension(extension: &ParsedExtension<'_>, facts: &mut LeafFacts) -> Result<bool, Rejection> {
    match extension {
        ParsedExtension::BasicConstraints(constraints) => facts.is_ca = constraints.ca,
        ParsedExtension::KeyUsage(usage) => {
            facts.key_usage = Some(KeyUsage {
                digital_signature: usage.digital_signature(),
                authority: usage.key_cert_sign() || usage.crl_sign(),
            });
        }
        ParsedExtension::ExtendedKeyUsage(usage) => facts.purposes = Some(purposes_of(usage)),
        ParsedExtension::SubjectAlternativeName(names) => {
            for name in &names.general_names {
                match name {
                    GeneralName::URI(uri) => facts.uris.push((*uri).to_owned()),
                    GeneralName::DNSName(_) | GeneralName::IPAddress(_) => facts.hosts += 1,
                    _ => facts.other_names += 1,
                }
            }
        }
        ParsedExtension::ParseError { .. } => {
            return Err(Rejection::Malformed("an extension can't be parsed"));
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn purposes_of(usage: &x509_parser::extensions::ExtendedKeyUsage<'_>) -> Purposes {
    Purposes {
        server: usage.server_auth,
        client: usage.client_auth,
        any: usage.any,
        other: usage.code_signing
            || usage.email_protection
            || usage.time_stamping
            || usage.ocsp_signing
            || !usage.other.is_empty(),
    }
}

/// All intermediates with the issuer's name must agree, so that a decoy beside the real one has no effect.
fn issuer_of(leaf: &X509Certificate<'_>, intermediates: &[CertificateDer<'_>]) -> Result<Issuer, Rejection> {
    let mut found = None;
    for der in intermediates {
        let intermediate = parse(der)?;
        if intermediate.subject().as_raw() != leaf.issuer().as_raw() {
            continue;
        }
        let usage = intermediate.extended_key_usage();
        let usage = usage.map_err(|_| Rejection::Malformed("an intermediate's key usage can't be parsed"))?;
        let kind = match usage.map(|extension| purposes_of(extension.value)) {
            Some(Purposes { server: true, any: false, .. }) => Issuer::ServerAuthority,
            Some(Purposes { server: false, client: true, any: false, .. }) => Issuer::GatewayAuthority,
            Some(_) | None => Issuer::Unclear,
        };
        if found.is_some_and(|before| before != kind) {
            return Ok(Issuer::Unclear);
        }
        found = Some(kind);
    }
    Ok(found.unwrap_or(Issuer::Unclear))
}

/// The public key's kind and strength.
pub(crate) fn key_of(spki: &SubjectPublicKeyInfo<'_>) -> Key {
    let algorithm = &spki.algorithm.algorithm;
    if *algorithm == oid::OID_SIG_ED25519 {
        return Key::Ed25519;
    }
    if *algorithm == oid::OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = spki.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
        return match curve {
            Some(curve) if curve == oid::OID_EC_P256 => Key::P256,
            Some(curve) if curve == oid::OID_NIST_EC_P384 => Key::P384,
            Some(curve) => Key::Other(format!("ECDSA on curve {}", curve.to_id_string())),
            None => Key::Other("ECDSA without a named curve".to_owned()),
        };
    }
    if *algorithm == oid::OID_PKCS1_RSAENCRYPTION
        && let Ok(PublicKey::RSA(rsa)) = spki.parsed()
    {
        return Key::Rsa { bits: rsa_bits(rsa.modulus), exponent: rsa.try_exponent().ok() };
    }
    Key::Other(format!("of algorithm {}", algorithm.to_id_string()))
}

fn rsa_bits(modulus: &[u8]) -> usize {
    let significant = modulus.iter().position(|byte| *byte != 0).map_or(&[][..], |at| &modulus[at..]);
    let leading = significant.first().map_or(0, |byte| byte.leading_zeros() as usize);
    significant.len() * 8 - leading
}

fn signature_of(algorithm: &AlgorithmIdentifier<'_>) -> Signature {
    let strong = [
        oid::OID_SIG_ECDSA_WITH_SHA256,
        oid::OID_SIG_ECDSA_WITH_SHA384,
        oid::OID_SIG_ECDSA_WITH_SHA512,
        oid::OID_SIG_ED25519,
        oid::OID_PKCS1_SHA256WITHRSA,
        oid::OID_PKCS1_SHA384WITHRSA,
        oid::OID_PKCS1_SHA512WITHRSA,
    ];
    let used = &algorithm.algorithm;
    if strong.contains(used) {
        return Signature::Strong;
    }
    let used = used.to_id_string();
    let name = match used.as_str() {
        "1.2.840.10045.4.1" => "ECDSA with SHA-1",
        "1.2.840.113549.1.1.5" => "RSA with SHA-1",
        "1.2.840.113549.1.1.4" => "RSA with MD5",
        other => other,
    };
    Signature::Weak(name.to_owned())
}
