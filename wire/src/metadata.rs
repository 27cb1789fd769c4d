//! The firmware repository's signed metadata, in the formats of The Update Framework 1.0 (TUF).
//!
//! There are two roles so far: `root` (which keys sign what) and `targets` (the images). A file is
//! `{"signatures":[...],"signed":{...}}`; the signatures cover the canonical JSON of `signed`.

use std::collections::BTreeMap;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::ser::Error as _;
use serde::{Deserialize, Serialize};

use crate::codec::{self, CodecError};

/// File name of the root role.
pub const ROOT: &str = "root.json";

/// File name of the targets role.
pub const TARGETS: &str = "targets.json";

/// The TUF specification that the formats follow.
pub const SPEC_VERSION: &str = "1.0.31";

/// A signed file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Signed {
    /// Signatures over the canonical JSON of `signed`.
    pub signatures: Vec<Signature>,
    /// A [`Root`] or [`Targets`].
    pub signed: serde_json::Value,
}

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Id of the key.
    pub keyid: String,
    /// Ed25519 signature, hexadecimal.
    pub sig: String,
}

/// The keys of each role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// `root`.
    #[serde(rename = "_type")]
    pub role: String,
    /// TUF specification.
    pub spec_version: String,
    /// Incremented with each change.
    pub version: u64,
    /// The time after which it is not trusted.
    pub expires: Timestamp,
    /// Keys by id.
    pub keys: BTreeMap<String, Key>,
    /// Keys and thresholds by role name.
    pub roles: BTreeMap<String, RoleKeys>,
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// `ed25519`.
    pub keytype: String,
    /// `ed25519`.
    pub scheme: String,
    /// The key.
    pub keyval: KeyValue,
}

/// A public key's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyValue {
    /// 32 bytes, hexadecimal.
    pub public: String,
}

/// Keys of a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleKeys {
    /// Ids of the keys.
    pub keyids: Vec<String>,
    /// How many of them must sign.
    pub threshold: usize,
}

/// Which images there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Targets {
    /// `targets`.
    #[serde(rename = "_type")]
    pub role: String,
    /// TUF specification.
    pub spec_version: String,
    /// Grows by one with each change.
    pub version: u64,
    /// Not to be trusted after this.
    pub expires: Timestamp,
    /// Images by name.
    pub targets: BTreeMap<String, Target>,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Bytes.
    pub length: u64,
    /// Digests.
    pub hashes: Hashes,
    /// What it is for.
    pub custom: ImageFacts,
}

/// An image's digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hashes {
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
}

/// What an image is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// Vendor, as in a reading.
    pub vendor: String,
    /// Model, as in a reading.
    pub model: String,
    /// Version that the device shows afterwards.
    pub version: String,
    /// When it was published.
    pub published_at: Timestamp,
}

/// Name of the target for a vendor's model and version: `VENDOR/MODEL/VERSION`, spaces as `-`.
#[must_use]
pub fn target_name(vendor: &str, model: &str, version: &str) -> String {
    let part = |text: &str| -> String {
        text.trim()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+') { c } else { '-' })
            .collect()
    };
    format!("{}/{}/{}", part(vendor), part(model), part(version))
}

/// Why metadata is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// It is not metadata.
    #[error("{name} can't be read as metadata")]
    Malformed {
        /// The file.
        name: &'static str,
        /// Why.
        #[source]
        source: CodecError,
    },
    /// It has no canonical form.
    #[error("{name} has no canonical form")]
    Canonical {
        /// The file.
        name: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The root has no such role.
    #[error("the root names no keys for the role {role}")]
    NoRole {
        /// The role.
        role: &'static str,
    },
    /// It has too few valid signatures.
    #[error("{name} has {valid} valid signatures of the {threshold} that its role needs")]
    Signatures {
        /// The file.
        name: &'static str,
        /// Number of valid signatures.
        valid: usize,
        /// Number of required signatures.
        threshold: usize,
    },
    /// It has expired.
    #[error("{name} expired at {expires}: the firmware repository must be signed again")]
    Expired {
        /// The file.
        name: &'static str,
        /// When it expired.
        expires: Timestamp,
    },
    /// It belongs to another role.
    #[error("{name} is of the role {found:?}")]
    OtherRole {
        /// The file.
        name: &'static str,
        /// The role in the file.
        found: String,
    },
    /// It is older than the newest version seen before.
    #[error("{name} is version {found}, but version {known} was seen before")]
    Rollback {
        /// The file.
        name: &'static str,
        /// Its version.
        found: u64,
        /// The newest version seen.
        known: u64,
    },
}

