//! Creating, signing and writing the metadata.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use wire::limits::METADATA_BYTES;
use wire::metadata::{self, ROOT, RoleKeys, Root, SPEC_VERSION, Signature, Signed, TARGETS, Targets};

use super::Repository;
use super::error::{RepositoryError, at};
use super::keys::{Role, SigningKey};

/// Lifetime of a signature, days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Lifetime of the root, days: it is installed on each gateway by hand.
    pub root_days: u32,
    /// Lifetime of the targets, days: within it, a gateway may be shown an outdated list; after it, no gateway stages
    /// or pushes an image.
    pub targets_days: u32,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { root_days: 3650, targets_days: 90 }
    }
}

impl Repository {
    /// Creates a repository: keys, a root, and an empty list of images.
    ///
    /// # Errors
    /// The directory already holds one, or can't be written.
    pub fn init(dir: &Path, lifetimes: Lifetimes, now: Timestamp) -> Result<Self, RepositoryError> {
        let repository = Self { dir: dir.to_owned() };
        for (path, mode) in
            [(dir.to_owned(), 0o755), (dir.join("keys"), 0o700), (dir.join("metadata"), 0o755)]
        {
            make_dir(&path, mode)?;
        }
        make_dir(&dir.join("images"), 0o755)?;
        let _lock = repository.lock()?;
        if repository.metadata_path(ROOT).exists() {
            return Err(RepositoryError::Exists { dir: dir.to_owned() });
        }
        let root_key = SigningKey::make(&Role::Root.path(dir))?;
        let targets_key = SigningKey::make(&Role::Targets.path(dir))?;
        let only = |key: &SigningKey| RoleKeys { keyids: vec![key.id.clone()], threshold: 1 };
        let root = Root {
            role: Role::Root.name().to_owned(),
            spec_version: SPEC_VERSION.to_owned(),
            version: 1,
            expires: after(now, lifetimes.root_days),
            roles: [(Role::Root, &root_key), (Role::Targets, &targets_key)]
                .map(|(role, key)| (role.name().to_owned(), only(key)))
                .into(),
            keys: [&root_key, &targets_key].map(|key| (key.id.clone(), key.public.clone())).into(),
        };
        let targets = Targets {
            role: Role::Targets.name().to_owned(),
            spec_version: SPEC_VERSION.to_owned(),
            version: 1,
            expires: after(now, lifetimes.targets_days),
            targets: BTreeMap::new(),
        };
        repository.write(TARGETS, &targets, &targets_key)?;
        // Last: without a root there is no repository, and `init` may be run again.
        repository.write(ROOT, &root, &root_key)?;
        Ok(repository)
    }

    /// Signs the targets again with a later expiry.
    ///
    /// # Errors
    /// The metadata isn't trusted (expired targets may be signed again), or the key is missing.
    pub fn resign(&self, lifetimes: Lifetimes, now: Timestamp) -> Result<Targets, RepositoryError> {
        let _lock = self.lock()?;
        let (root, targets) = self.signed_targets(now)?;
        self.write_targets(&root, targets, lifetimes, now)
    }

    /// Verified root and targets; expired targets are accepted, because they are about to be signed again.
    pub(super) fn signed_targets(&self, now: Timestamp) -> Result<(Root, Targets), RepositoryError> {
        let untrusted = |source| RepositoryError::Untrusted { dir: self.dir.clone(), source };
        let root = metadata::verify_root(&self.metadata(ROOT)?, now).map_err(untrusted)?;
        let file = self.metadata(TARGETS)?;
        let targets = metadata::verify_targets(&file, &root, 0, Timestamp::MIN).map_err(untrusted)?;
        Ok((root, targets))
    }

    /// Signs and writes changed targets as their next version.
    pub(super) fn write_targets(
        &self,
        root: &Root,
        mut targets: Targets,
        lifetimes: Lifetimes,
        now: Timestamp,
    ) -> Result<Targets, RepositoryError> {
        let key = SigningKey::read(&self.key_path(), Role::Targets, root)?;
        targets.version += 1;
        targets.expires = after(now, lifetimes.targets_days);
        self.write(TARGETS, &targets, &key)?;
        Ok(targets)
    }

    /// Path of the key that signs the targets.
    #[must_use]
    pub(crate) fn key_path(&self) -> PathBuf {
        Role::Targets.path(&self.dir)
    }

    /// Path where `init` stored the root's key, which should be moved offline.
    #[must_use]
    pub(crate) fn root_key_path(&self) -> PathBuf {
        Role::Root.path(&self.dir)
    }

    fn write<T: Serialize>(&self, name: &str, role: &T, key: &SigningKey) -> Result<(), RepositoryError> {
        let message = metadata::canonical(role).map_err(RepositoryError::Canonical)?;
        let signed = Signed {
            signatures: vec![Signature { keyid: key.id.clone(), sig: key.sign(&message) }],
            signed: serde_json::to_value(role).map_err(RepositoryError::Canonical)?,
        };
        let file = serde_json::to_vec(&signed).map_err(RepositoryError::Canonical)?;
        let path = self.metadata_path(name);
        if file.len() > METADATA_BYTES {
            return Err(RepositoryError::MetadataTooLarge { path, limit: METADATA_BYTES });
        }
        durable::write(&path, &file, 0o644).map_err(|source| at(&path, source))
    }
}

/// Creates a directory with a mode; an existing one is left unchanged.
fn make_dir(path: &Path, mode: u32) -> Result<(), RepositoryError> {
    DirBuilder::new().recursive(true).mode(mode).create(path).map_err(|source| at(path, source))
}

/// Whole seconds: times in TUF metadata have no fractions.
fn after(now: Timestamp, days: u32) -> Timestamp {
    let whole = Timestamp::from_second(now.as_second()).unwrap_or(now);
    whole.saturating_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MAX)
}
