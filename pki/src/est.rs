//! The messages of enrollment over secure transport (RFC 7030): PKCS#10 requests and PKCS#7 certificates, in base64.
//!
//! A request proves only the possession of the key. The names in it are ignored; the server decides the names. This
//! module has no routes and no sockets.

use std::path::Path;

use aws_lc_rs::digest;
use data_encoding::{BASE64, BASE64_MIME_PERMISSIVE};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PublicKeyData, SubjectPublicKeyInfo};
use rustls_pki_types::CertificateDer;
use secrecy::SecretString;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;
use yasna::models::ObjectIdentifier;
use yasna::{ASN1Error, ASN1ErrorKind, Tag};

use crate::authority::AuthorityError;
use crate::facts;
use crate::leaf::check_key;
use crate::leaf_facts::Key;
use crate::pem_file::{self, to_pem};

/// The largest request or response, bytes.
pub const EST_BYTES: usize = 64 << 10;

/// The maximum number of certificates in a response.
const CERTIFICATES: usize = 16;

/// Characters of a base64 line (RFC 2045 §6.8).
const LINE_CHARS: usize = 76;

const SIGNED_DATA: &[u64] = &[1, 2, 840, 113_549, 1, 7, 2];
const DATA: &[u64] = &[1, 2, 840, 113_549, 1, 7, 1];

/// Why a body is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBody {
    /// It is too large.
    #[error("larger than {EST_BYTES} bytes")]
    TooLarge,
    /// It is not base64.
    #[error("not base64 (RFC 7030 §4)")]
    Base64,
    /// It is not a PKCS#10 request.
    #[error("not a PKCS#10 certification request (RFC 2986)")]
    Request,
    /// It is not signed by the key in it.
    #[error("the certification request is not signed by the key in it")]
    Possession,
    /// The key is too weak, or of an unsupported kind.
    #[error("key is {0}: expected ECDSA P-256 or P-384, or Ed25519")]
    Key(String),
    /// It is not PKCS#7.
    #[error("not a certs-only PKCS#7 message (RFC 7030 §4.1.3)")]
    Certificates,
    /// None of the certificates is for the key.
    #[error("none of the certificates is for the requested key")]
    OtherKey,
}

/// A certification request with a verified proof of possession.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csr {
    /// Its public key: what [`crate::authority::Authority::sign`] takes.
    pub public_key: SubjectPublicKeyInfo,
}

impl Csr {
    /// SHA-256 of the public key (its `SubjectPublicKeyInfo`), hexadecimal.
    #[must_use]
    pub fn key_sha256(&self) -> String {
        hex::encode(digest::digest(&digest::SHA256, &self.public_key.subject_public_key_info()))
    }

    /// Parses a request and verifies the proof of possession.
    ///
    /// # Errors
    /// It isn't a request, its signature is wrong, or its key is not strong enough.
    pub fn parse(der: &[u8]) -> Result<Self, InvalidBody> {
        if der.len() > EST_BYTES {
            return Err(InvalidBody::TooLarge);
        }
        let (rest, request) = X509CertificationRequest::from_der(der).map_err(|_| InvalidBody::Request)?;
        if !rest.is_empty() {
            return Err(InvalidBody::Request);
        }
        let shown = &request.certification_request_info.subject_pki;
        let key = facts::key_of(shown);
        // Short certificates for gateways: RSA would only cost bytes.
        if check_key(&key).is_err() || matches!(key, Key::Rsa { .. }) {
            return Err(InvalidBody::Key(key.to_string()));
        }
        request.verify_signature().map_err(|_| InvalidBody::Possession)?;
        let public_key = SubjectPublicKeyInfo::from_der(shown.raw).map_err(|_| InvalidBody::Request)?;
        Ok(Self { public_key })
    }
}

/// A new key and the request for its certificate (client side).
pub struct Applicant {
    key: KeyPair,
    /// PKCS#10, DER.
    pub request: Vec<u8>,
}

