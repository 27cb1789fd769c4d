//! Whether the chain of the audit is intact.

use comm_server_core::audit::{Broken, Fault, Head, Known, Verifier};
use sqlx::AssertSqlSafe;

use crate::Scoped;
use crate::db::{StoreError, failed, row};
use crate::tables::audit::{COLUMNS, Row};
use crate::tables::audit_heads;
use crate::transactions::sha256;

/// Entries that are read at once.
const PORTION: i64 = 1000;

/// The state of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditChain {
    /// Its head.
    pub head: Head,
    /// The first entry at which it is broken; `None` if it is intact.
    pub broken: Option<Broken>,
}

impl Scoped {
    /// The head of the chain.
    pub async fn audit_head(&self) -> Result<Head, StoreError> {
        audit_heads::read(&mut *self.reader().await?, self.tenant()).await
    }

    /// Verifies the sealed entries, and an entry whose number and hash are known, if given.
    pub async fn verify_audit(&self, known: Option<Known>) -> Result<AuditChain, StoreError> {
        loop {
            let head = self.audit_head().await?;
            let broken = self.verify_from(head, known).await?;
            // Retention may have deleted the beginning meanwhile: then it is read again.
            if broken.is_none() || self.audit_head().await?.first_number == head.first_number {
                return Ok(AuditChain { head, broken });
            }
        }
    }

    async fn verify_from(&self, head: Head, known: Option<Known>) -> Result<Option<Broken>, StoreError> {
        let mut verifier = Verifier::new(head, known, sha256);
        let mut last = (i64::MIN, String::new());
        loop {
            let rows = self.numbered(&last, head).await?;
            for row in &rows {
                let number = u64::try_from(row.number.unwrap_or_default()).unwrap_or_default();
                let hash = row.hash.as_deref().and_then(|hash| hash.parse().ok());
                if let Err(broken) = verifier.check(number, hash, &row.content(self.tenant())) {
                    return Ok(Some(broken));
                }
            }
            match rows.into_iter().next_back() {
                Some(row) => last = (row.number.unwrap_or_default(), row.entry),
                None => break,
            }
        }
        match verifier.end() {
            Ok(()) => self.behind_head().await,
            Err(broken) => Ok(Some(broken)),
        }
    }

    /// Entries after the last one read, up to the head. Two entries with the same number are both read, because the
    /// unique index may have been removed.
    async fn numbered(&self, last: &(i64, String), head: Head) -> Result<Vec<Row>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM audit WHERE tenant = $1 AND number >= $2 AND number <= $3 \
             AND (number > $2 OR entry > $4) ORDER BY number, entry LIMIT $5"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(last.0)
            .bind(row::stored(head.number, "audit_heads.number")?)
            .bind(last.1.clone())
            .bind(PORTION)
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read chain of audit"))?;
        rows.iter().map(Row::of).collect()
    }

    /// An entry newer than the head. One statement reads both, because entries are sealed meanwhile.
    async fn behind_head(&self) -> Result<Option<Broken>, StoreError> {
        let found = sqlx::query(
            "SELECT MIN(number) AS number FROM audit WHERE tenant = $1 \
             AND number > COALESCE((SELECT number FROM audit_heads WHERE tenant = $1), 0)",
        )
        .bind(self.tenant().to_string())
        .fetch_one(&mut *self.reader().await?)
        .await
        .map_err(failed("read end of audit"))?;
        let number = row::maybe_number(&found, "number")?.and_then(|number| u64::try_from(number).ok());
        Ok(number.map(|number| Broken { number, fault: Fault::BehindHead }))
    }
}
