//! The reasons why a peer's certificate is rejected: each with a sentence for people and a label for metrics.

use crate::leaf_facts::{Issuer, Role};
use crate::revocation_reason::RevocationReason;
use crate::spiffe::{InvalidSpiffeId, PartyKind, TrustDomain};

/// The longest validity of a party's certificate, days: [`crate::authority::LEAF_DAYS`] plus a margin.
pub(crate) const MAX_LEAF_DAYS: i64 = 100;

/// The longest serial number, octets (RFC 5280 §4.1.2.2).
pub(crate) const SERIAL_OCTETS: usize = 20;

/// Why a leaf certificate is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// It can't be parsed.
    #[error("the certificate can't be parsed: {0}")]
    Malformed(&'static str),
    /// `now` is before its validity.
    #[error("the certificate is not valid before {not_before} (Unix seconds); the time is {now}")]
    NotYetValid {
        /// Begin of validity.
        not_before: i64,
        /// Now.
        now: i64,
    },
    /// `now` is after its validity.
    #[error("the certificate expired at {not_after} (Unix seconds); the time is {now}")]
    Expired {
        /// End of validity.
        not_after: i64,
        /// Now.
        now: i64,
    },
    /// Its validity is longer than 100 days.
    #[error(
        "the certificate is valid for {days} days: expected at most {MAX_LEAF_DAYS}; issue it with `platen-pki`"
    )]
    LongLived {
        /// Days of its validity, rounded up.
        days: i64,
    },
    /// The serial number is zero, negative or too long (RFC 5280 §4.1.2.2).
    #[error("serial number {0} is not valid: expected a positive number of at most {SERIAL_OCTETS} octets")]
    BadSerial(String),
    /// It has a critical extension that is not supported.
    #[error("unknown critical extension {0}")]
    UnknownCriticalExtension(String),
    /// It is signed with a weak algorithm.
    #[error("signed with {0}: expected ECDSA, Ed25519 or RSA with SHA-256 or better")]
    WeakSignature(String),
    /// Its key is weak, too large, or of an unsupported algorithm.
    #[error(
        "key is {0}: expected ECDSA P-256 or P-384, Ed25519, or RSA of 2048 to 4096 bits with exponent 65537"
    )]
    WeakKey(String),
    /// It is a CA's certificate.
    #[error("a CA certificate is not accepted as a party's certificate")]
    IsAuthority,
    /// It may sign certificates or CRLs.
    #[error("key usage allows signing certificates or CRLs")]
    MaySignCertificates,
    /// No key usage, or one without `digitalSignature`.
    #[error("key usage lacks digitalSignature")]
    NoDigitalSignature,
    /// It has no extended key usage.
    #[error("no extended key usage")]
    NoPurpose,
    /// Its extended key usage contains `anyExtendedKeyUsage`.
    #[error("extended key usage is `any`: expected exactly the party's own")]
    AnyPurpose,
    /// Its extended key usage is not exactly that of the peer's kind.
    #[error("extended key usage is wrong for a party of kind {kind}: expected exactly {expected}")]
    WrongPurpose {
        /// The peer's kind.
        kind: PartyKind,
        /// The expected value.
        expected: &'static str,
    },
    /// A party of this kind never has this role in a handshake.
    #[error("party of kind {kind} never {}", match role { Role::Client => "opens connections", Role::Server => "accepts connections" })]
    WrongRole {
        /// The peer's kind.
        kind: PartyKind,
        /// The role that it has taken.
        role: Role,
    },
    /// It does not have exactly one URI in the subject alternative name.
    #[error("{0} URIs in the subject alternative name: expected exactly one")]
    UriCount(usize),
    /// Its URI isn't a SPIFFE ID of Platen.
    #[error("the subject alternative name is not a SPIFFE ID: {0}")]
    NotSpiffe(InvalidSpiffeId),
    /// It has DNS names, addresses or other names that its kind must not have.
    #[error("the subject alternative name has more names than a party of kind {0} may have")]
    SurplusNames(PartyKind),
    /// It is of another trust domain.
    #[error("the trust domain is {theirs}: expected {ours}")]
    OtherTrustDomain {
        /// The peer's trust domain.
        theirs: TrustDomain,
        /// Our own trust domain.
        ours: TrustDomain,
    },
    /// Parties of its kind are not accepted here.
    #[error("party of kind {kind} is not accepted here: expected {}", list(expected))]
    WrongKind {
        /// The peer's kind.
        kind: PartyKind,
        /// The accepted kinds.
        expected: Vec<PartyKind>,
    },
    /// It was revoked by its issuer.
    #[error("certificate {serial} was revoked at {at} (Unix seconds), reason {reason}")]
    Revoked {
        /// Its serial number, hexadecimal.
        serial: String,
        /// When it was revoked, Unix seconds.
        at: i64,
        /// The reason.
        reason: RevocationReason,
    },
    /// Revocation lists are configured, but none of its issuer.
    #[error("no revocation list of its issuer, {issuer}: load the list that `platen-pki crl` writes")]
    UnknownStatus {
        /// The issuer's distinguished name.
        issuer: String,
    },
    /// Its issuer's revocation list is too old.
    #[error(
        "the next revocation list of {issuer} was due at {next_update} (Unix seconds); the time is {now}"
    )]
    StaleList {
        /// The issuer's distinguished name.
        issuer: String,
        /// End of the list's validity, Unix seconds.
        next_update: i64,
        /// Now.
        now: i64,
    },
    /// Its issuer's revocation list is dated in the future.
    #[error("the revocation list of {issuer} begins at {this_update} (Unix seconds); the time is {now}")]
    FutureList {
        /// The issuer's distinguished name.
        issuer: String,
        /// Begin of the list's validity, Unix seconds.
        this_update: i64,
        /// Now.
        now: i64,
    },
    /// It was issued by the intermediate for other kinds.
    #[error("party of kind {kind} must not be issued by {}", authority(*issuer))]
    WrongIssuer {
        /// The peer's kind.
        kind: PartyKind,
        /// Its issuer.
        issuer: Issuer,
    },
}

impl Rejection {
    /// Short name for a metric's label, from a small set.
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
        Issuer::Unclear => "an intermediate of unknown kind",
    }
}
