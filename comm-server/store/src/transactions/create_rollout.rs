//! Creates a roll-out. It is planned before the transaction, and again within it for the same devices, so that the
//! transaction reads only these.

use std::collections::BTreeSet;

use comm_server_core::rollouts::{
    Fleet, Plan, PlanError, RolloutSpec, RolloutState, Share, is_of_model, plan,
};
use comm_server_core::tenancy::{Scope, TenantId};
use jiff::Timestamp;
use serde_json::json;
use sqlx::AnyConnection;
use uuid::Uuid;
use wire::command::{FirmwareUpdate, Order};
use wire::ids::{DeviceId, GatewayId, RolloutId};

use super::advance_rollout::derive;
use super::queue_command::queue_command;
use crate::db::StoreError;
use crate::tables::rollouts::{Locked, NewRow};
use crate::tables::{GatewayRef, audit, devices, rollout_devices, rollouts, tenants};
use crate::{AuditEntry, Scoped};

/// Maximum number of models of a tenant that a plan reads.
const MODELS: i64 = 10_000;

/// A roll-out to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRollout {
    /// Devices, version and start.
    pub spec: RolloutSpec,
    /// Name of the published image.
    pub target: String,
    /// The roll-out whose failed devices are ordered again.
    pub retry_of: Option<RolloutId>,
    /// Name of the operator, or `cli`.
    pub created_by: String,
}

