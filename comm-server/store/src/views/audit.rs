//! The audit, newest first.

use crate::db::page::{self, PAGE_ROWS, Page};
use crate::db::{StoreError, failed, row};
use crate::{AuditEntry, Scoped};

impl Scoped {
    /// Entries, newest first.
    pub async fn audit(&self, cursor: Option<&str>) -> Result<Page<AuditEntry>, StoreError> {
        let rows = sqlx::query(
            "SELECT entry, at_ms, who, what, detail, before_json, after_json FROM audit WHERE tenant = $1 AND entry < $2 \
             ORDER BY entry DESC LIMIT $3",
        )
        .bind(self.tenant().to_string())
        .bind(page::id(cursor)?)
        .bind(PAGE_ROWS + 1)
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(failed("read audit"))?;
        let entries: Vec<(String, AuditEntry)> = rows
            .iter()
            .map(|r| {
                let entry = AuditEntry {
                    at: row::time(r, "at_ms")?,
                    who: row::text(r, "who")?,
                    what: row::text(r, "what")?,
                    detail: row::text(r, "detail")?,
                    before: row::maybe_document(r, "before_json")?,
                    after: row::maybe_document(r, "after_json")?,
                };
                Ok((row::text(r, "entry")?, entry))
            })
            .collect::<Result<_, StoreError>>()?;
        Ok(Page::of(entries, |(id, _)| id.clone()).map(|(_, entry)| entry))
    }
}
