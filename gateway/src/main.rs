//! `platen-gateway`: reads printers on a customer's network and reports to the communication server.

use std::process::ExitCode;

use clap::Parser;
use platen_gateway::cli::{self, Cli};

fn main() -> ExitCode {
    cli::dispatch(Cli::parse())
}
