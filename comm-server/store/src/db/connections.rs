//! Connections for reading.
//!
//! Behind a pooler in transaction mode, even a single query is three messages that must reach the same session;
//! therefore each reader is a transaction there. Queries whose data may be some seconds old use the replica, as long
//! as its lag is small enough.

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
    /// Whether each read runs in a transaction.
    pub(crate) in_transactions: bool,
    pub(crate) replica: Option<Arc<Replica>>,
    /// Whether the data may be some seconds old.
    pub(crate) may_be_old: bool,
}

/// A connection for reading, returned to its pool when dropped.
#[derive(Debug)]
pub(crate) enum ReadConnection {
    /// Each query is executed on its own.
    Single(PoolConnection<Any>),
    /// All queries are in one transaction.
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
