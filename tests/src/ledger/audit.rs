//! Reads the server's database as an auditor would: past the server, with SQL of its own.

use anyhow::{Context, Result};
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AnyPool, Row as _};

use super::books::{Stored, StoredCall, StoredReport};

/// Reads everything that the books need.
///
/// # Errors
/// The database can't be read.
pub async fn read(url: &str) -> Result<Stored> {
    sqlx::any::install_default_drivers();
    let pool = AnyPool::connect(url).await.context("the auditor can't open the database")?;
    let rows = async |sql: &'static str| sqlx::query(sql).fetch_all(&pool).await.context(sql);
    let mut stored = Stored::default();
    for row in rows("SELECT gateway, lane, seq, kind, device, body FROM reports").await? {
        stored.reports.push(report(&row)?);
    }
    for row in rows("SELECT gateway, lane, seq FROM quarantine").await? {
        stored.quarantined.push((row.try_get(0)?, row.try_get(1)?, number(&row, 2)?));
    }
    for row in rows("SELECT device, read_ms, value FROM counters WHERE counter = 'total'").await? {
        stored.totals.push((row.try_get(0)?, row.try_get(1)?, number(&row, 2)?));
    }
    for row in rows("SELECT device, kind, is_open FROM calls").await? {
        let open = row.try_get::<i64, _>(2)? != 0;
        stored.calls.push(StoredCall { device: row.try_get(0)?, kind: row.try_get(1)?, open });
    }
    for row in rows("SELECT gateway, lane, acknowledged FROM lanes").await? {
        stored.lanes.insert((row.try_get(0)?, row.try_get(1)?), number(&row, 2)?);
    }
    for row in rows("SELECT command, gateway, state FROM commands WHERE kind = 'counter_request'").await? {
        stored.meter_requests.push((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
    }
    pool.close().await;
    Ok(stored)
}

fn number(row: &AnyRow, column: usize) -> Result<u64> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?)?)
}

fn report(row: &AnyRow) -> Result<StoredReport> {
    let body: Value = serde_json::from_str(&row.try_get::<String, _>(5)?).context("a report's body")?;
    let text = |key: &str| body[key].as_str().map(str::to_owned);
    Ok(StoredReport {
        gateway: row.try_get(0)?,
        lane: row.try_get(1)?,
        seq: number(row, 2)?,
        kind: row.try_get(3)?,
        device: row.try_get(4)?,
        command: text("command"),
        read_at: text("read_at"),
    })
}
