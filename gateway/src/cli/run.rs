//! `platen-gateway run`.

use std::path::Path;
use std::process::ExitCode;

use super::{EXIT_FAILED, EXIT_USAGE, fail, malloc};
use crate::config::{self, Checked, Config};
use program::error::chain;
use program::logging::LogConfig;

/// Runs the gateway until SIGTERM or SIGINT.
pub(super) fn command(file: &Path) -> ExitCode {
    let settled = malloc::settle();
    // What a crash has interrupted while a certificate was renewed is ended before the files are read.
    if let Ok(config) = program::config::load::<Config>(file)
        && let Err(error) = pki::renewal::files::recover(&config.identity)
    {
        return fail(EXIT_FAILED, &chain(&error));
    }
    let (config, checked) = match config::load(file) {
        Ok(loaded) => loaded,
        Err(why) => return fail(EXIT_USAGE, &why),
    };
    if let Err(error) = program::logging::init(&quieter(&config.log)) {
        return fail(EXIT_USAGE, &chain(&error));
    }
    if let Err(error) = settled {
        tracing::warn!(error = %error, "malloc keeps its settings: more memory is needed than could be");
    }
    // One thread is enough for thousands of devices, and each further one costs memory. What takes long (the spool,
    // digests of images) has threads of its own.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(EXIT_FAILED, &format!("the runtime can't start: {error}")),
    };
    runtime.block_on(until_signal(config, checked))
}

/// A device that doesn't answer is no error of this program, and is told by its own name: what the SNMP and schedule
/// libraries say of it stays out of the log, unless the configuration names them.
fn quieter(log: &LogConfig) -> LogConfig {
    let mut log = log.clone();
    for (library, level) in [("async_snmp", "off"), ("tokio_cron_scheduler", "warn"), ("sled", "warn")] {
        if !log.level.contains(library) {
            log.level = format!("{},{library}={level}", log.level);
        }
    }
    log
}

async fn until_signal(config: Config, checked: Checked) -> ExitCode {
    let shutdown = program::shutdown::on_signal();
    match crate::run::run(config, checked, shutdown).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(EXIT_FAILED, &chain(&error)),
    }
}
