//! The metadata as gateways see it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tuf::{Action, Client, Refusal, RoleName, Root, TargetFile, Targets, TrustedSet};
use wire::image::ImageFacts;

use super::Repository;
use super::error::RepositoryError;
use super::files::versioned;
use super::state::delegated_roles;

/// An image that gateways find.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    /// Name of the target.
    pub(crate) target: String,
    /// The role that describes it.
    pub(crate) role: RoleName,
    /// What it is for; `None` if it isn't an image of Platen's.
    pub(crate) facts: Option<ImageFacts>,
    /// Length and hashes.
    pub(crate) file: TargetFile,
}

impl Listed {
    /// SHA-256 of the image; empty if the metadata has none.
    #[must_use]
    pub(crate) fn sha256(&self) -> &str {
        self.file.hashes.hash("sha256").unwrap_or_default()
    }
}

/// The verified metadata.
#[derive(Debug, Clone)]
pub(crate) struct Verified {
    /// The root.
    pub(crate) root: Root,
    /// The targets role.
    pub(crate) targets: Arc<Targets>,
    /// The images.
    pub(crate) images: Vec<Listed>,
    /// Delegated roles whose images gateways don't find, and why.
    pub(crate) refused: Vec<(RoleName, Refusal)>,
    /// When each role expires.
    pub(crate) expires: Vec<(RoleName, Timestamp)>,
}

impl Verified {
    /// When the first role expires.
    #[must_use]
    pub(crate) fn first_expiry(&self) -> Timestamp {
        self.expires.iter().map(|(_, expires)| *expires).min().unwrap_or_default()
    }

    /// When the first role expires that people sign: the server signs snapshot and timestamp by itself.
    #[must_use]
    pub(crate) fn signed_by_people_until(&self) -> Timestamp {
        let by_people = |role: &RoleName| !matches!(role.as_str(), "snapshot" | "timestamp");
        let expires = self.expires.iter().filter(|(role, _)| by_people(role)).map(|(_, expires)| *expires);
        expires.min().unwrap_or_default()
    }

    /// The roles that must be signed again soon: 14 days before they expire. Snapshot and timestamp have shorter lives,
    /// and are signed again by the server.
    #[must_use]
    pub(crate) fn expiring(&self, now: Timestamp) -> Vec<(RoleName, Timestamp)> {
        let soon = |role: &RoleName| match role.as_str() {
            "timestamp" => SignedDuration::from_hours(2 * 24),
            "snapshot" => SignedDuration::from_hours(7 * 24),
            _ => SignedDuration::from_hours(14 * 24),
        };
        let expiring = self.expires.iter().filter(|(role, expires)| expires.duration_since(now) < soon(role));
        expiring.cloned().collect()
    }
}

impl Repository {
    /// Reads the metadata and verifies it as a gateway does that has the oldest root.
    ///
    /// # Errors
    /// A file can't be read, or isn't trusted at `now`.
    pub(crate) fn verified(&self, now: Timestamp) -> Result<Verified, RepositoryError> {
        let oldest = self.versions(&RoleName::root())?.first().copied().unwrap_or(1);
        let name = versioned(&RoleName::root(), oldest);
        let root = self.metadata(&name, tuf::limit::<Root>())?;
        let root = root.ok_or_else(|| RepositoryError::Absent { path: self.metadata_path(&name) })?;
        let mut client = Client::from_anchor(&root, now).map_err(|refusal| self.untrusted(refusal))?;
        loop {
            match client.next_action() {
                Action::Read { .. } => drop(client.stored(None)),
                Action::Fetch { path, limit, .. } => {
                    let bytes = self.metadata(&path, limit)?;
                    client.fetched(bytes.as_deref()).map_err(|refusal| self.untrusted(refusal))?;
                }
                Action::Write { .. } | Action::Remove { .. } => {}
                Action::Idle => break,
            }
        }
        self.collect(client.trusted())
    }

    fn collect(&self, trusted: &TrustedSet) -> Result<Verified, RepositoryError> {
        let missing = || self.untrusted(Refusal::Missing { role: RoleName::targets() });
        let targets = Arc::clone(trusted.targets().ok_or_else(missing)?);
        let (mut delegated, mut refused) = (BTreeMap::new(), Vec::new());
        for role in delegated_roles(&targets).into_keys() {
            match self.delegated_role(trusted, &role, &targets)? {
                Ok(accepted) => drop(delegated.insert(role, Arc::new(accepted))),
                Err(refusal) => refused.push((role, refusal)),
            }
        }
        let facts = |file: &TargetFile| {
            file.custom.clone().and_then(|custom| serde_json::from_value::<ImageFacts>(custom).ok())
        };
        let images = tuf::visible(&targets, &delegated).into_iter().map(|(target, (role, file))| Listed {
            target,
            role,
            facts: facts(&file),
            file,
        });
        let mut expires =
            vec![(RoleName::root(), trusted.root().expires), (RoleName::targets(), targets.expires)];
        expires.extend(trusted.snapshot().map(|role| (RoleName::snapshot(), role.expires)));
        expires.extend(trusted.timestamp().map(|role| (RoleName::timestamp(), role.expires)));
        expires.extend(delegated.iter().map(|(name, role)| (name.clone(), role.expires)));
        let (root, images) = (trusted.root().clone(), images.collect());
        Ok(Verified { root, targets, images, refused, expires })
    }

    /// A delegated role, as gateways load it.
    fn delegated_role(
        &self,
        trusted: &TrustedSet,
        role: &RoleName,
        targets: &Targets,
    ) -> Result<Result<Targets, Refusal>, RepositoryError> {
        let version = match trusted.listed(role) {
            Ok(listed) => listed.version.get(),
            Err(refusal) => return Ok(Err(refusal)),
        };
        let bytes = self.metadata(&versioned(role, version), tuf::limit::<Targets>())?;
        let Some(bytes) = bytes else { return Ok(Err(Refusal::Missing { role: role.clone() })) };
        Ok(trusted.delegated(role, (&RoleName::targets(), targets), &bytes))
    }
}
