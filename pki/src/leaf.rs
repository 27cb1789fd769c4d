//! The decision on a peer's leaf certificate, after its chain was verified: pure, a table of refusals.
//!
//! rustls-webpki ignores key usage, lets a leaf without extended key usage pass, and knows nothing of SPIFFE:
//! what it accepts is checked here again, field by field.

use std::fmt;

use crate::revocation::Reason;
use crate::spiffe::{InvalidSpiffeId, PartyKind, SpiffeId, TrustDomain};

/// The longest life of a party's certificate, days: what [`crate::authority::LEAF_DAYS`] gives, and a margin.
pub const MAX_LEAF_DAYS: i64 = 100;

/// The longest serial number, octets (RFC 5280 §4.1.2.2).
const SERIAL_OCTETS: usize = 20;

/// The one RSA exponent: lower ones are fragile, larger ones only cost the verifier time.
const RSA_EXPONENT: u64 = 65_537;

/// Bits of an RSA modulus: shorter is weak, longer only costs the verifier time.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// What a leaf certificate says, as far as the decision needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafFacts {
    /// Every URI of the subject alternative name.
    pub uris: Vec<String>,
    /// DNS names and addresses of the subject alternative name.
    pub hosts: usize,
    /// Other names there: mail addresses, directory names, ...
    pub other_names: usize,
    /// Extended key usage; absent when the extension is.
    pub purposes: Option<Purposes>,
    /// `basicConstraints` says CA.
    pub is_ca: bool,
    /// Key usage; absent when the extension is.
    pub key_usage: Option<KeyUsage>,
    /// The public key.
    pub key: Key,
    /// How the certificate is signed.
    pub signature: Signature,
    /// A critical extension that nobody here understands.
    pub unknown_critical: Option<String>,
    /// Octets of the serial number, a two's complement integer (X.690 §8.3).
    pub serial: Vec<u8>,
    /// Begin of validity, Unix seconds.
    pub not_before: i64,
    /// End of validity, Unix seconds.
    pub not_after: i64,
    /// What the intermediate that issued it may issue.
    pub issuer: Issuer,
}

/// Extended key usage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purposes {
    /// `id-kp-serverAuth`
    pub server: bool,
    /// `id-kp-clientAuth`
    pub client: bool,
    /// `anyExtendedKeyUsage`
    pub any: bool,
    /// Any other.
    pub other: bool,
}

/// Key usage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyUsage {
    /// `digitalSignature`
    pub digital_signature: bool,
    /// `keyCertSign` or `cRLSign`
    pub authority: bool,
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// Ed25519.
    Ed25519,
    /// RSA: the bits of its modulus, and its exponent.
    Rsa {
        /// Bits of the modulus.
        bits: usize,
        /// The public exponent; `None` when it is larger than 64 bits.
        exponent: Option<u64>,
    },
    /// Anything else, by object identifier.
    Other(String),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::P256 => f.write_str("ECDSA P-256"),
            Self::P384 => f.write_str("ECDSA P-384"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Rsa { bits, exponent: Some(RSA_EXPONENT) } => write!(f, "RSA of {bits} bits"),
            Self::Rsa { bits, exponent: Some(exponent) } => {
                write!(f, "RSA of {bits} bits with exponent {exponent}")
            }
            Self::Rsa { bits, exponent: None } => {
                write!(f, "RSA of {bits} bits with an exponent of over 64 bits")
            }
            Self::Other(name) => f.write_str(name),
        }
    }
}

/// How a certificate is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    /// With a hash of the SHA-2 family, or Ed25519.
    Strong,
    /// With SHA-1, MD5 or anything unknown, by name or object identifier.
    Weak(String),
}

/// What the issuing intermediate may issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issuer {
    /// Servers and operators: the server CA.
    ServerAuthority,
    /// Gateways: the gateway CA, whose extended key usage has no `serverAuth`.
    GatewayAuthority,
    /// Not among the intermediates sent, or these contradict each other.
    Unclear,
}

/// The peer's part in the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It called.
    Client,
    /// It was called.
    Server,
}

/// What is expected of the peer.
#[derive(Debug, Clone, Copy)]
pub struct Expectation<'a> {
    /// The own trust domain.
    pub trust_domain: &'a TrustDomain,
    /// The peer's part in the handshake.
    pub role: Role,
    /// Kinds of party that are welcome here.
    pub kinds: &'a [PartyKind],
    /// Now, Unix seconds.
    pub now: i64,
    /// By how much the clocks of the two sides may differ, seconds: [`crate::Tolerance::clock_skew_s`].
    pub clock_skew_s: i64,
}

