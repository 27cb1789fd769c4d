//! Processes quarantined reports again, and stores those that can be used now, after an update of the server.

use comm_server_core::ingest::{Content, GatewayClock, Later, late_effects, parse_one};
use comm_server_core::tenancy::{Scope, TenantId};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use sqlx::AnyConnection;
use wire::ids::GatewayId;
use wire::report::{Envelope, Report};

use super::ingest_batch::{effects, known};
use crate::db::StoreError;
use crate::tables::quarantine::{Position, Row};
use crate::tables::{GatewayRef, LaneRef, audit, devices, quarantine, reports};
use crate::{AuditEntry, Scoped};

/// Reports per transaction.
const PORTION: i64 = 200;

/// The result of a replay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Number of reports that were stored and left the quarantine.
    pub taken: u64,
    /// Number of reports that still can't be used.
    pub kept: u64,
}

impl Scoped {
    /// Processes quarantined reports again, of one gateway or of all. A report that can be used is stored and removed
    /// from the quarantine in one transaction.
    pub async fn replay_quarantine(
        &self,
        gateway: Option<&GatewayId>,
        by: &str,
        now: Timestamp,
    ) -> Result<Replayed, StoreError> {
        let mut done = Replayed::default();
        let mut after = (String::new(), String::new(), -1);
        loop {
            let (scope, by, only) = (self.scope().clone(), by.to_owned(), gateway.cloned());
            let portion = self.writer().write(move |connection| {
                Box::pin(async move { portion(connection, &scope, only.as_ref(), after, &by, now).await })
            });
            let (some, last) = portion.await?;
            done.taken += some.taken;
            done.kept += some.kept;
            let Some(last) = last else { return Ok(done) };
            after = last;
        }
    }
}

/// The result for one portion, and the key of its last report.
async fn portion(
    connection: &mut AnyConnection,
    scope: &Scope,
    only: Option<&GatewayId>,
    after: Position,
    by: &str,
    now: Timestamp,
) -> Result<(Replayed, Option<Position>), StoreError> {
    let rows = quarantine::after(connection, scope, only, after, PORTION).await?;
    let mut done = Replayed::default();
    for row in &rows {
        if replay(connection, scope.tenant(), row, now).await? {
            done.taken += 1;
        } else {
            done.kept += 1;
        }
    }
    let Some(last) = rows.last() else { return Ok((done, None)) };
    if done.taken > 0 {
        let detail = format!("{} reports stored, {} still in quarantine", done.taken, done.kept);
        let shown = |quarantined: u64| Some(json!({ "quarantined": quarantined }));
        let entry = AuditEntry::new(now, by, "quarantine.replay", detail);
        let entry = entry.changing(shown(done.taken + done.kept), shown(done.kept));
        audit::append(connection, scope.tenant(), &entry).await?;
    }
    Ok((done, Some(last.position()?)))
}

/// Processes one report; returns whether it could be used.
async fn replay(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    row: &Row,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let of = GatewayRef { tenant, gateway: &row.gateway };
    let at = LaneRef { of, lane: row.lane };
    let Ok(report) = serde_json::value::RawValue::from_string(row.body.clone()) else { return Ok(false) };
    let mut arrival = parse_one(&Envelope { seq: row.seq, at: row.received_at, report });
    GatewayClock::unsaid(row.received_at).date(std::slice::from_mut(&mut arrival));
    let Content::Usable(report) = &arrival.content else { return Ok(false) };
    if reports::exists(connection, at, row.seq).await? {
        // It bears the number of another report, that was accepted.
        return Ok(false);
    }
    let known = known::load(connection, of, std::slice::from_ref(&arrival)).await?;
    let later = later(connection, at, row.seq, report).await?;
    effects::apply(connection, at, late_effects(&known, row.lane, &arrival, &later), now).await?;
    quarantine::delete(connection, at, row.seq).await?;
    Ok(true)
}

/// The data of later reports that affect a report.
async fn later(
    connection: &mut AnyConnection,
    at: LaneRef<'_>,
    seq: u64,
    report: &Report,
) -> Result<Later, StoreError> {
    let Some(device) = report.device() else { return Ok(Later::default()) };
    let described = devices::read_at(connection, at.of, device).await?;
    let calls = reports::calls_after(connection, at, seq, device).await?;
    Ok(Later { described, calls })
}
