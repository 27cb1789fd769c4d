//! Delegating the images of a maker to a role with keys of its own.

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::{Value, json};
use tuf::{RoleName, Targets};

use super::error::RepositoryError;
use super::history::{Deed, Entry};
use super::keys::read_public;
use super::outcome::Outcome;
use super::state::{State, drop_unused_keys};
use super::timestamps::Due;
use super::{Lifetimes, Repository};

/// A maker's role.
#[derive(Debug, Clone)]
pub(crate) struct Delegation<'a> {
    /// The maker, which is the role's name.
    pub(crate) maker: &'a str,
    /// Files of public keys.
    pub(crate) keys: &'a [PathBuf],
    /// How many of them must sign.
    pub(crate) threshold: u64,
    /// Patterns of the paths; `MAKER/*/*` if empty.
    pub(crate) paths: &'a [String],
}

impl Repository {
    /// Delegates paths to a maker's role, or replaces its keys and paths. Images that are published already stay where
    /// they are.
    ///
    /// # Errors
    /// The name or a key is invalid, or the repository can't be changed.
    pub(crate) fn delegate(
        &self,
        delegation: &Delegation<'_>,
        lifetimes: Lifetimes,
        now: Timestamp,
    ) -> Result<Outcome, RepositoryError> {
        let role = maker_role(delegation.maker)?;
        let mut keys = Vec::new();
        for file in delegation.keys {
            keys.push(read_public(file)?);
        }
        if delegation.threshold == 0 || delegation.threshold > keys.len() as u64 {
            let (role, threshold) = (role.as_str().to_owned(), delegation.threshold);
            return Err(RepositoryError::Threshold { role, threshold, keys: keys.len() });
        }
        let paths = match delegation.paths {
            [] => vec![format!("{}/*/*", role.as_str())],
            given => given.to_vec(),
        };
        self.edit_delegations(&role, Deed::Delegate, (lifetimes, now), |_, delegations| {
            let ids: Vec<&String> = keys.iter().map(|(id, _)| id).collect();
            let entry = json!({"name": role.as_str(), "keyids": ids, "threshold": delegation.threshold,
                "terminating": true, "paths": paths});
            for (id, public) in &keys {
                delegations["keys"][id] = public.clone();
            }
            let roles = delegations["roles"].as_array_mut();
            match roles.and_then(|roles| roles.iter_mut().find(|known| known["name"] == role.as_str())) {
                Some(known) => *known = entry,
                None => delegations["roles"]
                    .as_array_mut()
                    .into_iter()
                    .for_each(|roles| roles.push(entry.clone())),
            }
            Ok(())
        })
    }

    /// Ends a delegation: the maker's images are no longer published.
    ///
    /// # Errors
    /// There is no such role, or the repository can't be changed.
    pub(crate) fn undelegate(
        &self,
        maker: &str,
        lifetimes: Lifetimes,
        now: Timestamp,
    ) -> Result<Outcome, RepositoryError> {
        let role = maker_role(maker)?;
        self.edit_delegations(&role, Deed::Undelegate, (lifetimes, now), |state, delegations| {
            state.delegated_role(maker)?;
            if let Some(roles) = delegations["roles"].as_array_mut() {
                roles.retain(|known| known["name"] != role.as_str());
            }
            Ok(())
        })
    }

    fn edit_delegations(
        &self,
        role: &RoleName,
        action: Deed,
        (lifetimes, now): (Lifetimes, Timestamp),
        edit: impl FnOnce(&State, &mut Value) -> Result<(), RepositoryError>,
    ) -> Result<Outcome, RepositoryError> {
        let _lock = self.lock()?;
        let state = self.state()?;
        let name = RoleName::targets();
        let mut signed = state.base(&name);
        if !signed["delegations"].is_object() {
            signed["delegations"] = json!({"keys": {}, "roles": []});
        }
        edit(&state, &mut signed["delegations"])?;
        drop_unused_keys(&mut signed["delegations"]);
        let next = state.next(&name, signed, lifetimes, now)?;
        next.role::<Targets>(&name).map_err(RepositoryError::Unwritable)?;
        let metadata_version = next.signed()["version"].as_u64().unwrap_or_default();
        let outcome = self.settle(state, vec![(name.clone(), next)], Due::Later, (lifetimes, now))?;
        let pending = outcome.version(&name).is_none();
        let (at, target) = (now, role.as_str());
        self.record(&Entry { at, action, target, sha256: "", metadata_version, pending, reason: None })?;
        Ok(outcome)
    }
}

/// A maker's name as a role.
pub(super) fn maker_role(maker: &str) -> Result<RoleName, RepositoryError> {
    let invalid = || RepositoryError::InvalidMaker { given: maker.chars().take(64).collect() };
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_top_level = matches!(maker, "root" | "targets" | "snapshot" | "timestamp");
    if maker.is_empty() || maker.len() > 64 || is_top_level || !maker.chars().all(is_plain) {
        return Err(invalid());
    }
    RoleName::try_from(maker.to_owned()).map_err(|_| invalid())
}
