//! `platen-global-server`: publishes firmware and delivers it to gateways.

use std::process::ExitCode;

use clap::Parser;
use global_server::commands::{self, Cli};

fn main() -> ExitCode {
    commands::dispatch(&Cli::parse())
}
