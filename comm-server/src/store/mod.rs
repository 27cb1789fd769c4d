//! The store: all SQL of the communication server, one set for every engine, chosen by URL.
//!
//! Readers have a pool of their own; every change goes through the one writer (`writer`), which commits many of
//! them at once and answers each only after its commit is on the disk. All queries are scoped by tenant.

mod audit;
mod calls;
mod commands;
mod counters;
mod devices;
mod enrolments;
mod gateways;
mod ingest;
mod migrations;
mod operators_fleet;
mod operators_people;
mod page;
mod people;
mod polls;
mod quarantine;
mod rollouts;
mod row;
mod sightings;
mod statistics;
#[cfg(test)]
mod tests;
mod writer;

use std::time::Duration;

use sqlx::AnyPool;
use sqlx::any::AnyPoolOptions;
use tokio::task::JoinHandle;

pub use audit::AuditEntry;
pub use calls::{Call, CallFilter};
pub use commands::{AnswerError, Command, NewCommand};
pub use counters::CounterPoint;
pub use devices::{Device, DeviceDetail, DeviceFilter};
pub use enrolments::{Claim, Claimed, IssuedFor};
pub use gateways::Gateway;
pub use ingest::{IngestError, Ingested};
pub(crate) use operators_fleet::{FleetDevice, FleetNumbers, Gravest, LaneState, LatestCounter, Show};
pub use page::{InvalidCursor, PAGE_ROWS, Page};
pub use people::{NewUser, Session, User};
pub(crate) use polls::Caller;
pub use polls::Polled;
pub use quarantine::Quarantined;
pub use rollouts::{NewRollout, Rollout, RolloutDevice, RolloutError};
pub use sightings::Sighting;
pub use statistics::Statistics;

use writer::Writer;

/// The tenant of gateways that nobody has assigned.
pub const DEFAULT_TENANT: &str = "default";

/// Connections that read.
const READERS: u32 = 4;

/// How long a reader waits for a lock before it gives up.
const BUSY_TIMEOUT: &str = "PRAGMA busy_timeout = 5000";

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database URL isn't one.
    #[error("database URL {url:?} is not usable: expected sqlite:///path/to/file")]
    Url {
        /// As it was given, without what follows a `@`.
        url: String,
    },
    /// The database can't be opened.
    #[error("the database can't be opened")]
    Open(#[source] sqlx::Error),
    /// The tables can't be brought up to date.
    #[error("the database's tables can't be brought to this version")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// A query failed.
    #[error("the database refused {what}")]
    Query {
        /// What was being done.
        what: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// A document in the database can't be read back.
    #[error("{what} in the database can't be read")]
    Document {
        /// Which column.
        what: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A value in the database is out of its range.
    #[error("{what} in the database is out of range")]
    Range {
        /// Which column.
        what: &'static str,
    },
    /// A cursor of a page that no answer gave.
    #[error(transparent)]
    Cursor(#[from] InvalidCursor),
    /// More changes wait than the writer can make in time.
    #[error("the store is busy")]
    Busy,
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
    move |source| StoreError::Query { what, source }
}

/// The store, cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    readers: AnyPool,
    writer: Writer,
}

impl Store {
    /// Opens the database, creates it where the engine allows, and brings its tables to this version. The task ends
    /// when the store is closed or its last clone is gone.
    ///
    /// # Errors
    /// The URL is wrong, the database can't be opened, or its tables are newer than this program.
    pub async fn open(url: &str) -> Result<(Self, JoinHandle<()>), StoreError> {
        sqlx::any::install_default_drivers();
        let url = engine_url(url)?;
        let writing = pool(&url, 1, false).await?;
        migrations::run(&writing).await?;
        let readers = pool(&url, READERS, true).await?;
        let (writer, task) = Writer::start(writing);
        Ok((Self { readers, writer }, task))
    }

    /// Opens a store whose writer ends with the runtime.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_detached(url: &str) -> Result<Self, StoreError> {
        let (store, _task) = Self::open(url).await?;
        Ok(store)
    }

    /// Takes no more changes; those that wait are still made, and then the writer's task ends.
    pub fn close(&self) {
        self.writer.close();
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// It doesn't.
    pub async fn check(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.readers).await.map_err(failed("a check"))?;
        self.writer.write(|_| Box::pin(async { Ok(()) })).await
    }

    /// The readers' pool, for queries in files of this folder.
    pub(crate) const fn readers(&self) -> &AnyPool {
        &self.readers
    }

    /// The writer, for changes in files of this folder.
    pub(crate) const fn writer(&self) -> &Writer {
        &self.writer
    }
}

/// `sqlite:` URLs create their file; other engines' URLs are as they are.
fn engine_url(url: &str) -> Result<String, StoreError> {
    let Some(path) = url.strip_prefix("sqlite:") else {
        let url = url.rsplit('@').next().unwrap_or_default().to_owned();
        return Err(StoreError::Url { url });
    };
    let creates = path.contains("mode=");
    let joint = if path.contains('?') { '&' } else { '?' };
    Ok(if creates { url.to_owned() } else { format!("{url}{joint}mode=rwc") })
}

/// WAL lets readers go on beside the writer; `synchronous=FULL` syncs each commit (NORMAL loses acknowledged rows
/// when the power fails).
async fn pool(url: &str, connections: u32, reads_only: bool) -> Result<AnyPool, StoreError> {
    AnyPoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(Duration::from_secs(10))
        .after_connect(move |connection, _| {
            Box::pin(async move {
                sqlx::query(BUSY_TIMEOUT).execute(&mut *connection).await?;
                sqlx::query("PRAGMA journal_mode = WAL").execute(&mut *connection).await?;
                sqlx::query("PRAGMA synchronous = FULL").execute(&mut *connection).await?;
                sqlx::query("PRAGMA cache_size = -16384").execute(&mut *connection).await?;
                if reads_only {
                    sqlx::query("PRAGMA query_only = ON").execute(&mut *connection).await?;
                }
                Ok(())
            })
        })
        .connect(url)
        .await
        .map_err(StoreError::Open)
}
