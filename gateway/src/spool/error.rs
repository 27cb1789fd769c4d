//! Errors of the spool.

use std::path::PathBuf;

/// What can't be done with the spool.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SpoolError {
    /// The directory can't be used.
    #[error("{}: the spool can't be opened: {problem}", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// The disk has no room to open it. Nothing is damaged: it can be opened when there is some.
    #[error("{}: the spool can't be opened: {problem}; make room on this disk", path.display())]
    NoRoom {
        /// The directory.
        path: PathBuf,
        /// How much is free and needed.
        problem: String,
    },
    /// A value can't be encoded or decoded.
    #[error("the spool's record {key} can't be used: {problem}")]
    Record {
        /// Its key.
        key: String,
        /// Why.
        problem: String,
    },
    /// The limit is reached and nothing can be let go.
    #[error("the spool has reached its limit of {limit_bytes} bytes and holds nothing that can be let go")]
    Full {
        /// The limit of what waits, bytes.
        limit_bytes: u64,
    },
    /// The store failed while it was read.
    #[error("the spool can't be read: {problem}")]
    Read {
        /// Why.
        problem: String,
    },
    /// The disk takes nothing at present. What is to be stored waits; this is the answer to all else.
    #[error("nothing can be stored until there is room on the gateway's disk: {problem}")]
    Refuses {
        /// Why.
        problem: String,
    },
    /// The program ends.
    #[error("the spool is closed")]
    Closed,
}
