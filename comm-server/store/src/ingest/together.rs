//! What a batch adds to the tables, gathered: a few statements about many rows instead of one or more for each report.

use std::collections::{BTreeMap, BTreeSet};

use comm_server_core::ingest::{Arrival, CounterRow, Effect, LastTotal, readable};
use jiff::Timestamp;
use sqlx::AnyConnection;
use wire::ids::DeviceId;

use super::apply::{Place, apply, stored};
use crate::set::{self, Statement};
use crate::{StoreError, failed};

static REPORTS: Statement = Statement::new(|rows| {
    // Tenant, gateway, lane and time of receipt are the same in each row.
    let rows = set::rows(rows, 5, 4, |_| "$1, $2, $3, $4, ".to_owned());
    format!(
        "INSERT INTO reports (tenant, gateway, lane, received_ms, seq, at_ms, kind, device, body) VALUES {rows}"
    )
});

static DEVICES: Statement = Statement::new(|rows| {
    let rows = set::rows(rows, 1, 3, |_| "$1, $2, $3, ".to_owned());
    format!(
        "INSERT INTO devices (tenant, gateway, first_seen_ms, device) VALUES {rows} \
         ON CONFLICT (tenant, gateway, device) DO NOTHING"
    )
});

static COUNTERS: Statement = Statement::new(|rows| {
    let rows = set::rows(rows, 7, 2, |_| "$1, $2, ".to_owned());
    format!(
        "INSERT INTO counters (tenant, gateway, device, read_ms, unit, counter, value, oid, raw) VALUES {rows} \
         ON CONFLICT (tenant, gateway, device, counter, read_ms) DO NOTHING"
    )
});

static TOTALS: Statement = Statement::new(|rows| {
    let rows = set::rows(rows, 3, 2, set::plain);
    format!(
        "WITH told (device, total, total_ms) AS (VALUES {rows}) \
         UPDATE devices SET total = told.total, total_ms = told.total_ms FROM told \
         WHERE devices.tenant = $1 AND devices.gateway = $2 AND devices.device = told.device"
    )
});

/// A report to be kept.
struct Kept<'a> {
    arrival: &'a Arrival,
    kind: &'static str,
    device: Option<&'a DeviceId>,
}

/// A counter to be added.
struct Counted<'a> {
    device: &'a DeviceId,
    read_at: Timestamp,
    unit: String,
    row: CounterRow,
}

/// What waits to be written.
#[derive(Default)]
pub(super) struct Gathered<'a> {
    reports: Vec<Kept<'a>>,
    devices: BTreeSet<&'a DeviceId>,
    counters: Vec<Counted<'a>>,
    totals: BTreeMap<&'a DeviceId, LastTotal>,
}

/// Carries out the effects of a batch, in their order as far as it matters: what is gathered only adds rows and moves
/// totals, and is written before whatever else follows it.
pub(crate) async fn apply_all(
    connection: &mut AnyConnection,
    at: &Place<'_>,
    effects: Vec<Effect<'_>>,
) -> Result<(), StoreError> {
    let mut gathered = Gathered::default();
    for effect in effects {
        if let Some(other) = gathered.take(effect) {
            std::mem::take(&mut gathered).write(connection, at).await?;
            apply(connection, at, other).await?;
        }
    }
    gathered.write(connection, at).await
}

impl<'a> Gathered<'a> {
    /// One effect.
    pub(super) fn of(effect: Effect<'a>) -> Self {
        let mut gathered = Self::default();
        drop(gathered.take(effect));
        gathered
    }

