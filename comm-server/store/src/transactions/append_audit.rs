//! An audit entry that belongs to no other change.

use crate::Store;
use crate::db::StoreError;
use crate::tables::audit::{self, AuditEntry};

impl Store {
    /// Appends an entry of its own.
    pub async fn append_audit(&self, tenant: &str, entry: AuditEntry) -> Result<(), StoreError> {
        let tenant = tenant.to_owned();
        self.writer().write(move |c| Box::pin(async move { audit::append(c, &tenant, &entry).await })).await
    }
}
