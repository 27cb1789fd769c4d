//! The audit: changes with their authors and times.

use comm_server_core::tenancy::TenantId;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sqlx::AnyConnection;
use uuid::Uuid;
use wire::text::{clipped, with_marks};

use crate::db::{StoreError, failed};

/// A text of an entry, bytes.
const TEXT_BYTES: usize = 4 << 10;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// The author: a user's name, `cli`, `server`, or a gateway's name.
    pub who: String,
    /// The kind of change: `rollout.create`, `session.refused`, ...
    pub what: String,
    /// A text for people.
    pub detail: String,
    /// What was changed, as it was; `None` for what is new, and for entries about no change.
    pub before: Option<Value>,
    /// The same as it is since then; `None` for what was deleted.
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

/// A text from outside, as evidence: hidden characters become marks, so that it can't be misread.
fn evident(text: &str) -> String {
    with_marks(clipped(text, TEXT_BYTES)).into_owned()
}

impl AuditEntry {
    /// An entry.
    pub fn new(at: Timestamp, who: &str, what: &str, detail: impl Into<String>) -> Self {
        let (who, what, detail) = (who.to_owned(), what.to_owned(), detail.into());
        Self { at, who, what, detail, before: None, after: None }
    }

    /// The entry of a change, with what it replaced and what it left.
    #[must_use]
    pub fn changing(self, before: Option<Value>, after: Option<Value>) -> Self {
        Self { before, after, ..self }
    }
}

/// Deletes entries from before a time; how many.
pub(crate) async fn delete_before(connection: &mut AnyConnection, before_ms: i64) -> Result<u64, StoreError> {
    let delete = sqlx::query("DELETE FROM audit WHERE at_ms < $1").bind(before_ms);
    Ok(delete.execute(connection).await.map_err(failed("delete audit entries"))?.rows_affected())
}
