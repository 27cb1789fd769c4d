//! Polls: a gateway says how it is, and takes what waits for it.

use comm_server_core::cadence::Cadence;
use comm_server_core::ingest::{GatewayClock, readable};
use comm_server_core::meters::{self, MeterDecision};
use jiff::Timestamp;
use sqlx::AnyConnection;
use uuid::Uuid;
use wire::command::Order;
use wire::ids::GatewayId;
use wire::poll::{Poll, PollAnswer};
use wire::report::{Lane, Lanes};

use super::commands::{Queued, deliver, has_open_meter_request, queue};
use super::ingest::{acknowledged, open_service_calls};
use super::writer::{Key, Urgency};
use super::{AuditEntry, Store, StoreError, audit, failed, row};

/// What a poll led to.
#[derive(Debug, Clone)]
pub struct Polled {
    /// The answer, on the disk already.
    pub answer: PollAnswer,
    /// Whether the gateway was not known before.
    pub registered: bool,
}

/// A gateway at a time, with what its answer depends on.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) tenant: String,
    pub(crate) gateway: GatewayId,
    pub(crate) cadence: Cadence,
    pub(crate) now: Timestamp,
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
    pub(crate) async fn take_poll(
        &self,
        caller: Caller,
        poll: Poll,
        chance: u32,
    ) -> Result<Polled, StoreError> {
        self.writer()
            .write_of(caller.key(), Urgency::Regular, move |connection| {
                Box::pin(async move { take(connection, &caller, &poll, chance).await })
            })
            .await
    }

    /// Asks gateways for their meters whose time has come; how many were asked. `chance` gives a number for each.
    ///
    /// # Errors
    /// The database.
    pub async fn ask_due_meters(
        &self,
        now: Timestamp,
        chance: impl FnMut() -> u32 + Clone + Send + 'static,
    ) -> Result<u64, StoreError> {
        let mut asked = 0;
        loop {
            let mut chance = chance.clone();
            let (found, some) = self
                .writer()
                .write(move |connection| {
                    Box::pin(async move { ask_due_meters(connection, now, &mut chance).await })
                })
                .await?;
            asked += some;
            if found < ASKED_AT_ONCE {
                return Ok(asked);
            }
        }
    }
}

async fn take(
    connection: &mut AnyConnection,
    caller: &Caller,
    poll: &Poll,
    chance: u32,
) -> Result<Polled, StoreError> {
    let (tenant, gateway, now) = (caller.tenant.as_str(), caller.gateway.as_str(), caller.now);
    let registered = register(connection, caller).await?;
    if registered {
        let due = Due { tenant: tenant.to_owned(), gateway: gateway.to_owned(), at: None };
        ask_meters(connection, &due, now, chance).await?;
    }
    let next_poll_s = caller.cadence.next_poll_s(open_service_calls(connection, tenant, gateway).await?);
    sqlx::query(
        "UPDATE gateways SET version = $3, spool = $4, devices = $5, devices_offline = $6, uptime_s = $7, \
         last_poll_ms = $8, next_poll_s = $9, storage_problem = $11, clock_ahead_s = $12, \
         spool_since_ms = CASE WHEN spool IN ($4, $10) THEN spool_since_ms ELSE $8 END \
         WHERE tenant = $1 AND gateway = $2",
    )
    .bind(tenant.to_owned())
    .bind(gateway.to_owned())
    .bind(readable(&poll.version))
    .bind(poll.spool.to_string())
    .bind(i64::from(poll.devices))
    .bind(i64::from(poll.devices_offline))
    .bind(i64::try_from(poll.uptime_s).unwrap_or(i64::MAX))
    .bind(now.as_millisecond())
    .bind(i64::from(next_poll_s))
    // A new spool has no id before the answer to its first poll: what follows is the same life.
    .bind(Uuid::nil().to_string())
    .bind(readable(poll.storage_problem.as_deref().unwrap_or_default()))
    .bind(GatewayClock::new(poll.at, now).ahead_s())
    .execute(&mut *connection)
    .await
    .map_err(failed("a poll"))?;
    let mut on_disk = Lanes::default();
    for lane in Lane::ALL {
        *on_disk.of_mut(lane) = acknowledged(connection, (tenant, gateway), lane).await?;
        note_made(connection, (tenant, gateway), lane, *poll.made.of(lane)).await?;
    }
    let commands = deliver(connection, tenant, gateway, now).await?;
    Ok(Polled { answer: PollAnswer { next_poll_s, acknowledged: on_disk, commands }, registered })
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

async fn note_made(
    connection: &mut AnyConnection,
    (tenant, gateway): (&str, &str),
    lane: Lane,
    made: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO lanes (tenant, gateway, lane, acknowledged, made) VALUES ($1, $2, $3, 0, $4) \
         ON CONFLICT (tenant, gateway, lane) DO UPDATE SET made = excluded.made",
    )
    .bind(tenant.to_owned())
    .bind(gateway.to_owned())
    .bind(lane.name())
    .bind(i64::try_from(made).unwrap_or(i64::MAX))
    .execute(connection)
    .await
    .map_err(failed("a lane"))?;
    Ok(())
}

