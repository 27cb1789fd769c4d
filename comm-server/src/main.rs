//! `platen-comm-server`: arguments, logging, configuration, and the way out.

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use platen_comm_server::cli::{self, Action, Arguments};
use platen_comm_server::{Config, run};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if !matches!(arguments.action, Action::Run) {
        return match cli::act(&arguments).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&error, error.exit_code()),
        };
    }
    let config = match Config::load(&arguments.config) {
        Ok(config) => config,
        Err(error) => return complain(&error, ExitCode::from(2)),
    };
    if let Err(error) = program::logging::init(&config.log) {
        return complain(&error, ExitCode::from(2));
    }
    match run(config, program::shutdown::on_signal()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error, ExitCode::FAILURE),
    }
}

/// An error with its sources, on standard error.
fn complain(error: &dyn Error, code: ExitCode) -> ExitCode {
    let text = program::error::chain(error);
    // Without standard error there is nobody left to tell.
    drop(writeln!(std::io::stderr().lock(), "platen-comm-server: {text}"));
    code
}
