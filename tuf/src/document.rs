//! A signed file that is written: signatures are added to it, and fields that this crate doesn't know remain.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::envelope::{self, Envelope};
use crate::json::{Fraction, canonical};
use crate::key::{Key, RoleKeys};
use crate::limits::{ROOT_BYTES, SNAPSHOT_BYTES, TARGETS_BYTES, TIMESTAMP_BYTES};
use crate::name::RoleName;
use crate::refusal::Refusal;
use crate::role::Role;

/// A file whose signatures may be incomplete.
///
/// ```
/// use tuf::Document;
///
/// let mut document = Document::new(serde_json::json!({"_type": "timestamp", "x-own": 1}))?;
/// assert_eq!(document.message(), br#"{"_type":"timestamp","x-own":1}"#);
/// document.sign("an id of a key", "00ff");
/// assert!(document.to_bytes().starts_with(br#"{"signatures":[{"keyid":"an id of a key""#));
/// # Ok::<(), tuf::Fraction>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    signatures: BTreeMap<String, String>,
    signed: Value,
    message: Vec<u8>,
}

impl Document {
    /// A file without signatures.
    ///
    /// # Errors
    /// A number isn't an integer.
    pub fn new(signed: Value) -> Result<Self, Fraction> {
        let message = canonical(&signed)?;
        Ok(Self { signatures: BTreeMap::new(), signed, message })
    }

    /// Parses a file of a role; its signatures are not verified.
    ///
    /// # Errors
    /// It is larger than its limit, or isn't such a file.
    pub fn parse<R: Role>(role: &RoleName, bytes: &[u8]) -> Result<Self, Refusal> {
        let (signatures, signed, message) = Envelope::parse::<R>(role, bytes, limit::<R>())?.into_parts();
        Ok(Self { signatures, signed, message })
    }

    /// What is signed, with fields that this crate doesn't know.
    #[must_use]
    pub fn signed(&self) -> &Value {
        &self.signed
    }

    /// The role in the file.
    ///
    /// # Errors
    /// A field is missing or of another type.
    pub fn role<R: Role>(&self, role: &RoleName) -> Result<R, Refusal> {
        envelope::role(role, &self.signed)
    }

    /// The octets that are signed: the canonical form.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Adds or replaces the signature of a key, hexadecimal.
    pub fn sign(&mut self, key_id: &str, signature: &str) {
        self.signatures.insert(key_id.to_owned(), signature.to_owned());
    }

    /// Adds the signatures of another copy of the same content; `false` if the content differs.
    pub fn merge(&mut self, other: &Self) -> bool {
        if self.message != other.message {
            return false;
        }
        for (key_id, signature) in &other.signatures {
            self.sign(key_id, signature);
        }
        true
    }

    /// Removes the signatures of all keys but these.
    pub fn retain(&mut self, key_ids: &[String]) {
        self.signatures.retain(|id, _| key_ids.contains(id));
    }

    /// Ids of the keys of a role with a valid signature. The same key under two ids counts once.
    #[must_use]
    pub fn signers(&self, keys: &BTreeMap<String, Key>, role: &RoleKeys) -> Vec<String> {
        envelope::signers(&self.signatures, &self.message, keys, role)
    }

    /// Whether a threshold of keys signed.
    #[must_use]
    pub fn is_signed(&self, keys: &BTreeMap<String, Key>, role: &RoleKeys) -> bool {
        self.signers(keys, role).len() as u64 >= u64::from(role.threshold.get())
    }

    /// The file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let signatures: Vec<Value> =
            self.signatures.iter().map(|(id, sig)| json!({"keyid": id, "sig": sig})).collect();
        json!({"signatures": signatures, "signed": self.signed}).to_string().into_bytes()
    }
}

/// Bytes that clients accept of a role's file.
#[must_use]
pub fn limit<R: Role>() -> u64 {
    match R::TYPE {
        "root" => ROOT_BYTES,
        "timestamp" => TIMESTAMP_BYTES,
        "snapshot" => SNAPSHOT_BYTES,
        _ => TARGETS_BYTES,
    }
}

/// Id of a public key: SHA-256 of its canonical form, hexadecimal (TUF §4.2).
///
/// # Errors
/// A number isn't an integer.
pub fn key_id(key: &Value) -> Result<String, Fraction> {
    Ok(hex::encode(digest(&SHA256, &canonical(key)?)))
}
