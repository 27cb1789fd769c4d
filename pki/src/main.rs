//! `platen-pki`: creates a trust domain; issues, renews, revokes and inspects certificates.

mod command_line;

use std::io::{self, Write as _};
use std::process::ExitCode;

use command_line::{CommandLine, NotRun};

fn main() -> ExitCode {
    let command_line = match CommandLine::read(std::env::args_os().collect()) {
        Ok(command_line) => command_line,
        Err(NotRun::Shown(text)) => return said(&text, ExitCode::SUCCESS),
        Err(NotRun::Wrong(text)) => {
            complain(&text);
            return ExitCode::from(2);
        }
    };
    match command_line.run() {
        Ok(done) => said(&done.output, done.status),
        Err(error) => {
            complain(&command_line.failure(&error));
            ExitCode::FAILURE
        }
    }
}

fn said(text: &str, status: ExitCode) -> ExitCode {
    match writeln!(io::stdout().lock(), "{}", text.trim_end()) {
        Ok(()) => status,
        // A reader that closed its end (`| head -1`) has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => status,
        Err(error) => {
            complain(&format!("platen-pki: cannot write the output: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn complain(text: &str) {
    // Nothing is left to do when even standard error is closed.
    drop(writeln!(io::stderr().lock(), "{}", text.trim_end()));
}
