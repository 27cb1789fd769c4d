//! Writes a backup.

use std::fs::{File, Permissions};
use std::io::{BufWriter, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::any::{AnyRow, AnyTypeInfoKind};
use sqlx::{AnyConnection, Column as _, Row as _, ValueRef as _};

use super::tables::TABLES;
use super::{BackupError, FORMAT, FORMAT_VERSION, Head, Row, Tail};
use crate::db::{Engine, Needs, failed, migrations, reach};

/// Compression level; 3 is zstd's default.
const LEVEL: i32 = 3;

/// Mode of the file: only its owner can read it.
const MODE: u32 = 0o600;

/// The contents of a backup.
#[derive(Debug, Serialize)]
pub struct BackedUp {
    /// Version of the tables.
    pub tables: i64,
    /// Rows.
    pub rows: u64,
    /// Size of the file, bytes.
    pub bytes: u64,
}

/// Writes a consistent copy of the whole database to a new file that only its owner can read: it contains hashes of
/// passwords and data of customers. The server may be running.
///
/// # Errors
/// The database doesn't exist, has no tables, or fails; the file exists or can't be written. An incomplete file is
/// removed.
pub async fn backup(url: &str, path: &Path) -> Result<BackedUp, BackupError> {
    reach(url, Needs::Tables).await?;
    let made = create(path)?;
    let done = write(url, path, made).await;
    if done.is_err()
        && let Err(error) = std::fs::remove_file(path)
    {
        tracing::warn!(path = %path.display(), error = %error, "an incomplete backup can't be removed");
    }
    done
}

/// A new file of mode 0600, whatever the umask is.
fn create(path: &Path) -> Result<File, BackupError> {
    let made = File::options().write(true).create_new(true).mode(MODE).open(path);
    let made = made.and_then(|made| {
        made.set_permissions(Permissions::from_mode(MODE))?;
        Ok(made)
    });
    made.map_err(|source| {
        let path = path.to_owned();
        let is_there = source.kind() == ErrorKind::AlreadyExists;
        if is_there { BackupError::Exists { path } } else { BackupError::File { path, source } }
    })
}

async fn write(url: &str, path: &Path, made: File) -> Result<BackedUp, BackupError> {
    let (engine, url) = Engine::of(url)?;
    let pool = engine.pool(&url, 1, false).await?;
    let tables = migrations::version(&pool).await?;
    let file = |source| BackupError::File { path: path.to_owned(), source };
    let compressed = zstd::Encoder::new(BufWriter::new(made), LEVEL).map_err(file)?;
    let mut lines = Lines { path, out: compressed, digest: Context::new(&SHA256), rows: 0 };
    let head = Head {
        format: FORMAT.to_owned(),
        format_version: FORMAT_VERSION,
        tables,
        engine: engine.name().to_owned(),
        made_at: Timestamp::now(),
    };
    lines.write(&head)?;
    let mut snapshot = pool.begin_with(engine.begin_snapshot()).await.map_err(failed("begin transaction"))?;
    for &table in TABLES {
        rows(&mut snapshot, table, &mut lines).await?;
    }
    snapshot.rollback().await.map_err(failed("end backup"))?;
    let rows = lines.rows;
    lines.finish()?;
    pool.close().await;
    let bytes = std::fs::metadata(path).map_err(file)?.len();
    Ok(BackedUp { tables, rows, bytes })
}

/// The lines; the digest is computed while they are written.
struct Lines<'a> {
    path: &'a Path,
    out: zstd::Encoder<'static, BufWriter<File>>,
    digest: Context,
    rows: u64,
}

impl Lines<'_> {
    fn write(&mut self, line: &impl Serialize) -> Result<(), BackupError> {
        let file = |source| BackupError::File { path: self.path.to_owned(), source };
        let mut text = serde_json::to_vec(line).map_err(|error| file(error.into()))?;
        text.push(b'\n');
        self.digest.update(&text);
        self.out.write_all(&text).map_err(file)
    }

    fn finish(mut self) -> Result<(), BackupError> {
        let sha256 = hex::encode(self.digest.clone().finish());
        self.write(&Tail { rows: self.rows, sha256 })?;
        let file = |source| BackupError::File { path: self.path.to_owned(), source };
        let out = self.out.finish().map_err(file)?;
        out.into_inner().map_err(|error| file(error.into_error()))?.sync_all().map_err(file)
    }
}

/// Writes the rows of a table as they are read.
async fn rows(
    connection: &mut AnyConnection,
    table: &'static str,
    lines: &mut Lines<'_>,
) -> Result<(), BackupError> {
    let sql = format!("SELECT * FROM {table}");
    let mut found = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch(connection);
    while let Some(row) = found.try_next().await.map_err(failed("read table"))? {
        lines.write(&Row { table: table.to_owned(), row: columns(table, &row)? })?;
        lines.rows += 1;
    }
    Ok(())
}

/// A row's columns that have a value.
fn columns(table: &'static str, row: &AnyRow) -> Result<Map<String, Value>, BackupError> {
    let mut columns = Map::new();
    for (place, column) in row.columns().iter().enumerate() {
        let raw = row.try_get_raw(place).map_err(failed("read columns"))?;
        if raw.is_null() {
            continue;
        }
        let value = match raw.type_info().kind() {
            AnyTypeInfoKind::Text => row.try_get::<String, _>(place).map(Value::from),
            AnyTypeInfoKind::SmallInt | AnyTypeInfoKind::Integer | AnyTypeInfoKind::BigInt => {
                row.try_get::<i64, _>(place).map(Value::from)
            }
            AnyTypeInfoKind::Null
            | AnyTypeInfoKind::Bool
            | AnyTypeInfoKind::Real
            | AnyTypeInfoKind::Double
            | AnyTypeInfoKind::Blob => {
                return Err(BackupError::Type { table, column: column.name().to_owned() });
            }
        };
        columns.insert(column.name().to_owned(), value.map_err(failed("read columns"))?);
    }
    Ok(columns)
}