impl Applicant {
    /// Generates a key.
    ///
    /// # Errors
    /// The system's random number generator failed.
    pub fn new() -> Result<Self, AuthorityError> {
        Self::asking(KeyPair::generate()?)
    }

    /// Creates a request for the key in a file, so that a request whose response was lost can be repeated with the
    /// same key.
    ///
    /// # Errors
    /// The file is unreadable, can be read by other users, or has no key.
    pub fn with_key(path: &Path) -> Result<Self, AuthorityError> {
        let key = KeyPair::try_from(&pem_file::private_key(path)?)?;
        Self::asking(key)
    }

    fn asking(key: KeyPair) -> Result<Self, AuthorityError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&key)?.der().to_vec();
        Ok(Self { key, request })
    }

    /// The private key, PEM: for a file of mode 0600.
    #[must_use]
    pub fn key_pem(&self) -> SecretString {
        self.key.serialize_pem().into()
    }

    /// The chain in the server's response, PEM: the certificate of this key, then its issuer.
    ///
    /// # Errors
    /// No certificate is for this key.
    pub fn chain_pem(&self, answered: &[CertificateDer<'_>]) -> Result<String, InvalidBody> {
        let parsed = |der| facts::parse(der).map_err(|_| InvalidBody::Certificates);
        let certificates = answered.iter().map(parsed).collect::<Result<Vec<_>, _>>()?;
        let key = self.key.subject_public_key_info();
        let own = certificates.iter().position(|certificate| certificate.public_key().raw == key);
        let own = own.ok_or(InvalidBody::OtherKey)?;
        let issuer = certificates
            .iter()
            .position(|certificate| certificate.subject().as_raw() == certificates[own].issuer().as_raw());
        let chain = [Some(own), issuer].into_iter().flatten().filter_map(|at| answered.get(at));
        Ok(chain.map(to_pem).collect())
    }
}

/// A certs-only PKCS#7 message: `SignedData` without signers (RFC 5272 §4.1).
#[must_use]
pub fn certs_only(certificates: &[CertificateDer<'_>]) -> Vec<u8> {
    let oid = ObjectIdentifier::from_slice;
    yasna::construct_der(|writer| {
        writer.write_sequence(|info| {
            info.next().write_oid(&oid(SIGNED_DATA));
            info.next().write_tagged(Tag::context(0), |content| {
                content.write_sequence(|data| {
                    data.next().write_u8(1);
                    data.next().write_set_of(|_| {});
                    data.next().write_sequence(|inner| inner.next().write_oid(&oid(DATA)));
                    data.next().write_tagged_implicit(Tag::context(0), |field| {
                        field.write_set_of(|set| {
                            certificates.iter().for_each(|certificate| set.next().write_der(certificate));
                        });
                    });
                    data.next().write_set_of(|_| {});
                });
            });
        });
    })
}

/// The certificates of a certs-only PKCS#7 message.
///
/// # Errors
/// It isn't such a message, or has more certificates than a chain.
pub fn parse_certs_only(der: &[u8]) -> Result<Vec<CertificateDer<'static>>, InvalidBody> {
    if der.len() > EST_BYTES {
        return Err(InvalidBody::TooLarge);
    }
    let mut found = Vec::new();
    let parsed = yasna::parse_ber(der, |reader| {
        reader.read_sequence(|info| {
            if info.next().read_oid()? != ObjectIdentifier::from_slice(SIGNED_DATA) {
                return Err(ASN1Error::new(ASN1ErrorKind::Invalid));
            }
            info.next().read_tagged(Tag::context(0), |content| {
                content.read_sequence(|data| {
                    data.next().read_u8()?;
                    data.next().read_der()?;
                    data.next().read_der()?;
                    data.next().read_tagged_implicit(Tag::context(0), |field| {
                        field.read_set_of(|certificate| {
                            found.push(CertificateDer::from(certificate.read_der()?));
                            Ok(())
                        })
                    })?;
                    while data.read_optional(|rest| rest.read_der())?.is_some() {}
                    Ok(())
                })
            })
        })
    });
    parsed.map_err(|_| InvalidBody::Certificates)?;
    if found.is_empty() || found.len() > CERTIFICATES {
        return Err(InvalidBody::Certificates);
    }
    Ok(found)
}

