//! `rollout`: firmware roll-outs.

use clap::Subcommand;
use comm_server_core::rollouts::{Start, Wish};
use jiff::Timestamp;
use runtime::identity::LiveIdentity;
use wire::ids::RolloutId;

use super::{CliError, WHO, print};
use crate::config::Config;
use crate::operators::Images;
use crate::rollouts::{self, Orderer, parse_date, parse_id};
use crate::store::{DEFAULT_TENANT, RolloutError, Store};

/// Firmware roll-outs.
#[derive(Debug, Subcommand)]
pub enum RolloutAction {
    /// Update every device of a model that doesn't show the version.
    Create {
        /// Vendor's short name, as in a reading.
        #[arg(long)]
        vendor: String,
        /// Model, as in a reading.
        #[arg(long)]
        model: String,
        /// Version that the devices show afterwards; the global server must have published it.
        #[arg(long = "version", value_name = "VERSION")]
        firmware: String,
        /// Push not before this (RFC 3339, such as 2026-12-31T20:00:00+01:00); as soon as each device is idle when absent.
        #[arg(long, value_parser = parse_date)]
        date: Option<Timestamp>,
        /// Update each device as soon as it is idle: what happens without --date, said expressly.
        #[arg(long, conflicts_with = "date")]
        now: bool,
        /// Include devices that show a newer version.
        #[arg(long)]
        allow_downgrade: bool,
    },
    /// List roll-outs, newest first.
    List,
    /// One roll-out with its devices.
    Show {
        /// Its id.
        #[arg(value_parser = parse_id)]
        rollout: RolloutId,
    },
    /// Cancel what isn't yet pushed.
    Cancel {
        /// Its id.
        #[arg(value_parser = parse_id)]
        rollout: RolloutId,
    },
    /// Order the failed devices of a roll-out that has ended again, as a new roll-out that begins at once.
    Retry {
        /// Its id.
        #[arg(value_parser = parse_id)]
        rollout: RolloutId,
        /// Include devices that show a newer version by now.
        #[arg(long)]
        allow_downgrade: bool,
    },
}

/// Carries it out.
pub(super) async fn act(
    store: &Store,
    config: &Config,
    json: bool,
    action: &RolloutAction,
) -> Result<(), CliError> {
    let now = Timestamp::now();
    let orderer = Orderer { tenant: DEFAULT_TENANT, by: WHO, now };
    match action {
        // `now` is the absence of a date, said expressly.
        RolloutAction::Create { vendor, model, firmware, date, now: _, allow_downgrade } => {
            let wish = Wish {
                vendor: vendor.clone(),
                model: model.clone(),
                version: firmware.clone(),
                start: date.map_or(Start::Now, Start::NotBefore),
                allow_downgrade: *allow_downgrade,
                only: None,
            };
            let id = rollouts::create(store, images(config)?.as_ref(), orderer, wish).await?;
            show(store, json, id).await
        }
        RolloutAction::Retry { rollout, allow_downgrade } => {
            let images = images(config)?;
            let id = rollouts::retry(store, images.as_ref(), orderer, *rollout, *allow_downgrade).await?;
            show(store, json, id).await
        }
        RolloutAction::List => {
            let (mut all, mut cursor) = (Vec::new(), None);
            loop {
                let page = store.rollouts(DEFAULT_TENANT, cursor.as_deref()).await?;
                all.extend(page.items);
                cursor = page.next;
                if cursor.is_none() {
                    return Ok(print::rollouts(json, &all)?);
                }
            }
        }
        RolloutAction::Show { rollout } => show(store, json, *rollout).await,
        RolloutAction::Cancel { rollout } => {
            store.cancel_rollout(DEFAULT_TENANT, *rollout, WHO, now).await?;
            show(store, json, *rollout).await
        }
    }
}

/// The list of the configured global server, read with this server's own certificate.
fn images(config: &Config) -> Result<Option<Images>, CliError> {
    let Some(global) = &config.global_server else { return Ok(None) };
    let identity = LiveIdentity::load(&config.identity, config.tolerance)?;
    Ok(Some(Images::new(identity, &global.url)?))
}

async fn show(store: &Store, json: bool, id: RolloutId) -> Result<(), CliError> {
    let found = store.rollout(DEFAULT_TENANT, id).await?.ok_or(RolloutError::NotFound { rollout: id })?;
    let (mut devices, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.rollout_devices(DEFAULT_TENANT, id, cursor.as_deref()).await?;
        devices.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            return Ok(print::rollout(json, &found, &devices)?);
        }
    }
}
