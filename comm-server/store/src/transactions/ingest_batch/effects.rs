//! Applies the effects of reports.

use comm_server_core::ingest::Effect;
use jiff::Timestamp;
use sqlx::AnyConnection;

use super::batch::RowBatch;
use crate::AuditEntry;
use crate::db::StoreError;
use crate::tables::calls::End;
use crate::tables::{LaneRef, audit, calls, devices, quarantine};
use crate::transactions::advance_rollout::advance;

/// Applies the effects of a batch. Rows and totals are collected and written together, before any effect whose order
/// matters.
pub(in crate::transactions) async fn apply(
    connection: &mut AnyConnection,
    at: LaneRef<'_>,
    effects: Vec<Effect<'_>>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut rows = RowBatch::default();
    for effect in effects {
        if changes_rows(&effect) {
            rows.write(connection, at, now).await?;
        }
        match effect {
            Effect::Keep { arrival, kind, device } => rows.keep_report(arrival, kind, device),
            Effect::UpsertDevice(device) => rows.upsert_device(device),
            Effect::AddCounters { device, by, read_at, unit, rows: values } => {
                rows.add_counters((device, by.seq), read_at, &unit, values);
            }
            Effect::SetTotal(device, total) => rows.set_total(device, total),
            Effect::Quarantine { arrival, reason } => {
                quarantine::insert(connection, at, now, arrival, reason).await?;
            }
            Effect::UpdateReading(device, reading) => {
                devices::update_reading(connection, at.of, device, reading, now).await?;
            }
            Effect::SetOffline(device, offline) => {
                devices::set_offline(connection, at.of, device, offline, now).await?;
            }
            Effect::Raise { by, call, open } => {
                calls::insert(connection, at, by.seq, &call, open, now).await?;
            }
            Effect::Close { raised_by, by, at: ended, detail } => {
                let end = End { seq: by.seq, at: ended, detail };
                calls::close(connection, at, raised_by, end, now).await?;
            }
            Effect::Firmware(state) => advance(connection, at.of, state, now).await?,
            Effect::Lost { reports, detail } => {
                let detail = format!("{reports} reports: {detail}");
                let entry = AuditEntry::new(now, at.of.gateway.as_str(), "reports.lost", detail);
                audit::append(connection, at.of.tenant, &entry).await?;
            }
        }
    }
    rows.write(connection, at, now).await
}

/// Whether an effect does more than add rows or change totals.
const fn changes_rows(effect: &Effect<'_>) -> bool {
    match effect {
        Effect::Keep { .. } | Effect::UpsertDevice(_) | Effect::AddCounters { .. } | Effect::SetTotal(..) => {
            false
        }
        Effect::Quarantine { .. }
        | Effect::UpdateReading(..)
        | Effect::SetOffline(..)
        | Effect::Raise { .. }
        | Effect::Close { .. }
        | Effect::Firmware(_)
        | Effect::Lost { .. } => true,
    }
}
