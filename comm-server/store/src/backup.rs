//! Backups: one state of all tables as compressed JSON lines. A backup of one engine can be restored to another, which
//! is how a site moves from SQLite to PostgreSQL.
//!
//! The first line identifies the format, then follows a line for each row, and the last line holds the number of rows
//! and a digest of all lines before it: an incomplete backup is rejected before anything is changed.

mod read;
mod tables;
mod write;

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::db::StoreError;

pub use read::{Restored, restore};
pub use write::{BackedUp, backup};

/// The beginning of the first line.
const FORMAT: &str = "platen-comm-server-backup";

/// Version of the lines' form.
const FORMAT_VERSION: u32 = 1;

/// The longest line that is read, bytes: a report and its names.
const LINE_BYTES: u64 = 16 << 20;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: String,
    format_version: u32,
    /// Version of the tables.
    tables: i64,
    engine: String,
    made_at: jiff::Timestamp,
}

/// A row: the columns that have a value.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    table: String,
    row: serde_json::Map<String, serde_json::Value>,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tail {
    rows: u64,
    /// SHA-256 of all lines before this one, hexadecimal.
    sha256: String,
}

/// Why no backup was written, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file can't be read or written.
    #[error("{}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The file exists already.
    #[error("{} exists already: a backup is never overwritten; give another name or remove the file first", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file isn't a backup, or is incomplete.
    #[error("{}: line {line}: {problem}", path.display())]
    Content {
        /// Its path.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// The problem.
        problem: String,
    },
    /// The database is not empty.
    #[error("the database isn't empty: it has rows in {table}; restore into a new one")]
    NotEmpty {
        /// The first table with rows.
        table: &'static str,
    },
    /// A column has a type that backups don't support.
    #[error("{table}.{column} has a type that a backup can't hold")]
    Type {
        /// Table.
        table: &'static str,
        /// Column.
        column: String,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[cfg(test)]
mod tests;
