//! Errors of the store.

use std::path::PathBuf;

use super::page::InvalidCursor;

/// What the database's driver reports. Which driver that is, nobody else knows.
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
    /// Whether no connection was free, or could be made, in time.
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
    /// The database URL isn't one.
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
        /// Why.
        #[source]
        source: DriverError,
    },
    /// The database's server does not respond.
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
    /// The database file does not exist, and this command creates none.
    #[error(
        "there is no database at {}: is this the right configuration? The first `run` creates one, `restore` fills one \
         from a backup",
        path.display()
    )]
    NoDatabase {
        /// The file.
        path: PathBuf,
    },
    /// The database has no tables, and this command creates none.
    #[error(
        "the database has no tables yet: {place}: is it the right one? The first `run` creates them, `restore` fills them \
         from a backup"
    )]
    NoTables {
        /// The location.
        place: String,
    },
    /// The tables can't be brought up to date.
    #[error("the database's tables can't be migrated to this version")]
    Migrate(#[source] DriverError),
    /// The tables were made by a newer program.
    #[error("the database's tables are at version {given}, this program knows {known}: use a newer program")]
    Newer {
        /// The version that it doesn't know.
        given: i64,
        /// The newest that it knows.
        known: i64,
    },
    /// Tables can't be made through a pooler: another session's end would leave them half made.
    #[error(
        "the database's tables are at version {given} and this program needs {known}, but the URL leads through a \
         pooler (statement-cache-capacity=0): run `migrate` with the URL of PostgreSQL itself"
    )]
    Pooled {
        /// The version that they have.
        given: i64,
        /// The one that they need.
        known: i64,
    },
    /// A replica that isn't one of PostgreSQL.
    #[error("database_replica needs PostgreSQL: expected postgres://user@host/database, as for database")]
    NoReplica,
    /// A query failed.
    #[error("query failed: {what}")]
    Query {
        /// The operation that failed.
        what: &'static str,
        /// Why.
        #[source]
        source: DriverError,
    },
    /// A document in the database can't be read back.
    #[error("{what} in the database can't be read")]
    Document {
        /// The column.
        what: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A value in the database is none that this program knows.
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
    /// A cursor that no page gave.
    #[error(transparent)]
    Cursor(#[from] InvalidCursor),
    /// More changes wait than the writer can make in time.
    #[error("the store is busy")]
    Busy,
    /// The database is unreachable or closed the connection; nothing was changed.
    #[error("the database can't be reached")]
    Unreachable,
    /// The writer has ended: the program is stopping.
    #[error("the store is closed")]
    Closed,
    /// The transaction that carried the change failed.
    #[error("the change could not be committed: {reason}")]
    Commit {
        /// Why, for all changes of the transaction alike.
        reason: String,
    },
}

/// A named failure of a query.
pub(crate) fn failed(what: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| StoreError::Query { what, source: error.into() }
}
