//! `platen-pki`: makes a trust domain, issues certificates and shows what they say.

mod command_line;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use command_line::CommandLine;

fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    let done = command_line.run().and_then(|text| Ok(writeln!(io::stdout().lock(), "{text}")?));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do when even standard error is closed.
            drop(writeln!(io::stderr().lock(), "{}", command_line.failure(&error)));
            ExitCode::FAILURE
        }
    }
}
