//! Errors of the repository's operations.

use std::io;
use std::path::{Path, PathBuf};

use wire::metadata::MetadataError;

/// [`RepositoryError::Storage`] of a path.
pub(super) fn at(path: &Path, source: io::Error) -> RepositoryError {
    RepositoryError::Storage { path: path.to_owned(), source }
}

/// An operation on the repository that failed.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// The directory holds no repository.
    #[error("{}: not a firmware repository (no metadata/root.json): create one with `init`", dir.display())]
    NotARepository {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory already holds a repository.
    #[error("{}: already a firmware repository", dir.display())]
    Exists {
        /// The directory.
        dir: PathBuf,
    },
    /// A file or directory can't be read or written.
    #[error("{}: can't be used", path.display())]
    Storage {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A metadata file is larger than gateways accept.
    #[error("{}: larger than the {limit} bytes that gateways accept", path.display())]
    MetadataTooLarge {
        /// The file.
        path: PathBuf,
        /// The limit, bytes.
        limit: usize,
    },
    /// The metadata isn't trusted.
    #[error("{}: the metadata is not trusted", dir.display())]
    Untrusted {
        /// The repository.
        dir: PathBuf,
        /// Why.
        #[source]
        source: MetadataError,
    },
    /// No key could be generated.
    #[error("a key can't be generated")]
    NoKey,
    /// A file that holds no key, or another key than the root names.
    #[error("{}: not the Ed25519 key (PKCS#8) that the root names for the role {role}", path.display())]
    WrongKey {
        /// The file.
        path: PathBuf,
        /// The role.
        role: &'static str,
    },
    /// Metadata without a canonical form.
    #[error("the metadata can't be written")]
    Canonical(#[source] serde_json::Error),
    /// An invalid vendor, model or version.
    #[error(
        "{what} {given:?} is not valid: expected 1 to 64 characters as the device shows them, without control characters \
         and no path"
    )]
    InvalidFact {
        /// Vendor, model or version.
        what: &'static str,
        /// As given.
        given: String,
    },
    /// An invalid vendor.
    #[error(
        "vendor {given:?} is not valid: expected a short name of a-z, 0-9 and '-', as in a reading, like ricoh"
    )]
    InvalidVendor {
        /// As given.
        given: String,
    },
    /// No such image.
    #[error("no image {target} is published: {}", published(.known))]
    NotPublished {
        /// Name of the target.
        target: String,
        /// Names of all targets.
        known: Vec<String>,
    },
    /// An empty image.
    #[error("{}: the image is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// An image that is too large.
    #[error("{}: the image is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit, bytes.
        limit: u64,
    },
    /// The name is already used for another image.
    #[error(
        "{target} is published already with other content (SHA-256 {published}): give this one its own version"
    )]
    Duplicate {
        /// Name of the target.
        target: String,
        /// Digest of what is published.
        published: String,
    },
}

/// Targets that are listed in an error.
const LISTED: usize = 8;

fn published(known: &[String]) -> String {
    if known.is_empty() {
        return "there are none at all".to_owned();
    }
    let more = if known.len() > LISTED { ", ..." } else { "" };
    format!("published are {}{more}", known.get(..LISTED).unwrap_or(known).join(", "))
}
