//! Decides whether a peer's leaf certificate is accepted, after its chain was verified. Pure.
//!
//! rustls-webpki ignores key usage, accepts a leaf without extended key usage, and doesn't know SPIFFE. Therefore
//! each field of an accepted leaf is checked here again.

use crate::leaf_facts::{Issuer, Key, LeafFacts, Purposes, RSA_EXPONENT, Role, Signature};
use crate::rejection::{MAX_LEAF_DAYS, Rejection, SERIAL_OCTETS};
use crate::spiffe::{PartyKind, SpiffeId, TrustDomain};

/// Accepted sizes of an RSA modulus, bits: a shorter one is weak, a longer one only costs the verifier time.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// The expectations about a peer.
#[derive(Debug, Clone, Copy)]
pub struct Expectation<'a> {
    /// The own trust domain.
    pub trust_domain: &'a TrustDomain,
    /// The peer's part in the handshake.
    pub role: Role,
    /// The accepted kinds of party.
    pub kinds: &'a [PartyKind],
    /// Now, Unix seconds.
    pub now: i64,
    /// The tolerated clock skew, seconds: [`crate::Tolerance::clock_skew_s`].
    pub clock_skew_s: i64,
}

/// Decides on a leaf whose chain was already verified.
///
/// # Errors
/// The first rule that it breaks.
pub fn verify_leaf(facts: &LeafFacts, expected: &Expectation<'_>) -> Result<SpiffeId, Rejection> {
    check_validity((facts.not_before, facts.not_after), expected.now, expected.clock_skew_s)?;
    check_form(facts)?;
    let id = identity_of(facts)?;
    if id.trust_domain != *expected.trust_domain {
        let ours = expected.trust_domain.clone();
        return Err(Rejection::OtherTrustDomain { theirs: id.trust_domain, ours });
    }
    let kind = id.party.kind();
    if !expected.kinds.contains(&kind) {
        return Err(Rejection::WrongKind { kind, expected: expected.kinds.to_vec() });
    }
    check_issuer(facts.issuer, kind)?;
    check_purposes(facts.purposes, kind, expected.role)?;
    if facts.other_names > 0 || (facts.hosts > 0 && !kind.is_server()) {
        return Err(Rejection::SurplusNames(kind));
    }
    Ok(id)
}

/// The one SPIFFE ID of a leaf; nothing else is checked.
///
/// # Errors
/// No URI, several, or one that isn't a SPIFFE ID of Platen.
pub(crate) fn identity_of(facts: &LeafFacts) -> Result<SpiffeId, Rejection> {
    let [uri] = facts.uris.as_slice() else {
        return Err(Rejection::UriCount(facts.uris.len()));
    };
    uri.parse().map_err(Rejection::NotSpiffe)
}

/// Whether `now` is within a validity, both ends included and widened by the clocks' tolerance.
///
/// # Errors
/// It is before or after.
pub(crate) const fn check_validity(
    (not_before, not_after): (i64, i64),
    now: i64,
    clock_skew_s: i64,
) -> Result<(), Rejection> {
    if now < not_before.saturating_sub(clock_skew_s) {
        return Err(Rejection::NotYetValid { not_before, now });
    }
    if now > not_after.saturating_add(clock_skew_s) {
        return Err(Rejection::Expired { not_after, now });
    }
    Ok(())
}

/// The time at which rustls-webpki, which knows no tolerance, verifies the chain: `now`, or the nearer end of the
/// leaf's validity if `now` is outside it by no more than the tolerance.
#[must_use]
pub(crate) const fn chain_instant((not_before, not_after): (i64, i64), now: i64, clock_skew_s: i64) -> i64 {
    if now < not_before && not_before.saturating_sub(now) <= clock_skew_s {
        return not_before;
    }
    if now > not_after && now.saturating_sub(not_after) <= clock_skew_s {
        return not_after;
    }
    now
}

fn check_form(facts: &LeafFacts) -> Result<(), Rejection> {
    check_lifetime((facts.not_before, facts.not_after))?;
    check_serial(&facts.serial)?;
    if let Some(oid) = &facts.unknown_critical {
        return Err(Rejection::UnknownCriticalExtension(oid.clone()));
    }
    if let Signature::Weak(name) = &facts.signature {
        return Err(Rejection::WeakSignature(name.clone()));
    }
    check_key(&facts.key)?;
    if facts.is_ca {
        return Err(Rejection::IsAuthority);
    }
    match facts.key_usage {
        Some(usage) if usage.authority => Err(Rejection::MaySignCertificates),
        Some(usage) if usage.digital_signature => Ok(()),
        Some(_) | None => Err(Rejection::NoDigitalSignature),
    }
}

const fn check_lifetime((not_before, not_after): (i64, i64)) -> Result<(), Rejection> {
    const DAY_S: i64 = 86_400;
    let life_s = not_after.saturating_sub(not_before);
    if life_s > MAX_LEAF_DAYS * DAY_S {
        return Err(Rejection::LongLived { days: life_s / DAY_S + (life_s % DAY_S != 0) as i64 });
    }
    Ok(())
}

fn check_serial(serial: &[u8]) -> Result<(), Rejection> {
    let negative = serial.first().is_none_or(|first| first & 0x80 != 0);
    let zero = serial.iter().all(|octet| *octet == 0);
    if negative || zero || serial.len() > SERIAL_OCTETS {
        // A certificate has up to 16 KiB for it.
        let shown: String = hex::encode(serial).chars().take(2 * SERIAL_OCTETS + 2).collect();
        return Err(Rejection::BadSerial(shown));
    }
    Ok(())
}

/// Whether a key is strong enough for a party, and not so large that it slows verification.
///
/// # Errors
/// It is weak or too large.
pub(crate) fn check_key(key: &Key) -> Result<(), Rejection> {
    match key {
        Key::P256 | Key::P384 | Key::Ed25519 => Ok(()),
        Key::Rsa { bits, exponent: Some(RSA_EXPONENT) } if RSA_BITS.contains(bits) => Ok(()),
        weak @ (Key::Rsa { .. } | Key::Other(_)) => Err(Rejection::WeakKey(weak.to_string())),
    }
}

/// The exact extended key usage of a kind, in either role: a certificate permits only what its party does.
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

fn check_purposes(purposes: Option<Purposes>, kind: PartyKind, role: Role) -> Result<(), Rejection> {
    let Some(purposes) = purposes else { return Err(Rejection::NoPurpose) };
    if purposes.any {
        return Err(Rejection::AnyPurpose);
    }
    let (expected, name) = purposes_of(kind);
    if purposes != expected {
        return Err(Rejection::WrongPurpose { kind, expected: name });
    }
    let plays = match role {
        Role::Client => expected.client,
        Role::Server => expected.server,
    };
    if plays { Ok(()) } else { Err(Rejection::WrongRole { kind, role }) }
}

/// Checks that the issuer may certify this kind of party: a compromised gateway CA must not be able to issue to a
/// server or an operator.
fn check_issuer(issuer: Issuer, kind: PartyKind) -> Result<(), Rejection> {
    match (kind, issuer) {
        (PartyKind::Gateway, Issuer::GatewayAuthority) => Ok(()),
        (PartyKind::CommServer | PartyKind::GlobalServer | PartyKind::Operator, Issuer::ServerAuthority) => {
            Ok(())
        }
        (_, issuer) => Err(Rejection::WrongIssuer { kind, issuer }),
    }
}

#[cfg(test)]
mod tests;