/// Why a leaf is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It can't be parsed.
    #[error("the certificate can't be parsed: {0}")]
    Malformed(&'static str),
    /// `now` is before its validity.
    #[error("the certificate is not valid before {not_before} (Unix seconds), it is {now}")]
    NotYetValid {
        /// Begin of validity.
        not_before: i64,
        /// Now.
        now: i64,
    },
    /// `now` is after its validity.
    #[error("the certificate expired at {not_after} (Unix seconds), it is {now}")]
    Expired {
        /// End of validity.
        not_after: i64,
        /// Now.
        now: i64,
    },
    /// It lives longer than [`MAX_LEAF_DAYS`].
    #[error(
        "the certificate lives for {days} days: expected at most {MAX_LEAF_DAYS}, issue it with `platen-pki`"
    )]
    LongLived {
        /// Days of its validity, rounded up.
        days: i64,
    },
    /// The serial number is zero, negative or too long (RFC 5280 §4.1.2.2).
    #[error("serial number {0} is not valid: expected a positive number of at most {SERIAL_OCTETS} octets")]
    BadSerial(String),
    /// A critical extension that nobody here understands.
    #[error("unknown critical extension {0}")]
    UnknownCriticalExtension(String),
    /// The signature's algorithm.
    #[error("signed with {0}: expected ECDSA, Ed25519 or RSA with SHA-256 or better")]
    WeakSignature(String),
    /// The key's algorithm or length.
    #[error(
        "key is {0}: expected ECDSA P-256 or P-384, Ed25519, or RSA of 2048 to 4096 bits with exponent 65537"
    )]
    WeakKey(String),
    /// It is a CA's certificate.
    #[error("a CA certificate is no party's certificate")]
    IsAuthority,
    /// It may sign certificates or CRLs.
    #[error("key usage allows signing certificates or CRLs")]
    MaySignCertificates,
    /// No key usage, or one without `digitalSignature`.
    #[error("key usage lacks digitalSignature")]
    NoDigitalSignature,
    /// No extended key usage.
    #[error("no extended key usage")]
    NoPurpose,
    /// `anyExtendedKeyUsage`.
    #[error("extended key usage is `any`: expected exactly the party's own")]
    AnyPurpose,
    /// An extended key usage that is not exactly that of the peer's kind.
    #[error("extended key usage is wrong for a party of kind {kind}: expected exactly {expected}")]
    WrongPurpose {
        /// The peer's kind.
        kind: PartyKind,
        /// What was expected.
        expected: &'static str,
    },
    /// A party whose kind never has this role.
    #[error("party of kind {kind} never {}", match role { Role::Client => "calls", Role::Server => "listens" })]
    WrongRole {
        /// The peer's kind.
        kind: PartyKind,
        /// The role that it has taken.
        role: Role,
    },
    /// Not exactly one URI in the subject alternative name.
    #[error("{0} URIs in the subject alternative name: expected exactly one")]
    UriCount(usize),
    /// The URI isn't a SPIFFE ID of Platen.
    #[error("the subject alternative name is no SPIFFE ID: {0}")]
    NotSpiffe(InvalidSpiffeId),
    /// Names in the subject alternative name that the kind of party must not have.
    #[error("the subject alternative name has more names than a party of kind {0} may have")]
    SurplusNames(PartyKind),
    /// Of another trust domain.
    #[error("trust domain {theirs} is not ours, {ours}")]
    OtherTrustDomain {
        /// The peer's.
        theirs: TrustDomain,
        /// Our own.
        ours: TrustDomain,
    },
    /// A party of a kind that has no business here.
    #[error("party of kind {kind} is not accepted here: expected {}", list(expected))]
    WrongKind {
        /// The peer's.
        kind: PartyKind,
        /// Welcome ones.
        expected: Vec<PartyKind>,
    },
    /// Revoked by its issuer.
    #[error("certificate {serial} was revoked at {at} (Unix seconds), reason {reason}")]
    Revoked {
        /// Its serial number, hexadecimal.
        serial: String,
        /// Since when, Unix seconds.
        at: i64,
        /// Why.
        reason: Reason,
    },
    /// Revocation lists are configured, and none of them is its issuer's.
    #[error("no revocation list of its issuer, {issuer}: load the list that `platen-pki crl` writes")]
    UnknownStatus {
        /// The issuer's distinguished name.
        issuer: String,
    },
    /// Its issuer's revocation list is too old.
    #[error("the next revocation list of {issuer} was due at {next_update} (Unix seconds), it is {now}")]
    StaleList {
        /// The issuer's distinguished name.
        issuer: String,
        /// End of the list's validity, Unix seconds.
        next_update: i64,
        /// Now.
        now: i64,
    },
    /// Its issuer's revocation list is of the future.
    #[error("the revocation list of {issuer} begins at {this_update} (Unix seconds), it is {now}")]
    FutureList {
        /// The issuer's distinguished name.
        issuer: String,
        /// Begin of the list's validity, Unix seconds.
        this_update: i64,
        /// Now.
        now: i64,
    },
    /// Issued by the intermediate of the other side.
    #[error("party of kind {kind} must not be issued by {}", authority(*issuer))]
    WrongIssuer {
        /// The peer's kind.
        kind: PartyKind,
        /// Who issued it.
        issuer: Issuer,
    },
}

