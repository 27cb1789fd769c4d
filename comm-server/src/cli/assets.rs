//! `asset`: things under contract, and the devices under them.

use clap::{Args, Subcommand};
use comm_server_core::assets::{AssetSpec, MOST_DAYS, UNREAD_DAYS, unread_since};
use comm_server_core::roles::Permission;
use comm_server_core::tenancy::{AssetId, CustomerId, Part, SiteId};
use jiff::Timestamp;
use wire::ids::DeviceId;
use wire::reading::Counter;

use super::{CliError, all, print_assets as print};
use crate::services::{Actor, Assets, View, Views};
use crate::store::{AssetFilter, AssetState, DevicePlace, NewSwap, Store};

/// Assets.
#[derive(Debug, Subcommand)]
pub(crate) enum AssetAction {
    /// List assets in the order of their names.
    List {
        /// Only assets of this part of the tree.
        #[command(flatten)]
        part: PartArguments,
        /// Only assets with this text in name, key, device id, serial number or model.
        #[arg(long, default_value = "")]
        find: String,
        /// Only assets in this state: in_use, empty or retired. Default: all.
        #[arg(long)]
        state: Option<AssetState>,
    },
    /// Create an asset.
    Add(Box<NewAsset>),
    /// Show an asset, its present and earlier devices, and what it counted.
    Show {
        /// Id of the asset.
        asset: AssetId,
        /// Counter to show.
        #[arg(long, default_value = "total")]
        counter: Counter,
        /// Calculate the usage after this time (RFC 3339). Default: from the first placement.
        #[arg(long)]
        from: Option<Timestamp>,
        /// Calculate the usage up to and including this time (RFC 3339). Default: now.
        #[arg(long)]
        to: Option<Timestamp>,
    },
    /// Place a device under an asset that has none.
    Assign {
        /// Id of the asset.
        asset: AssetId,
        /// Id of the device.
        device: DeviceId,
        /// Start of the placement (RFC 3339). Default: the device's newest reading.
        #[arg(long)]
        at: Option<Timestamp>,
    },
    /// Replace the device under an asset, and record the last reading of the old device and the first of the new one.
    Swap {
        /// Id of the asset.
        asset: AssetId,
        /// Id of the new device.
        device: DeviceId,
        /// Time of the swap (RFC 3339). Default: the first reading of the new device after the last one of the old
        /// device.
        #[arg(long)]
        at: Option<Timestamp>,
        /// Reason, for the record of the swap.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// End the placement of the device under an asset.
    Remove {
        /// Id of the asset.
        asset: AssetId,
        /// End of the placement (RFC 3339). Default: now.
        #[arg(long)]
        at: Option<Timestamp>,
    },
    /// Retire an asset: the placement of its device ends, and no device can be placed under it again.
    Retire {
        /// Id of the asset.
        asset: AssetId,
    },
    /// List devices that are not under any asset.
    Unassigned {
        /// Only devices seen by gateways of this part of the tree.
        #[command(flatten)]
        part: PartArguments,
        /// Only devices with this text in id, model, serial number or address.
        #[arg(long, default_value = "")]
        find: String,
    },
    /// List devices that have not been read for some days, with the reason.
    NotRead {
        /// Only devices seen by gateways of this part of the tree.
        #[command(flatten)]
        part: PartArguments,
        /// Number of days without a reading.
        #[arg(long, default_value_t = UNREAD_DAYS, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_DAYS)))]
        days: u32,
    },
}

/// A part of the tree. Default: the whole service company.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct PartArguments {
    /// Id of a customer: only its part of the tree.
    #[arg(long)]
    customer: Option<CustomerId>,
    /// Id of a site: only its part of the tree.
    #[arg(long)]
    site: Option<SiteId>,
}

