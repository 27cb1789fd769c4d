//! Gateways with a valid certificate that poll for the first time.

use sqlx::AnyConnection;

use crate::AuditEntry;
use crate::db::StoreError;
use crate::db::writer::Caller;
use crate::tables::{GatewayRef, audit, gateways};

/// Inserts a gateway that has a valid certificate; returns whether it is new.
pub(super) async fn register_gateway(
    connection: &mut AnyConnection,
    caller: &Caller,
) -> Result<bool, StoreError> {
    let of = GatewayRef { tenant: &caller.tenant, gateway: &caller.gateway };
    let new = gateways::insert(connection, of, caller.cadence.regular_s, caller.now).await?;
    if new {
        let entry = AuditEntry::new(caller.now, "server", "gateway.register", caller.gateway.to_string());
        audit::append(connection, &caller.tenant, &entry).await?;
    }
    Ok(new)
}
