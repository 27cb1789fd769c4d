//! Standard output and standard error of the command lines.
//!
//! A reader that closed its end (`| head -1`) has read enough: the command ends without an error, with exit status 0.
//! An error is one line on standard error, or `{"error": "..."}` if `--json` is among the arguments.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use serde::Serialize;
use serde_json::json;

/// Exit status of wrong arguments or a wrong configuration.
pub const EXIT_USAGE: u8 = 2;

/// The state of the reader of standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputReader {
    /// It accepted the output.
    Present,
    /// It closed its end: no more output is needed.
    Gone,
}

/// Writes to standard output.
///
/// # Errors
/// Standard output can't be written, for another reason than a reader that closed its end.
pub fn write(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<OutputReader> {
    let mut out = io::stdout().lock();
    reader(write(&mut out).and_then(|()| out.flush()))
}

/// The state of the reader, from the result of a write.
fn reader(written: io::Result<()>) -> io::Result<OutputReader> {
    match written {
        Ok(()) => Ok(OutputReader::Present),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(OutputReader::Gone),
        Err(error) => Err(error),
    }
}

/// Prints a text and a line feed.
///
/// # Errors
/// As [`write()`].
pub fn line(text: &str) -> io::Result<OutputReader> {
    write(|out| writeln!(out, "{text}"))
}

/// Prints one JSON document on one line.
///
/// # Errors
/// As [`write()`], or the value has no JSON form.
pub fn document(value: &impl Serialize) -> io::Result<OutputReader> {
    let text = serde_json::to_string(value).map_err(io::Error::from)?;
    line(&text)
}

/// Whether `--json` is among the arguments of this process.
#[must_use]
pub(crate) fn wants_json() -> bool {
    std::env::args_os().any(|argument| argument == OsStr::new("--json"))
}

/// Prints on standard error why a command failed.
#[must_use]
pub fn fail(program: &str, code: u8, why: &str) -> ExitCode {
    complain(program, why);
    ExitCode::from(code)
}

/// Prints a line on standard error; a closed one is ignored.
pub(crate) fn complain(program: &str, why: &str) {
    drop(writeln!(io::stderr().lock(), "{}", failure(program, why, wants_json())));
}

fn failure(program: &str, why: &str, as_json: bool) -> String {
    if as_json { json!({ "error": why }).to_string() } else { format!("{program}: {why}") }
}

/// Parses the arguments of this process.
///
/// # Errors
/// The exit status, if nothing is left to do: help or version was printed, or the arguments are wrong, which was
/// reported.
pub fn arguments<T: Parser>() -> Result<T, ExitCode> {
    T::try_parse().map_err(|error| {
        if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
            // Printed or not, there is nothing else to do.
            drop(error.print());
            return ExitCode::SUCCESS;
        }
        if wants_json() {
            let text = error.to_string();
            drop(writeln!(io::stderr().lock(), "{}", json!({ "error": reason(&text) })));
        } else {
            drop(error.print());
        }
        ExitCode::from(EXIT_USAGE)
    })
}

/// The message of an argument error, without the usage that follows it.
fn reason(text: &str) -> &str {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let text = text.split("\n\nUsage:").next().unwrap_or(text);
    text.split("\n\nFor more information").next().unwrap_or(text).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usage_error_is_its_reason() {
        let text = "error: unexpected argument '-1' found\n\n  tip: x\n\nUsage: y\n\nFor more information, try '--help'.\n";
        assert_eq!(reason(text), "unexpected argument '-1' found\n\n  tip: x");
        assert_eq!(reason("error: no value\n\nFor more information, try '--help'.\n"), "no value");
    }

    #[test]
    fn a_closed_output_is_no_error() {
        assert_eq!(reader(Ok(())).unwrap(), OutputReader::Present);
        assert_eq!(reader(Err(io::ErrorKind::BrokenPipe.into())).unwrap(), OutputReader::Gone);
        assert_eq!(
            reader(Err(io::ErrorKind::StorageFull.into())).unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
    }

    #[test]
    fn an_error_has_one_shape() {
        assert_eq!(failure("platen-x", "no \"a\"", false), "platen-x: no \"a\"");
        assert_eq!(failure("platen-x", "no \"a\"", true), r#"{"error":"no \"a\""}"#);
    }
}
