//! Polls of many gateways, taken together: a statement reads what their answers depend on, another writes what they
//! say. What only few polls need (a new gateway, a command that waits) is done for each of those.

use comm_server_core::ingest::{GatewayClock, readable};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use wire::poll::PollResponse;
use wire::report::{Lane, Lanes};

use super::meters::{Due, ask_meters};
use super::{Asked, Polled, register};
use crate::commands::deliver;
use crate::set::{self, Statement};
use crate::{StoreError, failed, row};

/// What is known of gateways, in any order; of one that isn't known, its place alone.
static KNOWN: Statement = Statement::new(|rows| {
    let asked = set::rows(rows, 2, 0, |place| format!("'{place}', "));
    format!(
        "WITH asked (place, tenant, gateway) AS (VALUES {asked}) \
         SELECT a.place, CASE WHEN g.gateway IS NULL THEN 0 ELSE 1 END AS known, \
         u.acknowledged AS urgent, u.made AS urgent_made, b.acknowledged AS bulk, b.made AS bulk_made, \
         (SELECT COUNT(*) FROM calls c WHERE c.tenant = a.tenant AND c.gateway = a.gateway \
          AND c.is_open = 1 AND c.kind = 'service_call') AS service_calls, \
         (SELECT COUNT(*) FROM commands c WHERE c.tenant = a.tenant AND c.gateway = a.gateway \
          AND c.state IN ('queued', 'delivered')) AS commands \
         FROM asked a \
         LEFT JOIN gateways g ON g.tenant = a.tenant AND g.gateway = a.gateway \
         LEFT JOIN lanes u ON u.tenant = a.tenant AND u.gateway = a.gateway AND u.lane = 'urgent' \
         LEFT JOIN lanes b ON b.tenant = a.tenant AND b.gateway = a.gateway AND b.lane = 'bulk'"
    )
});

/// What gateways tell. A new spool has no id (the nil UUID) before the answer to its first poll: what follows is the
/// same life.
static TOLD: Statement = Statement::new(|rows| {
    let told = set::rows(rows, 11, 0, set::plain);
    format!(
        "WITH told (tenant, gateway, version, spool, devices, devices_offline, uptime_s, now_ms, next_poll_s, \
         storage_problem, clock_ahead_s) \
         AS (VALUES {told}) \
         UPDATE gateways SET version = told.version, spool = told.spool, devices = told.devices, \
         devices_offline = told.devices_offline, uptime_s = told.uptime_s, last_poll_ms = told.now_ms, \
         next_poll_s = told.next_poll_s, storage_problem = told.storage_problem, \
         clock_ahead_s = told.clock_ahead_s, spool_since_ms = CASE \
         WHEN gateways.spool IN (told.spool, '00000000-0000-0000-0000-000000000000') \
         THEN gateways.spool_since_ms ELSE told.now_ms END \
         FROM told WHERE gateways.tenant = told.tenant AND gateways.gateway = told.gateway"
    )
});

/// Numbers of the last reports made.
static MADE: Statement = Statement::new(|rows| {
    let made = set::rows(rows, 4, 0, set::plain).replace(')', ", 0)");
    format!(
        "INSERT INTO lanes (tenant, gateway, lane, made, acknowledged) VALUES {made} \
         ON CONFLICT (tenant, gateway, lane) DO UPDATE SET made = excluded.made"
    )
});

/// What is known of a gateway.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    known: bool,
    acknowledged: Lanes<u64>,
    /// `None` where the lane has no row.
    made: Lanes<Option<i64>>,
    service_calls: u64,
    commands: u64,
}

/// Takes polls, at most [`set::MOST_ROWS`] and each of another gateway; the outcomes in their order.
pub(crate) async fn take(
    connection: &mut AnyConnection,
    polls: &[&Asked],
) -> Result<Vec<Polled>, StoreError> {
    let mut known = read(connection, polls).await?;
    let mut registered = vec![false; polls.len()];
    if known.iter().any(|known| !known.known) {
        for (place, asked) in polls.iter().enumerate().filter(|&(place, _)| !known[place].known) {
            registered[place] = greet(connection, asked).await?;
        }
        // What a new gateway is asked for goes out with this poll; and another server may have met it as well.
        known = read(connection, polls).await?;
    }
    let known: Vec<(&Asked, Known)> = polls.iter().copied().zip(known).collect();
    tell(connection, &known).await?;
    note_made(connection, &known).await?;
    let mut polled = Vec::with_capacity(known.len());
    for ((asked, known), registered) in known.into_iter().zip(registered) {
        let caller = &asked.caller;
        let commands = if known.commands > 0 {
            deliver(connection, &caller.tenant, caller.gateway.as_str(), caller.now).await?
        } else {
            Vec::new()
        };
        let next_poll_s = caller.cadence.next_poll_s(known.service_calls);
        let answer = PollResponse { next_poll_s, acknowledged: known.acknowledged, commands };
        polled.push(Polled { answer, registered });
    }
    Ok(polled)
}

