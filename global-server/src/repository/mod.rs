//! The firmware repository: a directory of keys, signed metadata and content-addressed images.
//!
//! ```text
//! DIR/keys/root.pk8, targets.pk8     Ed25519 keys (PKCS#8), mode 0600; the root's is to be taken offline
//! DIR/metadata/root.json             which keys sign what
//! DIR/metadata/targets.json          which images there are
//! DIR/images/SHA256                  the images
//! DIR/history.jsonl                  what was published and withdrawn, when and why
//! ```
//! An image is durable before the metadata that names it is: whatever the moment of a crash, no metadata names an
//! image that isn't there.

mod check;
mod error;
mod history;
mod keys;
mod publish;
mod signing;
mod withdraw;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use wire::limits::METADATA_BYTES;
use wire::metadata::{self, ROOT, Root, TARGETS, Targets};

pub use check::{Finding, Findings};
pub use error::RepositoryError;
pub use publish::{Image, Published};
pub use signing::Lifetimes;
pub use withdraw::Withdrawn;

/// An open firmware repository.
#[derive(Debug, Clone)]
pub struct Repository {
    dir: PathBuf,
}

/// The verified metadata.
#[derive(Debug, Clone)]
pub struct Verified {
    /// The root role.
    pub root: Root,
    /// The targets role.
    pub targets: Targets,
}

impl Verified {
    /// Time until root or targets expires, whichever is first; negative after that.
    #[must_use]
    pub(crate) fn expires_in(&self, now: Timestamp) -> SignedDuration {
        self.root.expires.min(self.targets.expires).duration_since(now)
    }
}

impl Repository {
    /// Opens a repository.
    ///
    /// # Errors
    /// The directory holds no repository.
    pub fn open(dir: &Path) -> Result<Self, RepositoryError> {
        let repository = Self { dir: dir.to_owned() };
        if repository.metadata_path(ROOT).is_file() {
            return Ok(repository);
        }
        Err(RepositoryError::NotARepository { dir: dir.to_owned() })
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

    /// Path of an image; `sha256` must have been checked by [`is_digest`].
    #[must_use]
    pub(crate) fn image_path(&self, sha256: &str) -> PathBuf {
        self.dir.join("images").join(sha256)
    }

    /// Reads the metadata and verifies it as a gateway does.
    ///
    /// # Errors
    /// A file can't be read, or isn't trusted at `now`.
    pub(crate) fn verified(&self, now: Timestamp) -> Result<Verified, RepositoryError> {
        let untrusted = |source| RepositoryError::Untrusted { dir: self.dir.clone(), source };
        let root = metadata::verify_root(&self.metadata(ROOT)?, now).map_err(untrusted)?;
        let targets = metadata::verify_targets(&self.metadata(TARGETS)?, &root, 0, now).map_err(untrusted)?;
        Ok(Verified { root, targets })
    }

    /// Bytes of a metadata file.
    ///
    /// # Errors
    /// It can't be read or is larger than gateways accept.
    pub fn metadata(&self, name: &str) -> Result<Vec<u8>, RepositoryError> {
        let path = self.metadata_path(name);
        let failed = |source| RepositoryError::Storage { path: path.clone(), source };
        let limit = u64::try_from(METADATA_BYTES).unwrap_or(u64::MAX);
        let mut bytes = Vec::new();
        let file = File::open(&path).map_err(failed)?;
        file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() > METADATA_BYTES {
            return Err(RepositoryError::MetadataTooLarge { path, limit: METADATA_BYTES });
        }
        Ok(bytes)
    }

    /// Waits for the repository's lock, which excludes other processes until the file is dropped.
    fn lock(&self) -> Result<File, RepositoryError> {
        let path = self.dir.join(".lock");
        let failed = |source| RepositoryError::Storage { path: path.clone(), source };
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
