//! Assets and the devices under them: created, changed, placed, swapped, removed and retired.
//!
//! The tenant is locked during such a change, so that no device is placed under two assets.

use comm_server_core::assets::{AssetSpec, Placement, PlacementError, begin_time, free_since};
use comm_server_core::fields::InvalidField;
use comm_server_core::tenancy::{AssetId, Scope, TenantId};
use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::AnyConnection;
use uuid::Uuid;
use wire::ids::DeviceId;

use super::complete_swaps::name_readings;
use super::customers::{Author, ChangeError, Outcome, check_version, record};
use crate::Scoped;
use crate::tables::assets::AssetRow;
use crate::tables::swap_readings::Side;
use crate::tables::swaps::SwapRow;
use crate::tables::{assets, counters, devices, placements, sites, swaps, tenants};

/// A device to place under an asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevicePlace {
    /// The device.
    pub device: DeviceId,
    /// Begin of the placement; `None` for the device's newest reading.
    pub at: Option<Timestamp>,
}

/// A device that replaces the one under an asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSwap {
    /// The new device.
    pub device: DeviceId,
    /// Time of the swap; `None` for the new device's first reading after the last one of the old device.
    pub at: Option<Timestamp>,
    /// Reason, for people.
    pub reason: String,
}

/// Changes `asset` with the block's last expression, in one transaction; see [`found`].
macro_rules! changing {
    ($self:ident, $id:ident, $version:ident, |$c:ident, $scope:ident, $asset:ident| $work:expr) => {{
        let $scope = $self.scope().clone();
        let work = $self.writer().write(move |$c| {
            Box::pin(async move {
                match found($c, &$scope, $id, $version).await? {
                    Ok($asset) => $work.await,
                    Err(refused) => Ok(Err(refused)),
                }
            })
        });
        work.await?
    }};
}

impl Scoped {
    /// Creates an asset with validated fields, optionally with a device under it.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn create_asset(
        &self,
        spec: AssetSpec,
        device: Option<DevicePlace>,
        author: Author,
    ) -> Result<AssetId, ChangeError> {
        let scope = self.scope().clone();
        let work = self.writer().write(move |c| {
            Box::pin(async move {
                tenants::lock(c, scope.tenant()).await?;
                create(c, &scope, &spec, device.as_ref(), &author).await
            })
        });
        work.await?
    }

    /// Changes an asset; `version` is the one on which the change is based, `None` for any.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn change_asset(
        &self,
        id: AssetId,
        version: Option<i64>,
        spec: AssetSpec,
        author: Author,
    ) -> Result<(), ChangeError> {
        changing!(self, id, version, |c, scope, asset| change(c, &scope, asset, &spec, &author))
    }

    /// Places a device under an asset that has none.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn place_device(
        &self,
        id: AssetId,
        version: Option<i64>,
        device: DevicePlace,
        author: Author,
    ) -> Result<(), ChangeError> {
        changing!(self, id, version, |c, scope, asset| place(c, &scope, &asset, &device, &author))
    }

    /// Replaces the device under an asset, and records the readings of both.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn swap_device(
        &self,
        id: AssetId,
        version: Option<i64>,
        swap: NewSwap,
        author: Author,
    ) -> Result<(), ChangeError> {
        changing!(self, id, version, |c, scope, asset| swap_device(c, &scope, &asset, &swap, &author))
    }

    /// Ends the placement of the device under an asset; `at` is `None` for now.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn remove_device(
        &self,
        id: AssetId,
        version: Option<i64>,
        at: Option<Timestamp>,
        author: Author,
    ) -> Result<(), ChangeError> {
        changing!(self, id, version, |c, scope, asset| remove(c, scope.tenant(), &asset, at, &author))
    }

    /// Retires an asset: the placement of its device ends, and no device can be placed under it again.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn retire_asset(
        &self,
        id: AssetId,
        version: Option<i64>,
        author: Author,
    ) -> Result<(), ChangeError> {
        changing!(self, id, version, |c, scope, asset| retire(c, scope.tenant(), asset, &author))
    }
}

/// An asset with this version within a scope. The tenant must be locked.
async fn found(
    connection: &mut AnyConnection,
    scope: &Scope,
    id: AssetId,
    version: Option<i64>,
) -> Outcome<AssetRow> {
    tenants::lock(connection, scope.tenant()).await?;
    Ok(match assets::read(connection, scope, id).await? {
        None => Err(ChangeError::NotFound { what: "asset" }),
        Some(found) => check_version(version, found.version).map(|()| found),
    })
}

