//! `platen-gateway run`.

use std::path::Path;
use std::process::ExitCode;

use super::{EXIT_FAILED, EXIT_USAGE, fail};
use crate::config::{self, Checked, Config, chain};

/// Runs the gateway until SIGTERM or SIGINT.
pub(super) fn command(file: &Path) -> ExitCode {
    let (config, checked) = match config::load(file) {
        Ok(loaded) => loaded,
        Err(why) => return fail(EXIT_USAGE, &why),
    };
    if let Err(error) = program::logging::init(&config.log) {
        return fail(EXIT_USAGE, &chain(&error));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(EXIT_FAILED, &format!("the runtime can't start: {error}")),
    };
    runtime.block_on(until_signal(config, checked))
}

async fn until_signal(config: Config, checked: Checked) -> ExitCode {
    let shutdown = program::shutdown::on_signal();
    match crate::run::run(config, checked, shutdown).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(EXIT_FAILED, &chain(&error)),
    }
}
