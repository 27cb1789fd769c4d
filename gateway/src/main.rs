//! `platen-gateway`: reads printers on a customer's network and reports to the communication server.

use std::process::ExitCode;

use platen_gateway::cli::{self, Cli};

fn main() -> ExitCode {
    match runtime::output::arguments::<Cli>() {
        Ok(cli) => cli::dispatch(cli),
        Err(code) => code,
    }
}
