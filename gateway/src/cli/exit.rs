//! Exit codes, and what a command that ends prints.

use std::process::ExitCode;

/// It could not be done: no answer, no connection, failed.
pub(super) const EXIT_FAILED: u8 = 1;

/// Wrong arguments or a wrong configuration.
pub(super) const EXIT_USAGE: u8 = 2;

/// Name of the program, in front of what it says.
pub(super) const PROGRAM: &str = "platen-gateway";

/// Says on standard error why a command failed; in JSON where the arguments ask for it.
#[must_use]
pub(super) fn fail(code: u8, why: &str) -> ExitCode {
    runtime::output::fail(PROGRAM, code, why)
}

/// The exit status of a command that has printed its answer, or could not.
pub(super) fn printed(printed: std::io::Result<runtime::output::OutputReader>) -> ExitCode {
    match printed {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => fail(EXIT_FAILED, &format!("standard output: {error}")),
    }
}
