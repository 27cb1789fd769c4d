//! Deletes audit entries beyond their retention from the beginning of the chain, and updates the beginning in the
//! head.

use comm_server_core::audit::ChainHash;
use comm_server_core::tenancy::TenantId;
use sqlx::AnyConnection;

use crate::Store;
use crate::db::{StoreError, failed, row};
use crate::tables::{audit, audit_heads, tenants};

impl Store {
    /// Deletes entries from before a time, up to the first one that is kept; returns how many.
    pub(super) async fn trim_audit(&self, before_ms: i64) -> Result<u64, StoreError> {
        // Only what is sealed can be deleted without a gap.
        self.seal_audit().await?;
        let select = sqlx::query("SELECT tenant FROM audit_heads");
        let found =
            select.fetch_all(&mut *self.reader().await?).await.map_err(failed("read heads of audit"))?;
        let mut deleted = 0;
        for tenant in &found {
            let tenant: TenantId = row::parsed(tenant, ("audit_heads", "tenant"), "audit_heads")?;
            let trimmed =
                self.writer().write(move |c| Box::pin(async move { trim(c, &tenant, before_ms).await }));
            deleted += trimmed.await?;
        }
        Ok(deleted)
    }
}

async fn trim(connection: &mut AnyConnection, tenant: &TenantId, before_ms: i64) -> Result<u64, StoreError> {
    tenants::lock(connection, tenant).await?;
    let mut head = audit_heads::read(connection, tenant).await?;
    let newest = row::stored(head.number, "audit_heads.number")?;
    let kept = audit::first_since(connection, tenant, before_ms).await?;
    let until = kept.map_or(newest, |kept| newest.min(kept.saturating_sub(1)));
    let Some((last, hash)) = audit::last_until(connection, tenant, until).await? else { return Ok(0) };
    // A chain that is broken here stays as it is: it is evidence.
    let hash = hash.and_then(|hash| hash.parse::<ChainHash>().ok());
    let (Ok(last_number), Some(hash)) = (u64::try_from(last), hash) else { return Ok(0) };
    let deleted = audit::delete_until(connection, tenant, last).await?;
    (head.first_number, head.first_previous) = (last_number.saturating_add(1), hash);
    audit_heads::upsert(connection, tenant, &head).await?;
    Ok(deleted)
}