    /// Gathers an effect, or gives back what can't be.
    #[expect(clippy::wildcard_enum_match_arm, reason = "whatever is not named here is done by itself")]
    fn take(&mut self, effect: Effect<'a>) -> Option<Effect<'a>> {
        match effect {
            Effect::Keep { arrival, kind, device } => self.reports.push(Kept { arrival, kind, device }),
            Effect::Meet(device) => {
                self.devices.insert(device);
            }
            Effect::AddCounters { device, read_at, unit, rows } => {
                let unit = readable(&unit);
                let counted = |row| Counted { device, read_at, unit: unit.clone(), row };
                self.counters.extend(rows.into_iter().map(counted));
            }
            Effect::SetTotal(device, total) => {
                self.totals.insert(device, total);
            }
            other => return Some(other),
        }
        None
    }

    pub(super) async fn write(
        self,
        connection: &mut AnyConnection,
        at: &Place<'_>,
    ) -> Result<(), StoreError> {
        keep(connection, at, &self.reports).await?;
        meet(connection, at, &self.devices.into_iter().collect::<Vec<_>>()).await?;
        add_counters(connection, at, &self.counters).await?;
        set_totals(connection, at, &self.totals.into_iter().collect::<Vec<_>>()).await
    }
}

async fn keep(
    connection: &mut AnyConnection,
    at: &Place<'_>,
    mut reports: &[Kept<'_>],
) -> Result<(), StoreError> {
    while !reports.is_empty() {
        let (sql, rows) = REPORTS.at_most(reports.len());
        let (now, later) = reports.split_at(rows);
        let mut insert =
            sqlx::query(sql).bind(at.tenant()).bind(at.gateway()).bind(at.lane.name()).bind(at.now_ms());
        for Kept { arrival, kind, device } in now {
            insert = insert
                .bind(stored(arrival.seq, "reports.seq")?)
                .bind(arrival.at.as_millisecond())
                .bind(*kind)
                .bind(device.map(ToString::to_string))
                .bind(arrival.body.clone());
        }
        insert.execute(&mut *connection).await.map_err(failed("reports"))?;
        reports = later;
    }
    Ok(())
}

async fn meet(
    connection: &mut AnyConnection,
    at: &Place<'_>,
    mut devices: &[&DeviceId],
) -> Result<(), StoreError> {
    while !devices.is_empty() {
        let (sql, rows) = DEVICES.at_most(devices.len());
        let (now, later) = devices.split_at(rows);
        let mut insert = sqlx::query(sql).bind(at.tenant()).bind(at.gateway()).bind(at.now_ms());
        for device in now {
            insert = insert.bind(device.to_string());
        }
        insert.execute(&mut *connection).await.map_err(failed("devices"))?;
        devices = later;
    }
    Ok(())
}

async fn add_counters(
    connection: &mut AnyConnection,
    at: &Place<'_>,
    mut counters: &[Counted<'_>],
) -> Result<(), StoreError> {
    while !counters.is_empty() {
        let (sql, rows) = COUNTERS.at_most(counters.len());
        let (now, later) = counters.split_at(rows);
        let mut insert = sqlx::query(sql).bind(at.tenant()).bind(at.gateway());
        for Counted { device, read_at, unit, row } in now {
            let evidence = row.evidence.as_ref();
            let raw = evidence.map_or(row.value, |evidence| evidence.value);
            insert = insert
                .bind(device.to_string())
                .bind(read_at.as_millisecond())
                .bind(unit.clone())
                .bind(row.counter.name())
                .bind(stored(row.value, "counters.value")?)
                .bind(evidence.map(|evidence| readable(&evidence.oid)).unwrap_or_default())
                .bind(stored(raw, "counters.raw")?);
        }
        insert.execute(&mut *connection).await.map_err(failed("counters"))?;
        counters = later;
    }
    Ok(())
}

async fn set_totals(
    connection: &mut AnyConnection,
    at: &Place<'_>,
    mut totals: &[(&DeviceId, LastTotal)],
) -> Result<(), StoreError> {
    while !totals.is_empty() {
        let (sql, rows) = TOTALS.at_most(totals.len());
        let (now, later) = totals.split_at(rows);
        let mut update = sqlx::query(sql).bind(at.tenant()).bind(at.gateway());
        for (device, total) in now {
            update = update
                .bind(device.to_string())
                .bind(stored(total.value, "devices.total")?)
                .bind(total.read_at.as_millisecond());
        }
        update.execute(&mut *connection).await.map_err(failed("totals"))?;
        totals = later;
    }
    Ok(())
}
