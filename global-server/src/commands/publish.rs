//! `publish`: publishes an image and shows the progress.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use wire::similar::closest;
use wire::vendors::VENDORS;

use super::{Cli, Signing, print};
use crate::repository::{Image, Lifetimes};

/// The image to publish.
#[derive(Debug, Args)]
pub(super) struct PublishArgs {
    #[command(flatten)]
    signing: Signing,
    /// Vendor, as in a reading: `ricoh`.
    #[arg(long)]
    vendor: String,
    /// Allow a vendor for which gateways have no built-in profile.
    #[arg(long)]
    unlisted_vendor: bool,
    /// Model, as in a reading: `IM C4500`.
    #[arg(long)]
    model: String,
    /// Version that the device shows after the update.
    #[arg(long = "version", value_name = "VERSION", id = "firmware-version")]
    version: String,
    /// Image file.
    file: PathBuf,
}

/// A vendor whose devices no gateway recognises.
#[derive(Debug, thiserror::Error)]
#[error(
    "vendor {given:?} is unknown to gateways{}: expected one of {}; for a profile of your own, give --unlisted-vendor",
    .meant.map(|meant| format!(", did you mean {meant}?")).unwrap_or_default(),
    VENDORS.join(", ")
)]
pub(super) struct UnknownVendor {
    given: String,
    meant: Option<&'static str>,
}

pub(super) fn publish(cli: &Cli, args: &PublishArgs) -> Result<ExitCode> {
    if !args.unlisted_vendor && !VENDORS.contains(&args.vendor.as_str()) {
        let meant = closest(&args.vendor, VENDORS.iter().copied());
        return Err(UnknownVendor { given: args.vendor.clone(), meant }.into());
    }
    let repository = args.signing.open(cli)?;
    let image = Image { vendor: &args.vendor, model: &args.model, version: &args.version, file: &args.file };
    // Hidden by itself where standard error is not a terminal.
    let bar = ProgressBar::new(std::fs::metadata(&args.file).map_or(0, |file| file.len()));
    let template = "{bar:32} {bytes:>11} of {total_bytes}  {bytes_per_sec}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    let published =
        repository.publish(&image, Lifetimes::default(), Timestamp::now(), |copied| bar.set_position(copied));
    bar.finish_and_clear();
    print::published(cli.json, &published?)?;
    Ok(ExitCode::SUCCESS)
}
