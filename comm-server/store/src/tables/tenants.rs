//! Rows of tenants.

use comm_server_core::tenancy::TenantId;
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::db::{Engine, StoreError, failed};

/// Locks a tenant until the end of the transaction, so that two servers can't check a condition and write at the same
/// time.
pub(crate) async fn lock(connection: &mut AnyConnection, tenant: &TenantId) -> Result<(), StoreError> {
    let locking = Engine::of_connection(connection).for_update();
    sqlx::query(AssertSqlSafe(format!("SELECT tenant FROM tenants WHERE tenant = $1{locking}")))
        .bind(tenant.to_string())
        .fetch_optional(connection)
        .await
        .map_err(failed("lock tenant"))?;
    Ok(())
}
