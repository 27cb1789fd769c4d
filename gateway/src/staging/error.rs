//! Why an image can't be staged, and whether a retry can help.

use std::io;
use std::path::{Path, PathBuf};

use tuf::Refusal;

/// Why an image can't be staged.
#[derive(Debug, thiserror::Error)]
pub enum StagingError {
    /// The client can't be created from its configuration.
    #[error("global_server: the client can't be created: {what}")]
    Setup {
        /// The invalid part.
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
    /// The metadata is not trusted.
    #[error("the firmware metadata is not trusted")]
    Untrusted(#[from] Refusal),
    /// What was trusted before can't be read.
    #[error(
        "{}: the state of trust in the firmware metadata is damaged: {problem}; restore the file, or remove it to begin \
         again from the provisioned root, which accepts older metadata once", path.display()
    )]
    DamagedState {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The global server doesn't respond, or the connection was interrupted.
    #[error("{what}: no complete response from the global server")]
    Unreachable {
        /// The requested resource.
        what: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The response ended before the image.
    #[error("{what}: the response ended after {have} of {length} bytes")]
    CutShort {
        /// The requested resource.
        what: String,
        /// Bytes received.
        have: u64,
        /// Bytes expected.
        length: u64,
    },
    /// The global server rejected the request.
    #[error("{what}: the global server responded with {status}: {detail}")]
    Refused {
        /// The requested resource.
        what: String,
        /// HTTP status.
        status: u16,
        /// The detail of the response.
        detail: String,
    },
    /// The response is too large, or a different part of the image.
    #[error("{what}: unexpected response: {problem}")]
    WrongAnswer {
        /// The requested resource.
        what: String,
        /// What is wrong.
        problem: String,
    },
    /// There is no such image.
    #[error(
        "the firmware repository has no image {target:?}: withdrawn, or never published (metadata version {version})"
    )]
    NoTarget {
        /// The target.
        target: String,
        /// Version of the targets metadata.
        version: u64,
    },
    /// Another image was published under the name of the one that is staged.
    #[error("another image was published as {target:?}: its SHA-256 is {published}")]
    Replaced {
        /// The target.
        target: String,
        /// Digest by the metadata.
        published: String,
    },
    /// The signed metadata contradicts the command.
    #[error("image {target:?} is version {signed:?} by its signed metadata, but {ordered:?} was ordered")]
    OtherVersion {
        /// The target.
        target: String,
        /// The version in the command.
        ordered: String,
        /// The version in the metadata.
        signed: String,
    },
    /// The signed metadata has an invalid digest or length.
    #[error("image {target:?} has unusable metadata: {problem}")]
    UnusableTarget {
        /// The target.
        target: String,
        /// What is wrong.
        problem: String,
    },
    /// The download differs from the signed image.
    #[error("image {target:?} has SHA-256 {found} but its signed metadata states {signed}")]
    Digest {
        /// The target.
        target: String,
        /// The digest in the metadata.
        signed: String,
        /// The digest of the download.
        found: String,
    },
    /// There is too little space.
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
    /// Whether a retry can't help, so that the command fails. Problems that can be solved without a new command (an
    /// expired repository, a full disk, a server that is down) are not final.
    #[must_use]
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Untrusted(refusal) => is_final(refusal),
            Self::DamagedState { .. }
            | Self::TrustedRoot { .. }
            | Self::Unreachable { .. }
            | Self::CutShort { .. }
            | Self::NoSpace { .. }
            | Self::Storage { .. } => false,
            Self::Refused { status, .. } => (400..500).contains(status) && !matches!(status, 408 | 425 | 429),
            Self::Setup { .. }
            | Self::WrongAnswer { .. }
            | Self::NoTarget { .. }
            | Self::Replaced { .. }
            | Self::OtherVersion { .. }
            | Self::UnusableTarget { .. }
            | Self::Digest { .. } => true,
        }
    }

    /// Whether signed metadata shows that the image that was ordered is not published any more.
    #[must_use]
    pub(crate) fn is_withdrawal(&self) -> bool {
        match self {
            Self::NoTarget { .. }
            | Self::Replaced { .. }
            | Self::OtherVersion { .. }
            | Self::UnusableTarget { .. } => true,
            Self::Setup { .. }
            | Self::TrustedRoot { .. }
            | Self::Untrusted(_)
            | Self::DamagedState { .. }
            | Self::Unreachable { .. }
            | Self::CutShort { .. }
            | Self::Refused { .. }
            | Self::WrongAnswer { .. }
            | Self::Digest { .. }
            | Self::NoSpace { .. }
            | Self::Storage { .. } => false,
        }
    }

    pub(super) fn storage(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Storage { path: path.to_owned(), source }
    }
}

/// Whether a refusal can't end without a new command. What has expired or is missing can be published.
fn is_final(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Freeze { .. }
        | Refusal::Expired { .. }
        | Refusal::Missing { .. }
        | Refusal::NotInSnapshot { .. } => false,
        Refusal::TooLarge { .. }
        | Refusal::Malformed { .. }
        | Refusal::WrongType { .. }
        | Refusal::DuplicateSignature { .. }
        | Refusal::Threshold { .. }
        | Refusal::NotDelegated { .. }
        | Refusal::RootVersion { .. }
        | Refusal::Rollback { .. }
        | Refusal::Removed { .. }
        | Refusal::MixAndMatch { .. }
        | Refusal::WrongLength { .. }
        | Refusal::WrongHash { .. }
        | Refusal::UnknownHash { .. }
        | Refusal::TooManyDelegations { .. }
        | Refusal::TargetPath { .. }
        | Refusal::OutOfOrder { .. } => true,
    }
}
