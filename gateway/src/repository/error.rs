//! Why a repository can't be used.

use std::io;
use std::path::PathBuf;

use tuf::Refusal;

/// Why metadata or a target can't be obtained from a repository.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RepositoryError {
    /// The repository offers a file that is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The repository doesn't respond.
    #[error("{url} can't be reached")]
    Unreachable {
        /// The request's URL.
        url: String,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// The repository responds with an error status.
    #[error("{url}: status {status}, expected 200")]
    Rejected {
        /// The request's URL.
        url: String,
        /// The response's status.
        status: u16,
    },
    /// No role describes the target.
    #[error("the repository has no target {target:?}")]
    NoTarget {
        /// The target's path.
        target: String,
    },
    /// A file can't be read or written.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// There is no trusted root yet.
    #[error("{} does not exist: run init with a root that you trust", path.display())]
    NoRoot {
        /// Where it was expected.
        path: PathBuf,
    },
    /// The base URL is invalid, or the client can't be created.
    #[error("{what}")]
    Setup {
        /// The value, and what was expected.
        what: String,
    },
}

impl RepositoryError {
    /// The error without its URL, which [`RepositoryError`] shows itself.
    pub(crate) fn unreachable(url: &reqwest::Url, source: reqwest::Error) -> Self {
        Self::Unreachable { url: url.to_string(), source: source.without_url() }
    }
}
