//! `platen-comm-server`: arguments, logging, configuration, and the way out.

use std::error::Error;
use std::process::ExitCode;

use platen_comm_server::cli::{self, Action, Arguments, PROGRAM};
use platen_comm_server::{Config, run};
use runtime::output::{self, EXIT_USAGE};

/// Libraries whose own lines say nothing to who runs a server.
const LIBRARIES: [(&str, &str); 1] = [("tokio_cron_scheduler", "warn")];

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match output::arguments::<Arguments>() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    if !matches!(arguments.action, Action::Run) {
        return cli::act(&arguments).await.unwrap_or_else(|error| complain(&error, error.exit_code()));
    }
    let config = match Config::load(&arguments.config) {
        Ok(config) => config,
        Err(error) => return complain(&error, EXIT_USAGE),
    };
    if let Err(error) = runtime::logging::init(&config.log.with_libraries(&LIBRARIES)) {
        return complain(&error, EXIT_USAGE);
    }
    match run(config, runtime::shutdown::on_signal()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error, 1),
    }
}

/// An error with its sources, on standard error.
fn complain(error: &dyn Error, code: u8) -> ExitCode {
    output::fail(PROGRAM, code, &runtime::error::chain(error))
}
