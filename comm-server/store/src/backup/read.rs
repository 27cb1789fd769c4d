//! Reads a backup back.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::{AnyConnection, AnyPool};

use super::tables::TABLES;
use super::{BackupError, FORMAT, FORMAT_VERSION, Head, LINE_BYTES, Row, Tail};
use crate::db::engine::{self, Engine};
use crate::db::{StoreError, failed, migrations};

/// The contents of a restored backup.
#[derive(Debug, Serialize)]
pub struct Restored {
    /// Version of the tables in the backup.
    pub tables: i64,
    /// Rows.
    pub rows: u64,
}

/// Fills an empty database from a backup of any engine, and migrates it to this program's version.
///
/// # Errors
/// The file isn't a complete backup, or is newer than this program; the database isn't empty, or fails.
pub async fn restore(url: &str, path: &Path) -> Result<Restored, BackupError> {
    sqlx::any::install_default_drivers();
    let (engine, url) = Engine::of(url)?;
    // The whole file is read before anything is changed.
    let (head, rows) = check(path)?;
    if head.tables > migrations::newest() {
        return Err(StoreError::Newer { given: head.tables, known: migrations::newest() }.into());
    }
    let pool = engine.pool(&url, 1, false).await?;
    if migrations::version(&pool).await? > 0 {
        must_be_empty(&pool).await?;
    }
    if engine::is_pooled(&url) {
        // The tables must be there, and as the backup has them.
        migrations::bring(engine, &pool, &url).await?;
        if head.tables != migrations::newest() {
            return Err(StoreError::Pooled { given: head.tables, known: migrations::newest() }.into());
        }
    } else {
        migrations::run_to(engine, &pool, head.tables).await?;
    }
    let mut transaction = pool.begin_with(engine.begin()).await.map_err(failed("begin transaction"))?;
    // The tenant that every new database has.
    sqlx::query("DELETE FROM tenants")
        .execute(&mut *transaction)
        .await
        .map_err(failed("begin transaction"))?;
    let mut lines = Lines::open(path)?;
    lines.next::<Head>()?;
    for _ in 0..rows {
        let row: Row = lines.next()?;
        insert(&mut transaction, &lines, &row).await?;
    }
    transaction.commit().await.map_err(failed("commit"))?;
    migrations::bring(engine, &pool, &url).await?;
    pool.close().await;
    Ok(Restored { tables: head.tables, rows })
}

/// Reads the whole file and checks its digest; returns its first line and the number of rows.
fn check(path: &Path) -> Result<(Head, u64), BackupError> {
    let mut lines = Lines::open(path)?;
    let head: Head = lines.next()?;
    if head.format != FORMAT || head.format_version != FORMAT_VERSION {
        let (format, version) = (&head.format, head.format_version);
        return Err(lines.wrong(format!("{format} {version}: expected {FORMAT} {FORMAT_VERSION}")));
    }
    let mut rows = 0_u64;
    loop {
        let digest = hex::encode(lines.digest.clone().finish());
        let line: Value = lines.next()?;
        if line.get("table").is_some() {
            let row: Row = serde_json::from_value(line).map_err(|error| lines.wrong(error.to_string()))?;
            if !TABLES.contains(&row.table.as_str()) {
                return Err(lines.wrong(format!("there is no table {:?}", row.table)));
            }
            rows += 1;
            continue;
        }
        let tail: Tail = serde_json::from_value(line).map_err(|error| lines.wrong(error.to_string()))?;
        if tail.sha256 != digest || tail.rows != rows {
            return Err(lines.wrong("the rows before it differ from those that were written".to_owned()));
        }
        return Ok((head, rows));
    }
}

async fn must_be_empty(pool: &AnyPool) -> Result<(), BackupError> {
    for &table in TABLES.iter().filter(|table| **table != "tenants") {
        let sql = format!("SELECT 1 AS one FROM {table} LIMIT 1");
        let found = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_optional(pool).await;
        if found.map_err(failed("read table"))?.is_some() {
            return Err(BackupError::NotEmpty { table });
        }
    }
    Ok(())
}

/// The lines of a backup.
struct Lines<'a> {
    path: &'a Path,
    from: BufReader<zstd::Decoder<'static, BufReader<File>>>,
    digest: Context,
    number: u64,
}

impl<'a> Lines<'a> {
    fn open(path: &'a Path) -> Result<Self, BackupError> {
        let failed = |source| BackupError::File { path: path.to_owned(), source };
        let from = zstd::Decoder::new(File::open(path).map_err(failed)?).map_err(failed)?;
        Ok(Self { path, from: BufReader::new(from), digest: Context::new(&SHA256), number: 0 })
    }

    fn wrong(&self, problem: String) -> BackupError {
        BackupError::Content { path: self.path.to_owned(), line: self.number, problem }
    }

    fn next<T: DeserializeOwned>(&mut self) -> Result<T, BackupError> {
        self.number += 1;
        let mut line = Vec::new();
        let read = self.from.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line);
        if let Err(error) = read {
            return Err(self.wrong(format!("the file is damaged: {error}")));
        }
        if line.last() != Some(&b'\n') {
            return Err(self.wrong("the file is incomplete: it ends here".to_owned()));
        }
        self.digest.update(&line);
        serde_json::from_slice(&line).map_err(|error| self.wrong(error.to_string()))
    }
}

async fn insert(connection: &mut AnyConnection, lines: &Lines<'_>, row: &Row) -> Result<(), BackupError> {
    let mut sql = format!("INSERT INTO {} (", row.table);
    let mut places = String::new();
    for (place, column) in row.row.keys().enumerate() {
        if !column.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
            return Err(lines.wrong(format!("{column:?} is not a column")));
        }
        let joint = if place == 0 { "" } else { ", " };
        write!(sql, "{joint}{column}").expect("writing to a string succeeds");
        write!(places, "{joint}${}", place + 1).expect("writing to a string succeeds");
    }
    write!(sql, ") VALUES ({places})").expect("writing to a string succeeds");
    let mut insert = sqlx::query(sqlx::AssertSqlSafe(sql));
    for (column, value) in &row.row {
        insert = match value {
            Value::String(text) => insert.bind(text.clone()),
            Value::Number(number) => match number.as_i64() {
                Some(number) => insert.bind(number),
                None => return Err(lines.wrong(format!("{column}: {number} is out of range"))),
            },
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                return Err(lines.wrong(format!("{column}: expected a text or a number")));
            }
        };
    }
    insert.execute(connection).await.map_err(failed("restore row"))?;
    Ok(())
}