/// Id of an Ed25519 public key: SHA-256 of its canonical JSON, hexadecimal (TUF §4.2).
///
/// # Errors
/// The key has no canonical form.
pub fn key_id(key: &Key) -> Result<String, serde_json::Error> {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &canonical(key)?);
    Ok(hex::encode(digest))
}

/// Canonical JSON (OLPC) of a value: the bytes that are signed.
///
/// # Errors
/// The value has no canonical form (a fraction, for example).
pub fn canonical<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    tuf::canonical(&serde_json::to_value(value)?).map_err(serde_json::Error::custom)
}

/// Verifies a root that was provisioned in advance: it must be signed by its own root keys and not be expired.
///
/// # Errors
/// It isn't a root, isn't signed by its own keys, or is expired at `now`.
pub fn verify_root(file: &[u8], now: Timestamp) -> Result<Root, MetadataError> {
    let signed = parse_signed(file, ROOT)?;
    let root: Root = parse_role(&signed, ROOT)?;
    check_signatures(&signed, &root, "root", ROOT)?;
    check_head(&root.role, "root", root.expires, now, ROOT)?;
    Ok(root)
}

/// Verifies targets with a root, and the newest version seen before (0 for none).
///
/// # Errors
/// It isn't a targets file, has too few signatures, is expired at `now`, or is older than `known_version`.
pub fn verify_targets(
    file: &[u8],
    root: &Root,
    known_version: u64,
    now: Timestamp,
) -> Result<Targets, MetadataError> {
    let signed = parse_signed(file, TARGETS)?;
    check_signatures(&signed, root, "targets", TARGETS)?;
    let targets: Targets = parse_role(&signed, TARGETS)?;
    check_head(&targets.role, "targets", targets.expires, now, TARGETS)?;
    if targets.version < known_version {
        return Err(MetadataError::Rollback { name: TARGETS, found: targets.version, known: known_version });
    }
    Ok(targets)
}

fn parse_signed(file: &[u8], name: &'static str) -> Result<Signed, MetadataError> {
    codec::from_json(file).map_err(|source| MetadataError::Malformed { name, source })
}

fn parse_role<T: DeserializeOwned>(signed: &Signed, name: &'static str) -> Result<T, MetadataError> {
    let json =
        serde_json::to_vec(&signed.signed).map_err(|source| MetadataError::Canonical { name, source })?;
    codec::from_json(&json).map_err(|source| MetadataError::Malformed { name, source })
}

fn check_head(
    found: &str,
    role: &str,
    expires: Timestamp,
    now: Timestamp,
    name: &'static str,
) -> Result<(), MetadataError> {
    if found != role {
        return Err(MetadataError::OtherRole { name, found: found.chars().take(40).collect() });
    }
    if expires <= now {
        return Err(MetadataError::Expired { name, expires });
    }
    Ok(())
}

fn check_signatures(
    signed: &Signed,
    root: &Root,
    role: &'static str,
    name: &'static str,
) -> Result<(), MetadataError> {
    let keys =
        root.roles.get(role).filter(|keys| keys.threshold > 0).ok_or(MetadataError::NoRole { role })?;
    let message = canonical(&signed.signed).map_err(|source| MetadataError::Canonical { name, source })?;
    let mut signers: Vec<&str> = Vec::new();
    for signature in &signed.signatures {
        let known = keys.keyids.contains(&signature.keyid) && !signers.contains(&signature.keyid.as_str());
        let key = root.keys.get(&signature.keyid).filter(|_| known);
        if key.is_some_and(|key| is_valid(key, &signature.sig, &message)) {
            signers.push(&signature.keyid);
        }
    }
    if signers.len() < keys.threshold {
        return Err(MetadataError::Signatures { name, valid: signers.len(), threshold: keys.threshold });
    }
    Ok(())
}