/// An asset to be created.
#[derive(Debug, Args)]
pub(crate) struct NewAsset {
    /// Name or number, unique.
    #[arg(long)]
    name: String,
    /// Key in the ERP system, unique.
    #[arg(long, default_value = "")]
    erp_key: String,
    /// Id of its site.
    #[arg(long)]
    site: Option<SiteId>,
    /// Notes, free text.
    #[arg(long, default_value = "")]
    notes: String,
    /// Id of a device to place under it.
    #[arg(long)]
    device: Option<DeviceId>,
    /// Start of the placement (RFC 3339). Default: the device's newest reading.
    #[arg(long, requires = "device")]
    at: Option<Timestamp>,
}

impl PartArguments {
    fn view(&self, store: &Store, actor: &Actor) -> Result<View, CliError> {
        let mut actor = actor.clone();
        if let Some(part) = Part::of(self.customer, self.site) {
            actor.scope = actor.scope.narrowed(part);
        }
        Ok(Views::new(store.clone()).now(&actor, Permission::SeeFleet)?)
    }
}

pub(super) async fn act(
    store: &Store,
    actor: &Actor,
    json: bool,
    action: &AssetAction,
) -> Result<(), CliError> {
    let assets = Assets::new(store.clone());
    let id = match action {
        AssetAction::List { part, find, state } => {
            let filter = AssetFilter { text: find.clone(), state: *state, ..AssetFilter::default() };
            let view = part.view(store, actor)?;
            let all = all(async |cursor| view.assets(&filter, cursor.as_deref()).await).await?;
            return Ok(print::assets(json, &all)?);
        }
        AssetAction::Unassigned { part, find } => {
            let view = part.view(store, actor)?;
            let all = all(async |cursor| view.unassigned_devices(find, cursor.as_deref()).await).await?;
            return Ok(print::unassigned(json, &all)?);
        }
        AssetAction::NotRead { part, days } => {
            let view = part.view(store, actor)?;
            let now = Timestamp::now();
            let times = (unread_since(now, *days), now);
            let all = all(async |cursor| view.unread_devices(times, cursor.as_deref()).await).await?;
            return Ok(print::unread(json, &all)?);
        }
        AssetAction::Show { asset, counter, from, to } => {
            let span = (from.unwrap_or(Timestamp::MIN), to.unwrap_or(Timestamp::MAX));
            return show(store, actor, json, (*asset, *counter), span).await;
        }
        AssetAction::Add(new) => {
            let (name, erp_key, notes) = (new.name.clone(), new.erp_key.clone(), new.notes.clone());
            let spec = AssetSpec { name, erp_key, site: new.site, notes };
            let device = new.device.clone().map(|device| DevicePlace { device, at: new.at });
            let id = assets.create(actor, &spec, device).await?;
            return Ok(super::print::created(json, "asset", &id.to_string())?);
        }
        AssetAction::Assign { asset, device, at } => {
            let place = DevicePlace { device: device.clone(), at: *at };
            assets.assign(actor, *asset, None, place).await?;
            *asset
        }
        AssetAction::Swap { asset, device, at, reason } => {
            let swap = NewSwap { device: device.clone(), at: *at, reason: reason.clone() };
            assets.swap(actor, *asset, None, swap).await?;
            *asset
        }
        AssetAction::Remove { asset, at } => {
            assets.remove(actor, *asset, None, *at).await?;
            *asset
        }
        AssetAction::Retire { asset } => {
            assets.retire(actor, *asset, None).await?;
            *asset
        }
    };
    show(store, actor, json, (id, Counter::Total), (Timestamp::MIN, Timestamp::MAX)).await
}

async fn show(
    store: &Store,
    actor: &Actor,
    json: bool,
    (id, counter): (AssetId, Counter),
    span: (Timestamp, Timestamp),
) -> Result<(), CliError> {
    let view = Views::new(store.clone()).now(actor, Permission::SeeFleet)?;
    let missing = || CliError::NoPlace { what: "asset" };
    let found = view.asset(id).await?.ok_or_else(missing)?;
    let history = view.asset_history(id, counter).await?.ok_or_else(missing)?;
    Ok(print::asset(json, &found, (counter, &history, span))?)
}
