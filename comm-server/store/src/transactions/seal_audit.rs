//! Seals audit entries: each gets its number and its hash, in the order of their ids.
//!
//! Any number of servers append entries without a lock. Sealing needs the tenant's lock, so that there is one chain.
//! An entry that was committed after a newer one had been sealed is sealed next.

use aws_lc_rs::digest::{SHA256, digest};
use comm_server_core::tenancy::TenantId;
use sqlx::AnyConnection;

use crate::db::{StoreError, failed, row};
use crate::tables::{audit, audit_heads, tenants};
use crate::{Scoped, Store};

/// Maximum number of entries in one transaction, so that the tenant is locked only for a fraction of a second.
const PORTION: i64 = 200;

/// SHA-256, for the chain.
pub(crate) fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, octets).as_ref());
    hash
}

impl Store {
    /// Seals new entries of every tenant; returns how many.
    pub async fn seal_audit(&self) -> Result<u64, StoreError> {
        let mut sealed = 0;
        for tenant in self.tenants_to_seal().await? {
            sealed += self.seal_audit_of(&tenant).await?;
        }
        Ok(sealed)
    }

    async fn tenants_to_seal(&self) -> Result<Vec<TenantId>, StoreError> {
        let select = sqlx::query("SELECT DISTINCT tenant FROM audit WHERE number IS NULL");
        let found = select.fetch_all(&mut *self.reader().await?).await.map_err(failed("read audit"))?;
        found.iter().map(|found| row::parsed(found, ("audit", "tenant"), "audit")).collect()
    }

    pub(super) async fn seal_audit_of(&self, tenant: &TenantId) -> Result<u64, StoreError> {
        let mut sealed = 0;
        loop {
            let own = tenant.clone();
            let portion = self.writer().write(move |c| Box::pin(async move { seal(c, &own).await })).await?;
            sealed += portion;
            if portion < PORTION.unsigned_abs() {
                return Ok(sealed);
            }
        }
    }
}

impl Scoped {
    /// As [`Store::seal_audit`], for the scope's tenant.
    pub async fn seal_audit(&self) -> Result<u64, StoreError> {
        self.store().seal_audit_of(self.tenant()).await
    }
}

async fn seal(connection: &mut AnyConnection, tenant: &TenantId) -> Result<u64, StoreError> {
    tenants::lock(connection, tenant).await?;
    let mut head = audit_heads::read(connection, tenant).await?;
    if audit::first_after(connection, tenant, head.number).await?.is_some() {
        // Somebody took the head away or put entries behind it. Nothing is built on that: a verification names it.
        tracing::error!(tenant = %tenant, number = head.number, "the audit has entries newer than its head, nothing more is sealed: run `platen-comm-server audit verify`");
        return Ok(0);
    }
    let entries = audit::unsealed(connection, tenant, PORTION).await?;
    for entry in &entries {
        head = head.after(&entry.content(tenant), sha256);
        audit::seal(connection, tenant, &entry.entry, &head).await?;
    }
    if !entries.is_empty() {
        audit_heads::upsert(connection, tenant, &head).await?;
    }
    Ok(entries.len() as u64)
}
