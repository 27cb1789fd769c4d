//! `platen-gateway check`: says what is wrong with a configuration, with file, line and column where known.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::{EXIT_FAILED, EXIT_USAGE, fail};
use crate::config;

/// Checks and says.
pub(super) fn command(file: &Path, json: bool) -> ExitCode {
    // Clients are made while checking, and some of what makes them wants a runtime.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(EXIT_FAILED, &format!("the runtime can't start: {error}")),
    };
    let _inside = runtime.enter();
    let checked =
        config::load(file).map(|(config, checked)| (config.gateway, checked.credentials.weaknesses()));
    let name = file.display().to_string();
    let (code, line) = match checked {
        Ok((gateway, warnings)) => {
            let valid = if json {
                json!({"file": name, "valid": true, "warnings": warnings}).to_string()
            } else {
                let warnings: String = warnings.iter().map(|w| format!("{name}: warning: {w}\n")).collect();
                format!("{warnings}{name}: valid, for gateway {gateway}")
            };
            (ExitCode::SUCCESS, valid)
        }
        Err(why) if json => {
            (ExitCode::from(EXIT_USAGE), json!({"file": name, "valid": false, "error": why}).to_string())
        }
        Err(why) => return fail(EXIT_USAGE, &why),
    };
    // A closed standard output leaves nobody to tell.
    writeln!(std::io::stdout().lock(), "{line}").ok();
    code
}
