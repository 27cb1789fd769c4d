//! Errors of the spool.

use std::path::PathBuf;

use gateway_core::storage::StorageFailure;

/// Why an operation of the spool failed.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum SpoolError {
    /// The directory can't be used.
    #[error("{}: the spool can't be opened: {problem}", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// The cause.
        problem: String,
    },
    /// The disk has no room to open the spool. Nothing is damaged; it can be opened once there is room.
    #[error("{}: the spool can't be opened: {problem}; make room on this disk", path.display())]
    NoRoom {
        /// The directory.
        path: PathBuf,
        /// Free and required space.
        problem: String,
    },
    /// A value can't be encoded or decoded.
    #[error("the spool's record {key} can't be used: {problem}")]
    Record {
        /// Its key.
        key: String,
        /// The cause.
        problem: String,
    },
    /// The limit is reached and no report can be evicted.
    #[error("the spool has reached its limit of {limit_bytes} bytes and nothing can be evicted")]
    Full {
        /// The maximum of reports that are not acknowledged, bytes.
        limit_bytes: u64,
    },
    /// The store can't be read.
    #[error("the spool can't be read: {problem}")]
    Read {
        /// The cause.
        problem: String,
    },
    /// The disk accepts no data at present. Changes wait until it does; all other operations return this error.
    #[error("nothing can be stored until there is room on the gateway's disk: {problem}")]
    Refuses {
        /// The cause.
        problem: String,
    },
    /// The program is shutting down.
    #[error("the spool is closed")]
    Closed,
}

impl SpoolError {
    /// What the error means for the next attempt.
    pub(crate) const fn failure(&self) -> StorageFailure {
        match self {
            Self::NoRoom { .. } | Self::Full { .. } | Self::Refuses { .. } => StorageFailure::NoRoom,
            Self::Unusable { .. } | Self::Record { .. } | Self::Read { .. } => StorageFailure::Unusable,
            Self::Closed => StorageFailure::Closed,
        }
    }
}
