//! Withdrawing an image: the metadata is signed again without it, and its file is removed once nothing names it.

use std::io;

use jiff::Timestamp;
use serde::Serialize;
use wire::metadata::target_name;

use super::error::{RepositoryError, at};
use super::history::{Deed, Entry};
use super::{Lifetimes, Repository, is_digest};

/// A withdrawn image.
#[derive(Debug, Clone, Serialize)]
pub struct Withdrawn {
    /// Name of the target.
    pub target: String,
    /// SHA-256 of the image, lower-case hexadecimal.
    pub sha256: String,
    /// Version of the targets metadata that no longer names it.
    pub metadata_version: u64,
    /// Whether the image's file was removed: not if another target has the same content.
    pub file_removed: bool,
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
        let (root, mut targets) = self.signed_targets(now)?;
        let Some(gone) = targets.targets.remove(&target) else {
            let known = targets.targets.keys().cloned().collect();
            return Err(RepositoryError::NotPublished { target, known });
        };
        let sha256 = gone.hashes.sha256;
        let still_named = targets.targets.values().any(|other| other.hashes.sha256 == sha256);
        // The list first: it never names an image that isn't there.
        let metadata_version = self.write_targets(&root, targets, lifetimes, now)?.version;
        let (at, action) = (now, Deed::Withdraw);
        self.record(&Entry { at, action, target: &target, sha256: &sha256, metadata_version, reason })?;
        let file_removed = !still_named && is_digest(&sha256) && self.remove_image(&sha256)?;
        Ok(Withdrawn { target, sha256, metadata_version, file_removed })
    }

    /// Whether the file existed.
    fn remove_image(&self, sha256: &str) -> Result<bool, RepositoryError> {
        let path = self.image_path(sha256);
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(at(&path, error)),
        }
    }
}