impl Refused {
    /// A short name, for a metric's label: one of few.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed_certificate",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::Expired { .. } => "expired",
            Self::LongLived { .. } => "lifetime",
            Self::BadSerial(_) => "serial",
            Self::UnknownCriticalExtension(_) => "unknown_critical_extension",
            Self::WeakSignature(_) => "weak_signature",
            Self::WeakKey(_) => "weak_key",
            Self::IsAuthority | Self::MaySignCertificates => "authority_as_party",
            Self::NoDigitalSignature => "key_usage",
            Self::NoPurpose | Self::AnyPurpose | Self::WrongPurpose { .. } | Self::WrongRole { .. } => {
                "extended_key_usage"
            }
            Self::UriCount(_) | Self::NotSpiffe(_) | Self::SurplusNames(_) => "name",
            Self::OtherTrustDomain { .. } => "trust_domain",
            Self::WrongKind { .. } => "kind",
            Self::Revoked { .. } => "revoked",
            Self::UnknownStatus { .. } => "unknown_revocation_status",
            Self::StaleList { .. } => "stale_revocation_list",
            Self::FutureList { .. } => "future_revocation_list",
            Self::WrongIssuer { .. } => "issuer",
        }
    }
}

fn list(kinds: &[PartyKind]) -> String {
    kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(" or ")
}

const fn authority(issuer: Issuer) -> &'static str {
    match issuer {
        Issuer::ServerAuthority => "the server CA",
        Issuer::GatewayAuthority => "the gateway CA",
        Issuer::Unclear => "an unclear intermediate",
    }
}

/// Decides on a leaf whose chain was already verified.
///
/// # Errors
/// The first rule that it breaks.
pub fn verify_leaf(facts: &LeafFacts, expected: &Expectation<'_>) -> Result<SpiffeId, Refused> {
    check_validity((facts.not_before, facts.not_after), expected.now, expected.clock_skew_s)?;
    check_form(facts)?;
    let id = identity_of(facts)?;
    if id.trust_domain != *expected.trust_domain {
        let ours = expected.trust_domain.clone();
        return Err(Refused::OtherTrustDomain { theirs: id.trust_domain, ours });
    }
    let kind = id.party.kind();
    if !expected.kinds.contains(&kind) {
        return Err(Refused::WrongKind { kind, expected: expected.kinds.to_vec() });
    }
    check_issuer(facts.issuer, kind)?;
    check_purposes(facts.purposes, kind, expected.role)?;
    if facts.other_names > 0 || (facts.hosts > 0 && !kind.is_server()) {
        return Err(Refused::SurplusNames(kind));
    }
    Ok(id)
}

/// The one SPIFFE ID of a leaf; nothing else is checked.
///
/// # Errors
/// No URI, several, or one that isn't a SPIFFE ID of Platen.
pub fn identity_of(facts: &LeafFacts) -> Result<SpiffeId, Refused> {
    let [uri] = facts.uris.as_slice() else {
        return Err(Refused::UriCount(facts.uris.len()));
    };
    uri.parse().map_err(Refused::NotSpiffe)
}

/// Whether `now` is within a validity, both ends included and widened by the clocks' tolerance.
///
/// # Errors
/// It is before or after.
pub const fn check_validity(
    (not_before, not_after): (i64, i64),
    now: i64,
    clock_skew_s: i64,
) -> Result<(), Refused> {
    if now < not_before.saturating_sub(clock_skew_s) {
        return Err(Refused::NotYetValid { not_before, now });
    }
    if now > not_after.saturating_add(clock_skew_s) {
        return Err(Refused::Expired { not_after, now });
    }
    Ok(())
}

