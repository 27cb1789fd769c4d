//! Delegations: which role is responsible for which paths (TUF §4.6, TAP 15).

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;

use crate::key::{Key, RoleKeys, keys};
use crate::limits::{DELEGATED_ROLES, PATTERN_BYTES, PATTERNS};
use crate::name::RoleName;
use crate::pattern;

/// The delegations of a targets role.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Delegations {
    /// Keys by id.
    pub keys: BTreeMap<String, Key>,
    /// The delegated roles.
    pub roles: Delegates,
}

/// The delegated roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delegates {
    /// Listed by name, in descending priority.
    Listed(Vec<DelegatedRole>),
    /// Hash bins with the same keys (TAP 15).
    Bins(Bins),
}

/// A delegated role.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenRole")]
pub struct DelegatedRole {
    /// Its name.
    pub name: RoleName,
    /// Its keys.
    pub keys: RoleKeys,
    /// Whether a search for one of its paths ends with this role and its own delegations.
    pub terminating: bool,
    /// Its paths.
    pub paths: Paths,
}

/// The paths of a delegated role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paths {
    /// Patterns, see [`crate::matches`].
    Patterns(Vec<String>),
    /// Prefixes of the SHA-256 of a path, lower-case hexadecimal.
    HashPrefixes(Vec<String>),
}

impl Paths {
    fn contain(&self, target: &str) -> bool {
        match self {
            Self::Patterns(patterns) => patterns.iter().any(|pattern| pattern::matches(pattern, target)),
            Self::HashPrefixes(prefixes) => {
                let hash = hex::encode(digest(&SHA256, target.as_bytes()));
                prefixes.iter().any(|prefix| hash.starts_with(prefix))
            }
        }
    }

    fn all(&self) -> &[String] {
        match self {
            Self::Patterns(all) | Self::HashPrefixes(all) => all,
        }
    }
}

/// Hash bins: 2 to the power of `bit_length` roles, named `PREFIX-NUMBER`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Bins {
    /// Keys of all bins.
    #[serde(flatten)]
    pub keys: RoleKeys,
    /// Number of bits of the hash that select a bin, 1 to 32.
    pub bit_length: u32,
    /// Prefix of the bins' names.
    pub name_prefix: String,
}

impl Bins {
    /// Number of hexadecimal digits in a bin's name.
    fn digits(&self) -> usize {
        self.bit_length.div_ceil(4) as usize
    }

    fn bin_of(&self, target: &str) -> Option<RoleName> {
        let hash = digest(&SHA256, target.as_bytes());
        let first: [u8; 4] = hash.as_ref().get(..4)?.try_into().ok()?;
        let number = u32::from_be_bytes(first) >> (32 - self.bit_length);
        let digits = self.digits();
        RoleName::try_from(format!("{}-{number:0digits$x}", self.name_prefix)).ok()
    }

    fn contains(&self, role: &RoleName) -> bool {
        let number = role.as_str().strip_prefix(self.name_prefix.as_str()).and_then(|s| s.strip_prefix('-'));
        number.is_some_and(|number| {
            number.len() == self.digits()
                && number.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
                && u64::from_str_radix(number, 16).is_ok_and(|number| number >> self.bit_length == 0)
        })
    }
}

impl Delegations {
    /// The keys of a delegated role; `None` if it isn't delegated.
    #[must_use]
    pub fn role_keys(&self, role: &RoleName) -> Option<&RoleKeys> {
        match &self.roles {
            Delegates::Listed(roles) => {
                roles.iter().find(|delegated| delegated.name == *role).map(|role| &role.keys)
            }
            Delegates::Bins(bins) => Some(&bins.keys).filter(|_| bins.contains(role)),
        }
    }

