//! The command line: the subcommands and their dispatch.

mod agent_args;
mod check;
mod discover;
mod enroll;
mod exit;
mod profile;
mod read;
mod run;
mod status;
mod tuf;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use discover::DiscoverArgs;
use enroll::EnrollArgs;
use exit::{EXIT_FAILED, EXIT_USAGE, fail};
use profile::ProfileCommand;
use read::ReadArgs;
use tuf::TufArgs;

/// Platen's gateway.
#[derive(Debug, Parser)]
#[command(name = "platen-gateway", version, about = "Remote Communication Gate for printer fleets")]
pub struct Cli {
    /// Configuration file (YAML). Relative paths in it are resolved against its folder.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON document, also for errors.
    #[arg(long, global = true)]
    json: bool,
    /// The subcommand; the default is `run`.
    #[command(subcommand)]
    command: Option<Command>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway until SIGTERM or SIGINT. This is the default.
    Run,
    /// Read one device over SNMP and print the reading. Needs no configuration and stores nothing.
    Read(ReadArgs),
    /// Search networks for devices and print those found. Stores nothing.
    Discover(DiscoverArgs),
    /// Request the gateway's first certificate with a one-time token, and write it with its key.
    Enroll(EnrollArgs),
    /// Test vendor profiles.
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Validate the configuration and print every problem. Changes nothing.
    Check,
    /// Print the status of the running gateway.
    Status,
    /// Update and download from any repository of The Update Framework (TUF).
    Tuf(TufArgs),
}

/// Executes the command line.
#[must_use]
pub fn dispatch(cli: Cli) -> ExitCode {
    let json = cli.json;
    match cli.command {
        Some(Command::Read(args)) => block_on(read::command(args, json)),
        Some(Command::Discover(args)) => block_on(discover::command(args, cli.config.as_deref(), json)),
        Some(Command::Enroll(args)) => block_on(enroll::command(args, cli.config.as_deref(), json)),
        Some(Command::Tuf(args)) => block_on(tuf::command(args, json)),
        Some(Command::Profile(command)) => block_on(profile::command(command, json)),
        None | Some(Command::Run) => with_config(cli.config.as_deref(), run::command),
        Some(Command::Check) => with_config(cli.config.as_deref(), |file| check::command(file, json)),
        Some(Command::Status) => with_config(cli.config.as_deref(), |file| status::command(file, json)),
    }
}

fn with_config(file: Option<&Path>, command: impl FnOnce(&Path) -> ExitCode) -> ExitCode {
    let needed = "--config FILE is required: start from packaging/examples/gateway-minimal.yaml";
    file.map_or_else(|| fail(EXIT_USAGE, needed), command)
}

/// Runs a command for one device or one sweep: one thread is enough and costs the least.
fn block_on(work: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => fail(EXIT_FAILED, &format!("the async runtime can't be started: {error}")),
    }
}
