//! Gateways that are enrolled, or have a valid certificate and call for the first time.

use comm_server_core::cadence::Cadence;
use sqlx::AnyConnection;
use wire::ids::GatewayId;

use super::customers::{Author, ChangeError};
use super::request_meters::request_meters;
use crate::db::StoreError;
use crate::db::writer::Caller;
use crate::tables::gateways::{self, MetersDue};
use crate::tables::{GatewayRef, audit};
use crate::{AuditEntry, Scoped};

impl Scoped {
    /// Registers a gateway before its first poll. For `random` see [`crate::Store::take_poll`].
    ///
    /// # Errors
    /// It belongs to another tenant, or the store.
    pub async fn add_gateway(
        &self,
        gateway: GatewayId,
        (cadence, random): (Cadence, u32),
        author: Author,
    ) -> Result<(), ChangeError> {
        let caller = Caller { tenant: self.tenant().clone(), gateway, cadence, now: author.now };
        let work = self.writer().write(move |c| {
            Box::pin(async move {
                if register_with_meters(c, &caller, (&author.by, random)).await? {
                    return Ok(Ok(()));
                }
                let is_own = gateways::tenant_of(c, &caller.gateway).await? == Some(caller.tenant);
                let (value, of) = (caller.gateway.to_string(), "another dealer".to_owned());
                Ok(if is_own { Ok(()) } else { Err(ChangeError::Taken { field: "gateway", value, of }) })
            })
        });
        work.await?
    }
}

/// Inserts a gateway that has a valid certificate; returns whether it is new.
pub(super) async fn register_gateway(
    connection: &mut AnyConnection,
    caller: &Caller,
) -> Result<bool, StoreError> {
    register_by(connection, caller, "server").await
}

async fn register_by(connection: &mut AnyConnection, caller: &Caller, by: &str) -> Result<bool, StoreError> {
    let of = GatewayRef { tenant: &caller.tenant, gateway: &caller.gateway };
    let new = gateways::insert(connection, of, caller.cadence.regular_s, caller.now).await?;
    if new {
        let entry = AuditEntry::new(caller.now, by, "gateway.register", caller.gateway.to_string());
        audit::append(connection, &caller.tenant, &entry).await?;
    }
    Ok(new)
}

/// Registers a gateway and, if it is new, requests its meters; whether it was this server that did. `random` is any
/// number, evenly spread: it gives the time of day of the next meter request.
pub(super) async fn register_with_meters(
    connection: &mut AnyConnection,
    caller: &Caller,
    (by, random): (&str, u32),
) -> Result<bool, StoreError> {
    let registered = register_by(connection, caller, by).await?;
    if registered {
        let due = MetersDue { key: caller.key(), at: None };
        request_meters(connection, &due, caller.now, random).await?;
    }
    Ok(registered)
}
