//! The facts of a leaf certificate that the decision in [`crate::leaf`] needs: plain data, read by [`crate::facts`].

use std::fmt;

/// The one accepted RSA exponent: lower ones are fragile, larger ones only cost the verifier time.
pub(crate) const RSA_EXPONENT: u64 = 65_537;

/// The facts of a leaf certificate.
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
    /// Whether `basicConstraints` marks a CA.
    pub is_ca: bool,
    /// Key usage; absent when the extension is.
    pub key_usage: Option<KeyUsage>,
    /// The public key.
    pub key: Key,
    /// The signature algorithm.
    pub signature: Signature,
    /// The first unsupported critical extension.
    pub unknown_critical: Option<String>,
    /// Octets of the serial number, a two's complement integer (X.690 §8.3).
    pub serial: Vec<u8>,
    /// Begin of validity, Unix seconds.
    pub not_before: i64,
    /// End of validity, Unix seconds.
    pub not_after: i64,
    /// The kinds of certificates that its intermediate may issue.
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
    /// Any other, by object identifier.
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

/// The signature algorithm of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    /// With a hash of the SHA-2 family, or Ed25519.
    Strong,
    /// With SHA-1, MD5 or anything unknown, by name or object identifier.
    Weak(String),
}

/// The kinds of certificates that an intermediate may issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issuer {
    /// Servers and operators: the server CA.
    ServerAuthority,
    /// Gateways: the gateway CA, whose extended key usage has no `serverAuth`.
    GatewayAuthority,
    /// Unknown: the intermediate was not sent, or those sent contradict each other.
    Unclear,
}

/// The peer's part in the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The client.
    Client,
    /// The server.
    Server,
}