/// Makes a new gateway known and asks for its meters; whether it was this server that did.
async fn greet(connection: &mut AnyConnection, asked: &Asked) -> Result<bool, StoreError> {
    let caller = &asked.caller;
    let registered = register(connection, caller).await?;
    if registered {
        let due = Due { tenant: caller.tenant.clone(), gateway: caller.gateway.to_string(), at: None };
        ask_meters(connection, &due, caller.now, asked.chance).await?;
    }
    Ok(registered)
}

async fn read(connection: &mut AnyConnection, polls: &[&Asked]) -> Result<Vec<Known>, StoreError> {
    let (sql, rows) = KNOWN.at_least(polls.len());
    let mut select = sqlx::query(sql);
    for asked in polls {
        select = select.bind(asked.caller.tenant.clone()).bind(asked.caller.gateway.to_string());
    }
    for _ in polls.len()..rows {
        select = select.bind("").bind("");
    }
    let rows = select.fetch_all(connection).await.map_err(failed("to read gateways"))?;
    let mut known = vec![Known::default(); polls.len()];
    for found in &rows {
        let place = row::text(found, "place")?.parse::<usize>();
        let place = place.map_err(|_| StoreError::Range { what: "place" })?;
        // The rest only fills up the statement.
        if let Some(known) = known.get_mut(place) {
            *known = known_of(found)?;
        }
    }
    Ok(known)
}

fn known_of(row: &AnyRow) -> Result<Known, StoreError> {
    let count = |what| {
        let number = row::maybe_number(row, what)?.unwrap_or_default();
        u64::try_from(number).map_err(|_| StoreError::Range { what })
    };
    Ok(Known {
        known: row::flag(row, "known")?,
        acknowledged: Lanes { urgent: count("urgent")?, bulk: count("bulk")? },
        made: Lanes {
            urgent: row::maybe_number(row, "urgent_made")?,
            bulk: row::maybe_number(row, "bulk_made")?,
        },
        service_calls: count("service_calls")?,
        commands: count("commands")?,
    })
}

async fn tell(connection: &mut AnyConnection, polls: &[(&Asked, Known)]) -> Result<(), StoreError> {
    let (sql, rows) = TOLD.at_least(polls.len());
    let mut update = sqlx::query(sql);
    for (Asked { caller, poll, .. }, known) in polls {
        update = update
            .bind(caller.tenant.clone())
            .bind(caller.gateway.to_string())
            .bind(readable(&poll.version))
            .bind(poll.spool.to_string())
            .bind(i64::from(poll.devices))
            .bind(i64::from(poll.devices_offline))
            .bind(i64::try_from(poll.uptime_s).unwrap_or(i64::MAX))
            .bind(caller.now.as_millisecond())
            .bind(i64::from(caller.cadence.next_poll_s(known.service_calls)))
            .bind(readable(poll.storage_problem.as_deref().unwrap_or_default()))
            .bind(GatewayClock::new(poll.at, caller.now).ahead_s());
    }
    for _ in polls.len()..rows {
        // Nobody has this name.
        update = update.bind("").bind("").bind("").bind("");
        update = update.bind(0_i64).bind(0_i64).bind(0_i64).bind(0_i64).bind(0_i64).bind("").bind(0_i64);
    }
    update.execute(connection).await.map_err(failed("polls"))?;
    Ok(())
}

/// Notes what was made since; most polls tell nothing new.
async fn note_made(connection: &mut AnyConnection, polls: &[(&Asked, Known)]) -> Result<(), StoreError> {
    let mut news = Vec::new();
    for (asked, known) in polls {
        for lane in Lane::ALL {
            let made = i64::try_from(*asked.poll.made.of(lane)).unwrap_or(i64::MAX);
            if *known.made.of(lane) != Some(made) {
                news.push((&asked.caller, lane, made));
            }
        }
    }
    let mut rest = news.as_slice();
    while !rest.is_empty() {
        let (sql, rows) = MADE.at_most(rest.len());
        let (now, later) = rest.split_at(rows);
        let mut insert = sqlx::query(sql);
        for (caller, lane, made) in now {
            insert = insert
                .bind(caller.tenant.clone())
                .bind(caller.gateway.to_string())
                .bind(lane.name())
                .bind(*made);
        }
        insert.execute(&mut *connection).await.map_err(failed("lanes"))?;
        rest = later;
    }
    Ok(())
}
