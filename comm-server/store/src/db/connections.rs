//! Connections for reading.
//!
//! Through a pooler that lends a session for one transaction, even a single query is three messages that must reach the
//! same session: there, each reader is a transaction. Where data may be some seconds old, the replica is read while it
//! follows closely enough.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, Transaction};

use super::replica::Replica;
use super::{StoreError, failed};

/// The pool to read from.
#[derive(Debug, Clone)]
pub(crate) struct ReadPool {
    pub(crate) primary: AnyPool,
    /// Each reader is a transaction.
    pub(crate) in_transactions: bool,
    pub(crate) replica: Option<Arc<Replica>>,
    /// Whether the data may be some seconds old.
    pub(crate) may_be_old: bool,
}

/// A connection for reading, given back when dropped.
#[derive(Debug)]
pub(crate) enum ReadConnection {
    /// Each query on its own.
    Single(PoolConnection<Any>),
    /// All queries are one transaction, which ends with it.
    Joint(Transaction<'static, Any>),
}

impl Deref for ReadConnection {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        match self {
            Self::Single(connection) => connection,
            Self::Joint(transaction) => transaction,
        }
    }
}

impl DerefMut for ReadConnection {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        match self {
            Self::Single(connection) => connection,
            Self::Joint(transaction) => transaction,
        }
    }
}

impl ReadPool {
    pub(crate) async fn reader(&self) -> Result<ReadConnection, StoreError> {
        if let Some(replica) = self.replica.as_ref().filter(|replica| self.may_be_old && replica.serves()) {
            match take(replica.pool(), replica.in_transactions()).await {
                Ok(reader) => {
                    metrics::counter!("platen_comm_replica_reads_total").increment(1);
                    return Ok(reader);
                }
                Err(error) => replica.is_gone(&failed("connect to replica")(error)),
            }
        }
        take(&self.primary, self.in_transactions).await.map_err(failed("acquire connection"))
    }
}

async fn take(pool: &AnyPool, in_transactions: bool) -> Result<ReadConnection, sqlx::Error> {
    if in_transactions {
        return pool.begin().await.map(ReadConnection::Joint);
    }
    pool.acquire().await.map(ReadConnection::Single)
}