/// Encodes a body: base64 in lines.
#[must_use]
pub fn to_base64(der: &[u8]) -> String {
    let encoded = BASE64.encode(der);
    let mut text = String::with_capacity(encoded.len() + encoded.len() / LINE_CHARS + 1);
    for (at, character) in encoded.chars().enumerate() {
        if at > 0 && at % LINE_CHARS == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push('\n');
    text
}

/// Decodes a received body: base64, with or without line breaks.
///
/// # Errors
/// It is too large, or not base64.
pub fn from_base64(text: &[u8]) -> Result<Vec<u8>, InvalidBody> {
    if text.len() > EST_BYTES {
        return Err(InvalidBody::TooLarge);
    }
    BASE64_MIME_PERMISSIVE.decode(text.trim_ascii()).map_err(|_| InvalidBody::Base64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(key: &KeyPair, name: &str) -> CertificateDer<'static> {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.self_signed(key).unwrap().into()
    }

    #[test]
    fn a_request_gives_its_key_and_nothing_else() {
        let applicant = Applicant::new().unwrap();
        let body = to_base64(&applicant.request);
        assert!(body.lines().all(|line| line.len() <= LINE_CHARS));
        let csr = Csr::parse(&from_base64(body.as_bytes()).unwrap()).unwrap();
        assert_eq!(csr.public_key.subject_public_key_info(), applicant.key.subject_public_key_info());
    }

    #[test]
    fn a_request_without_its_key_is_refused() {
        let applicant = Applicant::new().unwrap();
        let other = KeyPair::generate().unwrap();
        let mut stolen = applicant.request.clone();
        let (own, shown) = (applicant.key.der_bytes(), other.der_bytes());
        let at = stolen.windows(own.len()).position(|window| window == own).unwrap();
        stolen[at..at + shown.len()].copy_from_slice(shown);
        assert_eq!(Csr::parse(&stolen), Err(InvalidBody::Possession));

        let mut followed = applicant.request.clone();
        followed.push(0);
        assert_eq!(Csr::parse(&followed), Err(InvalidBody::Request));
        assert_eq!(Csr::parse(&vec![0; EST_BYTES + 1]), Err(InvalidBody::TooLarge));
    }

    #[test]
    fn the_chain_is_found_whatever_its_order() {
        let applicant = Applicant::new().unwrap();
        let (own, other) =
            (certificate(&applicant.key, "own"), certificate(&KeyPair::generate().unwrap(), "other"));
        let sent = certs_only(&[other.clone(), own.clone()]);
        let answered = parse_certs_only(&sent).unwrap();
        assert!(answered.len() == 2 && answered.contains(&own) && answered.contains(&other));
        let chain = applicant.chain_pem(&answered).unwrap();
        assert!(chain.starts_with(&to_pem(&own)), "{chain}");
        assert_eq!(applicant.chain_pem(&[other]), Err(InvalidBody::OtherKey));
        assert_eq!(parse_certs_only(&certs_only(&[])), Err(InvalidBody::Certificates));
    }

    proptest::proptest! {
        #[test]
        fn no_body_panics(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), cut in 0_usize..400) {
            drop((Csr::parse(&bytes), parse_certs_only(&bytes), from_base64(&bytes)));
            let mut whole = certs_only(&[certificate(&KeyPair::generate().unwrap(), "x")]);
            whole.truncate(cut);
            proptest::prop_assert!(parse_certs_only(&whole).is_err() || cut >= whole.len());
        }
    }
}