/// The instant at which rustls-webpki, which knows no tolerance, is to verify the chain: `now`, or the nearer end of
/// the leaf's validity where `now` is beyond it by no more than the tolerance.
#[must_use]
pub const fn chain_instant((not_before, not_after): (i64, i64), now: i64, clock_skew_s: i64) -> i64 {
    if now < not_before && not_before.saturating_sub(now) <= clock_skew_s {
        return not_before;
    }
    if now > not_after && now.saturating_sub(not_after) <= clock_skew_s {
        return not_after;
    }
    now
}

fn check_form(facts: &LeafFacts) -> Result<(), Refused> {
    check_lifetime((facts.not_before, facts.not_after))?;
    check_serial(&facts.serial)?;
    if let Some(oid) = &facts.unknown_critical {
        return Err(Refused::UnknownCriticalExtension(oid.clone()));
    }
    if let Signature::Weak(name) = &facts.signature {
        return Err(Refused::WeakSignature(name.clone()));
    }
    check_key(&facts.key)?;
    if facts.is_ca {
        return Err(Refused::IsAuthority);
    }
    match facts.key_usage {
        Some(usage) if usage.authority => Err(Refused::MaySignCertificates),
        Some(usage) if usage.digital_signature => Ok(()),
        Some(_) | None => Err(Refused::NoDigitalSignature),
    }
}

const fn check_lifetime((not_before, not_after): (i64, i64)) -> Result<(), Refused> {
    const DAY_S: i64 = 86_400;
    let life_s = not_after.saturating_sub(not_before);
    if life_s > MAX_LEAF_DAYS * DAY_S {
        return Err(Refused::LongLived { days: life_s / DAY_S + (life_s % DAY_S != 0) as i64 });
    }
    Ok(())
}

fn check_serial(serial: &[u8]) -> Result<(), Refused> {
    let negative = serial.first().is_none_or(|first| first & 0x80 != 0);
    let zero = serial.iter().all(|octet| *octet == 0);
    if negative || zero || serial.len() > SERIAL_OCTETS {
        // A certificate has up to 16 KiB for it.
        let shown: String = hex::encode(serial).chars().take(2 * SERIAL_OCTETS + 2).collect();
        return Err(Refused::BadSerial(shown));
    }
    Ok(())
}

/// Whether a key is strong enough for a party, and not so large that verifying costs more than it should.
///
/// # Errors
/// It isn't.
pub fn check_key(key: &Key) -> Result<(), Refused> {
    match key {
        Key::P256 | Key::P384 | Key::Ed25519 => Ok(()),
        Key::Rsa { bits, exponent: Some(RSA_EXPONENT) } if RSA_BITS.contains(bits) => Ok(()),
        weak @ (Key::Rsa { .. } | Key::Other(_)) => Err(Refused::WeakKey(weak.to_string())),
    }
}

/// Exactly those of the kind, in either role: a certificate is good for what its party does and nothing else.
const fn purposes_of(kind: PartyKind) -> (Purposes, &'static str) {
    let none = Purposes { server: false, client: false, any: false, other: false };
    match kind {
        PartyKind::CommServer => {
            (Purposes { server: true, client: true, ..none }, "serverAuth and clientAuth")
        }
        // It never calls anybody.
        PartyKind::GlobalServer => (Purposes { server: true, ..none }, "serverAuth"),
        PartyKind::Gateway | PartyKind::Operator => (Purposes { client: true, ..none }, "clientAuth"),
    }
}

fn check_purposes(purposes: Option<Purposes>, kind: PartyKind, role: Role) -> Result<(), Refused> {
    let Some(purposes) = purposes else { return Err(Refused::NoPurpose) };
    if purposes.any {
        return Err(Refused::AnyPurpose);
    }
    let (expected, name) = purposes_of(kind);
    if purposes != expected {
        return Err(Refused::WrongPurpose { kind, expected: name });
    }
    let plays = match role {
        Role::Client => expected.client,
        Role::Server => expected.server,
    };
    if plays { Ok(()) } else { Err(Refused::WrongRole { kind, role }) }
}

/// A compromised gateway CA must not be able to make a server or an operator, in either role.
fn check_issuer(issuer: Issuer, kind: PartyKind) -> Result<(), Refused> {
    match (kind, issuer) {
        (PartyKind::Gateway, Issuer::GatewayAuthority) => Ok(()),
        (PartyKind::CommServer | PartyKind::GlobalServer | PartyKind::Operator, Issuer::ServerAuthority) => {
            Ok(())
        }
        (_, issuer) => Err(Refused::WrongIssuer { kind, issuer }),
    }
}

#[cfg(test)]
mod tests;
