//! The speed of an engine by itself: its own client inserts the rows of the reports again into equal tables,
//! in transactions of many rows with a sync each.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use fixtures::postgresql::Postgresql;

/// Reports of each gateway in a transaction.
const STEP: u64 = 50;

/// Time of the first meter reading of a load, milliseconds since 1970; the others follow a second apart.
const BEGIN_MS: u64 = 1_767_225_600_000;

/// A database that was filled by a load.
pub(super) struct Filled {
    pub(super) reports: f64,
    /// Reports per second by the engine alone.
    pub(super) per_s: f64,
    /// Octets of a report and its counters, indices included.
    pub(super) octets_each: f64,
}

/// The transactions that copy all rows into `reports_again` and `counters_again`. `from` is the prefix of the source
/// tables, with its dot, or empty.
fn copies(from: &str, last: u64) -> String {
    let mut sql = String::new();
    for begin in (0..last).step_by(usize::try_from(STEP).unwrap_or(50)) {
        let end = begin + STEP;
        let (begin_ms, end_ms) = (BEGIN_MS + 1000 * begin, BEGIN_MS + 1000 * end);
        sql.push_str(&format!(
            "BEGIN; INSERT INTO reports_again SELECT * FROM {from}reports WHERE seq > {begin} AND seq <= {end};\n\
             INSERT INTO counters_again SELECT * FROM {from}counters WHERE read_ms > {begin_ms} AND read_ms <= {end_ms};\n\
             COMMIT;\n"
        ));
    }
    sql
}

fn sqlite(database: &Path, sql: &str) -> Result<String> {
    let mut child = Command::new("sqlite3")
        .arg("-bail")
        .arg(database)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("sqlite3")?;
    std::io::Write::write_all(&mut child.stdin.take().context("standard input")?, sql.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "sqlite3 failed on {}", database.display());
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn whole(text: &str) -> Result<u64> {
    text.trim().parse().with_context(|| format!("{text:?} is not a number"))
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
const fn float(count: u64) -> f64 {
    count as f64
}

/// Measures SQLite; the server must have stopped.
pub(super) fn of_sqlite(database: &Path, dir: &Path) -> Result<Filled> {
    let told = sqlite(
        database,
        "PRAGMA wal_checkpoint(TRUNCATE); VACUUM;\n\
         SELECT SUM(pgsize) FROM dbstat WHERE name LIKE '%reports%' OR name LIKE '%counters%';",
    )?;
    let octets = whole(told.lines().last().unwrap_or_default())?;
    let counted = sqlite(
        database,
        "CREATE INDEX bench_seq ON reports (seq); CREATE INDEX bench_ms ON counters (read_ms);\n\
         SELECT COUNT(*) FROM reports; SELECT MAX(seq) FROM reports;",
    )?;
    let (reports, last) = counted.split_once('\n').context("two numbers")?;
    let (reports, last) = (float(whole(reports)?), whole(last)?);
    let again = dir.join("again.db");
    let schema = sqlite(
        database,
        "SELECT replace(replace(sql, 'TABLE reports', 'TABLE reports_again'), 'TABLE counters', 'TABLE counters_again') \
         || ';' FROM sqlite_master WHERE type = 'table' AND name IN ('reports', 'counters');",
    )?;
    sqlite(
        &again,
        &format!("PRAGMA journal_mode=WAL;\n{schema}\nCREATE INDEX received ON reports_again (received_ms);"),
    )?;
    let attach = format!("PRAGMA synchronous=FULL; ATTACH '{}' AS filled;\n", database.display());
    let began = Instant::now();
    sqlite(&again, &(attach + &copies("filled.", last)))?;
    let per_s = reports / began.elapsed().as_secs_f64();
    Ok(Filled { reports, per_s, octets_each: float(octets) / reports })
}

/// Measures a PostgreSQL database.
pub(super) fn of_postgresql(engine: &Postgresql, database: &str) -> Result<Filled> {
    let octets = "SELECT pg_total_relation_size('reports') + pg_total_relation_size('counters')";
    engine.sql(database, "VACUUM FULL reports")?;
    engine.sql(database, "VACUUM FULL counters")?;
    let octets = whole(&engine.sql(database, octets)?)?;
    let reports = float(whole(&engine.sql(database, "SELECT COUNT(*) FROM reports")?)?);
    let last = whole(&engine.sql(database, "SELECT MAX(seq) FROM reports")?)?;
    for sql in [
        "CREATE INDEX bench_seq ON reports (seq)",
        "CREATE INDEX bench_ms ON counters (read_ms)",
        "CREATE TABLE reports_again (LIKE reports INCLUDING ALL EXCLUDING INDEXES, \
         PRIMARY KEY (tenant, gateway, lane, seq))",
        "CREATE INDEX received_again ON reports_again (received_ms)",
        "CREATE TABLE counters_again (LIKE counters INCLUDING ALL EXCLUDING INDEXES, \
         PRIMARY KEY (tenant, gateway, device, counter, read_ms))",
    ] {
        engine.sql(database, sql)?;
    }
    let began = Instant::now();
    engine.sql(database, &copies("", last))?;
    let per_s = reports / began.elapsed().as_secs_f64();
    Ok(Filled { reports, per_s, octets_each: float(octets) / reports })
}

/// Fills a server's database with earlier gateways, each with a device and two lanes.
pub(super) fn make_known(database: &Path, gateways: u32) -> Result<()> {
    sqlite(
        database,
        &format!(
            "CREATE TEMP TABLE n (i INTEGER);\n\
             WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < {gateways}) INSERT INTO n SELECT i FROM c;\n\
             INSERT INTO gateways (tenant, gateway, version, first_seen_ms, last_poll_ms, next_poll_s, tidied_ms)\n\
             SELECT 'default', 'known-' || i, '0.1.0', 0, 0, 3600, 9000000000000 FROM n;\n\
             INSERT INTO devices (tenant, gateway, device, vendor, model, serial, total, first_seen_ms)\n\
             SELECT 'default', 'known-' || i, 'ricoh:K' || i, 'ricoh', 'IM C4500', 'K' || i, 1000, 0 FROM n;\n\
             INSERT INTO lanes (tenant, gateway, lane, acknowledged, made)\n\
             SELECT 'default', 'known-' || i, lane, 9, 9 FROM n, (SELECT 'urgent' AS lane UNION ALL SELECT 'bulk');\n"
        ),
    )
    .map(drop)
}
