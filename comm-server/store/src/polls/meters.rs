//! The daily question for a gateway's meters.

use comm_server_core::meters::{self, MeterDecision};
use jiff::Timestamp;
use sqlx::AnyConnection;
use wire::command::Order;

use crate::commands::{Queued, has_open_meter_request, queue};
use crate::{Store, StoreError, failed, row};

impl Store {
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

/// Gateways that one transaction asks for their meters.
const ASKED_AT_ONCE: i64 = 200;

/// A gateway's meters that are due.
pub(super) struct Due {
    pub(super) tenant: String,
    pub(super) gateway: String,
    /// When; absent for a gateway that is new.
    pub(super) at: Option<Timestamp>,
}

/// Decides about a gateway's meters, and does it; whether it was asked. Of several servers that find the same
/// gateway due, one moves the time, and only that one asks.
pub(super) async fn ask_meters(
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