    /// The roles that a target's path is delegated to, in descending priority. Ends after the first terminating role;
    /// the second value is whether there was one.
    #[must_use]
    pub fn roles_for(&self, target: &str) -> (Vec<RoleName>, bool) {
        match &self.roles {
            Delegates::Bins(bins) => (bins.bin_of(target).into_iter().collect(), true),
            Delegates::Listed(roles) => {
                let mut names = Vec::new();
                for role in roles.iter().filter(|role| role.paths.contain(target)) {
                    names.push(role.name.clone());
                    if role.terminating {
                        return (names, true);
                    }
                }
                (names, false)
            }
        }
    }
}

/// Delegations as in the file.
#[derive(Deserialize)]
struct Written {
    #[serde(deserialize_with = "keys")]
    keys: BTreeMap<String, Key>,
    roles: Option<Vec<DelegatedRole>>,
    succinct_roles: Option<Bins>,
}

/// A delegated role as in the file.
#[derive(Deserialize)]
struct WrittenRole {
    name: RoleName,
    #[serde(flatten)]
    keys: RoleKeys,
    terminating: bool,
    paths: Option<Vec<String>>,
    path_hash_prefixes: Option<Vec<String>>,
}

impl TryFrom<WrittenRole> for DelegatedRole {
    type Error = String;

    fn try_from(written: WrittenRole) -> Result<Self, String> {
        let WrittenRole { name, keys, terminating, paths, path_hash_prefixes } = written;
        let paths = match (paths, path_hash_prefixes) {
            (Some(patterns), None) => Paths::Patterns(patterns),
            (None, Some(prefixes)) => Paths::HashPrefixes(prefixes),
            (Some(_), Some(_)) | (None, None) => {
                return Err(format!("{name}: expected one of paths and path_hash_prefixes"));
            }
        };
        if name.is_top_level() {
            return Err(format!("{name} is a top-level role and can't be delegated to"));
        }
        if let Some(long) = paths.all().iter().find(|path| path.len() > PATTERN_BYTES) {
            return Err(format!("{name}: a path pattern of {} bytes: at most {PATTERN_BYTES}", long.len()));
        }
        Ok(Self { name, keys, terminating, paths })
    }
}

impl TryFrom<Written> for Delegations {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let roles = match (written.roles, written.succinct_roles) {
            (Some(roles), None) => Delegates::Listed(check_listed(roles)?),
            (None, Some(bins)) => Delegates::Bins(check_bins(bins)?),
            (Some(_), Some(_)) | (None, None) => {
                return Err("expected one of roles and succinct_roles".to_owned());
            }
        };
        Ok(Self { keys: written.keys, roles })
    }
}

fn check_listed(roles: Vec<DelegatedRole>) -> Result<Vec<DelegatedRole>, String> {
    if roles.len() > DELEGATED_ROLES {
        return Err(format!("{} delegated roles: at most {DELEGATED_ROLES}", roles.len()));
    }
    let patterns: usize = roles.iter().map(|role| role.paths.all().len()).sum();
    if patterns > PATTERNS {
        return Err(format!("{patterns} path patterns: at most {PATTERNS}"));
    }
    let mut names = BTreeSet::new();
    match roles.iter().find(|role| !names.insert(&role.name)) {
        Some(twice) => Err(format!("{} is delegated to twice", twice.name)),
        None => Ok(roles),
    }
}

