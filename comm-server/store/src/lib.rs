//! The store: all SQL of the communication server, one set for every engine, chosen by URL.
//!
//! Readers have a pool of their own; every change goes through the one writer (`db::writer`), which commits many of
//! them at once and responds to each only after its commit. Whoever reads or changes
//! rows of a tenant does it through [`Store::of`] a scope; what is left on [`Store`] is of the server itself, or of a gateway
//! that its certificate names.
//!
//! Its floors: `db` (connections, writers, the forms of rows), `tables` (rows in, rows out; a table never calls another),
//! `transactions` (a file for each use case, the only ones that combine tables and decisions of the core) and `views`
//! (what people look at).

pub mod backup;
mod db;
mod scoped;
mod tables;
#[doc(hidden)]
pub mod testing;
#[cfg(test)]
mod tests;
mod transactions;
mod views;

use std::time::Duration;

use comm_server_core::tenancy::TenantId;
use tokio::task::JoinHandle;

pub use db::page::{InvalidCursor, Page, PageRows};
pub use db::writer::{Caller, PollOutcome};
pub use db::{DriverError, Needs, StoreError, check_url, reach};
pub use scoped::Scoped;
pub use tables::api_tokens::ApiToken;
pub use tables::audit::AuditEntry;
pub use tables::enrollments::{Claim, IssuedFor};
pub use tables::idempotency_keys::{IdempotencyKey, StoredAnswer};
pub use tables::second_factors::Authenticator;
pub use tables::sessions::{NewSession, Session};
pub use tables::users::{NewUser, User};
pub use transactions::{
    AccountChange, AnswerError, Attempt, Author, ChangeError, Claimed, DevicePlace, IMPORT_ROWS, Imported,
    IngestError, Ingested, Invitation, KeyClaim, NewCommand, NewPassword, NewRollout, NewSwap, Proof,
    Replayed, RolloutError, SecondFactorChange,
};
pub use views::{
    Asset, AssetDetail, AssetFilter, AssetState, AuditChain, AuditFilter, Call, CallFilter, Command,
    CounterPoint, CounterSeries, CounterSource, Customer, CustomerFilter, Device, DeviceDetail, DeviceFilter,
    FleetDevice, FleetFilter, FleetNumbers, Gateway, GatewayFilter, LaneState, LatestCounter, LeftOutDevice,
    ListedUser, NoSuchState, OpenSession, OwnValue, Quarantined, Recorded, Rollout, RolloutDevice,
    SeriesQuery, Sighting, Site, SiteFilter, Statistics, SupplyCall, Swap, SwapReading, UnassignedDevice,
    UnreadDevice,
};

use db::writer::{self, Writer};
use db::{Engine, ReadConnection, ReadPool, Replica, engine, failed, migrations};

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
    reads: ReadPool,
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
            // The pool timed out without the cause: a single connection reports it.
            Err(StoreError::Open { place, source }) if source.is_timeout() => {
                reach(&url, Needs::Nothing).await?;
                return Err(StoreError::Open { place, source });
            }
            Err(error) => return Err(error),
        };
        migrations::bring(engine, &writing, &url).await?;
        let primary = engine.readers(&url).await?;
        let in_transactions = engine::is_pooled(&url);
        let reads = ReadPool { primary, in_transactions, replica: None, may_be_old: false };
        let (writer, task) = Writer::start(engine, writing, transactions::take_polls);
        Ok((Self { reads, engine, writer }, task))
    }

    /// The store with a replica of its database, which is read where data up to `behind` old is acceptable.
    ///
    /// # Errors
    /// The replica's URL is wrong, or one of both isn't PostgreSQL. An unreachable replica is no error.
    pub fn with_replica(mut self, url: &str, behind: Duration) -> Result<Self, StoreError> {
        if self.engine != Engine::Postgresql {
            return Err(StoreError::NoReplica);
        }
        self.reads.replica = Some(Replica::follow(self.reads.primary.clone(), url, behind)?);
        Ok(self)
    }

    /// The same store, whose reads may be some seconds old where there is a replica: never for a decision.
    #[must_use]
    pub fn stale_reads(&self) -> Self {
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
    pub async fn open_detached(url: &str) -> Result<Self, StoreError> {
        let (store, _task) = Self::open(url).await?;
        Ok(store)
    }

    /// Rejects further changes; those in the queue are still made, and then the writer's task ends.
    pub fn close(&self) {
        self.writer.close();
    }

    /// Whether the database responds to a query and accepts a change.
    ///
    /// # Errors
    /// It doesn't.
    pub async fn check(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1")
            .execute(&mut *self.reader().await?)
            .await
            .map_err(failed("check connection"))?;
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
        let writer = self.writer.clone();
        let gateway = "gw-0".parse().expect("it follows the rule");
        let key = writer::GatewayKey { tenant: TenantId::default_tenant(), gateway };
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
    pub(crate) async fn reader(&self) -> Result<ReadConnection, StoreError> {
        self.reads.reader().await
    }

    /// The writer, for changes in files of this folder.
    pub(crate) const fn writer(&self) -> &Writer {
        &self.writer
    }
}
