//! Errors of the store.

use std::path::PathBuf;

use super::page::InvalidCursor;

/// An error of the database's driver. The driver's type is not exported.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct DriverError(DriverErrorKind);

/// The errors of the driver.
#[derive(Debug, thiserror::Error)]
enum DriverErrorKind {
    #[error(transparent)]
    Statement(sqlx::Error),
    #[error(transparent)]
    Migration(sqlx::migrate::MigrateError),
}

impl DriverError {
    /// Whether no connection was available, or could be opened, in time.
    pub(crate) const fn is_timeout(&self) -> bool {
        matches!(self.0, DriverErrorKind::Statement(sqlx::Error::PoolTimedOut))
    }
}

impl From<sqlx::Error> for DriverError {
    fn from(error: sqlx::Error) -> Self {
        Self(DriverErrorKind::Statement(error))
    }
}

impl From<sqlx::migrate::MigrateError> for DriverError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Self(DriverErrorKind::Migration(error))
    }
}

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database URL is not valid.
    #[error(
        "{url:?} is not a supported database: expected sqlite:///path/to/file or \
         postgres://user@host/database"
    )]
    Url {
        /// The URL as given, without the part after an `@`.
        url: String,
    },
    /// The database can't be opened.
    #[error("the database can't be opened: {place}")]
    Open {
        /// The location.
        place: String,
        /// The cause.
        #[source]
        source: DriverError,
    },
    /// The database's server does not respond in time.
    #[error("the database can't be opened: {place}: no response within {seconds} s")]
    Silent {
        /// The location.
        place: String,
        /// The timeout, seconds.
        seconds: u64,
    },
    /// The folder of the database file does not exist.
    #[error("there is no folder {} for the database: create it, or correct the path", folder.display())]
    NoFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// The database file does not exist, and this command does not create it.
    #[error(
        "there is no database at {}: is this the right configuration? The first `run` creates one, `restore` fills one \
         from a backup",
        path.display()
    )]
    NoDatabase {
        /// The file.
        path: PathBuf,
    },
    /// The database has no tables, and this command does not create them.
    #[error(
        "the database has no tables yet: {place}: is it the right one? The first `run` creates them, `restore` fills them \
         from a backup"
    )]
    NoTables {
        /// The location.
        place: String,
    },
    /// The tables can't be migrated.
    #[error("the database's tables can't be migrated to this version")]
    Migrate(#[source] DriverError),
    /// The tables were migrated by a newer program.
    #[error("the database's tables are at version {given}, this program knows {known}: use a newer program")]
    Newer {
        /// Their version.
        given: i64,
        /// The newest version that this program supports.
        known: i64,
    },
    /// The tables can't be migrated through a pooler: the migration's lock would be lost between sessions.
    #[error(
        "the database's tables are at version {given} and this program needs {known}, but the URL leads through a \
         pooler (statement-cache-capacity=0): run `migrate` with the URL of PostgreSQL itself"
    )]
    Pooled {
        /// Their version.
        given: i64,
        /// The required version.
        known: i64,
    },
    /// A replica is configured that is not PostgreSQL.
    #[error("database_replica needs PostgreSQL: expected postgres://user@host/database, as for database")]
    NoReplica,
    /// A query failed.
    #[error("query failed: {what}")]
    Query {
        /// The operation that failed.
        what: &'static str,
        /// The cause.
        #[source]
        source: DriverError,
    },
    /// A JSON document in the database can't be parsed.
    #[error("{what} in the database can't be read")]
    Document {
        /// The column.
        what: &'static str,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A value in the database is unknown to this program.
    #[error("unknown value {value:?} in {table}.{column} of {key}")]
    Unknown {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The key of the row.
        key: String,
        /// The value.
        value: String,
    },
    /// A value in the database is out of its range.
    #[error("{what} in the database is out of range")]
    Range {
        /// The column.
        what: &'static str,
    },
    /// A cursor is not valid.
    #[error(transparent)]
    Cursor(#[from] InvalidCursor),
    /// The writer's queue is full.
    #[error("too many changes wait for the database: retry later")]
    Busy,
    /// The database is unreachable or closed the connection; nothing was changed.
    #[error("the database can't be reached")]
    Unreachable,
    /// The writer has ended: the program is stopping.
    #[error("the database is closed: the server is shutting down")]
    Closed,
    /// The transaction that contained the change failed.
    #[error("the change could not be committed: {reason}")]
    Commit {
        /// The error of the transaction, for all of its changes.
        reason: String,
    },
}

/// Names the query that failed.
pub(crate) fn failed(what: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| StoreError::Query { what, source: error.into() }
}
