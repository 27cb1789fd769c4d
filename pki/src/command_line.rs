//! Arguments, and the answer of each command: text for people, with `--json` one JSON value.
//!
//! Exit status: 0 done, 1 failed, 2 wrong arguments.

mod init;
mod inspect;
mod issue;
mod list;

use clap::{Parser, Subcommand};
use serde::Serialize;

/// The authority of a Platen trust domain.
#[derive(Debug, Parser)]
#[command(name = "platen-pki", version)]
pub(crate) struct CommandLine {
    /// Answer in JSON, errors too.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a trust domain: an offline root, a server CA and a gateway CA.
    Init(init::Arguments),
    /// Make a key and issue a certificate for it.
    Issue(issue::Arguments),
    /// List every certificate issued, oldest first.
    List(list::Arguments),
    /// Show every certificate of a PEM file.
    Inspect(inspect::Arguments),
}

/// What a command answers, in both forms.
struct Answer {
    text: String,
    json: serde_json::Value,
}

impl Answer {
    fn new(text: String, value: &impl Serialize) -> anyhow::Result<Self> {
        Ok(Self { text, json: serde_json::to_value(value)? })
    }
}

impl CommandLine {
    /// Runs the command; the answer is what belongs on standard output.
    pub(crate) fn run(&self) -> anyhow::Result<String> {
        let answer = match &self.command {
            Command::Init(arguments) => init::run(arguments),
            Command::Issue(arguments) => issue::run(arguments),
            Command::List(arguments) => list::run(arguments),
            Command::Inspect(arguments) => inspect::run(arguments),
        }?;
        Ok(if self.json { serde_json::to_string_pretty(&answer.json)? } else { answer.text })
    }

    /// An error and its causes, for standard error.
    pub(crate) fn failure(&self, error: &anyhow::Error) -> String {
        if self.json {
            return serde_json::json!({ "error": format!("{error:#}") }).to_string();
        }
        format!("platen-pki: {error:#}")
    }
}