/// Gateways that one transaction asks for their meters.
const ASKED_AT_ONCE: i64 = 200;

/// A gateway's meters that are due.
struct Due {
    tenant: String,
    gateway: String,
    /// When; absent for a gateway that is new.
    at: Option<Timestamp>,
}

/// Decides about a gateway's meters, and does it; whether it was asked. Of several servers that find the same
/// gateway due, one moves the time, and only that one asks.
async fn ask_meters(
    connection: &mut AnyConnection,
    due: &Due,
    now: Timestamp,
    chance: u32,
) -> Result<bool, StoreError> {
    let (tenant, gateway) = (due.tenant.as_str(), due.gateway.as_str());
    let outstanding = has_open_meter_request(connection, tenant, gateway, now).await?;
    let (asks, next) = match meters::decide(due.at, outstanding, now, chance) {
        MeterDecision::Wait => return Ok(false),
        MeterDecision::Skip { next } => (false, next),
        MeterDecision::Ask { next } => (true, next),
    };
    let moved = sqlx::query(
        "UPDATE gateways SET meters_due_ms = $3 WHERE tenant = $1 AND gateway = $2 \
         AND COALESCE(meters_due_ms, -1) = $4",
    )
    .bind(tenant.to_owned())
    .bind(gateway.to_owned())
    .bind(next.as_millisecond())
    .bind(due.at.map_or(-1, Timestamp::as_millisecond))
    .execute(&mut *connection)
    .await
    .map_err(failed("the next meter request"))?;
    if moved.rows_affected() != 1 || !asks {
        return Ok(false);
    }
    let order = Order::CounterRequest { devices: None };
    queue(connection, Queued { tenant, gateway, order: &order, by: "server", now }).await?;
    Ok(true)
}

/// How many were due, at most [`ASKED_AT_ONCE`], and how many of them were asked.
async fn ask_due_meters(
    connection: &mut AnyConnection,
    now: Timestamp,
    chance: &mut (dyn FnMut() -> u32 + Send),
) -> Result<(i64, u64), StoreError> {
    let found = sqlx::query(
        "SELECT tenant, gateway, meters_due_ms FROM gateways WHERE meters_due_ms <= $1 \
         ORDER BY meters_due_ms LIMIT $2",
    )
    .bind(now.as_millisecond())
    .bind(ASKED_AT_ONCE)
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("to read due meters"))?;
    let due = |r| {
        let (tenant, gateway) = (row::text(r, "tenant")?, row::text(r, "gateway")?);
        Ok(Due { tenant, gateway, at: row::maybe_time(r, "meters_due_ms")? })
    };
    let mut due = found.iter().map(due).collect::<Result<Vec<_>, StoreError>>()?;
    // In the order in which all changes lock gateways.
    due.sort_by(|one, other| (&one.tenant, &one.gateway).cmp(&(&other.tenant, &other.gateway)));
    let mut asked = 0;
    for gateway in &due {
        if ask_meters(connection, gateway, now, chance()).await? {
            asked += 1;
        }
    }
    Ok((i64::try_from(due.len()).unwrap_or(i64::MAX), asked))
}
