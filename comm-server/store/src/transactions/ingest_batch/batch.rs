//! The rows that a batch adds, collected, so that a few statements insert all of them.

use std::collections::{BTreeMap, BTreeSet};

use comm_server_core::ingest::{self, Arrival, LastTotal, readable};
use jiff::Timestamp;
use sqlx::AnyConnection;
use wire::ids::DeviceId;

use crate::db::StoreError;
use crate::tables::counters::{self, CounterRow};
use crate::tables::reports::{self, ReportRow};
use crate::tables::{LaneRef, devices};

/// Rows to insert.
#[derive(Default)]
pub(super) struct RowBatch<'a> {
    reports: Vec<ReportRow<'a>>,
    devices: BTreeSet<&'a DeviceId>,
    counters: Vec<CounterRow<'a>>,
    totals: BTreeMap<&'a DeviceId, LastTotal>,
}

impl<'a> RowBatch<'a> {
    pub(super) fn keep_report(
        &mut self,
        arrival: &'a Arrival,
        kind: &'static str,
        device: Option<&'a DeviceId>,
    ) {
        self.reports.push(ReportRow { arrival, kind, device });
    }

    pub(super) fn upsert_device(&mut self, device: &'a DeviceId) {
        self.devices.insert(device);
    }

    pub(super) fn add_counters(
        &mut self,
        (device, seq): (&'a DeviceId, u64),
        read_at: Timestamp,
        unit: &str,
        values: Vec<ingest::CounterRow>,
    ) {
        let unit = readable(unit);
        let counter = |value| CounterRow { device, seq, read_at, unit: unit.clone(), value };
        self.counters.extend(values.into_iter().map(counter));
    }

    pub(super) fn set_total(&mut self, device: &'a DeviceId, total: LastTotal) {
        self.totals.insert(device, total);
    }

    /// Inserts the rows, and removes them from the collection.
    pub(super) async fn write(
        &mut self,
        connection: &mut AnyConnection,
        at: LaneRef<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Self { reports, devices, counters, totals } = std::mem::take(self);
        reports::insert(connection, at, now, &reports).await?;
        devices::insert_missing(connection, at.of, now, &devices.into_iter().collect::<Vec<_>>()).await?;
        counters::insert(connection, at, &counters).await?;
        devices::set_totals(connection, at.of, now, &totals.into_iter().collect::<Vec<_>>()).await
    }
}
