//! The next root: other keys, other thresholds, or the same with a later expiry. And later expiries of other roles.

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::{Value, json};
use tuf::RoleName;

use super::error::RepositoryError;
use super::history::{Deed, Entry};
use super::keys::{SigningKey, read_public};
use super::outcome::Outcome;
use super::state::{State, drop_unused_keys};
use super::timestamps::Due;
use super::{Lifetimes, Repository};

/// A top-level role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TopLevel {
    /// The root.
    Root,
    /// The targets role.
    Targets,
    /// The snapshot.
    Snapshot,
    /// The timestamp.
    Timestamp,
}

impl TopLevel {
    /// The role.
    #[must_use]
    pub(crate) fn role(self) -> RoleName {
        match self {
            Self::Root => RoleName::root(),
            Self::Targets => RoleName::targets(),
            Self::Snapshot => RoleName::snapshot(),
            Self::Timestamp => RoleName::timestamp(),
        }
    }
}

/// A change of the root's keys.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// A new key, generated here, takes the place of all keys of the role.
    Replace(TopLevel),
    /// The key in this file may sign too.
    Add(TopLevel, PathBuf),
    /// The key with this id, or the only one whose id begins so, may no longer sign.
    Remove(TopLevel, String),
    /// The number of keys that must sign.
    Threshold(TopLevel, u64),
}

/// A role that was signed again.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Renewal {
    /// The role.
    pub(crate) role: String,
    /// Its version.
    pub(crate) version: u64,
    /// When it expires.
    pub(crate) expires: String,
    /// What must still be signed.
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

impl Repository {
    /// Makes the next root. Without changes, it has a later expiry. Gateways follow from the root that they have through
    /// each version to the newest one.
    ///
    /// # Errors
    /// A key is missing or unknown, or the repository can't be changed.
    pub(crate) fn rotate(
        &self,
        changes: &[Change],
        lifetimes: Lifetimes,
        now: Timestamp,
    ) -> Result<Outcome, RepositoryError> {
        let _lock = self.lock()?;
        let state = self.state()?;
        let name = RoleName::root();
        let mut signed = state.base(&name);
        signed["consistent_snapshot"] = true.into();
        let version = state.root.role.version.get() + 1;
        for change in changes {
            self.apply(change, version, &mut signed)?;
        }
        drop_unused_keys(&mut signed);
        check_thresholds(&signed)?;
        let next = state.next(&name, signed, lifetimes, now)?;
        let outcome = self.settle(state, vec![(name.clone(), next)], Due::Later, (lifetimes, now))?;
        let pending = outcome.version(&name).is_none();
        let (at, action, target) = (now, Deed::Rotate, name.as_str());
        let entry =
            Entry { at, action, target, sha256: "", metadata_version: version, pending, reason: None };
        self.record(&entry)?;
        Ok(outcome)
    }

    fn apply(&self, change: &Change, version: u64, root: &mut Value) -> Result<(), RepositoryError> {
        match change {
            Change::Replace(role) => {
                let role = role.role();
                // The former key stays in its file: a root is signed by the keys of both versions.
                let path = self.key_path(&role).with_file_name(format!("{}-{version}.pk8", role.as_str()));
                let key = if path.exists() { SigningKey::read(&path)? } else { SigningKey::generate(&path)? };
                root["keys"][key.id()] = key.public().clone();
                root["roles"][role.as_str()] = json!({"keyids": [key.id()], "threshold": 1});
            }
            Change::Add(role, file) => {
                let (id, public) = read_public(file)?;
                root["keys"][&id] = public;
                if let Some(ids) = root["roles"][role.role().as_str()]["keyids"].as_array_mut() {
                    ids.retain(|known| *known != json!(id));
                    ids.push(json!(id));
                }
            }
            Change::Remove(role, given) => remove_key(role.role().as_str(), given, root)?,
            Change::Threshold(role, threshold) => {
                root["roles"][role.role().as_str()]["threshold"] = json!(threshold);
            }
        }
        Ok(())
    }

    /// Signs the targets role, a maker's role or the root again, with a later expiry.
    ///
    /// # Errors
    /// There is no such role, or the repository can't be changed.
    pub(crate) fn resign(
        &self,
        role: &str,
        lifetimes: Lifetimes,
        now: Timestamp,
    ) -> Result<Renewal, RepositoryError> {
        let _lock = self.lock()?;
        let state = self.state()?;
        let name = state.signed_role(role)?;
        let next = state.next(&name, state.base(&name), lifetimes, now)?;
        let version = next.signed()["version"].as_u64().unwrap_or_default();
        let expires = next.signed()["expires"].as_str().unwrap_or_default().to_owned();
        let outcome = self.settle(state, vec![(name, next)], Due::Later, (lifetimes, now))?;
        Ok(Renewal { role: role.to_owned(), version, expires, outcome })
    }
}

impl State {
    /// A role that people sign, with offline keys.
    fn signed_role(&self, role: &str) -> Result<RoleName, RepositoryError> {
        match role {
            "root" => Ok(RoleName::root()),
            "targets" => Ok(RoleName::targets()),
            maker => self.delegated_role(maker),
        }
    }
}

fn remove_key(role: &str, given: &str, root: &mut Value) -> Result<(), RepositoryError> {
    let ids = root["roles"][role]["keyids"].as_array_mut();
    let ids = ids.ok_or_else(|| RepositoryError::NoVersion { role: role.to_owned() })?;
    let texts: Vec<String> = ids.iter().filter_map(|id| id.as_str().map(ToOwned::to_owned)).collect();
    let mut matching = texts.iter().filter(|id| id.starts_with(given));
    match (matching.next(), matching.next()) {
        (Some(one), None) => {
            ids.retain(|id| id.as_str() != Some(one));
            Ok(())
        }
        (None, _) | (Some(_), Some(_)) => Err(RepositoryError::NoSuchKey {
            role: role.to_owned(),
            given: given.chars().take(64).collect(),
            keys: texts,
        }),
    }
}

fn check_thresholds(root: &Value) -> Result<(), RepositoryError> {
    for role in ["root", "targets", "snapshot", "timestamp"] {
        let keys = root["roles"][role]["keyids"].as_array().map_or(0, Vec::len);
        let threshold = root["roles"][role]["threshold"].as_u64().unwrap_or_default();
        if threshold == 0 || threshold > keys as u64 {
            return Err(RepositoryError::Threshold { role: role.to_owned(), threshold, keys });
        }
    }
    Ok(())
}
