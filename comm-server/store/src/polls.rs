//! Polls: a gateway says how it is, and takes what waits for it.

mod meters;
mod together;

use comm_server_core::cadence::Cadence;
use jiff::Timestamp;
use sqlx::AnyConnection;
use wire::ids::GatewayId;
use wire::poll::{Poll, PollResponse};

use super::writer::Key;
use super::{AuditEntry, Store, StoreError, audit, failed};
pub(super) use together::take;

/// What a poll led to.
#[derive(Debug, Clone)]
pub struct Polled {
    /// The answer, on the disk already.
    pub answer: PollResponse,
    /// Whether the gateway was not known before.
    pub registered: bool,
}

/// A poll that waits to be taken.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) caller: Caller,
    pub(super) poll: Poll,
    /// Any number, evenly spread.
    pub(super) chance: u32,
}

/// A gateway at a time, with what its answer depends on.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Its tenant.
    pub tenant: String,
    /// Its name, from its certificate.
    pub gateway: GatewayId,
    /// Poll intervals.
    pub cadence: Cadence,
    /// When the request was received.
    pub now: Timestamp,
}

impl Caller {
    /// Whose changes are made in one order.
    pub(super) fn key(&self) -> Key {
        Key { tenant: self.tenant.clone(), gateway: self.gateway.to_string() }
    }
}

impl Store {
    /// Takes a poll. `chance` is any number, evenly spread: it gives the time of day of the next meter request.
    ///
    /// # Errors
    /// The database.
    pub async fn take_poll(&self, caller: Caller, poll: Poll, chance: u32) -> Result<Polled, StoreError> {
        self.writer().poll(Asked { caller, poll, chance }).await
    }
}

/// Makes a gateway known that has a valid certificate; true if it wasn't.
pub(super) async fn register(connection: &mut AnyConnection, caller: &Caller) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO gateways (tenant, gateway, first_seen_ms, next_poll_s) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (tenant, gateway) DO NOTHING",
    )
    .bind(caller.tenant.clone())
    .bind(caller.gateway.to_string())
    .bind(caller.now.as_millisecond())
    .bind(i64::from(caller.cadence.regular_s))
    .execute(&mut *connection)
    .await
    .map_err(failed("a gateway"))?;
    let new = done.rows_affected() == 1;
    if new {
        let entry = AuditEntry::new(caller.now, "server", "gateway.register", caller.gateway.to_string());
        audit::append(connection, &caller.tenant, &entry).await?;
    }
    Ok(new)
}
