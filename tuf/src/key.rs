//! Public keys and their signatures (TUF §4.2.1).

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PSS_2048_8192_SHA256, VerificationAlgorithm,
};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::limits::{KEY_IDS, KEYS};

/// A public key as in metadata. A key of an unknown type or scheme is accepted, but verifies no signature.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Key {
    /// `ed25519`, `ecdsa` or `rsa`.
    pub keytype: String,
    /// `ed25519`, `ecdsa-sha2-nistp256` or `rsassa-pss-sha256`.
    pub scheme: String,
    /// The key.
    pub keyval: KeyValue,
}

/// A public key's value.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct KeyValue {
    /// Ed25519: 32 bytes, hexadecimal. ECDSA: a `SubjectPublicKeyInfo` in PEM, or an uncompressed point, hexadecimal.
    /// RSA: a `SubjectPublicKeyInfo` in PEM. Empty if the type has no such field.
    #[serde(default)]
    pub public: String,
}

/// Keys of one role.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RoleKeys {
    /// Ids of keys, without duplicates. An id that names no key can't sign.
    #[serde(rename = "keyids", deserialize_with = "key_ids")]
    pub key_ids: Vec<String>,
    /// How many distinct keys must sign.
    pub threshold: NonZeroU32,
}

/// A key that can verify.
#[derive(Debug)]
pub(crate) struct Verifier {
    key: ParsedPublicKey,
    /// `SubjectPublicKeyInfo`: equal for equal keys, in whichever form metadata has them.
    pub(crate) identity: Vec<u8>,
}

impl Key {
    /// Whether the key can verify: its type and scheme are known, and its value is a key of them.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.verifier().is_some()
    }

    /// `None` if type or scheme are unknown, or the value isn't a key of them.
    pub(crate) fn verifier(&self) -> Option<Verifier> {
        let public = self.keyval.public.as_str();
        let (algorithm, bytes): (&'static dyn VerificationAlgorithm, _) =
            match (self.keytype.as_str(), self.scheme.as_str()) {
                ("ed25519", "ed25519") => (&ED25519, hex::decode(public).ok()?),
                // The scheme as a type is how older repositories write it.
                ("ecdsa" | "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256") => {
                    (&ECDSA_P256_SHA256_ASN1, pem(public).or_else(|| hex::decode(public).ok())?)
                }
                ("rsa", "rsassa-pss-sha256") => (&RSA_PSS_2048_8192_SHA256, pem(public)?),
                _ => return None,
            };
        let key = ParsedPublicKey::new(algorithm, bytes).ok()?;
        let identity = key.as_der().ok()?.as_ref().to_vec();
        Some(Verifier { key, identity })
    }
}

impl Verifier {
    /// `signature` is hexadecimal.
    pub(crate) fn verifies(&self, message: &[u8], signature: &str) -> bool {
        hex::decode(signature).is_ok_and(|signature| self.key.verify_sig(message, &signature).is_ok())
    }
}

fn pem(text: &str) -> Option<Vec<u8>> {
    SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes()).ok().map(|der| der.as_ref().to_vec())
}

pub(crate) fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Key>, D::Error> {
    let keys = BTreeMap::<String, Key>::deserialize(deserializer)?;
    if keys.len() > KEYS {
        return Err(D::Error::custom(format!("{} keys: at most {KEYS}", keys.len())));
    }
    Ok(keys)
}

fn key_ids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let ids = Vec::<String>::deserialize(deserializer)?;
    if ids.len() > KEY_IDS {
        return Err(D::Error::custom(format!("{} key ids: at most {KEY_IDS}", ids.len())));
    }
    if ids.iter().collect::<BTreeSet<_>>().len() < ids.len() {
        return Err(D::Error::custom("a key id occurs twice"));
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn key_ids_are_unique_and_thresholds_positive() {
        let keys = |value| serde_json::from_value::<RoleKeys>(value).map_err(|error| error.to_string());
        assert!(keys(json!({"keyids": ["a", "b"], "threshold": 3})).is_ok());
        assert!(keys(json!({"keyids": ["a", "a"], "threshold": 1})).unwrap_err().contains("occurs twice"));
        assert!(keys(json!({"keyids": ["a"], "threshold": 0})).is_err());
        let many: Vec<_> = (0..=KEY_IDS).map(|id| id.to_string()).collect();
        assert!(keys(json!({"keyids": many, "threshold": 1})).unwrap_err().contains("at most 256"));
    }
}
