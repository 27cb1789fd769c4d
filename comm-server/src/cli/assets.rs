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
    /// List assets by name.
    List {
        /// Of one customer or site only.
        #[command(flatten)]
        part: PartArguments,
        /// With this text in name, key, device, serial number or model.
        #[arg(long, default_value = "")]
        find: String,
        /// In this state only: in_use, empty or retired.
        #[arg(long)]
        state: Option<AssetState>,
    },
    /// Create an asset.
    Add(Box<NewAsset>),
    /// Show an asset, what stands and stood under it, and what it counted.
    Show {
        /// Its id.
        asset: AssetId,
        /// The counter.
        #[arg(long, default_value = "total")]
        counter: Counter,
        /// Counted after this time (RFC 3339).
        #[arg(long)]
        from: Option<Timestamp>,
        /// Counted until and including this time (RFC 3339).
        #[arg(long)]
        to: Option<Timestamp>,
    },
    /// Place a device under an asset that has none.
    Assign {
        /// The asset.
        asset: AssetId,
        /// The device.
        device: DeviceId,
        /// From when on (RFC 3339); without, from its newest reading on.
        #[arg(long)]
        at: Option<Timestamp>,
    },
    /// Replace the device under an asset, and record both evidences.
    Swap {
        /// The asset.
        asset: AssetId,
        /// The new device.
        device: DeviceId,
        /// When (RFC 3339); without, with the new device's first reading after the last one of the old device.
        #[arg(long)]
        at: Option<Timestamp>,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Take the device under an asset away.
    Remove {
        /// The asset.
        asset: AssetId,
        /// When (RFC 3339); now without.
        #[arg(long)]
        at: Option<Timestamp>,
    },
    /// Retire an asset: its device is taken away, and it gets no other one.
    Retire {
        /// The asset.
        asset: AssetId,
    },
    /// List devices that stand under no asset.
    Unassigned {
        /// Seen by gateways of one customer or site only.
        #[command(flatten)]
        part: PartArguments,
        /// With this text in id, model, serial number or address.
        #[arg(long, default_value = "")]
        find: String,
    },
    /// List devices that have not been read for some days, with the reason.
    NotRead {
        /// Seen by gateways of one customer or site only.
        #[command(flatten)]
        part: PartArguments,
        /// How many days.
        #[arg(long, default_value_t = UNREAD_DAYS, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_DAYS)))]
        days: u32,
    },
}

/// A part of the tree; the whole service company without.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct PartArguments {
    /// Id of a customer.
    #[arg(long)]
    customer: Option<CustomerId>,
    /// Id of a site.
    #[arg(long)]
    site: Option<SiteId>,
}

/// An asset to be created.
#[derive(Debug, Args)]
pub(crate) struct NewAsset {
    /// Its name or number.
    #[arg(long)]
    name: String,
    /// Its key in the ERP system, unique.
    #[arg(long, default_value = "")]
    erp_key: String,
    /// Id of its site.
    #[arg(long)]
    site: Option<SiteId>,
    /// Notes.
    #[arg(long, default_value = "")]
    notes: String,
    /// The device under it.
    #[arg(long)]
    device: Option<DeviceId>,
    /// From when on the device stands there (RFC 3339); without, from its newest reading on.
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
