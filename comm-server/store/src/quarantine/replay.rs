//! Takes reports out of the quarantine that can be used now: this server is newer than the one that put them aside.

use comm_server_core::ingest::{Arrival, Content, GatewayClock, Later, late_effects, parse_one};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use wire::report::{Envelope, Lane, Report};

use crate::ingest::{self, Place};
use crate::{AuditEntry, Caller, Store, StoreError, audit, failed, row};

/// Reports that one transaction takes.
const PORTION: i64 = 200;

/// What became of the reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Taken, and no longer in the quarantine.
    pub taken: u64,
    /// Still of no use.
    pub kept: u64,
}

impl Store {
    /// Tries the reports of the quarantine again, of one gateway or of all; each that can be used is taken in the same
    /// transaction that removes it.
    ///
    /// # Errors
    /// The database.
    pub async fn replay_quarantine(
        &self,
        tenant: &str,
        gateway: Option<&str>,
        by: &str,
        now: Timestamp,
    ) -> Result<Replayed, StoreError> {
        let mut done = Replayed::default();
        let mut after = (String::new(), String::new(), -1);
        loop {
            let (tenant, by) = (tenant.to_owned(), by.to_owned());
            let gateway = gateway.unwrap_or_default().to_owned();
            let portion = self.writer().write(move |connection| {
                Box::pin(async move { portion(connection, (&tenant, &gateway), after, &by, now).await })
            });
            let (some, last) = portion.await?;
            done.taken += some.taken;
            done.kept += some.kept;
            let Some(last) = last else { return Ok(done) };
            after = last;
        }
    }
}

/// Where a report is: gateway, lane, number.
type At = (String, String, i64);

async fn portion(
    connection: &mut AnyConnection,
    (tenant, gateway): (&str, &str),
    after: At,
    by: &str,
    now: Timestamp,
) -> Result<(Replayed, Option<At>), StoreError> {
    let rows = sqlx::query(
        "SELECT gateway, lane, seq, received_ms, body FROM quarantine WHERE tenant = $1 \
         AND ($2 = '' OR gateway = $2) \
         AND (gateway > $3 OR (gateway = $3 AND (lane > $4 OR (lane = $4 AND seq > $5)))) \
         ORDER BY gateway, lane, seq LIMIT $6",
    )
    .bind(tenant.to_owned())
    .bind(gateway.to_owned())
    .bind(after.0)
    .bind(after.1)
    .bind(after.2)
    .bind(PORTION)
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("to read the quarantine"))?;
    let mut done = Replayed::default();
    for found in &rows {
        if again(connection, tenant, found, now).await? {
            done.taken += 1;
        } else {
            done.kept += 1;
        }
    }
    let Some(last) = rows.last() else { return Ok((done, None)) };
    if done.taken > 0 {
        let detail = format!("{} reports taken, {} kept", done.taken, done.kept);
        audit::append(connection, tenant, &AuditEntry::new(now, by, "quarantine.replay", detail)).await?;
    }
    Ok((done, Some((row::text(last, "gateway")?, row::text(last, "lane")?, row::number(last, "seq")?))))
}

/// Whether a report could be used.
async fn again(
    connection: &mut AnyConnection,
    tenant: &str,
    found: &AnyRow,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (gateway, lane) = (row::text(found, "gateway")?, row::text(found, "lane")?);
    let lane: Lane = lane.parse().map_err(|_| StoreError::Range { what: "quarantine.lane" })?;
    let Ok(report) = serde_json::value::RawValue::from_string(row::text(found, "body")?) else {
        return Ok(false);
    };
    let (seq, at) = (row::count(found, "seq")?, row::time(found, "received_ms")?);
    let mut arrival = parse_one(&Envelope { seq, at, report });
    GatewayClock::unsaid(at).date(std::slice::from_mut(&mut arrival));
    let Content::Usable(report) = &arrival.content else { return Ok(false) };
    if is_taken(connection, (tenant, &gateway), lane, &arrival).await? {
        // It bears the number of another report, that was accepted.
        return Ok(false);
    }
    let gateway_id = gateway.parse().map_err(|_| StoreError::Range { what: "quarantine.gateway" })?;
    // The cadence is for answers to gateways; nobody is answered here.
    let cadence = comm_server_core::cadence::Cadence::default();
    let caller = Caller { tenant: tenant.to_owned(), gateway: gateway_id, cadence, now };
    let place = Place { caller: &caller, lane };
    let known = ingest::load(connection, (tenant, &gateway), std::slice::from_ref(&arrival)).await?;
    let later = later(connection, (tenant, &gateway), lane, seq, report).await?;
    ingest::apply_all(connection, &place, late_effects(&known, lane, &arrival, &later)).await?;
    sqlx::query("DELETE FROM quarantine WHERE tenant = $1 AND gateway = $2 AND lane = $3 AND seq = $4")
        .bind(tenant.to_owned())
        .bind(gateway)
        .bind(lane.name())
        .bind(row::number(found, "seq")?)
        .execute(connection)
        .await
        .map_err(failed("to take a report out of the quarantine"))?;
    Ok(true)
}

async fn is_taken(
    connection: &mut AnyConnection,
    (tenant, gateway): (&str, &str),
    lane: Lane,
    arrival: &Arrival,
) -> Result<bool, StoreError> {
    let found =
        sqlx::query("SELECT seq FROM reports WHERE tenant = $1 AND gateway = $2 AND lane = $3 AND seq = $4")
            .bind(tenant.to_owned())
            .bind(gateway.to_owned())
            .bind(lane.name())
            .bind(ingest::stored(arrival.seq, "quarantine.seq")?)
            .fetch_optional(connection)
            .await
            .map_err(failed("to read a report"))?;
    Ok(found.is_some())
}

/// What came after a report.
async fn later(
    connection: &mut AnyConnection,
    (tenant, gateway): (&str, &str),
    lane: Lane,
    seq: u64,
    report: &Report,
) -> Result<Later, StoreError> {
    let Some(device) = report.device() else { return Ok(Later::default()) };
    let described =
        sqlx::query("SELECT read_ms FROM devices WHERE tenant = $1 AND gateway = $2 AND device = $3")
            .bind(tenant.to_owned())
            .bind(gateway.to_owned())
            .bind(device.to_string())
            .fetch_optional(&mut *connection)
            .await
            .map_err(failed("to read a device"))?;
    let described = described.map(|found| row::maybe_time(&found, "read_ms")).transpose()?.flatten();
    let rows = sqlx::query(
        "SELECT body FROM reports WHERE tenant = $1 AND gateway = $2 AND lane = $3 AND seq > $4 \
         AND device = $5 AND kind = 'call' ORDER BY seq",
    )
    .bind(tenant.to_owned())
    .bind(gateway.to_owned())
    .bind(lane.name())
    .bind(ingest::stored(seq, "quarantine.seq")?)
    .bind(device.to_string())
    .fetch_all(connection)
    .await
    .map_err(failed("to read later calls"))?;
    let mut calls = Vec::new();
    for found in &rows {
        if let Ok(Report::Call(call)) = serde_json::from_str(&row::text(found, "body")?) {
            calls.push(call);
        }
    }
    Ok(Later { described, calls })
}
