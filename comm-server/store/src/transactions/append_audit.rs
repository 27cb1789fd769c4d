//! An audit entry that is not part of another change.

use crate::Scoped;
use crate::db::StoreError;
use crate::tables::audit::{self, AuditEntry};

impl Scoped {
    /// Appends an entry in a transaction of its own.
    pub async fn append_audit(&self, entry: AuditEntry) -> Result<(), StoreError> {
        let tenant = self.tenant().clone();
        self.writer().write(move |c| Box::pin(async move { audit::append(c, &tenant, &entry).await })).await
    }
}
