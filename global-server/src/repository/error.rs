//! Errors of the repository's operations.

use std::io;
use std::path::{Path, PathBuf};

use tuf::{Fraction, Refusal};

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
    /// The repository is of a former version.
    #[error(
        "{}: made by a former version, without timestamp and snapshot: run `platen-global-server migrate` once", dir.display()
    )]
    Former {
        /// The directory.
        dir: PathBuf,
    },
    /// The repository has nothing to migrate.
    #[error("{}: not a repository of a former version: there is nothing to migrate", dir.display())]
    NotFormer {
        /// The directory.
        dir: PathBuf,
    },
    /// A metadata file can't be parsed, or has content that is not valid.
    #[error("{}: not valid metadata", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Refusal,
    },
    /// A file doesn't exist.
    #[error("{}: no such file", path.display())]
    Absent {
        /// The file.
        path: PathBuf,
    },
    /// A change would make metadata that gateways reject.
    #[error("gateways would reject the new metadata")]
    Unwritable(#[source] Refusal),
    /// There is no higher version.
    #[error("{role} has the highest possible version: it can't be signed again")]
    NoVersion {
        /// The role.
        role: String,
    },
    /// A metadata file is larger than gateways accept.
    #[error("{}: larger than the {limit} bytes that gateways accept", path.display())]
    MetadataTooLarge {
        /// The file.
        path: PathBuf,
        /// The limit, bytes.
        limit: u64,
    },
    /// The metadata isn't trusted.
    #[error("{}: the metadata is not trusted", dir.display())]
    Untrusted {
        /// The repository.
        dir: PathBuf,
        /// Why.
        #[source]
        source: Refusal,
    },
    /// No key could be generated.
    #[error("a key can't be generated")]
    NoKey,
    /// A file that holds no private key.
    #[error("{}: not a private key: expected Ed25519 or ECDSA P-256 in PKCS#8, DER", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// A file that holds no public key.
    #[error("{}: not a public key: expected the .pub file that `key` writes", path.display())]
    NotAPublicKey {
        /// The file.
        path: PathBuf,
    },
    /// A key would be replaced.
    #[error("{}: exists already, and keys are never replaced: choose another name", path.display())]
    KeyExists {
        /// The file.
        path: PathBuf,
    },
    /// The key of the root is needed and isn't here.
    #[error("the key of the root isn't here: expected {}, or give its file with --key", path.display())]
    NoRootKey {
        /// Where it was expected.
        path: PathBuf,
    },
    /// A maker's name that can't be a role.
    #[error(
        "maker {given:?} is not valid: expected a short name of a-z, 0-9 and '-', and no name of a top-level role"
    )]
    InvalidMaker {
        /// As given.
        given: String,
    },
    /// A key that isn't the role's can't be removed from it.
    #[error("{role} has no key {given}: its keys are {}", keys.join(", "))]
    NoSuchKey {
        /// The role.
        role: String,
        /// As given.
        given: String,
        /// The role's keys.
        keys: Vec<String>,
    },
    /// More signatures would be required than there are keys.
    #[error("{role} would require {threshold} signatures, but has {keys} keys")]
    Threshold {
        /// The role.
        role: String,
        /// Signatures.
        threshold: u64,
        /// Keys.
        keys: usize,
    },
    /// No such maker.
    #[error("no role {given} is delegated: {}", delegated(.known))]
    NotDelegated {
        /// As given.
        given: String,
        /// Names of delegated roles.
        known: Vec<String>,
    },
    /// A file to sign has other content than the pending one of its role, or there is none.
    #[error(
        "{}: not the next version of {role}: its content differs from what is pending here, or nothing is pending", path.display()
    )]
    NotPending {
        /// The file.
        path: PathBuf,
        /// The role.
        role: String,
    },
    /// A file to sign is not named after its role.
    #[error("{}: expected the name of a pending file, ROLE.json", path.display())]
    NoRoleFile {
        /// The file.
        path: PathBuf,
    },
    /// Metadata without a canonical form.
    #[error("the metadata can't be written")]
    Canonical(#[source] Fraction),
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
        return "no image is published".to_owned();
    }
    let more = if known.len() > LISTED { ", ..." } else { "" };
    format!("published are {}{more}", known.get(..LISTED).unwrap_or(known).join(", "))
}

fn delegated(known: &[String]) -> String {
    if known.is_empty() {
        "there are none at all".to_owned()
    } else {
        format!("there are {}", known.join(", "))
    }
}
