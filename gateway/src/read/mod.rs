//! `platen-gateway read`: one reading of one device, for people or as JSON.

use std::process::ExitCode;

use clap::Args;

/// Arguments of `read`.
#[derive(Debug, Args)]
pub struct ReadArgs {
    /// The device, `ADDR` or `ADDR:PORT`.
    pub address: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Reads and prints.
#[expect(clippy::unused_async, reason = "the signature is the contract")]
pub async fn command(_args: ReadArgs) -> ExitCode {
    crate::cli::fail(crate::cli::EXIT_FAILED, "not built yet")
}
