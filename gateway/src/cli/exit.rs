//! Exit codes, and the output of a command that ends.

use std::process::ExitCode;

/// The command failed: no response, no connection, or another error.
pub(super) const EXIT_FAILED: u8 = 1;

/// Invalid arguments or configuration.
pub(super) const EXIT_USAGE: u8 = 2;

/// The program's name, as a prefix of messages.
pub(super) const PROGRAM: &str = "platen-gateway";

/// Prints on standard error why a command failed; as JSON if the arguments request it.
#[must_use]
pub(super) fn fail(code: u8, why: &str) -> ExitCode {
    runtime::output::fail(PROGRAM, code, why)
}

/// The exit status: success if the output was written, else a failure.
pub(super) fn printed(printed: std::io::Result<runtime::output::OutputReader>) -> ExitCode {
    match printed {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => fail(EXIT_FAILED, &format!("standard output can't be written: {error}")),
    }
}
