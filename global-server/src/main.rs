//! `platen-global-server`: publishes firmware and delivers it to gateways.

use std::process::ExitCode;

use global_server::commands::{self, Cli};

fn main() -> ExitCode {
    match runtime::output::arguments::<Cli>() {
        Ok(cli) => commands::dispatch(&cli),
        Err(code) => code,
    }
}
