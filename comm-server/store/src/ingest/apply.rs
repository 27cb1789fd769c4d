//! Effects of reports, carried out.

use comm_server_core::ingest::{Arrival, Effect, readable};
use jiff::Timestamp;
use sqlx::AnyConnection;
use wire::ids::DeviceId;
use wire::reading::Reading;
use wire::report::{Call, Lane};

use super::together::Gathered;
use crate::polls::Caller;
use crate::{AuditEntry, StoreError, audit, failed, rollouts, row};

/// Whose reports, in which lane.
pub(crate) struct Place<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) lane: Lane,
}

impl Place<'_> {
    pub(super) fn tenant(&self) -> String {
        self.caller.tenant.clone()
    }

    pub(super) fn gateway(&self) -> String {
        self.caller.gateway.to_string()
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.caller.now.as_millisecond()
    }
}

/// A number as the store holds it.
pub(crate) fn stored(number: u64, what: &'static str) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Range { what })
}

/// Carries out one effect.
pub(super) async fn apply(
    connection: &mut AnyConnection,
    at: &Place<'_>,
    effect: Effect<'_>,
) -> Result<(), StoreError> {
    match effect {
        gathered @ (Effect::Keep { .. }
        | Effect::Meet(_)
        | Effect::AddCounters { .. }
        | Effect::SetTotal(..)) => Gathered::of(gathered).write(connection, at).await,
        Effect::Quarantine { arrival, reason } => put_aside(connection, at, arrival, reason).await,
        Effect::Describe(device, reading) => describe(connection, at, device, reading).await,
        Effect::SetOffline(device, offline) => set_offline(connection, at, device, offline).await,
        Effect::Raise { by, call, open } => raise(connection, at, by.seq, &call, open).await,
        Effect::Close { raised_by, by, at: ended, detail } => {
            close(connection, at, (raised_by, by.seq), ended, detail).await
        }
        Effect::Firmware(state) => {
            let place = (at.caller.tenant.as_str(), at.caller.gateway.as_str());
            rollouts::advance(connection, place, state, at.caller.now).await
        }
        Effect::Lost { reports, detail } => {
            let detail = format!("{reports} reports: {detail}");
            let entry = AuditEntry::new(at.caller.now, at.caller.gateway.as_str(), "reports.lost", detail);
            audit::append(connection, &at.caller.tenant, &entry).await
        }
    }
}

async fn put_aside(
    connection: &mut AnyConnection,
    at: &Place<'_>,
    arrival: &Arrival,
    reason: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO quarantine (tenant, gateway, lane, seq, received_ms, reason, body) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant, gateway, lane, seq) DO NOTHING",
    )
    .bind(at.tenant())
    .bind(at.gateway())
    .bind(at.lane.name())
    .bind(stored(arrival.seq, "quarantine.seq")?)
    .bind(at.now_ms())
    .bind(readable(reason))
    .bind(arrival.body.clone())
    .execute(connection)
    .await
    .map_err(failed("a quarantined report"))?;
    Ok(())
}

/// Puts aside what bears the number of a report that was accepted before but was made at another time: a spool made
/// anew began to number from the start. It isn't taken, but it isn't lost either.
pub(super) async fn put_aside_impostors(
    connection: &mut AnyConnection,
    at: &Place<'_>,
    duplicates: &[Arrival],
) -> Result<(), StoreError> {
    let (Some(first), Some(last)) = (duplicates.first(), duplicates.last()) else { return Ok(()) };
    let rows = sqlx::query(
        "SELECT seq, at_ms FROM reports WHERE tenant = $1 AND gateway = $2 AND lane = $3 \
         AND seq >= $4 AND seq <= $5",
    )
    .bind(at.tenant())
    .bind(at.gateway())
    .bind(at.lane.name())
    .bind(stored(first.seq, "reports.seq")?)
    .bind(stored(last.seq, "reports.seq")?)
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("to read reports"))?;
    for found in &rows {
        let (seq, made) = (row::count(found, "seq")?, row::number(found, "at_ms")?);
        let impostor = duplicates.iter().find(|d| d.seq == seq && d.at.as_millisecond() != made);
        if let Some(impostor) = impostor {
            let reason = "a report of this number was accepted before, made at another time";
            put_aside(connection, at, impostor, reason).await?;
        }
    }
    Ok(())
}

