//! The contents of certificates, by profile. They are kept small, because every full handshake sends them.

use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use jiff::{Timestamp, ToSpan as _};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, KeyUsagePurpose, NameConstraints, SanType, SerialNumber,
};

use super::{AuthorityError, Intermediate};
use crate::spiffe::{PartyKind, SpiffeId, TrustDomain};

/// Validity of a party's certificate, days.
pub const LEAF_DAYS: u64 = 90;

/// Validity of an intermediate, days.
const INTERMEDIATE_DAYS: u64 = 5 * 365;

/// Validity of the root, days.
const ROOT_DAYS: u64 = 20 * 365;

/// Time between the begin of validity and the issue, minutes, for peers whose clock is slow.
const BACKDATED_MINUTES: i64 = 60;

/// The longest common name: `ub-common-name` of RFC 5280, appendix A.1.
const COMMON_NAME_CHARS: usize = 64;

/// A request to the authority.
#[derive(Debug, Clone)]
pub struct Request {
    /// The kind of party: its profile.
    pub profile: PartyKind,
    /// The party's name: the last part of its SPIFFE ID.
    pub name: String,
    /// DNS names of a server.
    pub dns: Vec<String>,
    /// Addresses of a server.
    pub ips: Vec<IpAddr>,
}

pub(super) fn root(trust_domain: &TrustDomain, now: Timestamp) -> Result<CertificateParams, AuthorityError> {
    let mut params = dated(now, now + days(ROOT_DAYS))?;
    params.distinguished_name = authority_name(trust_domain, "root CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

pub(super) fn intermediate(
    which: Intermediate,
    generation: u32,
    trust_domain: &TrustDomain,
    (now, root_ends): (Timestamp, Timestamp),
) -> Result<CertificateParams, AuthorityError> {
    let mut params = dated(now, root_ends.min(now + days(INTERMEDIATE_DAYS)))?;
    // Each generation has a name of its own: revocation lists are found by their issuer's name.
    let title = match generation {
        1 => which.title().to_owned(),
        later => format!("{} {later}", which.title()),
    };
    params.distinguished_name = authority_name(trust_domain, &title);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    match which {
        Intermediate::ServerCa => {
            params.extended_key_usages =
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        }
        Intermediate::GatewayCa => {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            params.name_constraints = Some(no_hosts());
        }
    }
    Ok(params)
}

/// Name constraints without any DNS name or address. (With a constraint on URIs, webpki would reject every SPIFFE
/// ID.)
fn no_hosts() -> NameConstraints {
    NameConstraints {
        permitted_subtrees: Vec::new(),
        excluded_subtrees: vec![
            GeneralSubtree::DnsName(String::new()),
            GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])),
            GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])),
        ],
    }
}

pub(super) fn leaf(
    request: &Request,
    id: &SpiffeId,
    now: Timestamp,
    authority_ends: Timestamp,
) -> Result<CertificateParams, AuthorityError> {
    let kind = request.profile;
    let hosts = request.dns.len() + request.ips.len();
    if kind.is_server() && hosts == 0 {
        return Err(AuthorityError::NoHost(kind));
    }
    if !kind.is_server() && hosts > 0 {
        return Err(AuthorityError::SurplusHost(kind));
    }
    let mut params = dated(now, authority_ends.min(now + days(LEAF_DAYS)))?;
    // For people only. With a blank, so that OpenSSL doesn't take a gateway's name for a DNS name, which the
    // name constraints exclude.
    let shown: String = format!("{kind} {}", request.name).chars().take(COMMON_NAME_CHARS).collect();
    params.distinguished_name.push(DnType::CommonName, shown);
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    // The global server never calls: with `clientAuth`, a stolen key would.
    params.extended_key_usages = match kind {
        PartyKind::CommServer => {
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]
        }
        PartyKind::GlobalServer => vec![ExtendedKeyUsagePurpose::ServerAuth],
        PartyKind::Gateway | PartyKind::Operator => vec![ExtendedKeyUsagePurpose::ClientAuth],
    };
    params.subject_alt_names.push(SanType::URI(id.to_string().try_into()?));
    for given in &request.dns {
        let invalid = || AuthorityError::DnsName { given: given.clone() };
        if !is_dns_name(given) {
            return Err(invalid());
        }
        params.subject_alt_names.push(SanType::DnsName(given.as_str().try_into().map_err(|_| invalid())?));
    }
    params.subject_alt_names.extend(request.ips.iter().copied().map(SanType::IpAddress));
    Ok(params)
}

fn is_dns_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label) && text.parse::<IpAddr>().is_err()
}

fn dated(now: Timestamp, end: Timestamp) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    // rcgen speaks the `time` crate, which is not a dependency of ours: its epoch plus seconds.
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + seconds(now - BACKDATED_MINUTES.minutes());
    params.not_after = epoch + seconds(end);
    params.serial_number = Some(serial()?);
    Ok(params)
}

/// Time since the epoch, as rcgen expects it.
pub(super) fn seconds(at: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(at.as_second()).unwrap_or(0))
}

/// 126 random bits, positive and never with a leading zero: always 16 bytes.
fn serial() -> Result<SerialNumber, AuthorityError> {
    let mut bytes = [0_u8; 16];
    let failed = |_| AuthorityError::Crypto("the system's random number generator failed".to_owned());
    SystemRandom::new().fill(&mut bytes).map_err(failed)?;
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn authority_name(trust_domain: &TrustDomain, title: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, trust_domain.as_str());
    name.push(DnType::CommonName, title);
    name
}

fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}
