//! The audit: who changed what and when.

use jiff::Timestamp;
use serde::Serialize;
use sqlx::AnyConnection;
use uuid::Uuid;
use wire::text::{clipped, with_marks};

use super::page::{self, PAGE_ROWS, Page};
use super::{Store, StoreError, failed, row};

/// A text of an entry, bytes.
const TEXT_BYTES: usize = 4 << 10;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who: a user's name, `cli`, `server`, or a gateway's name.
    pub who: String,
    /// What: `rollout.create`, `session.refused`, ...
    pub what: String,
    /// What a person should read.
    pub detail: String,
}

/// Appends an entry in the transaction of the change that it tells of.
pub(super) async fn append(
    connection: &mut AnyConnection,
    tenant: &str,
    entry: &AuditEntry,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO audit (tenant, entry, at_ms, who, what, detail) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(tenant.to_owned())
    .bind(Uuid::now_v7().to_string())
    .bind(entry.at.as_millisecond())
    .bind(evident(&entry.who))
    .bind(entry.what.clone())
    .bind(evident(&entry.detail))
    .execute(connection)
    .await
    .map_err(failed("an audit entry"))?;
    Ok(())
}

/// What somebody wrote, as evidence: hidden characters as marks, so that nobody reads it as something else.
fn evident(text: &str) -> String {
    with_marks(clipped(text, TEXT_BYTES)).into_owned()
}

impl AuditEntry {
    /// An entry.
    pub fn new(at: Timestamp, who: &str, what: &str, detail: impl Into<String>) -> Self {
        Self { at, who: who.to_owned(), what: what.to_owned(), detail: detail.into() }
    }
}

impl Store {
    /// Appends an entry of its own.
    ///
    /// # Errors
    /// The database.
    pub async fn append_audit(&self, tenant: &str, entry: AuditEntry) -> Result<(), StoreError> {
        let tenant = tenant.to_owned();
        self.writer().write(move |c| Box::pin(async move { append(c, &tenant, &entry).await })).await
    }

    /// Entries, newest first.
    ///
    /// # Errors
    /// The database.
    pub async fn audit(&self, tenant: &str, cursor: Option<&str>) -> Result<Page<AuditEntry>, StoreError> {
        let rows = sqlx::query(
            "SELECT entry, at_ms, who, what, detail FROM audit WHERE tenant = $1 AND entry < $2 \
             ORDER BY entry DESC LIMIT $3",
        )
        .bind(tenant.to_owned())
        .bind(cursor.unwrap_or(page::LAST).to_owned())
        .bind(PAGE_ROWS + 1)
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(failed("to read the audit"))?;
        let entries: Vec<(String, AuditEntry)> = rows
            .iter()
            .map(|r| {
                let entry = AuditEntry {
                    at: row::time(r, "at_ms")?,
                    who: row::text(r, "who")?,
                    what: row::text(r, "what")?,
                    detail: row::text(r, "detail")?,
                };
                Ok((row::text(r, "entry")?, entry))
            })
            .collect::<Result<_, StoreError>>()?;
        Ok(Page::of(entries, |(id, _)| id.clone()).map(|(_, entry)| entry))
    }
}
