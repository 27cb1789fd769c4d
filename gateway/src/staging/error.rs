//! Why an image can't be staged, and whether trying again can help.

use std::io;
use std::path::{Path, PathBuf};

use wire::metadata::MetadataError;

/// An image that can't be staged.
#[derive(Debug, thiserror::Error)]
pub enum StagingError {
    /// The client can't be made from its configuration.
    #[error("global_server: the client can't be made: {what}")]
    Setup {
        /// Which part.
        what: String,
    },
    /// The trusted root can't be read.
    #[error("{}: the trusted root metadata can't be read", path.display())]
    TrustedRoot {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Metadata that isn't to be trusted.
    #[error("the firmware metadata is not to be trusted")]
    Untrusted(#[source] MetadataError),
    /// The global server doesn't answer, or the connection broke.
    #[error("{what}: no whole answer from the global server")]
    Unreachable {
        /// What was asked for.
        what: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The answer ended before the image did.
    #[error("{what}: the answer ended after {have} of {length} bytes")]
    CutShort {
        /// What was asked for.
        what: String,
        /// Bytes here.
        have: u64,
        /// Bytes expected.
        length: u64,
    },
    /// The global server refused.
    #[error("{what}: the global server answered {status}: {detail}")]
    Refused {
        /// What was asked for.
        what: String,
        /// HTTP status.
        status: u16,
        /// As the server says it.
        detail: String,
    },
    /// The answer is larger than it may be, or another part of the image than was asked for.
    #[error("{what}: the answer is not what was asked for: {problem}")]
    WrongAnswer {
        /// What was asked for.
        what: String,
        /// What is wrong.
        problem: String,
    },
    /// No such image.
    #[error(
        "the firmware repository has no image {target:?}: withdrawn, or never published (metadata version {version})"
    )]
    NoTarget {
        /// The target.
        target: String,
        /// Version of the targets metadata.
        version: u64,
    },
    /// The signed metadata contradicts the command.
    #[error("image {target:?} is version {signed:?} by its signed metadata, but {asked:?} was asked for")]
    OtherVersion {
        /// The target.
        target: String,
        /// Version by the command.
        asked: String,
        /// Version by the metadata.
        signed: String,
    },
    /// The signed metadata has a digest or length that can't be.
    #[error("image {target:?} has unusable metadata: {problem}")]
    UnusableTarget {
        /// The target.
        target: String,
        /// What is wrong.
        problem: String,
    },
    /// What was downloaded isn't the image that was signed.
    #[error("image {target:?} has SHA-256 {found} where its signed metadata says {signed}")]
    Digest {
        /// The target.
        target: String,
        /// Digest by the metadata.
        signed: String,
        /// Digest of what was downloaded.
        found: String,
    },
    /// Too little space.
    #[error("{}: {needed} bytes are needed for the image, {available} are free", dir.display())]
    NoSpace {
        /// The staging directory.
        dir: PathBuf,
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        available: u64,
    },
    /// The staging directory can't be used.
    #[error("{}: the staging directory can't be used", path.display())]
    Storage {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl StagingError {
    /// Whether trying again can't help: the command failed. What a person can heal without a new command (an expired
    /// repository that is signed anew, a full disk, a server that is down) is not final.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Untrusted(MetadataError::Expired { .. })
            | Self::TrustedRoot { .. }
            | Self::Unreachable { .. }
            | Self::CutShort { .. }
            | Self::NoSpace { .. }
            | Self::Storage { .. } => false,
            Self::Refused { status, .. } => (400..500).contains(status) && !matches!(status, 408 | 425 | 429),
            Self::Setup { .. }
            | Self::Untrusted(_)
            | Self::WrongAnswer { .. }
            | Self::NoTarget { .. }
            | Self::OtherVersion { .. }
            | Self::UnusableTarget { .. }
            | Self::Digest { .. } => true,
        }
    }

    pub(super) fn storage(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Storage { path: path.to_owned(), source }
    }
}
