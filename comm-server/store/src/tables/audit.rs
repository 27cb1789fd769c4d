//! The audit: changes with their authors and times.

use comm_server_core::tenancy::TenantId;
use jiff::Timestamp;
use serde::Serialize;
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
}

/// Appends an entry in the transaction of the change that it records.
pub(crate) async fn append(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    entry: &AuditEntry,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO audit (tenant, entry, at_ms, who, what, detail) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(tenant.to_string())
    .bind(Uuid::now_v7().to_string())
    .bind(entry.at.as_millisecond())
    .bind(evident(&entry.who))
    .bind(entry.what.clone())
    .bind(evident(&entry.detail))
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
        Self { at, who: who.to_owned(), what: what.to_owned(), detail: detail.into() }
    }
}

/// Deletes entries from before a time; how many.
pub(crate) async fn delete_before(connection: &mut AnyConnection, before_ms: i64) -> Result<u64, StoreError> {
    let delete = sqlx::query("DELETE FROM audit WHERE at_ms < $1").bind(before_ms);
    Ok(delete.execute(connection).await.map_err(failed("delete audit entries"))?.rows_affected())
}
