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
    /// Configuration file.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON, including errors.
    #[arg(long, global = true)]
    json: bool,
    /// The subcommand; the default is `run`.
    #[command(subcommand)]
    command: Option<Command>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    Run,
    /// Read one device and print the reading.
    Read(ReadArgs),
    /// Find the devices of networks.
    Discover(DiscoverArgs),
    /// Get the gateway's certificate with a one-time token.
    Enroll(EnrollArgs),
    /// Test a vendor profile.
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Validate the configuration.
    Check,
    /// Print the status of the running gateway.
    Status,
    /// Read a repository of The Update Framework.
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
    let needed = "--config FILE is needed: packaging/examples/gateway-minimal.yaml is one to begin with";
    file.map_or_else(|| fail(EXIT_USAGE, needed), command)
}

/// Runs a command for one device or one sweep: one thread is enough and costs the least.
fn block_on(work: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => fail(EXIT_FAILED, &format!("the runtime can't start: {error}")),
    }
}
