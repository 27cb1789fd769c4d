//! Why something from a repository is not used.

use std::num::NonZeroU64;

use jiff::Timestamp;

use crate::name::RoleName;

/// Why metadata or a target is not used. Special characters in texts of a repository are shown escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The file is larger than the limit of its role.
    #[error("{role} is larger than {limit} bytes")]
    TooLarge {
        /// The role.
        role: RoleName,
        /// The limit, bytes.
        limit: u64,
    },
    /// The file is not metadata: not JSON, or a field is missing or of another type.
    #[error("{role} can't be read as metadata: {problem}")]
    Malformed {
        /// The role.
        role: RoleName,
        /// The field, and what was found and expected.
        problem: String,
    },
    /// The file is metadata of another role.
    #[error("{role} is of the type {found:?}: expected {expected:?}")]
    WrongType {
        /// The role.
        role: RoleName,
        /// `_type` in the file.
        found: String,
        /// `_type` of the role.
        expected: &'static str,
    },
    /// A key id is in two signatures (TUF §4.2.1).
    #[error("{role} has two signatures of the key {key_id:?}")]
    DuplicateSignature {
        /// The role.
        role: RoleName,
        /// The key id.
        key_id: String,
    },
    /// The file has too few valid signatures.
    #[error(
        "{role} has valid signatures of {valid} of the {threshold} keys that {delegator} requires: threshold not reached"
    )]
    Threshold {
        /// The role.
        role: RoleName,
        /// The role that names the keys.
        delegator: RoleName,
        /// Distinct keys of the role with a valid signature.
        valid: usize,
        /// Distinct keys that must sign.
        threshold: u32,
    },
    /// The delegator doesn't name the role.
    #[error("{delegator} does not delegate to {role}")]
    NotDelegated {
        /// The role.
        role: RoleName,
        /// The role that should delegate to it.
        delegator: RoleName,
    },
    /// A root isn't the next one (TUF §5.3.5).
    #[error("root is version {found}: expected {expected}, the version after the trusted one")]
    RootVersion {
        /// The version in the file.
        found: NonZeroU64,
        /// The trusted root's version plus one.
        expected: u64,
    },
    /// The repository offers an older version than it did before (TUF §5.4.3, §5.5.5).
    #[error("rollback: {file} is version {found}, but version {trusted} was trusted before")]
    Rollback {
        /// The file whose version is lower.
        file: String,
        /// The offered version.
        found: NonZeroU64,
        /// The version trusted before.
        trusted: NonZeroU64,
    },
    /// The snapshot no longer lists a file that it listed before (TUF §5.5.5).
    #[error("rollback: the snapshot no longer lists {file}, which it listed before")]
    Removed {
        /// The file.
        file: String,
    },
    /// The file isn't the version that the role above it names (TUF §5.5.4, §5.6.4).
    #[error("mix-and-match: {role} is version {found}, but {by} names version {expected}")]
    MixAndMatch {
        /// The role.
        role: RoleName,
        /// The version in the file.
        found: NonZeroU64,
        /// The version named by the timestamp or the snapshot.
        expected: NonZeroU64,
        /// `timestamp` or `snapshot`.
        by: RoleName,
    },
    /// The snapshot doesn't list the role.
    #[error("the snapshot does not list {role}")]
    NotInSnapshot {
        /// The role.
        role: RoleName,
    },
    /// A file has another length than stated.
    #[error("{file:?} has {found} bytes or more: expected {expected}")]
    WrongLength {
        /// The role's file, or the target's path.
        file: String,
        /// Length found, bytes.
        found: u64,
        /// Length stated, bytes.
        expected: u64,
    },
    /// A file has another hash than stated.
    #[error("{file:?} has the {algorithm} hash {found}: expected {expected:?}")]
    WrongHash {
        /// The role's file, or the target's path.
        file: String,
        /// The algorithm.
        algorithm: &'static str,
        /// The file's hash.
        found: String,
        /// The stated hash.
        expected: String,
    },
    /// Only hashes by unknown algorithms are stated.
    #[error("{file:?} has no hash by a known algorithm: expected sha256, sha384 or sha512")]
    UnknownHash {
        /// The role's file, or the target's path.
        file: String,
    },
    /// The timestamp has expired, and the repository offers no newer one (TUF §5.4.4).
    #[error("freeze: the timestamp expired at {expires}, and the repository offers no newer one")]
    Freeze {
        /// When it expired.
        expires: Timestamp,
    },
    /// A role other than the timestamp has expired (TUF §5.3.10, §5.5.6, §5.6.5).
    #[error("{role} expired at {expires}")]
    Expired {
        /// The role.
        role: RoleName,
        /// When it expired.
        expires: Timestamp,
    },
    /// The repository doesn't have the file.
    #[error("the repository does not have {role}")]
    Missing {
        /// The role.
        role: RoleName,
    },
    /// A search for a target would load too many delegated roles.
    #[error("the search for {target:?} ended after {limit} delegated roles")]
    TooManyDelegations {
        /// The target's path.
        target: String,
        /// The limit.
        limit: usize,
    },
    /// The target's path is empty or too long.
    #[error("the target path of {length} bytes is not valid: expected 1 to {limit}")]
    TargetPath {
        /// Its length, bytes.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// A role was offered before the roles that it is verified with, or after they were used: a mistake of the
    /// caller.
    #[error("{role} was offered out of order")]
    OutOfOrder {
        /// The role.
        role: RoleName,
    },
}
