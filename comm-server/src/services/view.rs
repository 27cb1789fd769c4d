//! Read access of an actor: the queries of one tenant, without changes.

use comm_server_core::assets::History;
use comm_server_core::calls::CallPriority;
use comm_server_core::roles::Permission;
use comm_server_core::rollouts::DeviceStep;
use comm_server_core::settings::{Level, Setting};
use comm_server_core::tenancy::{AssetId, CustomerId, SiteId};
use comm_server_core::tree::Node;
use jiff::Timestamp;
use wire::ids::{DeviceId, GatewayId, RolloutId};
use wire::reading::Counter;

use super::{Actor, Forbidden};
use crate::store::{
    Asset, AssetDetail, AssetFilter, AuditFilter, Call, CallFilter, Command, CounterSeries, Customer,
    CustomerFilter, Device, DeviceDetail, DeviceFilter, FleetDevice, FleetFilter, FleetNumbers, Gateway,
    GatewayFilter, LaneState, LatestCounter, LeftOutDevice, Page, PageRows, Quarantined, Recorded, Rollout,
    RolloutDevice, Scoped, SeriesQuery, Sighting, Site, SiteFilter, Store, StoreError, SupplyCall,
    UnassignedDevice, UnreadDevice,
};

/// Gives views to actors with the permission; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Views {
    store: Store,
}

impl Views {
    /// Views of a store.
    #[must_use]
    pub(crate) const fn new(store: Store) -> Self {
        Self { store }
    }

    /// A view of the actor's scope with current data.
    ///
    /// # Errors
    /// The role lacks the permission.
    pub(crate) fn now(&self, actor: &Actor, permission: Permission) -> Result<View, Forbidden> {
        actor.check(permission)?;
        Ok(View { store: self.store.of(&actor.scope) })
    }

    /// A view of the actor's scope whose data may be some seconds old if there is a replica.
    ///
    /// # Errors
    /// The role lacks the permission.
    pub(crate) fn stale(&self, actor: &Actor, permission: Permission) -> Result<View, Forbidden> {
        actor.check(permission)?;
        Ok(View { store: self.store.stale_reads().of(&actor.scope) })
    }
}

/// The queries within a scope.
#[derive(Debug, Clone)]
pub(crate) struct View {
    store: Scoped,
}

type Read<T> = Result<T, StoreError>;

impl View {
    /// The same, its lists in pages of this many rows.
    #[must_use]
    pub(crate) fn with_rows(self, rows: PageRows) -> Self {
        Self { store: self.store.with_rows(rows) }
    }

    /// A page of gateways.
    ///
    /// # Errors
    /// The query failed.
    pub(crate) async fn gateways(&self, cursor: Option<&str>) -> Read<Page<Gateway>> {
        self.store.gateways(cursor).await
    }

    pub(crate) async fn find_gateways(
        &self,
        filter: &GatewayFilter,
        cursor: Option<&str>,
    ) -> Read<Page<Gateway>> {
        self.store.find_gateways(filter, cursor).await
    }

    /// Assets by name.
    ///
    /// # Errors
    /// The query failed.
    pub(crate) async fn assets(&self, filter: &AssetFilter, cursor: Option<&str>) -> Read<Page<Asset>> {
        self.store.assets(filter, cursor).await
    }

    /// One asset with its placements and swaps.
    ///
    /// # Errors
    /// The query failed.
    pub(crate) async fn asset(&self, id: AssetId) -> Read<Option<AssetDetail>> {
        self.store.asset(id).await
    }

    /// The epochs of a counter of an asset.
    ///
    /// # Errors
    /// The query failed.
    pub(crate) async fn asset_history(&self, id: AssetId, counter: Counter) -> Read<Option<History>> {
        self.store.asset_history(id, counter).await
    }

    /// Devices that are not under any asset; with `text`, only those with it in id, model, serial number or address.
    ///
    /// # Errors
    /// The query failed.
    pub(crate) async fn unassigned_devices(
        &self,
        text: &str,
        cursor: Option<&str>,
    ) -> Read<Page<UnassignedDevice>> {
        self.store.unassigned_devices(text, cursor).await
    }

    /// Devices that were last read before the first of `times`. The second is the current time, which decides whether
    /// their gateways count as not polling.
    ///
    /// # Errors
    /// The query failed.
    pub(crate) async fn unread_devices(
        &self,
        times: (Timestamp, Timestamp),
        cursor: Option<&str>,
    ) -> Read<Page<UnreadDevice>> {
        self.store.unread_devices(times, cursor).await
    }

    /// Customers by name.
    ///
    /// # Errors
    /// The query failed.
    pub(crate) async fn customers(
        &self,
        filter: &CustomerFilter,
        cursor: Option<&str>,
    ) -> Read<Page<Customer>> {
        self.store.customers(filter, cursor).await
    }

    /// One customer.
    ///
    /// # Errors
    /// The query failed.
    pub(crate) async fn customer(&self, id: CustomerId) -> Read<Option<Customer>> {
        self.store.customer(id).await
    }

    /// Sites by name.
    ///
    /// # Errors
    /// The query failed.
    pub(crate) async fn sites(&self, filter: &SiteFilter, cursor: Option<&str>) -> Read<Page<Site>> {
        self.store.sites(filter, cursor).await
    }

    /// One site.
    ///
    /// # Errors
    /// The query failed.
    pub(crate) async fn site(&self, id: SiteId) -> Read<Option<Site>> {
        self.store.site(id).await
    }

