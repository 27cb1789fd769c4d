//! `withdraw`: removes an image from the signed list.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use jiff::Timestamp;

use super::{Cli, Signing, print};
use crate::repository::Lifetimes;

/// The image to withdraw.
#[derive(Debug, Args)]
pub(super) struct WithdrawArgs {
    #[command(flatten)]
    signing: Signing,
    /// Vendor, as it was published.
    #[arg(long)]
    vendor: String,
    /// Model, as it was published.
    #[arg(long)]
    model: String,
    /// Version, as it was published.
    #[arg(long = "version", value_name = "VERSION", id = "firmware-version")]
    version: String,
    /// Reason, for the repository's history.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(super) fn withdraw(cli: &Cli, args: &WithdrawArgs) -> Result<ExitCode> {
    let repository = args.signing.open(cli)?;
    let image = (args.vendor.as_str(), args.model.as_str(), args.version.as_str());
    let withdrawn =
        repository.withdraw(image, args.reason.as_deref(), Lifetimes::default(), Timestamp::now())?;
    print::withdrawn(cli.json, &withdrawn)?;
    Ok(ExitCode::SUCCESS)
}
