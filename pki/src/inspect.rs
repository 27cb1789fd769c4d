//! Describes certificates, for people and scripts.

use std::net::IpAddr;

use aws_lc_rs::digest;
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use serde::Serialize;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{ExtendedKeyUsage, GeneralName, ParsedExtension};
use x509_parser::time::ASN1Time;

use crate::facts;
use crate::pem_file::{self, PemFileError};
use crate::rejection::Rejection;

/// A described certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Description {
    /// Subject's distinguished name.
    pub subject: String,
    /// Issuer's distinguished name.
    pub issuer: String,
    /// The SPIFFE ID; absent if there is none or more than one.
    pub spiffe_id: Option<String>,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// Begin of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// Whether it is a CA's.
    pub ca: bool,
    /// Key usage.
    pub key_usage: Vec<String>,
    /// Extended key usage: names, or object identifiers of unknown ones.
    pub extended_key_usage: Vec<String>,
    /// URIs of the subject alternative name.
    pub uris: Vec<String>,
    /// DNS names there.
    pub dns: Vec<String>,
    /// Addresses there.
    pub ips: Vec<IpAddr>,
    /// Other names of the subject alternative name.
    pub other_names: Vec<String>,
    /// The public key's kind and strength.
    pub key: String,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint_sha256: String,
}

/// Why a file can't be inspected.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The file.
    #[error(transparent)]
    File(#[from] PemFileError),
    /// A certificate in it.
    #[error("certificate {number} in {} can't be parsed", path.display())]
    Certificate {
        /// The file.
        path: std::path::PathBuf,
        /// Its position, from 1.
        number: usize,
        /// The cause.
        source: Rejection,
    },
}

/// Describes every certificate of a PEM file.
///
/// # Errors
/// The file can't be read or has a damaged certificate.
pub fn file(path: &std::path::Path) -> Result<Vec<Description>, InspectError> {
    let found = pem_file::certificates(path)?;
    let numbered = found.iter().zip(1..);
    numbered
        .map(|(der, number)| {
            let failed = |source| InspectError::Certificate { path: path.to_owned(), number, source };
            describe(der).map_err(failed)
        })
        .collect()
}

/// Describes a certificate.
///
/// # Errors
/// It can't be parsed.
pub fn describe(der: &CertificateDer<'_>) -> Result<Description, Rejection> {
    let certificate = facts::parse(der)?;
    let mut description = Description {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        spiffe_id: None,
        serial: hex::encode(certificate.raw_serial()),
        not_before: time_of(certificate.validity().not_before),
        not_after: time_of(certificate.validity().not_after),
        ca: certificate.is_ca(),
        key_usage: Vec::new(),
        extended_key_usage: Vec::new(),
        uris: Vec::new(),
        dns: Vec::new(),
        ips: Vec::new(),
        other_names: Vec::new(),
        key: facts::key_of(certificate.public_key()).to_string(),
        fingerprint_sha256: hex::encode(digest::digest(&digest::SHA256, der)),
    };
    add_extensions(&certificate, &mut description);
    if let [uri] = description.uris.as_slice()
        && uri.starts_with("spiffe://")
    {
        description.spiffe_id = Some(uri.clone());
    }
    Ok(description)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "only these extensions are shown")]
fn add_extensions(certificate: &X509Certificate<'_>, description: &mut Description) {
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::KeyUsage(usage) => {
                description.key_usage = usage.to_string().split(", ").map(str::to_owned).collect();
            }
            ParsedExtension::ExtendedKeyUsage(usage) => description.extended_key_usage = purposes(usage),
            ParsedExtension::SubjectAlternativeName(names) => {
                names.general_names.iter().for_each(|name| add_name(name, description));
            }
            _ => {}
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "names of other kinds are shown as they are")]
fn add_name(name: &GeneralName<'_>, description: &mut Description) {
    match name {
        GeneralName::URI(uri) => description.uris.push((*uri).to_owned()),
        GeneralName::DNSName(dns) => description.dns.push((*dns).to_owned()),
        GeneralName::IPAddress(bytes) => match address_of(bytes) {
            Some(ip) => description.ips.push(ip),
            None => description.other_names.push(format!("IP of {} bytes", bytes.len())),
        },
        other => description.other_names.push(other.to_string()),
    }
}

fn address_of(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

fn purposes(usage: &ExtendedKeyUsage<'_>) -> Vec<String> {
    let named = [
        (usage.any, "any"),
        (usage.server_auth, "serverAuth"),
        (usage.client_auth, "clientAuth"),
        (usage.code_signing, "codeSigning"),
        (usage.email_protection, "emailProtection"),
        (usage.time_stamping, "timeStamping"),
        (usage.ocsp_signing, "OCSPSigning"),
    ];
    let known = named.into_iter().filter(|(set, _)| *set).map(|(_, name)| name.to_owned());
    known.chain(usage.other.iter().map(|oid| oid.to_id_string())).collect()
}

/// Formats a time; one beyond the range of the type is shown as the nearest in range.
pub(crate) fn time_of(time: ASN1Time) -> Timestamp {
    let seconds = time.timestamp();
    let nearest = if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_second(seconds).unwrap_or(nearest)
}