    /// The time zone that is set for a site itself; "" if it inherits one.
    pub(crate) async fn own_time_zone(&self, site: SiteId) -> Read<String> {
        let own = self.store.own_values(&Node::Site(site)).await?.unwrap_or_default();
        let zone = own.into_iter().find(|v| v.level == Level::Site && v.setting == Setting::TimeZone);
        Ok(zone.map(|zone| zone.value).unwrap_or_default())
    }

    /// Gateways of a site, at most 1,000.
    pub(crate) async fn gateways_of(&self, site: SiteId) -> Read<Vec<GatewayId>> {
        self.store.gateways_of(site).await
    }

    pub(crate) async fn gateway(&self, name: &GatewayId) -> Read<Option<Gateway>> {
        self.store.gateway(name).await
    }

    /// Lanes of the gateways from `first` to `last`.
    pub(crate) async fn lanes(&self, first: &GatewayId, last: &GatewayId) -> Read<Vec<LaneState>> {
        self.store.lanes(first, last).await
    }

    pub(crate) async fn devices(&self, filter: &DeviceFilter, cursor: Option<&str>) -> Read<Page<Device>> {
        self.store.devices(filter, cursor).await
    }

    pub(crate) async fn device(&self, gateway: &GatewayId, device: &DeviceId) -> Read<Option<DeviceDetail>> {
        self.store.device(gateway, device).await
    }

    /// Vendor and model of every model in the fleet.
    pub(crate) async fn models(&self) -> Read<Vec<(String, String)>> {
        self.store.models().await
    }

    pub(crate) async fn latest_counters(
        &self,
        gateway: &GatewayId,
        device: &DeviceId,
    ) -> Read<Vec<LatestCounter>> {
        self.store.latest_counters(gateway, device).await
    }

    pub(crate) async fn counter_series(&self, query: SeriesQuery<'_>) -> Read<CounterSeries> {
        self.store.counter_series(query).await
    }

    /// Other gateways that see the device.
    pub(crate) async fn other_sightings(
        &self,
        gateway: &GatewayId,
        device: &DeviceId,
    ) -> Read<Vec<Sighting>> {
        self.store.other_sightings(gateway, device).await
    }

    pub(crate) async fn calls(&self, filter: &CallFilter, cursor: Option<&str>) -> Read<Page<Call>> {
        self.store.calls(filter, cursor).await
    }

    pub(crate) async fn top_call(
        &self,
        gateway: &GatewayId,
        device: &DeviceId,
    ) -> Read<Option<CallPriority>> {
        self.store.top_call(gateway, device).await
    }

    /// Open supply calls of the devices from `first` to `last`, each a gateway and a device.
    pub(crate) async fn supply_calls(
        &self,
        first: (&GatewayId, &DeviceId),
        last: (&GatewayId, &DeviceId),
    ) -> Read<Vec<SupplyCall>> {
        self.store.supply_calls(first, last).await
    }

    pub(crate) async fn commands(
        &self,
        gateway: Option<&GatewayId>,
        cursor: Option<&str>,
    ) -> Read<Page<Command>> {
        self.store.commands(gateway, cursor).await
    }

    pub(crate) async fn fleet_numbers(&self, now: Timestamp) -> Read<FleetNumbers> {
        self.store.fleet_numbers(now).await
    }

    pub(crate) async fn fleet(
        &self,
        text: &str,
        filter: FleetFilter,
        cursor: Option<&str>,
        now: Timestamp,
    ) -> Read<Page<FleetDevice>> {
        self.store.fleet(text, filter, cursor, now).await
    }

    /// Roll-outs, newest first.
    ///
    /// # Errors
    /// The query failed.
    pub(crate) async fn rollouts(&self, cursor: Option<&str>) -> Read<Page<Rollout>> {
        self.store.rollouts(cursor).await
    }

    /// One roll-out.
    ///
    /// # Errors
    /// The query failed.
    pub(crate) async fn rollout(&self, id: RolloutId) -> Read<Option<Rollout>> {
        self.store.rollout(id).await
    }

    /// Devices of a roll-out, those of one step only where `step` is given.
    ///
    /// # Errors
    /// The query failed.
    pub(crate) async fn rollout_devices(
        &self,
        id: RolloutId,
        step: Option<DeviceStep>,
        cursor: Option<&str>,
    ) -> Read<Page<RolloutDevice>> {
        self.store.rollout_devices(id, step, cursor).await
    }

    /// Failed devices of the retried roll-out that the retry `id` does not order again.
    ///
    /// # Errors
    /// The query failed.
    pub(crate) async fn left_out_devices(
        &self,
        id: RolloutId,
        cursor: Option<&str>,
    ) -> Read<Page<LeftOutDevice>> {
        self.store.left_out_devices(id, cursor).await
    }

    /// Quarantined reports, by gateway.
    ///
    /// # Errors
    /// The query failed.
    pub(crate) async fn quarantine(&self, cursor: Option<&str>) -> Read<Page<Quarantined>> {
        self.store.quarantine(cursor).await
    }

    /// Entries of the audit, newest first.
    ///
    /// # Errors
    /// The query failed.
    pub(crate) async fn audit(&self, filter: &AuditFilter, cursor: Option<&str>) -> Read<Page<Recorded>> {
        self.store.find_audit(filter, cursor).await
    }
}
