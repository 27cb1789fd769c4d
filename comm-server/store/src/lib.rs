//! The store: all SQL of the communication server, one set for every engine, chosen by URL.
//!
//! Readers have a pool of their own; every change goes through the one writer (`writer`), which commits many of
//! them at once and answers each only after its commit is on the disk. All queries are scoped by tenant.

mod audit;
pub mod backup;
mod calls;
mod commands;
mod counters;
mod devices;
mod engine;
mod enrollments;
mod gateways;
mod ingest;
mod migrations;
mod operators_fleet;
mod operators_people;
mod page;
mod partitions;
mod people;
mod polls;
mod quarantine;
mod reach;
mod reading;
mod replica;
mod retention;
mod rollouts;
mod row;
mod set;
mod sightings;
mod statistics;
#[doc(hidden)]
pub mod testing;
#[cfg(test)]
mod tests;
mod writer;

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::JoinHandle;

pub use audit::AuditEntry;
pub use calls::{Call, CallFilter};
pub use commands::{AnswerError, Command, NewCommand};
pub use counters::CounterPoint;
pub use devices::{Device, DeviceDetail, DeviceFilter};
pub use enrollments::{Claim, Claimed, IssuedFor};
pub use gateways::Gateway;
pub use ingest::{IngestError, Ingested};
pub use operators_fleet::{FleetDevice, FleetNumbers, Gravest, LaneState, LatestCounter, Show, SupplyCall};
pub use operators_people::Attempt;
pub use page::{InvalidCursor, PAGE_ROWS, Page};
pub use people::{NewUser, Session, User};
pub use polls::Caller;
pub use polls::Polled;
pub use quarantine::{Quarantined, Replayed};
pub use reach::{Needs, check_url, reach};
pub use rollouts::{NewRollout, Rollout, RolloutDevice, RolloutError};
pub use sightings::Sighting;
pub use statistics::Statistics;

use engine::Engine;
use reading::{Reader, Reads};
use replica::Replica;
use writer::Writer;

/// The tenant of gateways that nobody has assigned.
pub const DEFAULT_TENANT: &str = "default";

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database URL isn't one.
    #[error(
        "{url:?} is no database that this program knows: expected sqlite:///path/to/file or \
         postgres://user@host/database"
    )]
    Url {
        /// As it was given, without what follows a `@`.
        url: String,
    },
    /// The database can't be opened.
    #[error("the database can't be opened: {place}")]
    Open {
        /// Where it is.
        place: String,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The database's server says nothing.
    #[error("the database can't be opened: {place}: no answer within {seconds} s")]
    Silent {
        /// Where it is.
        place: String,
        /// How long it was waited, seconds.
        seconds: u64,
    },
    /// The folder of the database file isn't there.
    #[error("there is no folder {} for the database: make it, or correct the path", folder.display())]
    NoFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// The database file isn't there, and this command makes none.
    #[error(
        "there is no database at {}: is this the right configuration? The first `run` makes one, `restore` fills one \
         from a backup",
        path.display()
    )]
    NoDatabase {
        /// The file.
        path: PathBuf,
    },
    /// There are no tables, and this command makes none.
    #[error(
        "the database has no tables yet: {place}: is it the right one? The first `run` makes them, `restore` fills them \
         from a backup"
    )]
    NoTables {
        /// Where it is.
        place: String,
    },
    /// The tables can't be brought up to date.
    #[error("the database's tables can't be brought to this version")]
    Migrate(#[source] sqlx::migrate::MigrateError),
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
         pooler (statement-cache-capacity=0): run `migrate` with a URL that leads to PostgreSQL itself"
    )]
    Pooled {
        /// The version that they have.
        given: i64,
        /// The one that they need.
        known: i64,
    },
    /// A replica that isn't one of PostgreSQL.
    #[error(
        "database_replica is of PostgreSQL only: expected postgres://user@host/database, as database has"
    )]
    NoReplica,
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
    /// The database could not be reached, or let go of the connection; nothing was changed.
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
    move |source| StoreError::Query { what, source }
}

/// Versions of the tables: that of this program, and the one that a database had before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Migrated {
    /// Before; 0 for an empty database.
    pub from: i64,
    /// Now.
    pub to: i64,
}

