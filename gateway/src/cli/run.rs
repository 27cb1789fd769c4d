//! `platen-gateway run`.

use std::path::Path;
use std::process::ExitCode;

use super::exit::{EXIT_FAILED, EXIT_USAGE, fail};
use crate::config::{self, Checked, Config};
use runtime::error::chain;
use runtime::malloc::{self, Arenas};

/// Runs the gateway until SIGTERM or SIGINT.
pub(super) fn command(file: &Path) -> ExitCode {
    let settled = malloc::settle(Arenas::One);
    // Completes a renewal that a crash has interrupted, before the files are read.
    if let Ok(config) = runtime::config::load::<Config>(file)
        && let Err(error) = pki::renewal::files::recover(&config.identity)
    {
        return fail(EXIT_FAILED, &chain(&error));
    }
    let (config, checked) = match config::load(file) {
        Ok(loaded) => loaded,
        Err(problems) => return fail(EXIT_USAGE, &runtime::check::text(&problems)),
    };
    if let Err(error) = runtime::logging::init(&config.log.with_libraries(&LIBRARIES)) {
        return fail(EXIT_USAGE, &chain(&error));
    }
    malloc::log(settled);
    // One thread is enough for thousands of devices, and each further one costs memory. Slow work (the spool, digests
    // of images) has threads of its own.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(EXIT_FAILED, &format!("the async runtime can't be started: {error}")),
    };
    runtime.block_on(until_signal(config, checked))
}

/// Log levels of libraries. That a device doesn't respond is not an error of this program and is logged with the device's
/// address, so the messages of the SNMP and schedule libraries about it are suppressed.
const LIBRARIES: [(&str, &str); 3] =
    [("async_snmp", "off"), ("tokio_cron_scheduler", "warn"), ("sled", "warn")];

async fn until_signal(config: Config, checked: Checked) -> ExitCode {
    let shutdown = runtime::shutdown::on_signal();
    match crate::run::run(config, checked, shutdown).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(EXIT_FAILED, &chain(&error)),
    }
}
