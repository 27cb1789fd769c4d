//! The firmware repository: a directory of keys, signed metadata and content-addressed images.
//!
//! ```text
//! DIR/keys/ROLE.pk8              keys (PKCS#8), mode 0600; those of root and targets are to be taken offline
//! DIR/metadata/N.ROLE.json       each version of root, targets, snapshot and the roles of makers (TUF §6)
//! DIR/metadata/timestamp.json    names the snapshot, and with it everything that is published
//! DIR/metadata/root.json, targets.json   copies of the newest versions
//! DIR/pending/ROLE.json          a next version that has too few signatures yet
//! DIR/images/SHA256              the images
//! DIR/history.jsonl              what was changed, when and why
//! ```
//! What is newest in `metadata` is what is to be published; snapshot and timestamp follow from it. An image is durable
//! before metadata that names it is, and metadata before the timestamp that leads to it: whatever the moment of a crash,
//! gateways see what was published before, and the next `refresh` completes the change.

mod check;
mod delegate;
mod error;
mod files;
mod history;
mod init;
mod keys;
mod migrate;
mod outcome;
mod publish;
mod rotate;
mod settle;
mod sign;
mod state;
mod timestamps;
mod verified;
mod withdraw;

use std::fs::File;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use tuf::{RoleName, Root};

pub(crate) use check::{Finding, Findings};
pub(crate) use delegate::Delegation;
pub use error::RepositoryError;
pub(crate) use keys::SigningKey;
pub use outcome::{Installed, Missing, Outcome};
pub use publish::{Image, Published};
pub(crate) use rotate::{Change, Renewal, TopLevel};
pub(crate) use sign::{Signature, sign_file};
pub use timestamps::Due;
pub(crate) use verified::Verified;
pub(crate) use withdraw::Withdrawn;

/// File name of the newest root: what gateways are given to trust.
pub(crate) const ROOT: &str = "root.json";

/// How long signatures are valid, days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Of the root.
    pub root_days: u32,
    /// Of targets and of makers' roles: their keys are offline.
    pub targets_days: u32,
    /// Of the snapshot, which the server signs again by itself.
    pub snapshot_days: u32,
    /// Of the timestamp: within it, a gateway may be shown an outdated list; after it, no gateway stages or pushes an
    /// image. The server signs it again every day.
    pub timestamp_days: u32,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { root_days: 3650, targets_days: 365, snapshot_days: 30, timestamp_days: 7 }
    }
}

impl Lifetimes {
    /// Days for which the signatures of a role are valid.
    fn days(self, role: &RoleName) -> u32 {
        match role.as_str() {
            "root" => self.root_days,
            "snapshot" => self.snapshot_days,
            "timestamp" => self.timestamp_days,
            _ => self.targets_days,
        }
    }

    /// When a signature of now expires. Whole seconds: times in TUF metadata have no fractions.
    fn expires(self, role: &RoleName, now: Timestamp) -> String {
        let whole = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let life = SignedDuration::from_hours(24 * i64::from(self.days(role)));
        whole.saturating_add(life).unwrap_or(Timestamp::MAX).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

/// An open firmware repository.
#[derive(Debug, Clone)]
pub struct Repository {
    dir: PathBuf,
    /// Files of keys beside those in `keys`.
    keys: Vec<PathBuf>,
}

impl Repository {
    /// Opens a repository.
    ///
    /// # Errors
    /// The directory holds no repository, or one of a former version.
    pub fn open(dir: &Path) -> Result<Self, RepositoryError> {
        let repository = Self::at(dir);
        if !repository.metadata_path(ROOT).is_file() {
            return Err(RepositoryError::NotARepository { dir: dir.to_owned() });
        }
        let newest = repository.newest::<Root>(&RoleName::root())?;
        if newest.is_none_or(|root| root.role::<Root>(&RoleName::root()).is_err()) {
            return Err(RepositoryError::Former { dir: dir.to_owned() });
        }
        Ok(repository)
    }

    fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), keys: Vec::new() }
    }

    /// Signs also with the keys in these files.
    #[must_use]
    pub(crate) fn with_keys(mut self, files: &[PathBuf]) -> Self {
        self.keys = files.to_vec();
        self
    }

    /// The repository's directory.
    #[must_use]
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Path of a metadata file.
    #[must_use]
    pub(crate) fn metadata_path(&self, name: &str) -> PathBuf {
        self.dir.join("metadata").join(name)
    }

    /// Path of the next version of a role while it has too few signatures.
    #[must_use]
    pub(crate) fn pending_path(&self, role: &RoleName) -> PathBuf {
        self.dir.join("pending").join(role.file_name())
    }

    /// Path of an image; `sha256` must have been checked by [`is_digest`].
    #[must_use]
    pub(crate) fn image_path(&self, sha256: &str) -> PathBuf {
        self.dir.join("images").join(sha256)
    }

    /// Path where `init` stores the key of a role.
    #[must_use]
    pub(crate) fn key_path(&self, role: &RoleName) -> PathBuf {
        self.dir.join("keys").join(format!("{}.pk8", tuf::quoted(role.as_str())))
    }

    /// Waits for the repository's lock, which excludes other processes until the file is dropped.
    fn lock(&self) -> Result<File, RepositoryError> {
        let path = self.dir.join(".lock");
        let failed = |source| error::at(&path, source);
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }
}

/// Whether a text is a SHA-256 digest in lower-case hexadecimal, and so a safe file name.
#[must_use]
pub(crate) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests;