/// Brings a database to this program's version.
///
/// # Errors
/// As [`Store::open`].
pub async fn migrate(url: &str) -> Result<Migrated, StoreError> {
    sqlx::any::install_default_drivers();
    let (engine, url) = Engine::of(url)?;
    let pool = engine.pool(&url, 1, false).await?;
    let from = migrations::version(&pool).await?;
    migrations::bring(engine, &pool, &url).await?;
    pool.close().await;
    Ok(Migrated { from, to: migrations::newest() })
}

/// The store, cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    reads: Reads,
    engine: Engine,
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
        let (engine, url) = Engine::of(url)?;
        let writing = match engine.pool(&url, engine.writers(), false).await {
            Ok(writing) => writing,
            // The pool has tried for a while and doesn't say why.
            Err(StoreError::Open { source: sqlx::Error::PoolTimedOut, place }) => {
                reach(&url, Needs::Nothing).await?;
                return Err(StoreError::Open { place, source: sqlx::Error::PoolTimedOut });
            }
            Err(error) => return Err(error),
        };
        migrations::bring(engine, &writing, &url).await?;
        let primary = engine.readers(&url).await?;
        let in_transactions = engine::is_pooled(&url);
        let reads = Reads { primary, in_transactions, replica: None, may_be_old: false };
        let (writer, task) = Writer::start(engine, writing);
        Ok((Self { reads, engine, writer }, task))
    }

    /// A store that knows a replica of its database, which is read where what is shown may be as old as `behind`.
    ///
    /// # Errors
    /// The replica's URL, or one of both isn't PostgreSQL. That it doesn't answer is none.
    pub fn with_replica(mut self, url: &str, behind: Duration) -> Result<Self, StoreError> {
        if self.engine != Engine::Postgresql {
            return Err(StoreError::NoReplica);
        }
        self.reads.replica = Some(Replica::follow(self.reads.primary.clone(), url, behind)?);
        Ok(self)
    }

    /// The same store, for reading what may be some seconds old: never for a decision.
    #[must_use]
    pub fn as_some_seconds_ago(&self) -> Self {
        let mut own = self.clone();
        own.reads.may_be_old = true;
        own
    }

    /// How far a replica that is read may be behind; absent without a replica.
    pub fn replica_behind(&self) -> Option<Duration> {
        self.reads.replica.as_ref().map(|replica| replica.behind())
    }

    /// Why the replica isn't read now, where there is one; absent while it is.
    #[must_use]
    pub fn replica_unread(&self) -> Option<String> {
        self.reads.replica.as_ref().map(|replica| replica.why_not()).filter(|why| !why.is_empty())
    }

    /// Whether other servers may read the same database, and each may have a replica of it.
    pub fn is_shared(&self) -> bool {
        self.engine == Engine::Postgresql
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
        sqlx::query("SELECT 1").execute(&mut *self.reader().await?).await.map_err(failed("a check"))?;
        self.writer.write(|_| Box::pin(async { Ok(()) })).await
    }

    /// The part of all places for waiting changes that is taken, 0 to 1.
    #[must_use]
    pub fn load(&self) -> f64 {
        self.writer.load()
    }

    /// Puts an entry into the writer's queue that changes nothing and ends with a future. For tests of a busy store.
    #[doc(hidden)]
    pub fn occupy(
        &self,
        with: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<Result<(), StoreError>> {
        let (writer, gateway) = (self.writer.clone(), "gw-0".to_owned());
        let key = writer::Key { tenant: DEFAULT_TENANT.to_owned(), gateway };
        let urgency = writer::Urgency::Regular;
        tokio::spawn(async move {
            let work = writer.write_of(key, urgency, move |_| {
                Box::pin(async move {
                    with.await;
                    Ok(())
                })
            });
            work.await
        })
    }

    /// A connection for queries in files of this folder.
    pub(crate) async fn reader(&self) -> Result<Reader, StoreError> {
        self.reads.reader().await
    }

    /// The writer, for changes in files of this folder.
    pub(crate) const fn writer(&self) -> &Writer {
        &self.writer
    }
}
