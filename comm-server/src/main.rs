//! `platen-comm-server`: takes the reports of gateways and serves operators.

use std::process::ExitCode;

use platen_comm_server::cli::{self, Arguments};

fn main() -> ExitCode {
    match runtime::output::arguments::<Arguments>() {
        Ok(arguments) => cli::dispatch(&arguments),
        Err(code) => code,
    }
}
