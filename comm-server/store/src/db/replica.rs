//! The replica: a standby of the same PostgreSQL, used for queries whose data may be some seconds old.
//!
//! A task reads the log positions of both databases. While the replica is down, is not a standby, or its lag is too
//! large, queries use the primary; the log, `/healthz` and the metrics report this.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use comm_server_core::replica::Following;
use runtime::error::chain;
use sqlx::{AnyConnection, AnyPool};

use super::engine::{self, Engine};
use super::{StoreError, failed, row};

/// Interval of reading the positions.
const LOOK: Duration = Duration::from_millis(500);

/// Timeout of reading the position, and of a reader that waits for a connection to the replica.
const PATIENCE: Duration = Duration::from_secs(1);

/// A replica and its known state.
#[derive(Debug)]
pub(crate) struct Replica {
    pool: AnyPool,
    in_transactions: bool,
    behind: Duration,
    began: Instant,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    following: Following,
    /// Why it isn't used; empty if it is.
    why_not: String,
    /// Whether it was used at the last log line.
    told: Option<bool>,
}

/// Why a replica can't be read.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("the replica doesn't respond within {} s", PATIENCE.as_secs())]
    Silent,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "the replica is not a standby, because it accepts changes: set database_replica to a standby of database"
    )]
    NoStandby,
    #[error(
        "the replica is a standby of another database server: set database_replica to a standby of database"
    )]
    OfAnother,
}

/// The position of a server in its log, and the id of its cluster.
struct Position {
    at: Option<i64>,
    cluster: String,
}

impl Replica {
    /// Starts to follow a replica of `primary`, which may be unreachable.
    ///
    /// # Errors
    /// The URL is wrong, or isn't one of PostgreSQL.
    pub(crate) fn follow(primary: AnyPool, url: &str, behind: Duration) -> Result<Arc<Self>, StoreError> {
        let (engine, url) = Engine::of(url)?;
        if engine != Engine::Postgresql {
            return Err(StoreError::NoReplica);
        }
        let replica = Arc::new(Self {
            pool: engine::replica(&url, PATIENCE)?,
            in_transactions: engine::is_pooled(&url),
            behind,
            began: Instant::now(),
            known: Mutex::default(),
        });
        tokio::spawn(keep_looking(Arc::downgrade(&replica), primary));
        Ok(replica)
    }

    pub(crate) const fn pool(&self) -> &AnyPool {
        &self.pool
    }

    pub(crate) const fn in_transactions(&self) -> bool {
        self.in_transactions
    }

    /// The maximum lag.
    pub(crate) const fn behind(&self) -> Duration {
        self.behind
    }

    /// Whether it is used now.
    pub(crate) fn serves(&self) -> bool {
        self.known().following.serves(self.now_ms(), millis(self.behind))
    }

    /// Why it isn't used, for people; empty if it is.
    pub(crate) fn why_not(&self) -> String {
        let (now, known) = (self.now_ms(), self.known());
        if known.following.serves(now, millis(self.behind)) {
            return String::new();
        }
        match known.following.age_ms(now) {
            Some(age) => {
                format!("it is {} s behind the primary, the maximum is {}", age / 1000, self.behind.as_secs())
            }
            None if known.why_not.is_empty() => "whether it follows the primary is not yet known".to_owned(),
            None => known.why_not.clone(),
        }
    }

    /// Records that it is unreachable: queries use the primary until it responds again.
    pub(crate) fn is_gone(&self, error: &dyn Error) {
        {
            let mut known = self.known();
            known.following.lost();
            known.why_not = chain(error);
        }
        // Reported here: it may be reachable again before the next read of its position.
        self.tell();
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        millis(self.began.elapsed())
    }

    async fn look(&self, primary: &AnyPool) -> Result<(), Unfit> {
        let asked_at = self.now_ms();
        let ahead = position(primary, "pg_current_wal_lsn()").await?;
        let own = tokio::time::timeout(PATIENCE, position(&self.pool, "pg_last_wal_replay_lsn()"));
        let own = own.await.map_err(|_| Unfit::Silent)??;
        if own.cluster != ahead.cluster {
            return Err(Unfit::OfAnother);
        }
        let (Some(ahead), Some(own)) = (ahead.at, own.at) else { return Err(Unfit::NoStandby) };
        let mut known = self.known();
        known.following.primary(asked_at, ahead);
        known.following.replayed(own);
        known.why_not.clear();
        Ok(())
    }

    /// Updates the metrics, and logs a change of its state.
    fn tell(&self) {
        let why_not = self.why_not();
        let serves = why_not.is_empty();
        let mut known = self.known();
        let age = known.following.age_ms(self.now_ms());
        let before = known.told.replace(serves);
        drop(known);
        let seconds = age.map_or(f64::INFINITY, |ms| Duration::from_millis(ms).as_secs_f64());
        metrics::gauge!("platen_comm_replica_behind_seconds").set(seconds);
        metrics::gauge!("platen_comm_replica_used").set(f64::from(u8::from(serves)));
        match (before, serves) {
            (Some(true), true) | (Some(false), false) => {}
            (_, true) => tracing::info!("queries use the replica of the database"),
            (_, false) => {
                tracing::warn!(why = why_not, "queries use the primary, because the replica can't be used")
            }
        }
    }
}

async fn keep_looking(replica: Weak<Replica>, primary: AnyPool) {
    let mut every = tokio::time::interval(LOOK);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let Some(replica) = replica.upgrade() else { return };
        if let Err(unfit) = replica.look(&primary).await {
            replica.is_gone(&unfit);
        }
        replica.tell();
    }
}

/// Calls `function`, which, depending on the function, fails or returns null on the primary or on the standby.
async fn position(pool: &AnyPool, function: &'static str) -> Result<Position, StoreError> {
    // Without parameters, so that it is one message, which a pooler may give to any session.
    let sql = format!(
        "SELECT CAST(pg_wal_lsn_diff({function}, '0/0') AS BIGINT) AS at, \
         CAST((SELECT system_identifier FROM pg_control_system()) AS TEXT) AS cluster"
    );
    let what = failed("read log position");
    let mut connection: sqlx::pool::PoolConnection<sqlx::Any> = pool.acquire().await.map_err(what)?;
    let connection: &mut AnyConnection = &mut connection;
    let found = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_one(connection).await;
    let found = found.map_err(failed("read log position"))?;
    Ok(Position { at: row::maybe_number(&found, "at")?, cluster: row::text(&found, "cluster")? })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