fn check_bins(bins: Bins) -> Result<Bins, String> {
    if !(1..=32).contains(&bins.bit_length) {
        return Err(format!("bit_length {}: expected 1 to 32", bins.bit_length));
    }
    let last = "f".repeat(bins.digits());
    RoleName::try_from(format!("{}-{last}", bins.name_prefix))?;
    Ok(bins)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(value: &Value) -> Result<Delegations, String> {
        serde_path_to_error::deserialize(value).map_err(|error| error.to_string())
    }

    fn role(name: &str, more: Value) -> Value {
        let mut role = json!({"name": name, "keyids": ["k"], "threshold": 1, "terminating": false});
        role.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        role
    }

    fn names(delegations: &Delegations, target: &str) -> Vec<String> {
        delegations.roles_for(target).0.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn roles_follow_priority_and_end_with_a_terminating_one() {
        let listed = parse(&json!({"keys": {}, "roles": [
            role("a", json!({"paths": ["x/*"]})),
            role("b", json!({"paths": ["y/*", "x/*"], "terminating": true})),
            role("c", json!({"paths": ["*/*"]})),
        ]}))
        .unwrap();
        assert_eq!(names(&listed, "x/1"), ["a", "b"]);
        assert_eq!(names(&listed, "z/1"), ["c"]);
        assert_eq!(names(&listed, "z/1/2"), [""; 0]);
        assert!(listed.role_keys(&RoleName::try_from("a".to_owned()).unwrap()).is_some());
        assert!(listed.role_keys(&RoleName::try_from("d".to_owned()).unwrap()).is_none());
    }

    /// The same bins as python-tuf's for the same paths.
    #[test]
    fn hash_bins_are_found() {
        // sha256("abc") begins with ba7816bf.
        let prefixes = parse(&json!({"keys": {}, "roles": [
            role("b", json!({"path_hash_prefixes": ["ba7", "00"]})),
            role("c", json!({"path_hash_prefixes": ["ba8", ""]})),
        ]}))
        .unwrap();
        assert_eq!(names(&prefixes, "abc"), ["b", "c"]);
        for (bits, bin) in [(8, "bin-ba"), (10, "bin-2e9"), (1, "bin-1"), (32, "bin-ba7816bf")] {
            let bins = json!({"keyids": ["k"], "threshold": 1, "bit_length": bits, "name_prefix": "bin"});
            let bins = parse(&json!({"keys": {}, "succinct_roles": bins})).unwrap();
            assert_eq!(names(&bins, "abc"), [bin]);
            let name = |text: &str| RoleName::try_from(text.to_owned()).unwrap();
            assert!(bins.role_keys(&name(bin)).is_some());
            assert!(bins.role_keys(&name("bin-zz")).is_none());
            assert!(bins.role_keys(&name(&bin.to_uppercase())).is_none());
        }
        let ten = json!({"keyids": ["k"], "threshold": 1, "bit_length": 10, "name_prefix": "bin"});
        let ten = parse(&json!({"keys": {}, "succinct_roles": ten})).unwrap();
        assert!(ten.role_keys(&RoleName::try_from("bin-3ff".to_owned()).unwrap()).is_some());
        assert!(ten.role_keys(&RoleName::try_from("bin-400".to_owned()).unwrap()).is_none());
    }

    #[test]
    fn delegations_that_are_ambiguous_are_refused() {
        let one = |role: Value| json!({"keys": {}, "roles": [role]});
        for (value, problem) in [
            (one(role("a", json!({}))), "one of paths and path_hash_prefixes"),
            (one(role("a", json!({"paths": [], "path_hash_prefixes": []}))), "one of paths"),
            (one(role("targets", json!({"paths": ["*"]}))), "top-level role"),
            (one(role("", json!({"paths": ["*"]}))), "role name"),
            (one(role("a", json!({"paths": ["a".repeat(513)]}))), "at most 512"),
            (one(role("a", json!({"paths": [1]}))), "invalid type"),
            (one(role("a", json!({"keyids": ["k", "k"], "paths": []}))), "occurs twice"),
            (json!({"keys": {}}), "one of roles and succinct_roles"),
            (
                json!({"keys": {}, "roles": [role("a", json!({"paths": []})), role("a", json!({"paths": []}))]}),
                "delegated to twice",
            ),
            (
                json!({"keys": {}, "succinct_roles":
                    {"keyids": [], "threshold": 1, "bit_length": 33, "name_prefix": "b"}}),
                "expected 1 to 32",
            ),
        ] {
            let error = parse(&value).unwrap_err();
            assert!(error.contains(problem), "{value}: {error}");
        }
    }
}
