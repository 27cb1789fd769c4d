//! What an actor can read: the queries of one tenant, and no change.

use comm_server_core::calls::CallPriority;
use comm_server_core::roles::Permission;
use jiff::Timestamp;
use wire::ids::RolloutId;

use super::{Actor, Forbidden};
use crate::store::{
    AuditEntry, Call, CallFilter, Command, CounterPoint, Device, DeviceDetail, DeviceFilter, FleetDevice,
    FleetFilter, FleetNumbers, Gateway, LaneState, LatestCounter, Page, Quarantined, Rollout, RolloutDevice,
    Sighting, Store, StoreError, SupplyCall,
};

/// Gives views to actors with the permission; cheap to clone.
#[derive(Debug, Clone)]
pub struct Views {
    store: Store,
}

impl Views {
    /// Views of a store.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self { store }
    }

    /// A view of the actor's tenant, as it is now.
    ///
    /// # Errors
    /// The role lacks the permission.
    pub fn now(&self, actor: &Actor, permission: Permission) -> Result<View, Forbidden> {
        actor.check(permission)?;
        Ok(View { store: self.store.clone(), tenant: actor.tenant.clone() })
    }

    /// A view of the actor's tenant that is some seconds old where there is a replica.
    ///
    /// # Errors
    /// The role lacks the permission.
    pub fn stale(&self, actor: &Actor, permission: Permission) -> Result<View, Forbidden> {
        actor.check(permission)?;
        Ok(View { store: self.store.stale_reads(), tenant: actor.tenant.clone() })
    }
}

/// The queries of one tenant.
#[derive(Debug, Clone)]
pub struct View {
    store: Store,
    tenant: String,
}

type Read<T> = Result<T, StoreError>;

impl View {
    /// A page of gateways.
    ///
    /// # Errors
    /// The query failed.
    pub async fn gateways(&self, cursor: Option<&str>) -> Read<Page<Gateway>> {
        self.store.gateways(&self.tenant, cursor).await
    }

    /// Gateways whose name, customer or site contains `text`.
    pub(crate) async fn find_gateways(&self, text: &str, cursor: Option<&str>) -> Read<Page<Gateway>> {
        self.store.find_gateways(&self.tenant, text, cursor).await
    }

    pub(crate) async fn gateway(&self, name: &str) -> Read<Option<Gateway>> {
        self.store.gateway(&self.tenant, name).await
    }

    /// Lanes of the gateways from `first` to `last`.
    pub(crate) async fn lanes(&self, first: &str, last: &str) -> Read<Vec<LaneState>> {
        self.store.lanes(&self.tenant, first, last).await
    }

    pub(crate) async fn devices(&self, filter: &DeviceFilter, cursor: Option<&str>) -> Read<Page<Device>> {
        self.store.devices(&self.tenant, filter, cursor).await
    }

    pub(crate) async fn device(&self, gateway: &str, device: &str) -> Read<Option<DeviceDetail>> {
        self.store.device(&self.tenant, gateway, device).await
    }

    /// Vendor and model of every model in the fleet.
    pub(crate) async fn models(&self) -> Read<Vec<(String, String)>> {
        self.store.models(&self.tenant).await
    }

    pub(crate) async fn latest_counters(&self, gateway: &str, device: &str) -> Read<Vec<LatestCounter>> {
        self.store.latest_counters(&self.tenant, gateway, device).await
    }

    pub(crate) async fn counter_series(
        &self,
        gateway: &str,
        device: &str,
        counter: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Read<Vec<CounterPoint>> {
        self.store.counter_series(&self.tenant, gateway, device, counter, from, to).await
    }

    /// Other gateways that see the device.
    pub(crate) async fn other_sightings(&self, gateway: &str, device: &str) -> Read<Vec<Sighting>> {
        self.store.other_sightings(&self.tenant, gateway, device).await
    }

    pub(crate) async fn calls(&self, filter: &CallFilter, cursor: Option<&str>) -> Read<Page<Call>> {
        self.store.calls(&self.tenant, filter, cursor).await
    }

    pub(crate) async fn top_call(&self, gateway: &str, device: &str) -> Read<Option<CallPriority>> {
        self.store.top_call(&self.tenant, gateway, device).await
    }

    /// Open supply calls of the devices from `first` to `last`, each a gateway and a device.
    pub(crate) async fn supply_calls(
        &self,
        first: (&str, &str),
        last: (&str, &str),
    ) -> Read<Vec<SupplyCall>> {
        self.store.supply_calls(&self.tenant, first, last).await
    }

    pub(crate) async fn commands(&self, gateway: Option<&str>, cursor: Option<&str>) -> Read<Page<Command>> {
        self.store.commands(&self.tenant, gateway, cursor).await
    }

    pub(crate) async fn fleet_numbers(&self, now: Timestamp) -> Read<FleetNumbers> {
        self.store.fleet_numbers(&self.tenant, now).await
    }

    pub(crate) async fn fleet(
        &self,
        text: &str,
        filter: FleetFilter,
        cursor: Option<&str>,
        now: Timestamp,
    ) -> Read<Page<FleetDevice>> {
        self.store.fleet(&self.tenant, text, filter, cursor, now).await
    }

    /// Roll-outs, newest first.
    ///
    /// # Errors
    /// The query failed.
    pub async fn rollouts(&self, cursor: Option<&str>) -> Read<Page<Rollout>> {
        self.store.rollouts(&self.tenant, cursor).await
    }

    /// One roll-out.
    ///
    /// # Errors
    /// The query failed.
    pub async fn rollout(&self, id: RolloutId) -> Read<Option<Rollout>> {
        self.store.rollout(&self.tenant, id).await
    }

    /// Devices of a roll-out.
    ///
    /// # Errors
    /// The query failed.
    pub async fn rollout_devices(&self, id: RolloutId, cursor: Option<&str>) -> Read<Page<RolloutDevice>> {
        self.store.rollout_devices(&self.tenant, id, cursor).await
    }

    /// Quarantined reports, by gateway.
    ///
    /// # Errors
    /// The query failed.
    pub async fn quarantine(&self, cursor: Option<&str>) -> Read<Page<Quarantined>> {
        self.store.quarantine(&self.tenant, cursor).await
    }

    pub(crate) async fn audit(&self, cursor: Option<&str>) -> Read<Page<AuditEntry>> {
        self.store.audit(&self.tenant, cursor).await
    }
}
