//! The tenant of a gateway, found by the id in its certificate: the one that it was registered in.
//!
//! A gateway that is unknown belongs to the only dealer of the server. Where there are several, nothing says which one it
//! belongs to: it must be registered or enrolled for a dealer first.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use comm_server_core::tenancy::TenantId;
use wire::ids::GatewayId;

use crate::store::{Store, StoreError};

/// Gateways whose tenant is kept in memory; that of others is read each time.
const KEPT: usize = 200_000;

/// Finds tenants of gateways; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct GatewayTenants {
    store: Store,
    /// A registered gateway never moves to another tenant.
    known: Arc<RwLock<HashMap<GatewayId, TenantId>>>,
}

impl GatewayTenants {
    pub(super) fn new(store: Store) -> Self {
        Self { store, known: Arc::default() }
    }

    /// The tenant that a gateway is registered in.
    pub(super) async fn registered(&self, gateway: &GatewayId) -> Result<Option<TenantId>, StoreError> {
        if let Some(tenant) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(gateway) {
            return Ok(Some(tenant.clone()));
        }
        let found = self.store.tenant_of(gateway).await?;
        if let Some(tenant) = &found {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            if known.len() < KEPT {
                known.insert(gateway.clone(), tenant.clone());
            }
        }
        Ok(found)
    }

    /// The tenant of a gateway; `None` for an unknown one where there are several dealers.
    pub(super) async fn find(&self, gateway: &GatewayId) -> Result<Option<TenantId>, StoreError> {
        match self.registered(gateway).await? {
            Some(tenant) => Ok(Some(tenant)),
            None => self.store.only_dealer().await,
        }
    }
}
