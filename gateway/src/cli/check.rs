//! `platen-gateway check`: reports everything that is wrong in a configuration, with file, line and column.

use std::path::Path;
use std::process::ExitCode;

use runtime::check::{Problem, Report};

use super::exit::{EXIT_FAILED, EXIT_USAGE, PROGRAM, fail};
use crate::config;

/// Validates the configuration and prints the result.
pub(super) fn command(file: &Path, json: bool) -> ExitCode {
    // Validation creates the clients, some of which require a runtime.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(EXIT_FAILED, &format!("the async runtime can't be started: {error}")),
    };
    let _inside = runtime.enter();
    let (report, summary) = match config::check(file) {
        Ok((config, checked)) => {
            let weaknesses = checked.credentials.weaknesses();
            let warnings = weaknesses.iter().map(|weakness| Problem::of_file(file, weakness)).collect();
            let summary = format!("{}: valid, for gateway {}", file.display(), config.gateway);
            (Report::new(file, Vec::new(), warnings), summary)
        }
        Err(problems) => (Report::new(file, problems, Vec::new()), String::new()),
    };
    match report.print(PROGRAM, json, &summary, EXIT_USAGE) {
        Ok(code) => code,
        Err(error) => fail(EXIT_FAILED, &format!("standard output can't be written: {error}")),
    }
}