fn is_valid(key: &Key, signature: &str, message: &[u8]) -> bool {
    let (Ok(public), Ok(signature)) = (hex::decode(&key.keyval.public), hex::decode(signature)) else {
        return false;
    };
    key.scheme == "ed25519" && UnparsedPublicKey::new(&ED25519, public).verify(message, &signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

    fn key_pair() -> (Ed25519KeyPair, Key, String) {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let public = hex::encode(pair.public_key().as_ref());
        let key = Key { keytype: "ed25519".into(), scheme: "ed25519".into(), keyval: KeyValue { public } };
        let id = key_id(&key).unwrap();
        (pair, key, id)
    }

    fn sign<T: Serialize>(pair: &Ed25519KeyPair, keyid: &str, signed: &T) -> Vec<u8> {
        let sig = hex::encode(pair.sign(&canonical(signed).unwrap()).as_ref());
        let signatures = vec![Signature { keyid: keyid.to_owned(), sig }];
        serde_json::to_vec(&Signed { signatures, signed: serde_json::to_value(signed).unwrap() }).unwrap()
    }

    #[test]
    fn tampering_expiry_rollback_and_strange_keys_are_refused() {
        let (pair, key, id) = key_pair();
        let expires: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
        let now: Timestamp = "2029-01-01T00:00:00Z".parse().unwrap();
        let role = RoleKeys { keyids: vec![id.clone()], threshold: 1 };
        let root = Root {
            role: "root".into(),
            spec_version: SPEC_VERSION.into(),
            version: 1,
            expires,
            keys: BTreeMap::from([(id.clone(), key)]),
            roles: BTreeMap::from([("root".into(), role.clone()), ("targets".into(), role)]),
        };
        let root = verify_root(&sign(&pair, &id, &root), now).unwrap();
        let targets = Targets {
            role: "targets".into(),
            spec_version: SPEC_VERSION.into(),
            version: 3,
            expires,
            targets: BTreeMap::new(),
        };
        let file = sign(&pair, &id, &targets);
        assert_eq!(verify_targets(&file, &root, 3, now).unwrap(), targets);
        assert!(matches!(verify_targets(&file, &root, 4, now), Err(MetadataError::Rollback { .. })));
        assert!(matches!(verify_targets(&file, &root, 3, expires), Err(MetadataError::Expired { .. })));
        let changed = String::from_utf8(file.clone()).unwrap().replace("\"version\":3", "\"version\":9");
        assert!(matches!(
            verify_targets(changed.as_bytes(), &root, 3, now),
            Err(MetadataError::Signatures { valid: 0, threshold: 1, .. })
        ));
        let (stranger, _, _) = key_pair();
        assert!(verify_targets(&sign(&stranger, &id, &targets), &root, 3, now).is_err());
        assert!(verify_root(b"{}", now).is_err());
    }

    /// An entry whose name differs from a signed one in its Unicode normal form only was not signed.
    #[test]
    fn an_entry_in_another_normal_form_is_refused() {
        let (pair, key, id) = key_pair();
        let now: Timestamp = "2029-01-01T00:00:00Z".parse().unwrap();
        let expires = "2030-01-01T00:00:00Z".parse().unwrap();
        let keys = RoleKeys { keyids: vec![id.clone()], threshold: 1 };
        let root = Root {
            role: "root".into(),
            spec_version: SPEC_VERSION.into(),
            version: 1,
            expires,
            keys: BTreeMap::from([(id.clone(), key)]),
            roles: BTreeMap::from([("root".into(), keys.clone()), ("targets".into(), keys)]),
        };
        let image = |sha256: &str| {
            let custom =
                ImageFacts { vendor: "v".into(), model: "m".into(), version: "1".into(), published_at: now };
            Target { length: 1, hashes: Hashes { sha256: sha256.into() }, custom }
        };
        let mut targets = Targets {
            role: "targets".into(),
            spec_version: SPEC_VERSION.into(),
            version: 1,
            expires,
            targets: BTreeMap::from([("\u{e9}".into(), image("aa"))]),
        };
        let mut file: Signed = serde_json::from_slice(&sign(&pair, &id, &targets)).unwrap();
        targets.targets.insert("e\u{301}".into(), image("bb"));
        file.signed = serde_json::to_value(&targets).unwrap();
        let file = serde_json::to_vec(&file).unwrap();
        assert!(matches!(verify_targets(&file, &root, 1, now), Err(MetadataError::Signatures { .. })));
    }

    #[test]
    fn target_names_are_plain() {
        assert_eq!(target_name("ricoh", "IM C5500", "1.2/3"), "ricoh/IM-C5500/1.2-3");
    }
}