async fn describe(
    connection: &mut AnyConnection,
    at: &Place<'_>,
    device: &DeviceId,
    reading: &Reading,
) -> Result<(), StoreError> {
    let document = serde_json::to_string(reading)
        .map_err(|source| StoreError::Document { what: "a reading", source })?;
    let identity = &reading.identity;
    let text = |text: Option<&str>| readable(text.unwrap_or_default());
    sqlx::query(
        "UPDATE devices SET vendor = $4, model = $5, serial = $6, name = $7, mac = $8, address = $9, \
         firmware = $10, reading = $11, read_ms = $12 WHERE tenant = $1 AND gateway = $2 AND device = $3",
    )
    .bind(at.tenant())
    .bind(at.gateway())
    .bind(device.to_string())
    .bind(text(identity.vendor.as_deref()))
    .bind(text(identity.model.as_deref()))
    .bind(text(identity.serial.as_deref()))
    .bind(text(identity.name.as_deref()))
    .bind(text(identity.mac.as_deref()))
    .bind(readable(&reading.address))
    .bind(text(identity.firmware_version()))
    .bind(document)
    .bind(reading.read_at.as_millisecond())
    .execute(connection)
    .await
    .map_err(failed("a reading"))?;
    Ok(())
}

async fn set_offline(
    connection: &mut AnyConnection,
    at: &Place<'_>,
    device: &DeviceId,
    offline: bool,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE devices SET offline = $4 WHERE tenant = $1 AND gateway = $2 AND device = $3")
        .bind(at.tenant())
        .bind(at.gateway())
        .bind(device.to_string())
        .bind(i64::from(offline))
        .execute(connection)
        .await
        .map_err(failed("a device's state"))?;
    Ok(())
}

async fn raise(
    connection: &mut AnyConnection,
    at: &Place<'_>,
    seq: u64,
    call: &Call,
    open: bool,
) -> Result<(), StoreError> {
    let ended = (!open).then(|| call.seen_at.as_millisecond());
    sqlx::query(
        "INSERT INTO calls (tenant, gateway, raised_lane, raised_seq, device, kind, subject, detail, \
         raised_ms, received_ms, is_open, cleared_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(at.tenant())
    .bind(at.gateway())
    .bind(at.lane.name())
    .bind(stored(seq, "calls.raised_seq")?)
    .bind(call.device.to_string())
    .bind(call.call.name())
    .bind(call.subject.clone())
    .bind(call.detail.clone())
    .bind(call.seen_at.as_millisecond())
    .bind(at.now_ms())
    .bind(i64::from(open))
    .bind(ended)
    .execute(connection)
    .await
    .map_err(failed("a call"))?;
    Ok(())
}

async fn close(
    connection: &mut AnyConnection,
    at: &Place<'_>,
    (raised_by, by): (comm_server_core::calls::ReportRef, u64),
    ended: Timestamp,
    detail: String,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE calls SET is_open = 0, cleared_lane = $5, cleared_seq = $6, cleared_ms = $7, \
         cleared_detail = $8 WHERE tenant = $1 AND gateway = $2 AND raised_lane = $3 AND raised_seq = $4",
    )
    .bind(at.tenant())
    .bind(at.gateway())
    .bind(raised_by.lane.name())
    .bind(stored(raised_by.seq, "calls.raised_seq")?)
    .bind(at.lane.name())
    .bind(stored(by, "calls.cleared_seq")?)
    .bind(ended.as_millisecond())
    .bind(detail)
    .execute(connection)
    .await
    .map_err(failed("the end of a call"))?;
    Ok(())
}
