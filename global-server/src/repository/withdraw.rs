//! Withdrawing an image: the metadata is signed again without it, and its file is removed once nothing names it.

use jiff::Timestamp;
use serde::Serialize;
use tuf::RoleName;
use wire::image::target_name;

use super::error::RepositoryError;
use super::history::{Deed, Entry};
use super::outcome::Outcome;
use super::state::{State, sha256_of};
use super::timestamps::Due;
use super::{Lifetimes, Repository, files, is_digest};

/// A withdrawn image.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Withdrawn {
    /// Name of the target.
    pub(crate) target: String,
    /// SHA-256 of the image, lower-case hexadecimal.
    pub(crate) sha256: String,
    /// Version of the role that no longer names it.
    pub(crate) metadata_version: u64,
    /// Whether the image's file was removed: not if another target has the same content.
    pub(crate) file_removed: bool,
    /// What must still be signed; until then, gateways stage and push it.
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

impl Repository {
    /// Withdraws an image. Gateways neither stage nor push it once they have read the new metadata; an older list of
    /// targets is a rollback to them.
    ///
    /// # Errors
    /// No such image is published, or the repository can't be changed.
    pub(crate) fn withdraw(
        &self,
        (vendor, model, version): (&str, &str, &str),
        reason: Option<&str>,
        lifetimes: Lifetimes,
        now: Timestamp,
    ) -> Result<Withdrawn, RepositoryError> {
        let target = target_name(vendor, model, version);
        let _lock = self.lock()?;
        let state = self.state()?;
        let naming = state.naming(&target);
        let Some(first) = naming.first() else {
            let known = state.roles().iter().flat_map(|role| names(&state, role)).collect();
            return Err(RepositoryError::NotPublished { target, known });
        };
        let sha256 = sha256_of(&state.base(first)["targets"][&target]);
        let mut proposals = Vec::new();
        for role in &naming {
            let mut signed = state.base(role);
            if let Some(targets) = signed["targets"].as_object_mut() {
                targets.remove(&target);
            }
            proposals.push((role.clone(), state.next(role, signed, lifetimes, now)?));
        }
        let next = proposals.first().map(|(_, document)| document.signed()["version"].as_u64());
        let metadata_version = next.flatten().unwrap_or_default();
        // The list first: it never names an image that isn't there.
        let outcome = self.settle(state, proposals, Due::Later, (lifetimes, now))?;
        let pending = naming.iter().any(|role| outcome.version(role).is_none());
        let (at, action) = (now, Deed::Withdraw);
        let entry = Entry { at, action, target: &target, sha256: &sha256, metadata_version, pending, reason };
        self.record(&entry)?;
        let is_free = !pending && is_digest(&sha256) && !self.state()?.is_named(&sha256);
        let file_removed = is_free && files::remove(&self.image_path(&sha256))?;
        Ok(Withdrawn { target, sha256, metadata_version, file_removed, outcome })
    }
}

/// Names of the targets in a role as it will be.
fn names(state: &State, role: &RoleName) -> Vec<String> {
    state.base(role)["targets"]
        .as_object()
        .map(|targets| targets.keys().cloned().collect())
        .unwrap_or_default()
}

impl State {
    /// The roles that describe images.
    fn roles(&self) -> Vec<RoleName> {
        [RoleName::targets()].into_iter().chain(self.delegated.keys().cloned()).collect()
    }

    /// The roles that name a target as they will be.
    fn naming(&self, target: &str) -> Vec<RoleName> {
        let mut roles = self.roles();
        roles.retain(|role| self.base(role)["targets"].get(target).is_some());
        roles
    }

    /// Whether an image has a name, published or pending.
    fn is_named(&self, sha256: &str) -> bool {
        let published = [&self.targets].into_iter().chain(self.delegated.values());
        let mut published = published.flat_map(|held| held.role.targets.values());
        let in_base = |role: &RoleName| {
            let base = self.base(role);
            base["targets"]
                .as_object()
                .is_some_and(|all| all.values().any(|entry| sha256_of(entry) == sha256))
        };
        published.any(|file| file.hashes.hash("sha256") == Some(sha256)) || self.roles().iter().any(in_base)
    }
}