/// Rejects a key that another asset has, and a site outside of the scope.
pub(super) async fn check(
    connection: &mut AnyConnection,
    scope: &Scope,
    own: Option<AssetId>,
    spec: &AssetSpec,
) -> Outcome<()> {
    match spec.site {
        Some(site) if sites::read(connection, scope, site).await?.is_none() => {
            return Ok(Err(ChangeError::NotFound { what: "site" }));
        }
        None if scope.granted().is_some() => {
            return Ok(Err(InvalidField::new("site", "", "a site that you reach").into()));
        }
        Some(_) | None => {}
    }
    let other = assets::with_key(connection, scope.tenant(), &spec.erp_key).await?;
    Ok(match other.filter(|other| Some(other.id) != own) {
        None => Ok(()),
        Some(other) => {
            // Its name is for those alone who reach it.
            let of = match assets::read(connection, scope, other.id).await? {
                Some(other) => format!("asset {}", other.spec.name),
                None => "another asset".to_owned(),
            };
            Err(ChangeError::Taken { field: "erp_key", value: spec.erp_key.clone(), of })
        }
    })
}

/// Creates an asset. The tenant must be locked.
pub(super) async fn create(
    connection: &mut AnyConnection,
    scope: &Scope,
    spec: &AssetSpec,
    device: Option<&DevicePlace>,
    author: &Author,
) -> Outcome<AssetId> {
    if let Err(refused) = check(connection, scope, None, spec).await? {
        return Ok(Err(refused));
    }
    let id = AssetId(Uuid::now_v7());
    let placement = match device {
        None => None,
        Some(device) => match planned(connection, scope, id, device, author.now).await? {
            Ok(placement) => Some(placement),
            Err(refused) => return Ok(Err(refused)),
        },
    };
    assets::insert(connection, scope.tenant(), id, spec, author.now).await?;
    if let Some(placement) = &placement {
        placements::insert(connection, scope.tenant(), placement).await?;
    }
    let values = (None, Some(document(spec, placement.as_ref())));
    record(connection, (scope.tenant(), author), "asset.create", (&spec.name, id.0), values).await?;
    Ok(Ok(id))
}

/// Changes an asset. Without a difference, the version stays.
pub(super) async fn change(
    connection: &mut AnyConnection,
    scope: &Scope,
    found: AssetRow,
    spec: &AssetSpec,
    author: &Author,
) -> Outcome<()> {
    if found.spec == *spec {
        return Ok(Ok(()));
    }
    if let Err(refused) = check(connection, scope, Some(found.id), spec).await? {
        return Ok(Err(refused));
    }
    let before = fields(&found.spec);
    let changed = AssetRow { spec: spec.clone(), ..found };
    assets::update(connection, scope.tenant(), &changed, author.now).await?;
    let values = (Some(before), Some(fields(spec)));
    record(connection, (scope.tenant(), author), "asset.change", (&spec.name, changed.id.0), values).await?;
    Ok(Ok(()))
}

/// A placement that begins now, if nothing prevents it.
pub(super) async fn planned(
    connection: &mut AnyConnection,
    scope: &Scope,
    asset: AssetId,
    wanted: &DevicePlace,
    now: Timestamp,
) -> Outcome<Placement> {
    let tenant = scope.tenant();
    if !devices::is_within(connection, scope, &wanted.device).await? {
        return Ok(Err(ChangeError::NotFound { what: "device" }));
    }
    let mut others = placements::of_asset(connection, tenant, asset).await?;
    others.extend(placements::of_device(connection, tenant, &wanted.device).await?);
    let at = match wanted.at {
        Some(at) => at,
        None => {
            let newest = devices::newest_reading(connection, tenant, &wanted.device).await?;
            begin_time(newest, free_since(&others), now)
        }
    };
    Ok(Placement::begin(asset, &wanted.device, &others, (at, now)).map_err(ChangeError::from))
}

/// Places a device. One that is already under the asset is not changed.
pub(super) async fn place(
    connection: &mut AnyConnection,
    scope: &Scope,
    asset: &AssetRow,
    wanted: &DevicePlace,
    author: &Author,
) -> Outcome<()> {
    if asset.retired_at.is_some() {
        return Ok(Err(PlacementError::Retired.into()));
    }
    let placement = match planned(connection, scope, asset.id, wanted, author.now).await? {
        Ok(placement) => placement,
        Err(refused) => return Ok(Err(refused)),
    };
    placements::insert(connection, scope.tenant(), &placement).await?;
    assets::update(connection, scope.tenant(), asset, author.now).await?;
    let name = format!("{} has {}", asset.spec.name, wanted.device);
    let values = (None, Some(stand(&placement)));
    record(connection, (scope.tenant(), author), "asset.place", (&name, asset.id.0), values).await?;
    Ok(Ok(()))
}

/// The open placement.
async fn open(connection: &mut AnyConnection, tenant: &TenantId, asset: AssetId) -> Outcome<Placement> {
    let all = placements::of_asset(connection, tenant, asset).await?;
    let open = all.into_iter().find(|placement| placement.to.is_none());
    Ok(open.ok_or_else(|| PlacementError::Empty.into()))
}

/// Ends a placement. One that would end where it began is deleted as a mistake.
async fn end(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    ended: &Placement,
) -> Result<(), crate::StoreError> {
    if ended.to == Some(ended.from) {
        placements::delete(connection, tenant, ended).await
    } else {
        placements::end(connection, tenant, ended).await
    }
}

