//! One verified revocation list (RFC 5280 §5). Only complete, direct lists are accepted: a list with a critical
//! extension that is not supported (delta, indirect, partial by an issuing distribution point) would omit revocations.

use std::collections::HashMap;

use aws_lc_rs::digest;
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::num_bigint::BigUint;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::{CertificateRevocationList, RevokedCertificate};

use super::{PeerLeaf, significant};
use crate::facts;
use crate::revocation_reason::RevocationReason;

/// Why a list is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CrlFault {
    /// It can't be parsed.
    #[error("it can't be parsed: {0}")]
    Malformed(&'static str),
    /// It has a critical extension that is not supported.
    #[error("it has the critical extension {0}, which is not supported")]
    Critical(String),
    /// The certificate of the authority that signed it isn't in the bundle.
    #[error(
        "the bundle has no certificate of its issuer, {0}: add it, or use the crl.pem that `platen-pki crl` wrote"
    )]
    NoSigner(String),
    /// Its signature is wrong.
    #[error("its signature is not by the key of {0}")]
    Signature(String),
    /// The authority's certificate doesn't permit signing lists.
    #[error("{0} may not sign revocation lists: its key usage lacks cRLSign, or it is not a CA")]
    NoAuthority(String),
    /// The authority doesn't chain to a trusted root.
    #[error("{0} does not chain to a trusted root")]
    Untrusted(String),
}

/// An entry of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// When the certificate was revoked, Unix seconds.
    pub at: i64,
    /// The reason.
    pub reason: RevocationReason,
}

/// A verified list.
#[derive(Debug, Clone)]
pub(super) struct List {
    issuer: Vec<u8>,
    issuer_key: Option<Vec<u8>>,
    pub(super) issuer_name: String,
    pub(super) signer_not_after: i64,
    /// `thisUpdate`, `nextUpdate`.
    pub(super) validity: (i64, i64),
    pub(super) number: BigUint,
    /// SHA-256 of the whole list.
    pub(super) sha256: Vec<u8>,
    /// By serial number, without leading zeros.
    pub(super) revoked: HashMap<Vec<u8>, Revocation>,
}

impl List {
    /// Parses a list, and verifies it with one of `signers` that chains to one of `roots`.
    pub(super) fn verified(
        der: &[u8],
        signers: &[CertificateDer<'_>],
        roots: &[CertificateDer<'_>],
    ) -> Result<Self, CrlFault> {
        let (rest, list) = CertificateRevocationList::from_der(der)
            .map_err(|_| CrlFault::Malformed("it is not an X.509 revocation list"))?;
        if !rest.is_empty() {
            return Err(CrlFault::Malformed("bytes follow it"));
        }
        // The outer one is not signed (RFC 5280 §5.1.1.2).
        if list.signature_algorithm != list.tbs_cert_list.signature || list.signature_value.unused_bits != 0 {
            return Err(CrlFault::Malformed("its two signature algorithms differ"));
        }
        let name = list.issuer().to_string();
        let signer_not_after = check_signer(&list, &name, signers, roots)?;
        for extension in list.extensions() {
            if extension.critical {
                return Err(CrlFault::Critical(extension.oid.to_id_string()));
            }
        }
        let next_update = list.next_update().ok_or(CrlFault::Malformed("it names no next update"))?;
        let validity = (list.last_update().timestamp(), next_update.timestamp());
        if validity.1 < validity.0 {
            return Err(CrlFault::Malformed("its nextUpdate is before its thisUpdate"));
        }
        let number = list.crl_number().ok_or(CrlFault::Malformed("it has no number"))?;
        let mut revoked = HashMap::new();
        for entry in list.iter_revoked_certificates() {
            revoked.entry(significant(entry.raw_serial()).to_vec()).or_insert(revocation(entry)?);
        }
        let mut extensions = list.extensions().iter();
        Ok(Self {
            issuer: list.issuer().as_raw().to_vec(),
            issuer_key: extensions.find_map(|extension| key_identifier(extension.parsed_extension())),
            issuer_name: name,
            signer_not_after,
            validity,
            number: number.clone(),
            sha256: digest::digest(&digest::SHA256, der).as_ref().to_vec(),
            revoked,
        })
    }

    /// Whether the issuer matches, by name, and by key identifier where both have one.
    pub(super) fn covers(&self, leaf: &PeerLeaf) -> bool {
        let other_key = matches!((&self.issuer_key, &leaf.issuer_key), (Some(a), Some(b)) if a != b);
        self.issuer == leaf.issuer && !other_key
    }

    pub(super) fn same_issuer(&self, other: &Self) -> bool {
        self.issuer == other.issuer && self.issuer_key == other.issuer_key
    }
}

/// Finds the signer of the list; returns the end of that authority's validity.
fn check_signer(
    list: &CertificateRevocationList<'_>,
    name: &str,
    signers: &[CertificateDer<'_>],
    roots: &[CertificateDer<'_>],
) -> Result<i64, CrlFault> {
    let (signers, roots) = (parse_all(signers), parse_all(roots));
    let mut named =
        signers.iter().filter(|signer| signer.subject().as_raw() == list.issuer().as_raw()).peekable();
    if named.peek().is_none() {
        return Err(CrlFault::NoSigner(name.to_owned()));
    }
    let signer = named
        .find(|signer| list.verify_signature(signer.public_key()).is_ok())
        .ok_or_else(|| CrlFault::Signature(name.to_owned()))?;
    let usage = signer.key_usage().ok().flatten();
    if !signer.is_ca() || !usage.is_some_and(|usage| usage.value.crl_sign()) {
        return Err(CrlFault::NoAuthority(name.to_owned()));
    }
    let leads_to = |root: &&X509Certificate<'_>| {
        root.subject().as_raw() == signer.issuer().as_raw()
            && signer.verify_signature(Some(root.public_key())).is_ok()
    };
    match roots.iter().find(leads_to) {
        Some(_) => Ok(signer.validity().not_after.timestamp()),
        None => Err(CrlFault::Untrusted(name.to_owned())),
    }
}

/// The certificates that can be parsed; others are ignored.
fn parse_all<'a>(ders: &'a [CertificateDer<'_>]) -> Vec<X509Certificate<'a>> {
    ders.iter().filter_map(|der| facts::parse(der).ok()).collect()
}

fn revocation(entry: &RevokedCertificate<'_>) -> Result<Revocation, CrlFault> {
    if let Some(extension) = entry.extensions().iter().find(|extension| extension.critical) {
        return Err(CrlFault::Critical(extension.oid.to_id_string()));
    }
    let reason = entry
        .reason_code()
        .map_or(RevocationReason::Unspecified, |(_, code)| RevocationReason::of_code(code.0));
    Ok(Revocation { at: entry.revocation_date.timestamp(), reason })
}

/// The key identifier in an authority key identifier extension.
pub(super) fn key_identifier(extension: &ParsedExtension<'_>) -> Option<Vec<u8>> {
    let ParsedExtension::AuthorityKeyIdentifier(identifier) = extension else { return None };
    identifier.key_identifier.as_ref().map(|key| key.0.to_vec())
}
