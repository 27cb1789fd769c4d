//! Assets, and the devices under them.

use comm_server_core::assets::{AssetSpec, reason};
use comm_server_core::roles::Permission;
use comm_server_core::tenancy::AssetId;
use jiff::Timestamp;

use super::Actor;
use super::customers::{CustomersError, author};
use crate::store::{DevicePlace, NewSwap, Store};

/// Changes assets; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Assets {
    store: Store,
}

impl Assets {
    /// The service on a store.
    #[must_use]
    pub(crate) const fn new(store: Store) -> Self {
        Self { store }
    }

    /// Creates an asset, optionally with a device under it.
    ///
    /// # Errors
    /// See [`CustomersError`].
    pub(crate) async fn create(
        &self,
        actor: &Actor,
        spec: &AssetSpec,
        device: Option<DevicePlace>,
    ) -> Result<AssetId, CustomersError> {
        actor.check(Permission::ManageCustomers)?;
        let own = self.store.of(&actor.scope);
        Ok(own.create_asset(spec.checked()?, device, author(actor)).await?)
    }

    /// Changes an asset; `version` is the one on which the change is based, `None` for any.
    ///
    /// # Errors
    /// See [`CustomersError`].
    pub(crate) async fn change(
        &self,
        actor: &Actor,
        id: AssetId,
        version: Option<i64>,
        spec: &AssetSpec,
    ) -> Result<(), CustomersError> {
        actor.check(Permission::ManageCustomers)?;
        let own = self.store.of(&actor.scope);
        Ok(own.change_asset(id, version, spec.checked()?, author(actor)).await?)
    }

    /// Places a device under an asset that has none; `version` as in [`Assets::change`].
    ///
    /// # Errors
    /// See [`CustomersError`].
    pub(crate) async fn assign(
        &self,
        actor: &Actor,
        id: AssetId,
        version: Option<i64>,
        device: DevicePlace,
    ) -> Result<(), CustomersError> {
        actor.check(Permission::ManageCustomers)?;
        Ok(self.store.of(&actor.scope).place_device(id, version, device, author(actor)).await?)
    }

    /// Replaces the device under an asset, and records the readings of both; `version` as in [`Assets::change`].
    ///
    /// # Errors
    /// See [`CustomersError`].
    pub(crate) async fn swap(
        &self,
        actor: &Actor,
        id: AssetId,
        version: Option<i64>,
        swap: NewSwap,
    ) -> Result<(), CustomersError> {
        actor.check(Permission::ManageCustomers)?;
        let swap = NewSwap { reason: reason(&swap.reason)?, ..swap };
        Ok(self.store.of(&actor.scope).swap_device(id, version, swap, author(actor)).await?)
    }

    /// Ends the placement of the device under an asset, now or in the past; `version` as in [`Assets::change`].
    ///
    /// # Errors
    /// See [`CustomersError`].
    pub(crate) async fn remove(
        &self,
        actor: &Actor,
        id: AssetId,
        version: Option<i64>,
        at: Option<Timestamp>,
    ) -> Result<(), CustomersError> {
        actor.check(Permission::ManageCustomers)?;
        Ok(self.store.of(&actor.scope).remove_device(id, version, at, author(actor)).await?)
    }

    /// Retires an asset: the placement of its device ends, and no device can be placed under it again; `version` as
    /// in [`Assets::change`].
    ///
    /// # Errors
    /// See [`CustomersError`].
    pub(crate) async fn retire(
        &self,
        actor: &Actor,
        id: AssetId,
        version: Option<i64>,
    ) -> Result<(), CustomersError> {
        actor.check(Permission::ManageCustomers)?;
        Ok(self.store.of(&actor.scope).retire_asset(id, version, author(actor)).await?)
    }
}
