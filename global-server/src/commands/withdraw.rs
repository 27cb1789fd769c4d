//! `withdraw`: removes an image from the signed list.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use jiff::Timestamp;

use super::{Cli, directory, print};
use crate::repository::{Lifetimes, Repository};

/// The image to withdraw.
#[derive(Debug, Args)]
pub(super) struct WithdrawArgs {
    /// The repository; the configuration's when absent.
    #[arg(long, value_name = "DIR")]
    repository: Option<PathBuf>,
    /// Vendor, as it was published.
    #[arg(long)]
    vendor: String,
    /// Model, as it was published.
    #[arg(long)]
    model: String,
    /// Version, as it was published.
    #[arg(long = "version", value_name = "VERSION", id = "firmware-version")]
    version: String,
    /// The reason, for the repository's history.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(super) fn withdraw(cli: &Cli, args: &WithdrawArgs) -> Result<ExitCode> {
    let repository = Repository::open(&directory(cli, args.repository.as_deref())?)?;
    let image = (args.vendor.as_str(), args.model.as_str(), args.version.as_str());
    let withdrawn =
        repository.withdraw(image, args.reason.as_deref(), Lifetimes::default(), Timestamp::now())?;
    print::withdrawn(cli.json, &withdrawn)?;
    Ok(ExitCode::SUCCESS)
}
