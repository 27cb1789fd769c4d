//! `rollout`: firmware roll-outs.

use std::sync::Arc;

use clap::Subcommand;
use comm_server_core::roles::Permission;
use comm_server_core::rollouts::{RolloutSpec, Start};
use jiff::Timestamp;
use runtime::identity::LiveIdentity;
use wire::ids::RolloutId;

use super::{CliError, all, print};
use crate::config::Config;
use crate::services::rollouts::{parse_date, parse_id};
use crate::services::{Actor, Images, Rollouts, View, Views};
use crate::store::{RolloutError, Store};

/// The subcommands of `rollout`.
#[derive(Debug, Subcommand)]
pub(crate) enum RolloutAction {
    /// Create a roll-out, which updates every device of a model that doesn't show the version.
    Create {
        /// Short name of the vendor, as in a reading, such as ricoh.
        #[arg(long)]
        vendor: String,
        /// Model, as in a reading.
        #[arg(long)]
        model: String,
        /// Version that the devices show after the update; the global server must have published it.
        #[arg(long = "version", value_name = "VERSION")]
        firmware: String,
        /// Earliest time of the first push (RFC 3339, such as 2026-12-31T20:00:00+01:00). Default: as soon as each
        /// device is idle.
        #[arg(long, value_parser = parse_date)]
        date: Option<Timestamp>,
        /// Update each device as soon as it is idle. This is the default; it can't be combined with --date.
        #[arg(long, conflicts_with = "date")]
        now: bool,
        /// Include devices that show a newer version than --version.
        #[arg(long)]
        allow_downgrade: bool,
    },
    /// List roll-outs, newest first.
    List,
    /// Show a roll-out with its devices.
    Show {
        /// Id of the roll-out.
        #[arg(value_parser = parse_id)]
        rollout: RolloutId,
    },
    /// Cancel a roll-out: devices to which no image was pushed yet are not updated.
    Cancel {
        /// Id of the roll-out.
        #[arg(value_parser = parse_id)]
        rollout: RolloutId,
    },
    /// Create a new roll-out of the failed devices of one that has ended; it starts at once.
    Retry {
        /// Id of the roll-out that has ended.
        #[arg(value_parser = parse_id)]
        rollout: RolloutId,
        /// Include devices that show a newer version by now.
        #[arg(long)]
        allow_downgrade: bool,
    },
}

/// Executes a subcommand.
pub(super) async fn act(
    store: &Store,
    config: &Config,
    actor: &Actor,
    json: bool,
    action: &RolloutAction,
) -> Result<(), CliError> {
    let view = Views::new(store.clone()).now(actor, Permission::SeeFleet)?;
    match action {
        // `now` is the absence of a date, given explicitly.
        RolloutAction::Create { vendor, model, firmware, date, now: _, allow_downgrade } => {
            let spec = RolloutSpec {
                vendor: vendor.clone(),
                model: model.clone(),
                version: firmware.clone(),
                start: date.map_or(Start::Now, Start::NotBefore),
                allow_downgrade: *allow_downgrade,
                only: None,
            };
            let id = service(store, config)?.create(actor, spec).await?;
            show(&view, json, id).await
        }
        RolloutAction::Retry { rollout, allow_downgrade } => {
            let id = service(store, config)?.retry(actor, *rollout, *allow_downgrade).await?;
            show(&view, json, id).await
        }
        RolloutAction::List => {
            let all = all(async |cursor| view.rollouts(cursor.as_deref()).await).await?;
            Ok(print::rollouts(json, &all)?)
        }
        RolloutAction::Show { rollout } => show(&view, json, *rollout).await,
        RolloutAction::Cancel { rollout } => {
            Rollouts::new(store.clone(), None).cancel(actor, *rollout).await?;
            show(&view, json, *rollout).await
        }
    }
}

/// The service with the configured global server, which is read with this server's own certificate.
fn service(store: &Store, config: &Config) -> Result<Rollouts, CliError> {
    let Some(global) = &config.global_server else { return Ok(Rollouts::new(store.clone(), None)) };
    let identity = LiveIdentity::load(&config.identity, config.tolerance)?;
    Ok(Rollouts::new(store.clone(), Some(Arc::new(Images::new(identity, &global.url)?))))
}

async fn show(view: &View, json: bool, id: RolloutId) -> Result<(), CliError> {
    let found = view.rollout(id).await?.ok_or(RolloutError::NotFound { rollout: id })?;
    let devices = all(async |cursor| view.rollout_devices(id, None, cursor.as_deref()).await).await?;
    let left_out = all(async |cursor| view.left_out_devices(id, cursor.as_deref()).await).await?;
    Ok(print::rollout(json, &found, &devices, &left_out)?)
}