async fn swap_device(
    connection: &mut AnyConnection,
    scope: &Scope,
    asset: &AssetRow,
    wanted: &NewSwap,
    author: &Author,
) -> Outcome<()> {
    let tenant = scope.tenant();
    let old = match open(connection, tenant, asset.id).await? {
        Ok(old) => old,
        Err(refused) => return Ok(Err(refused)),
    };
    if !devices::is_within(connection, scope, &wanted.device).await? {
        return Ok(Err(ChangeError::NotFound { what: "device" }));
    }
    let others = placements::of_device(connection, tenant, &wanted.device).await?;
    let at = match wanted.at {
        Some(at) => at,
        None => {
            let last = devices::newest_reading(connection, tenant, &old.device).await?;
            let last = last.unwrap_or(old.from);
            let first = counters::first_after(connection, tenant, &wanted.device, last).await?;
            begin_time(first, free_since(&others).max(old.from), author.now)
        }
    };
    let both = old.end(at, author.now).and_then(|ended| {
        let begun = Placement::begin(asset.id, &wanted.device, &others, (at, author.now))?;
        Ok((ended, begun))
    });
    let (ended, begun) = match both {
        Ok(both) => both,
        Err(refused) => return Ok(Err(refused.into())),
    };
    end(connection, tenant, &ended).await?;
    placements::insert(connection, tenant, &begun).await?;
    assets::update(connection, tenant, asset, author.now).await?;
    record_swap(connection, tenant, (&ended, &begun), &wanted.reason, author).await?;
    let name = format!("{}: {} for {}", asset.spec.name, begun.device, ended.device);
    let before = Some(stand(&Placement { to: None, ..ended }));
    let mut after = stand(&begun);
    after["reason"] = wanted.reason.clone().into();
    record(connection, (tenant, author), "asset.swap", (&name, asset.id.0), (before, Some(after))).await?;
    Ok(Ok(()))
}

async fn record_swap(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    (ended, begun): (&Placement, &Placement),
    reason: &str,
    author: &Author,
) -> Result<(), crate::StoreError> {
    let mut swap = SwapRow {
        tenant: tenant.clone(),
        id: Uuid::now_v7(),
        asset: begun.asset,
        at: begun.from,
        old: ended.device.clone(),
        new: begun.device.clone(),
        reason: reason.to_owned(),
        by: author.by.clone(),
        created_at: author.now,
        is_complete: false,
    };
    let span = (ended.from.as_millisecond(), begun.from.as_millisecond());
    name_readings(connection, &swap, Side::Old, span).await?;
    let span = (begun.from.as_millisecond(), i64::MAX);
    swap.is_complete = name_readings(connection, &swap, Side::New, span).await?;
    swaps::insert(connection, &swap).await
}

async fn remove(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    asset: &AssetRow,
    at: Option<Timestamp>,
    author: &Author,
) -> Outcome<()> {
    let open = match open(connection, tenant, asset.id).await? {
        Ok(open) => open,
        Err(refused) => return Ok(Err(refused)),
    };
    let ended = match open.end(at.unwrap_or(author.now), author.now) {
        Ok(ended) => ended,
        Err(refused) => return Ok(Err(refused.into())),
    };
    end(connection, tenant, &ended).await?;
    assets::update(connection, tenant, asset, author.now).await?;
    let name = format!("{} loses {}", asset.spec.name, ended.device);
    let values = (Some(stand(&open)), Some(stand(&ended)));
    record(connection, (tenant, author), "asset.remove", (&name, asset.id.0), values).await?;
    Ok(Ok(()))
}

async fn retire(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    asset: AssetRow,
    author: &Author,
) -> Outcome<()> {
    if asset.retired_at.is_some() {
        return Ok(Ok(()));
    }
    let open = open(connection, tenant, asset.id).await?.ok();
    if let Some(open) = &open {
        let ended = Placement { to: Some(author.now.max(open.from)), ..open.clone() };
        end(connection, tenant, &ended).await?;
    }
    let before = document(&asset.spec, open.as_ref());
    let retired = AssetRow { retired_at: Some(author.now), ..asset };
    assets::update(connection, tenant, &retired, author.now).await?;
    let mut after = fields(&retired.spec);
    after["retired_at"] = author.now.to_string().into();
    let values = (Some(before), Some(after));
    record(connection, (tenant, author), "asset.retire", (&retired.spec.name, retired.id.0), values).await?;
    Ok(Ok(()))
}

fn fields(spec: &AssetSpec) -> Value {
    json!({ "name": spec.name, "erp_key": spec.erp_key, "site": spec.site, "notes": spec.notes })
}

fn document(spec: &AssetSpec, placement: Option<&Placement>) -> Value {
    let mut document = fields(spec);
    if let Some(placement) = placement {
        document["placement"] = stand(placement);
    }
    document
}

fn stand(placement: &Placement) -> Value {
    json!({ "device": placement.device, "from": placement.from, "to": placement.to })
}
