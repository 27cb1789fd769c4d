//! Runs the server, or one action on its database, and returns the exit status.

use std::error::Error;
use std::process::ExitCode;

use runtime::malloc::{self, Arenas};
use runtime::output::{self, EXIT_USAGE};

use super::{Action, Arguments, PROGRAM, act};
use crate::config::Config;
use crate::run::run;

/// Libraries whose log lines below `warn` don't help an administrator.
const LIBRARIES: [(&str, &str); 1] = [("tokio_cron_scheduler", "warn")];

/// Executes the command line.
pub fn dispatch(arguments: &Arguments) -> ExitCode {
    let settled = if matches!(arguments.action, Action::Run) { malloc::settle(Arenas::Two) } else { Ok(()) };
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map(|runtime| runtime.block_on(start(arguments, settled)));
    done.unwrap_or_else(|error| fail(&error, 1))
}

async fn start(arguments: &Arguments, settled: std::io::Result<()>) -> ExitCode {
    if !matches!(arguments.action, Action::Run) {
        return act(arguments).await.unwrap_or_else(|error| fail(&error, error.exit_code()));
    }
    let config = match Config::load(&arguments.config) {
        Ok(config) => config,
        Err(error) => return fail(&error, EXIT_USAGE),
    };
    if let Err(error) = runtime::logging::init(&config.log.with_libraries(&LIBRARIES)) {
        return fail(&error, EXIT_USAGE);
    }
    malloc::log(settled);
    match run(config, runtime::shutdown::on_signal()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, 1),
    }
}

/// Prints an error with its sources on standard error.
fn fail(error: &dyn Error, code: u8) -> ExitCode {
    output::fail(PROGRAM, code, &runtime::error::chain(error))
}
