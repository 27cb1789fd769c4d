//! The arguments, and the output of each command: text for people, or one JSON value with `--json`.
//!
//! Exit status: 0 success, 1 failure, 2 wrong arguments, 3 `inspect --against` found that the certificate is rejected.

mod against;
mod backup;
mod crl;
mod init;
mod inspect;
mod issue;
mod join_crl;
mod list;
mod passphrase;
mod renew_ca;
mod revoke;
mod token;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use jiff::Timestamp;
use serde::Serialize;
use wire::text::lines_with_marks;

/// The authority of a Platen trust domain.
#[derive(Debug, Parser)]
#[command(name = "platen-pki", version)]
pub(crate) struct CommandLine {
    /// Print one JSON document, also for errors.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a trust domain: an offline root, a CA for servers and one for gateways. Prompts for a passphrase.
    Init(init::Arguments),
    /// Generate a key, and issue a certificate for it that is valid for 90 days.
    Issue(issue::Arguments),
    /// List all issued certificates with their states, oldest first.
    List(list::Arguments),
    /// Show every certificate of a PEM file, and whether it would be rejected.
    Inspect(inspect::Arguments),
    /// Create a one-time enrollment token for a gateway and print it.
    Token(token::Arguments),
    /// Revoke certificates. Run `crl` and publish its lists to put this into effect.
    Revoke(revoke::Arguments),
    /// Create new revocation lists, which servers load.
    Crl(crl::Arguments),
    /// Combine the revocation lists of several authorities into one file.
    JoinCrl(join_crl::Arguments),
    /// Renew an intermediate CA. Certificates that the old one issued stay valid.
    RenewCa(renew_ca::Arguments),
    /// Write the whole authority, with its keys, to one file.
    Backup(backup::BackupArguments),
    /// Create an authority from a backup.
    Restore(backup::RestoreArguments),
}

/// A command's output in both forms.
struct Answer {
    text: String,
    json: serde_json::Value,
    /// The result is negative: exit status 3.
    refused: bool,
}

impl Answer {
    fn new(text: String, value: &impl Serialize) -> anyhow::Result<Self> {
        Ok(Self { text, json: serde_json::to_value(value)?, refused: false })
    }
}

/// Output for standard output, and the exit status.
pub(crate) struct Done {
    pub(crate) output: String,
    pub(crate) status: ExitCode,
}

/// Output for standard error, and the exit status; help and version go to standard output.
pub(crate) enum NotRun {
    Shown(String),
    Wrong(String),
}

impl CommandLine {
    /// Parses the arguments. An error is printed as JSON if they contain `--json`.
    pub(crate) fn read(arguments: Vec<OsString>) -> Result<Self, NotRun> {
        let json = arguments.iter().any(|argument| argument == "--json");
        Self::try_parse_from(arguments).map_err(|error| {
            let text = error.to_string();
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
                return NotRun::Shown(text);
            }
            if !json {
                return NotRun::Wrong(text);
            }
            let said = text.strip_prefix("error: ").unwrap_or(&text);
            let said = said.split("\n\nUsage:").next().unwrap_or(said);
            let said = said.split("\n\nFor more information").next().unwrap_or(said).trim_end();
            NotRun::Wrong(serde_json::json!({ "error": said }).to_string())
        })
    }

    pub(crate) fn run(&self) -> anyhow::Result<Done> {
        let answer = match &self.command {
            Command::Init(arguments) => init::run(arguments),
            Command::Issue(arguments) => issue::run(arguments),
            Command::List(arguments) => list::run(arguments),
            Command::Inspect(arguments) => inspect::run(arguments),
            Command::Token(arguments) => token::run(arguments),
            Command::Revoke(arguments) => revoke::run(arguments),
            Command::Crl(arguments) => crl::run(arguments),
            Command::JoinCrl(arguments) => join_crl::run(arguments),
            Command::RenewCa(arguments) => renew_ca::run(arguments),
            Command::Backup(arguments) => backup::backup(arguments),
            Command::Restore(arguments) => backup::restore(arguments),
        }?;
        let status = if answer.refused { ExitCode::from(3) } else { ExitCode::SUCCESS };
        // A name in a stranger's certificate may steer the terminal.
        let output = match self.json {
            true => serde_json::to_string_pretty(&answer.json)?,
            false => lines_with_marks(&answer.text).into_owned(),
        };
        Ok(Done { output, status })
    }

    /// An error and its causes, as printed on standard error.
    pub(crate) fn failure(&self, error: &anyhow::Error) -> String {
        if self.json {
            return serde_json::json!({ "error": format!("{error:#}") }).to_string();
        }
        lines_with_marks(&format!("platen-pki: {error:#}")).into_owned()
    }
}

/// A time without fractions of a second, as printed for people.
fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
