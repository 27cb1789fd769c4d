//! Measures what Platen costs: bytes on the wire, CPU and memory, sizes. Prints figures, judges nothing.
//!
//! Ratios against a peer or a physical limit are taken in the same run; single times on a shared machine are not.

mod counting_proxy;
mod figures;
mod process;
mod reading;
mod sizes;
mod wire_bytes;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use figures::Figures;

/// Measures what Platen costs.
#[derive(Debug, Parser)]
#[command(name = "benches", version)]
struct Arguments {
    /// One JSON object for each figure.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum What {
    /// CPU, requests and memory of reading virtual devices.
    Reading {
        /// Devices, at most 1,000.
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=1000))]
        devices: u16,
    },
    /// Bytes of a meter report and of a service call, TLS handshake included.
    Wire,
    /// Sizes of the release binaries.
    Sizes,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut figures = Figures::new(arguments.json);
    match run(arguments.what, &mut figures) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            figures.failure(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(what: Option<What>, figures: &mut Figures) -> Result<()> {
    let all = what.is_none();
    if all || matches!(what, Some(What::Sizes)) {
        sizes::measure(figures)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if all || matches!(what, Some(What::Wire)) {
        runtime.block_on(wire_bytes::measure(figures))?;
    }
    let devices = match what {
        Some(What::Reading { devices }) => Some(devices),
        None => Some(1000),
        Some(What::Wire | What::Sizes) => None,
    };
    if let Some(devices) = devices {
        runtime.block_on(reading::measure(devices, figures))?;
    }
    Ok(())
}
