//! Reads the server's database independently of the server, with SQL of its own.

use anyhow::{Context, Result};
use comm_server_store::testing::{Database, Row, query};
use serde_json::Value;

use super::books::{Stored, StoredCall, StoredReport};

/// Reads everything that the comparison needs.
///
/// # Errors
/// The database can't be read.
pub async fn read(url: &str) -> Result<Stored> {
    let database = Database::connect(url).await.context("the auditor can't open the database")?;
    let rows = async |sql: &'static str| query(sql).rows(&database).await.context(sql);
    let mut stored = Stored::default();
    for row in rows("SELECT gateway, lane, seq, kind, device, body FROM reports").await? {
        stored.reports.push(report(&row)?);
    }
    for row in rows("SELECT gateway, lane, seq FROM quarantine").await? {
        stored.quarantined.push((row.text(0)?, row.text(1)?, row.count(2)?));
    }
    for row in rows("SELECT device, read_ms, value FROM counters WHERE counter = 'total'").await? {
        stored.totals.push((row.text(0)?, row.count(1)?.try_into()?, row.count(2)?));
    }
    for row in rows("SELECT device, kind, is_open FROM calls").await? {
        let open = row.count(2)? != 0;
        stored.calls.push(StoredCall { device: row.text(0)?, kind: row.text(1)?, open });
    }
    for row in rows("SELECT gateway, lane, acknowledged FROM lanes").await? {
        stored.lanes.insert((row.text(0)?, row.text(1)?), row.count(2)?);
    }
    for row in rows("SELECT command, gateway, state FROM commands WHERE kind = 'counter_request'").await? {
        stored.meter_requests.push((row.text(0)?, row.text(1)?, row.text(2)?));
    }
    database.close().await;
    Ok(stored)
}

fn report(row: &Row) -> Result<StoredReport> {
    let body: Value = serde_json::from_str(&row.text(5)?).context("a report's body")?;
    let text = |key: &str| body[key].as_str().map(str::to_owned);
    Ok(StoredReport {
        gateway: row.text(0)?,
        lane: row.text(1)?,
        seq: row.count(2)?,
        kind: row.text(3)?,
        device: row.maybe_text(4)?,
        command: text("command"),
        read_at: text("read_at"),
    })
}
