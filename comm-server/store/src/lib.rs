//! The store: all SQL of the communication server, one set for every engine, chosen by URL.
//!
//! Reads use a pool of connections. Every change goes through a writer (`db::writer`), which commits many changes at
//! once and responds to each only after its commit. Rows of a tenant are read and changed through [`Store::of`] a scope.
//! The other functions of [`Store`] are for the server's own data, and for requests of a gateway, whose certificate
//! determines the scope.
//!
//! The layers: `db` (connections, writers, types for rows), `tables` (reads and writes the rows of one table each; a
//! table never calls another one), `transactions` (one file per use case; only these combine tables with decisions of
//! the core) and `views` (queries for the console and the API).

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
pub use tables::tenants::Dealer;
pub use tables::users::{NewUser, User};
pub use transactions::{
    AccountChange, AnswerError, Attempt, Author, ChangeError, Claimed, DealerChange, DevicePlace,
    IMPORT_ROWS, Imported, IngestError, Ingested, Invitation, KeyClaim, NewCommand, NewPassword, NewRollout,
    NewSwap, Proof, Replayed, RolloutError, SecondFactorChange,
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

/// Versions of the tables before and after a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Migrated {
    /// Before; 0 for an empty database.
    pub from: i64,
    /// After.
    pub to: i64,
}

/// Migrates a database to this program's version.
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
    /// Opens the database, creates it if the engine allows that, and migrates its tables to this version. The task
    /// ends when the store is closed or the last clone is dropped.
    ///
    /// # Errors
    /// The URL is not valid, the database can't be opened, or its tables are newer than this program.
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

    /// The store with a replica of its database, which is used for queries whose data may be up to `behind` old.
    ///
    /// # Errors
    /// The replica's URL is wrong, or one of both isn't PostgreSQL. An unreachable replica is not an error.
    pub fn with_replica(mut self, url: &str, behind: Duration) -> Result<Self, StoreError> {
        if self.engine != Engine::Postgresql {
            return Err(StoreError::NoReplica);
        }
        self.reads.replica = Some(Replica::follow(self.reads.primary.clone(), url, behind)?);
        Ok(self)
    }

    /// The same store; its queries may use the replica, so they must not be used for decisions.
    #[must_use]
    pub fn stale_reads(&self) -> Self {
        let mut own = self.clone();
        own.reads.may_be_old = true;
        own
    }

    /// The maximum lag of a replica that is used; `None` without a replica.
    pub fn replica_behind(&self) -> Option<Duration> {
        self.reads.replica.as_ref().map(|replica| replica.behind())
    }

    /// Why the replica isn't used now; `None` if it is, or without a replica.
    #[must_use]
    pub fn replica_unread(&self) -> Option<String> {
        self.reads.replica.as_ref().map(|replica| replica.why_not()).filter(|why| !why.is_empty())
    }

    /// Whether other servers may use the same database.
    pub fn is_shared(&self) -> bool {
        self.engine == Engine::Postgresql
    }

    /// Opens a store whose writer ends with the runtime.
    pub async fn open_detached(url: &str) -> Result<Self, StoreError> {
        let (store, _task) = Self::open(url).await?;
        Ok(store)
    }

    /// Rejects further changes; queued ones are still executed, and then the writer's task ends.
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

    /// How full the queue for changes is, 0 to 1.
    #[must_use]
    pub fn load(&self) -> f64 {
        self.writer.load()
    }

    /// Queues an entry that changes nothing and ends with a future. For tests of a busy store.
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
