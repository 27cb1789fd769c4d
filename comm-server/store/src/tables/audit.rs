//! The audit: changes with their authors and times. An entry is appended without a position in the chain, so that
//! writers don't wait for each other; it gets one when it is sealed.

use comm_server_core::audit::{Content, Head};
use comm_server_core::tenancy::TenantId;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};
use uuid::Uuid;
use wire::text::{clipped, with_marks};

use crate::db::{StoreError, failed, row};

/// Maximum length of a text of an entry, bytes.
const TEXT_BYTES: usize = 4 << 10;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// The time.
    pub at: Timestamp,
    /// The author: a user's name, `cli`, `server`, or a gateway's name.
    pub who: String,
    /// The kind of change: `rollout.create`, `session.refused`, ...
    pub what: String,
    /// A text for people.
    pub detail: String,
    /// The object before the change; `None` if it was created, or if the entry is not about a change.
    pub before: Option<Value>,
    /// The object after the change; `None` if it was deleted.
    pub after: Option<Value>,
}

/// Appends an entry in the transaction of the change that it records.
pub(crate) async fn append(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    entry: &AuditEntry,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO audit (tenant, entry, at_ms, who, what, detail, before_json, after_json) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(tenant.to_string())
    .bind(Uuid::now_v7().to_string())
    .bind(entry.at.as_millisecond())
    .bind(evident(&entry.who))
    .bind(entry.what.clone())
    .bind(evident(&entry.detail))
    .bind(entry.before.as_ref().map(Value::to_string))
    .bind(entry.after.as_ref().map(Value::to_string))
    .execute(connection)
    .await
    .map_err(failed("insert audit entry"))?;
    Ok(())
}

/// A text from outside for the audit: hidden characters are replaced by marks.
pub(crate) fn evident(text: &str) -> String {
    with_marks(clipped(text, TEXT_BYTES)).into_owned()
}

impl AuditEntry {
    /// An entry.
    pub fn new(at: Timestamp, who: &str, what: &str, detail: impl Into<String>) -> Self {
        let (who, what, detail) = (who.to_owned(), what.to_owned(), detail.into());
        Self { at, who, what, detail, before: None, after: None }
    }

    /// The entry of a change, with the values before and after.
    #[must_use]
    pub(crate) fn changing(self, before: Option<Value>, after: Option<Value>) -> Self {
        Self { before, after, ..self }
    }
}

/// An entry as it is stored.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) entry: String,
    pub(crate) at_ms: i64,
    pub(crate) who: String,
    pub(crate) what: String,
    pub(crate) detail: String,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
    /// Its position in the chain; `None` until it is sealed.
    pub(crate) number: Option<i64>,
    /// The stored hash; it may be invalid if the database was manipulated.
    pub(crate) hash: Option<String>,
}

/// The columns of a [`Row`].
pub(crate) const COLUMNS: &str = "entry, at_ms, who, what, detail, before_json, after_json, number, hash";

impl Row {
    pub(crate) fn of(found: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            entry: row::text(found, "entry")?,
            at_ms: row::number(found, "at_ms")?,
            who: row::text(found, "who")?,
            what: row::text(found, "what")?,
            detail: row::text(found, "detail")?,
            before: row::maybe_text(found, "before_json")?,
            after: row::maybe_text(found, "after_json")?,
            number: row::maybe_number(found, "number")?,
            hash: row::maybe_text(found, "hash")?,
        })
    }

    /// The content that is hashed.
    pub(crate) fn content<'a>(&'a self, tenant: &'a TenantId) -> Content<'a> {
        Content {
            tenant: tenant.as_str(),
            entry: &self.entry,
            at_ms: self.at_ms,
            who: &self.who,
            what: &self.what,
            detail: &self.detail,
            before: self.before.as_deref(),
            after: self.after.as_deref(),
        }
    }
}

/// Entries that are not sealed, in the order of their ids.
pub(crate) async fn unsealed(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    limit: i64,
) -> Result<Vec<Row>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM audit WHERE tenant = $1 AND number IS NULL ORDER BY entry LIMIT $2");
    let select = sqlx::query(AssertSqlSafe(sql)).bind(tenant.to_string()).bind(limit);
    let found = select.fetch_all(connection).await.map_err(failed("read unsealed audit entries"))?;
    found.iter().map(Row::of).collect()
}

/// Stores an entry's position in the chain and its hash.
pub(crate) async fn seal(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    entry: &str,
    head: &Head,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE audit SET number = $3, hash = $4 WHERE tenant = $1 AND entry = $2")
        .bind(tenant.to_string())
        .bind(entry.to_owned())
        .bind(row::stored(head.number, "audit.number")?)
        .bind(head.hash.to_string())
        .execute(connection)
        .await
        .map_err(failed("seal audit entry"))?;
    Ok(())
}

/// The lowest number greater than a number.
pub(crate) async fn first_after(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    number: u64,
) -> Result<Option<i64>, StoreError> {
    let select = sqlx::query("SELECT MIN(number) AS number FROM audit WHERE tenant = $1 AND number > $2")
        .bind(tenant.to_string())
        .bind(row::stored(number, "audit_heads.number")?);
    let found = select.fetch_one(connection).await.map_err(failed("read end of audit"))?;
    row::maybe_number(&found, "number")
}

/// The lowest number whose entry is not older than a time.
pub(crate) async fn first_since(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    since_ms: i64,
) -> Result<Option<i64>, StoreError> {
    let select = sqlx::query(
        "SELECT number FROM audit WHERE tenant = $1 AND number IS NOT NULL AND at_ms >= $2 ORDER BY number LIMIT 1",
    )
    .bind(tenant.to_string())
    .bind(since_ms);
    let found = select.fetch_optional(connection).await.map_err(failed("read beginning of audit"))?;
    found.map(|found| row::number(&found, "number")).transpose()
}

/// Number and stored hash of the entry with the highest number up to a number.
pub(crate) async fn last_until(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    number: i64,
) -> Result<Option<(i64, Option<String>)>, StoreError> {
    let select = sqlx::query(
        "SELECT number, hash FROM audit WHERE tenant = $1 AND number IS NOT NULL AND number <= $2 \
         ORDER BY number DESC LIMIT 1",
    )
    .bind(tenant.to_string())
    .bind(number);
    let found = select.fetch_optional(connection).await.map_err(failed("read beginning of audit"))?;
    found.map(|found| Ok((row::number(&found, "number")?, row::maybe_text(&found, "hash")?))).transpose()
}

/// Deletes sealed entries up to a number; returns how many were deleted.
pub(crate) async fn delete_until(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    number: i64,
) -> Result<u64, StoreError> {
    let delete = sqlx::query("DELETE FROM audit WHERE tenant = $1 AND number IS NOT NULL AND number <= $2")
        .bind(tenant.to_string())
        .bind(number);
    Ok(delete.execute(connection).await.map_err(failed("delete audit entries"))?.rows_affected())
}
