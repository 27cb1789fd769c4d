//! Connections that read.
//!
//! Through a pooler that lends a session for one transaction, even a single query is three messages that must reach the
//! same session: there each reader is a transaction. What may be some seconds old is read from the replica while that
//! follows closely enough.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, Transaction};

use super::replica::Replica;
use super::{StoreError, failed};

/// Where is read.
#[derive(Debug, Clone)]
pub(super) struct Reads {
    pub(super) primary: AnyPool,
    /// Each reader is a transaction.
    pub(super) in_transactions: bool,
    pub(super) replica: Option<Arc<Replica>>,
    /// Whether what is read may be some seconds old.
    pub(super) may_be_old: bool,
}

/// A connection for reading, given back when dropped.
#[derive(Debug)]
pub(crate) enum Reader {
    /// Each query is by itself.
    Single(PoolConnection<Any>),
    /// All queries are one transaction, which ends with it.
    Joint(Transaction<'static, Any>),
}

impl Deref for Reader {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        match self {
            Self::Single(connection) => connection,
            Self::Joint(transaction) => transaction,
        }
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        match self {
            Self::Single(connection) => connection,
            Self::Joint(transaction) => transaction,
        }
    }
}

impl Reads {
    pub(super) async fn reader(&self) -> Result<Reader, StoreError> {
        if let Some(replica) = self.replica.as_ref().filter(|replica| self.may_be_old && replica.serves()) {
            match take(replica.pool(), replica.in_transactions()).await {
                Ok(reader) => {
                    metrics::counter!("platen_comm_replica_reads_total").increment(1);
                    return Ok(reader);
                }
                Err(error) => replica.is_gone(&failed("a connection to the replica")(error)),
            }
        }
        take(&self.primary, self.in_transactions).await.map_err(failed("a connection"))
    }
}

async fn take(pool: &AnyPool, in_transactions: bool) -> Result<Reader, sqlx::Error> {
    if in_transactions {
        return pool.begin().await.map(Reader::Joint);
    }
    pool.acquire().await.map(Reader::Single)
}
