//! The history of the list of images, `history.jsonl`: one JSON object per line with action, time and reason.

use std::fs::File;
use std::io::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use super::Repository;
use super::error::{RepositoryError, at};

/// Name of the file in the repository's directory.
pub(super) const HISTORY: &str = "history.jsonl";

/// An action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Deed {
    /// An image was published.
    Publish,
    /// An image was withdrawn.
    Withdraw,
    /// A maker's role was delegated to, or its keys were replaced.
    Delegate,
    /// A maker's role is no longer delegated to.
    Undelegate,
    /// A root was made.
    Rotate,
}

/// A line of the history.
#[derive(Debug, Serialize)]
pub(super) struct Entry<'a> {
    pub(super) at: Timestamp,
    pub(super) action: Deed,
    /// The image, or the role.
    pub(super) target: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) sha256: &'a str,
    pub(super) metadata_version: u64,
    /// Signatures are missing: gateways don't see it yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) pending: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'a str>,
}

impl Repository {
    /// Appends a line, durable when this returns; the caller holds the lock.
    pub(super) fn record(&self, entry: &Entry<'_>) -> Result<(), RepositoryError> {
        let path = self.dir().join(HISTORY);
        let written = || {
            let mut file = File::options().create(true).append(true).open(&path)?;
            let mut line = serde_json::to_vec(entry)?;
            line.push(b'\n');
            file.write_all(&line)?;
            file.sync_all()
        };
        written().map_err(|source| at(&path, source))
    }
}
