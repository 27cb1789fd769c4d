//! What the store knew before a batch.

use std::collections::BTreeSet;

use comm_server_core::calls::ReportRef;
use comm_server_core::ingest::{Arrival, Content, Known, LastTotal, readable};
use sqlx::AnyConnection;
use wire::ids::DeviceId;
use wire::report::{Edge, InformationReason, Lane, Report};

use crate::{StoreError, failed, row};

/// The acknowledged number of a lane, in the transaction of a change.
pub(crate) async fn acknowledged(
    connection: &mut AnyConnection,
    (tenant, gateway): (&str, &str),
    lane: Lane,
) -> Result<u64, StoreError> {
    let found =
        sqlx::query("SELECT acknowledged FROM lanes WHERE tenant = $1 AND gateway = $2 AND lane = $3")
            .bind(tenant.to_owned())
            .bind(gateway.to_owned())
            .bind(lane.name())
            .fetch_optional(connection)
            .await
            .map_err(failed("to read a lane"))?;
    found.map_or(Ok(0), |found| row::count(&found, "acknowledged"))
}

/// How many service calls of a gateway are open.
pub(crate) async fn open_service_calls(
    connection: &mut AnyConnection,
    tenant: &str,
    gateway: &str,
) -> Result<u64, StoreError> {
    let found = sqlx::query(
        "SELECT COUNT(*) AS open_ones FROM calls \
         WHERE tenant = $1 AND gateway = $2 AND is_open = 1 AND kind = 'service_call'",
    )
    .bind(tenant.to_owned())
    .bind(gateway.to_owned())
    .fetch_one(connection)
    .await
    .map_err(failed("to count service calls"))?;
    row::count(&found, "open_ones")
}

/// Loads what the reports' effects depend on.
pub(crate) async fn load(
    connection: &mut AnyConnection,
    place: (&str, &str),
    arrivals: &[Arrival],
) -> Result<Known, StoreError> {
    let mut known = Known::default();
    let (mut calls, mut found) = (false, false);
    for arrival in arrivals {
        let Content::Usable(report) = &arrival.content else { continue };
        match report {
            Report::Call(_) => calls = true,
            Report::CounterSet(set) => load_total(connection, place, &set.device, &mut known).await?,
            Report::DeviceInformation(information) => {
                calls |= information.reason == InformationReason::Found;
                found |= information.reason == InformationReason::Found;
                load_total(connection, place, &information.device, &mut known).await?;
            }
            Report::FirmwareState(_) | Report::Loss(_) => {}
        }
    }
    if calls {
        load_open_calls(connection, place, &mut known).await?;
    }
    if found && !known.open.is_empty() {
        load_forgotten(connection, place, &mut known).await?;
    }
    Ok(known)
}

async fn load_open_calls(
    connection: &mut AnyConnection,
    (tenant, gateway): (&str, &str),
    known: &mut Known,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT device, kind, subject, raised_lane, raised_seq FROM calls \
         WHERE tenant = $1 AND gateway = $2 AND is_open = 1",
    )
    .bind(tenant.to_owned())
    .bind(gateway.to_owned())
    .fetch_all(connection)
    .await
    .map_err(failed("to read open calls"))?;
    for found in &rows {
        let lane = row::text(found, "raised_lane")?.parse();
        let by = ReportRef {
            lane: lane.map_err(|_| StoreError::Range { what: "calls.raised_lane" })?,
            seq: row::count(found, "raised_seq")?,
        };
        let device = row::text(found, "device")?.parse();
        let kind = row::text(found, "kind")?.parse();
        known.open.insert(
            device.map_err(|_| StoreError::Range { what: "calls.device" })?,
            kind.map_err(|_| StoreError::Range { what: "calls.kind" })?,
            row::text(found, "subject")?,
            by,
        );
    }
    Ok(())
}

/// Open calls from before the present life of the gateway's spool, of devices that were described then, which were
/// not raised again in it.
async fn load_forgotten(
    connection: &mut AnyConnection,
    (tenant, gateway): (&str, &str),
    known: &mut Known,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT c.device, c.kind, c.subject, c.raised_lane, c.raised_seq, g.spool_since_ms FROM calls c \
         JOIN gateways g ON g.tenant = c.tenant AND g.gateway = c.gateway \
         JOIN devices d ON d.tenant = c.tenant AND d.gateway = c.gateway AND d.device = c.device \
         WHERE c.tenant = $1 AND c.gateway = $2 AND c.is_open = 1 AND c.received_ms < g.spool_since_ms \
         AND d.read_ms IS NOT NULL",
    )
    .bind(tenant.to_owned())
    .bind(gateway.to_owned())
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("to read forgotten calls"))?;
    let Some(first) = rows.first() else { return Ok(()) };
    let since = row::number(first, "spool_since_ms")?;
    let told = sqlx::query(
        "SELECT body FROM reports WHERE tenant = $1 AND gateway = $2 AND received_ms >= $3 AND kind = 'call'",
    )
    .bind(tenant.to_owned())
    .bind(gateway.to_owned())
    .bind(since)
    .fetch_all(connection)
    .await
    .map_err(failed("to read calls"))?;
    let mut again = BTreeSet::new();
    for found in &told {
        if let Ok(Report::Call(call)) = serde_json::from_str(&row::text(found, "body")?)
            && call.edge == Edge::Raised
        {
            again.insert((call.device.to_string(), call.call.name().to_owned(), readable(&call.subject)));
        }
    }
    for found in &rows {
        let key = (row::text(found, "device")?, row::text(found, "kind")?, row::text(found, "subject")?);
        let lane = row::text(found, "raised_lane")?.parse();
        let lane = lane.map_err(|_| StoreError::Range { what: "calls.raised_lane" })?;
        if !again.contains(&key) {
            known.forgotten.insert(ReportRef { lane, seq: row::count(found, "raised_seq")? });
        }
    }
    Ok(())
}

async fn load_total(
    connection: &mut AnyConnection,
    (tenant, gateway): (&str, &str),
    device: &DeviceId,
    known: &mut Known,
) -> Result<(), StoreError> {
    if known.totals.contains_key(device) {
        return Ok(());
    }
    let found = sqlx::query(
        "SELECT d.total, d.total_ms, (SELECT MAX(c.raised_ms) FROM calls c WHERE c.tenant = d.tenant \
         AND c.gateway = d.gateway AND c.device = d.device AND c.kind = 'counter_regression') AS fell_ms, \
         (SELECT MAX(n.oid) FROM counters n WHERE n.tenant = d.tenant AND n.gateway = d.gateway \
         AND n.device = d.device AND n.counter = 'total' AND n.read_ms = d.total_ms) AS source \
         FROM devices d WHERE d.tenant = $1 AND d.gateway = $2 AND d.device = $3",
    )
    .bind(tenant.to_owned())
    .bind(gateway.to_owned())
    .bind(device.to_string())
    .fetch_optional(connection)
    .await
    .map_err(failed("to read a total"))?;
    let Some(found) = found else { return Ok(()) };
    let total = row::maybe_number(&found, "total")?.and_then(|total| u64::try_from(total).ok());
    if let (Some(value), Some(read_at)) = (total, row::maybe_time(&found, "total_ms")?) {
        known.totals.insert(device.clone(), LastTotal { value, read_at });
        if let Some(source) = row::maybe_text(&found, "source")? {
            known.total_sources.insert(device.clone(), source);
        }
    }
    if let Some(fell) = row::maybe_time(&found, "fell_ms")? {
        known.regressions.insert(device.clone(), fell);
    }
    Ok(())
}
