//! The roles: what is signed (TUF §4.3 to §4.6). Unknown fields are ignored here; the signature covers them.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use jiff::Timestamp as Instant;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};

use crate::delegation::Delegations;
use crate::file::{MetaFile, TargetFile};
use crate::key::{Key, RoleKeys, keys};

/// What all roles have in common.
pub trait Role: DeserializeOwned {
    /// `_type` of the role.
    const TYPE: &'static str;

    /// Incremented with each change.
    fn version(&self) -> NonZeroU64;

    /// The time from which it is not used any more.
    fn expires(&self) -> Instant;
}

macro_rules! role {
    ($role:ident, $name:literal) => {
        impl Role for $role {
            const TYPE: &'static str = $name;

            fn version(&self) -> NonZeroU64 {
                self.version
            }

            fn expires(&self) -> Instant {
                self.expires
            }
        }
    };
}

role!(Root, "root");
role!(Timestamp, "timestamp");
role!(Snapshot, "snapshot");
role!(Targets, "targets");

/// The root: the keys of the top-level roles (TUF §4.3).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Root {
    /// The specification's version, 1.x or 1.x.y.
    #[serde(deserialize_with = "spec_version")]
    pub spec_version: String,
    /// Incremented with each change.
    pub version: NonZeroU64,
    /// The time from which it is not used any more.
    #[serde(deserialize_with = "expires")]
    pub expires: Instant,
    /// Whether files are requested with their version or hash in their names (TUF §6.2).
    #[serde(default)]
    pub consistent_snapshot: bool,
    /// Keys by id.
    #[serde(deserialize_with = "keys")]
    pub keys: BTreeMap<String, Key>,
    /// Keys of each top-level role.
    pub roles: TopLevelRoles,
}

/// Keys of each top-level role.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TopLevelRoles {
    /// Keys of the next root.
    pub root: RoleKeys,
    /// Keys of the timestamp.
    pub timestamp: RoleKeys,
    /// Keys of the snapshot.
    pub snapshot: RoleKeys,
    /// Keys of the targets role.
    pub targets: RoleKeys,
}

/// The timestamp: the newest snapshot (TUF §4.5).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Timestamp {
    /// The specification's version, 1.x or 1.x.y.
    #[serde(deserialize_with = "spec_version")]
    pub spec_version: String,
    /// Incremented with each change.
    pub version: NonZeroU64,
    /// The time from which it is not used any more.
    #[serde(deserialize_with = "expires")]
    pub expires: Instant,
    /// The snapshot.
    pub meta: TimestampMeta,
}

/// What a timestamp describes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TimestampMeta {
    /// The snapshot.
    #[serde(rename = "snapshot.json")]
    pub snapshot: MetaFile,
}

/// The snapshot: the versions of all targets roles (TUF §4.4).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Snapshot {
    /// The specification's version, 1.x or 1.x.y.
    #[serde(deserialize_with = "spec_version")]
    pub spec_version: String,
    /// Incremented with each change.
    pub version: NonZeroU64,
    /// The time from which it is not used any more.
    #[serde(deserialize_with = "expires")]
    pub expires: Instant,
    /// Files by name: `ROLE.json`, with the role's name not encoded.
    pub meta: BTreeMap<String, MetaFile>,
}

/// The targets role, or a delegated one (TUF §4.6).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Targets {
    /// The specification's version, 1.x or 1.x.y.
    #[serde(deserialize_with = "spec_version")]
    pub spec_version: String,
    /// Incremented with each change.
    pub version: NonZeroU64,
    /// The time from which it is not used any more.
    #[serde(deserialize_with = "expires")]
    pub expires: Instant,
    /// Targets by path.
    pub targets: BTreeMap<String, TargetFile>,
    /// Roles that it delegates paths to.
    #[serde(default)]
    pub delegations: Option<Delegations>,
}

/// `1.x` or `1.x.y`; other major versions may have a different meaning.
fn spec_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let numbers: Vec<_> = text.split('.').collect();
    let digits = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if numbers.first() == Some(&"1") && matches!(numbers.len(), 2 | 3) && numbers.iter().all(digits) {
        return Ok(text);
    }
    let shown: String = text.chars().take(20).collect();
    Err(D::Error::custom(format!("specification version {shown:?}: expected 1.x or 1.x.y")))
}

/// `YYYY-MM-DDTHH:MM:SSZ` (TUF §4.2); no other form of RFC 3339.
fn expires<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Instant, D::Error> {
    let text = String::deserialize(deserializer)?;
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'Z')];
    let form = text.len() == 20
        && text.bytes().enumerate().all(|(at, byte)| {
            separators
                .iter()
                .find(|(place, _)| *place == at)
                .map_or(byte.is_ascii_digit(), |(_, c)| byte == *c)
        });
    if form && let Ok(time) = text.parse() {
        return Ok(time);
    }
    let shown: String = text.chars().take(40).collect();
    Err(D::Error::custom(format!("time {shown:?}: expected YYYY-MM-DDTHH:MM:SSZ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn timestamp(field: &str, value: serde_json::Value) -> Result<Timestamp, String> {
        let mut role = json!({"_type": "timestamp", "spec_version": "1.0.31", "version": 1,
            "expires": "2030-01-01T00:00:00Z", "meta": {"snapshot.json": {"version": 1}}, "x-more": [1]});
        role[field] = value;
        serde_path_to_error::deserialize(&role).map_err(|error| error.to_string())
    }

    #[test]
    fn fields_are_checked() {
        assert!(timestamp("x-more", json!({"a": 1})).is_ok());
        assert!(timestamp("spec_version", json!("1.0")).is_ok());
        for (field, value, problem) in [
            ("spec_version", json!("2.0.0"), "expected 1.x"),
            ("spec_version", json!("1"), "expected 1.x"),
            ("spec_version", json!("1.0.0.0"), "expected 1.x"),
            ("spec_version", json!("1.0.31-rc"), "expected 1.x"),
            ("version", json!(0), "nonzero"),
            ("version", json!(-1), "expected"),
            ("version", json!("1"), "version: invalid type: string"),
            ("expires", json!("2030-01-01T00:00:00+00:00"), "expected YYYY"),
            ("expires", json!("2030-01-01T00:00:00.0Z"), "expected YYYY"),
            ("expires", json!("2030-13-01T00:00:00Z"), "expected YYYY"),
            ("expires", json!(1_900_000_000), "expires: invalid type: integer"),
            ("meta", json!({}), "missing field `snapshot.json`"),
            ("meta", json!({"snapshot.json": {"version": 1, "hashes": {}}}), "expected 1 to 16"),
            ("meta", json!({"snapshot.json": {"version": 1, "length": -1}}), "meta.snapshot.json.length"),
        ] {
            let error = timestamp(field, value.clone()).unwrap_err();
            assert!(error.contains(problem), "{field} {value}: {error}");
        }
    }
}