/// Why a roll-out isn't created or cancelled.
#[derive(Debug, thiserror::Error)]
pub enum RolloutError {
    /// It can't be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// There is no such roll-out.
    #[error("there is no roll-out {rollout}")]
    NotFound {
        /// The roll-out.
        rollout: RolloutId,
    },
    /// It has devices outside of the caller's scope.
    #[error(
        "roll-out {rollout} has devices outside of the part of the tree that you can access: only a user with \
         access to all of them can cancel it"
    )]
    Outside {
        /// The roll-out.
        rollout: RolloutId,
    },
    /// It has already ended.
    #[error("roll-out {rollout} is {state} already")]
    Ended {
        /// The roll-out.
        rollout: RolloutId,
        /// Its final state.
        state: RolloutState,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Scoped {
    /// Creates a roll-out: one command for each gateway with devices of the model that don't show the version.
    ///
    /// # Errors
    /// The plan is rejected, or the database failed.
    pub async fn create_rollout(&self, new: NewRollout, now: Timestamp) -> Result<RolloutId, RolloutError> {
        let planned = self.plan_rollout(&new.spec, now).await?;
        let tenant = self.tenant().clone();
        let made = self.writer().write(move |connection| {
            Box::pin(async move { create(connection, &tenant, &new, &planned, now).await })
        });
        Ok(made.await??)
    }

    /// Whether [`Scoped::create_rollout`] would succeed now; changes nothing.
    ///
    /// # Errors
    /// The plan is rejected, or the database failed.
    pub async fn check_rollout(&self, spec: &RolloutSpec, now: Timestamp) -> Result<(), RolloutError> {
        self.plan_rollout(spec, now).await.map(drop)
    }

    async fn plan_rollout(&self, spec: &RolloutSpec, now: Timestamp) -> Result<Plan, RolloutError> {
        let fleet = fleet(&mut *self.reader().await?, self.scope(), spec).await?;
        Ok(plan(spec, &fleet, now)?)
    }

    /// Devices that failed in a roll-out, by gateway and id.
    pub async fn failed_devices(
        &self,
        rollout: RolloutId,
    ) -> Result<BTreeSet<(GatewayId, DeviceId)>, StoreError> {
        rollout_devices::failed_devices(&mut *self.reader().await?, self.tenant(), rollout).await
    }
}

/// Inserts the roll-out, its devices and its commands, unless the plan is rejected.
async fn create(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    new: &NewRollout,
    planned: &Plan,
    now: Timestamp,
) -> Result<Result<RolloutId, PlanError>, StoreError> {
    tenants::lock(connection, tenant).await?;
    let plan = match plan(&new.spec, &planned_fleet(connection, tenant, planned).await?, now) {
        Ok(plan) => plan,
        Err(refused) => return Ok(Err(refused)),
    };
    let id = RolloutId(Uuid::now_v7());
    let row = NewRow {
        id,
        vendor: &new.spec.vendor,
        model: &new.spec.model,
        version: &new.spec.version,
        target: &new.target,
        not_before: plan.not_before,
        created_by: &new.created_by,
        now,
        retry_of: new.retry_of,
    };
    rollouts::insert(connection, tenant, row).await?;
    let mut devices = 0;
    for share in &plan.shares {
        let of = GatewayRef { tenant, gateway: &share.gateway };
        devices += share.devices.len();
        add_share(connection, of, id, share, now).await?;
        let order = Order::FirmwareUpdate(FirmwareUpdate {
            rollout: id,
            target: new.target.clone(),
            version: new.spec.version.clone(),
            devices: share.devices.iter().map(|device| device.device.clone()).collect(),
            not_before: plan.not_before,
        });
        queue_command(connection, of, &order, &new.created_by, now).await?;
    }
    let made = Locked {
        version: new.spec.version.clone(),
        not_before: plan.not_before,
        state: RolloutState::Scheduled,
    };
    let state = derive(connection, tenant, id, &made, now).await?;
    let detail = format!("{id}: {}, {devices} devices, not before {}", new.target, plan.not_before);
    let (what, detail) = match new.retry_of {
        Some(retried) => ("rollout.retry", format!("{detail}, failed in {retried}")),
        None => ("rollout.create", detail),
    };
    let created = json!({
        "state": state.name(), "target": new.target, "devices": devices, "not_before": plan.not_before,
        "retry_of": new.retry_of,
    });
    let entry = AuditEntry::new(now, &new.created_by, what, detail).changing(None, Some(created));
    audit::append(connection, tenant, &entry).await?;
    Ok(Ok(id))
}

/// The data that a plan depends on: all models, and the devices of the ordered model in every spelling.
async fn fleet(
    connection: &mut AnyConnection,
    scope: &Scope,
    spec: &RolloutSpec,
) -> Result<Fleet, StoreError> {
    let models = devices::models(connection, scope, MODELS).await?;
    let mut candidates = Vec::new();
    for model in models.iter().filter(|(vendor, model)| is_of_model(spec, vendor, model)) {
        candidates.extend(devices::of_model(connection, scope, model).await?);
    }
    Ok(Fleet { candidates, models, open: rollout_devices::open(connection, scope.tenant()).await? })
}

/// The data that an existing plan depends on: its own devices only.
async fn planned_fleet(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    planned: &Plan,
) -> Result<Fleet, StoreError> {
    let devices = planned.shares.iter().flat_map(|share| &share.devices);
    let keys: Vec<(&GatewayId, &DeviceId)> =
        devices.map(|device| (&device.gateway, &device.device)).collect();
    let candidates = devices::candidates(connection, tenant, &keys).await?;
    Ok(Fleet { candidates, models: Vec::new(), open: rollout_devices::open(connection, tenant).await? })
}

async fn add_share(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    rollout: RolloutId,
    share: &Share,
    now: Timestamp,
) -> Result<(), StoreError> {
    let staging = [(None, "")];
    let devices = share.devices.iter().map(|d| (Some(&d.device), d.version.as_str()));
    for device in staging.into_iter().chain(devices) {
        rollout_devices::insert(connection, of, rollout, device, now).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use comm_server_core::rollouts::Start;

    use super::*;
    use crate::Store;
    use crate::testing::Database;
    use crate::testing::scope;

    const FLEET: &str = "
        WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 499)
        INSERT INTO devices (tenant, gateway, device, vendor, model, firmware, first_seen_ms)
         SELECT 'default', 'gw-1', 'ricoh:M' || i, 'ricoh', 'MP 5055', '1.0', 1 FROM n;
        INSERT INTO devices (tenant, gateway, device, vendor, model, firmware, first_seen_ms) VALUES
         ('default', 'gw-1', 'ricoh:C1', 'ricoh', 'IM C3000', '1.0', 1),
         ('default', 'gw-2', 'ricoh:C2', 'ricoh', 'RICOH IM C3000', '1.0', 1),
         ('default', 'gw-2', 'ricoh:C3', 'ricoh', 'IM C3000', '2.0', 1)";

    fn spec() -> RolloutSpec {
        RolloutSpec {
            vendor: "ricoh".to_owned(),
            model: "IM C3000".to_owned(),
            version: "2.0".to_owned(),
            start: Start::Now,
            allow_downgrade: false,
            only: None,
        }
    }

    #[tokio::test]
    async fn a_plan_reads_the_devices_of_its_model_and_its_transaction_those_of_the_plan() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("platen.db").display());
        let store = Store::open_detached(&url).await.unwrap().of(&scope());
        Database::connect(&url).await.unwrap().execute(FLEET).await.unwrap();
        let spec = spec();
        let mut reader = store.reader().await.unwrap();
        let fleet = fleet(&mut reader, store.scope(), &spec).await.unwrap();
        assert_eq!((fleet.candidates.len(), fleet.models.len()), (3, 3), "of 503 devices");
        let planned = plan(&spec, &fleet, Timestamp::UNIX_EPOCH).unwrap();
        let again = planned_fleet(&mut reader, store.tenant(), &planned).await.unwrap();
        let mut devices: Vec<&str> = again.candidates.iter().map(|device| device.device.as_str()).collect();
        devices.sort_unstable();
        assert_eq!(devices, ["ricoh:C1", "ricoh:C2"]);
        assert_eq!(plan(&spec, &again, Timestamp::UNIX_EPOCH), Ok(planned));
    }

    #[tokio::test]
    async fn a_device_that_was_updated_since_the_plan_is_not_ordered() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("platen.db").display());
        let store = Store::open_detached(&url).await.unwrap().of(&scope());
        let database = Database::connect(&url).await.unwrap();
        database.execute(FLEET).await.unwrap();
        let spec = spec();
        let planned = store.plan_rollout(&spec, Timestamp::UNIX_EPOCH).await.unwrap();
        database.execute("UPDATE devices SET firmware = '2.0' WHERE device = 'ricoh:C1'").await.unwrap();
        let mut reader = store.reader().await.unwrap();
        let again = planned_fleet(&mut reader, store.tenant(), &planned).await.unwrap();
        let again = plan(&spec, &again, Timestamp::UNIX_EPOCH).unwrap();
        let devices: Vec<&str> =
            again.shares.iter().flat_map(|share| &share.devices).map(|d| d.device.as_str()).collect();
        assert_eq!(devices, ["ricoh:C2"]);
    }

    #[tokio::test]
    async fn an_unknown_value_in_a_row_names_table_column_and_key() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("platen.db").display());
        let store = Store::open_detached(&url).await.unwrap().of(&scope());
        let id = "01980000-0000-7000-8000-000000000001";
        let row = "INSERT INTO commands (tenant, gateway, command, kind, body, created_by, created_ms, expires_ms, state) \
                   VALUES ('default', 'gw-1', '01980000-0000-7000-8000-000000000001', 'discovery', '{}', 'a', 1, 2, 'lost')";
        Database::connect(&url).await.unwrap().execute(row).await.unwrap();
        let error = store.commands(None, None).await.unwrap_err();
        assert_eq!(error.to_string(), format!("unknown value \"lost\" in commands.state of {id}"));
    }
}
