//! The command line: which subcommands exist, and who carries them out.

mod check;
mod malloc;
mod run;
mod status;

use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::discovery::DiscoverArgs;
use crate::enrol::EnrollArgs;
use crate::read::{ProfileCommand, ReadArgs};

/// It could not be done: no answer, no connection, failed.
pub const EXIT_FAILED: u8 = 1;

/// Wrong arguments or a wrong configuration.
pub const EXIT_USAGE: u8 = 2;

/// Platen's gateway.
#[derive(Debug, Parser)]
#[command(name = "platen-gateway", version, about = "Remote Communication Gate for printer fleets")]
pub struct Cli {
    /// Configuration file; `read` and `discover` work without.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do; `run` when absent.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway.
    Run,
    /// Read one device and print the reading.
    Read(ReadArgs),
    /// Find the devices of networks.
    Discover(DiscoverArgs),
    /// Get the gateway's certificate with a one-time token.
    Enroll(EnrollArgs),
    /// Try a vendor profile.
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Validate the configuration.
    Check {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Ask a running gateway how it is.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Carries out the command line.
#[must_use]
pub fn dispatch(cli: Cli) -> ExitCode {
    match cli.command {
        Some(Command::Read(args)) => block_on(crate::read::command(args)),
        Some(Command::Discover(args)) => block_on(crate::discovery::command(args, cli.config.as_deref())),
        Some(Command::Enroll(args)) => block_on(crate::enrol::command(args, cli.config.as_deref())),
        Some(Command::Profile(command)) => block_on(crate::read::profile_command(command)),
        None | Some(Command::Run) => with_config(cli.config.as_deref(), run::command),
        Some(Command::Check { json }) => {
            with_config(cli.config.as_deref(), |file| check::command(file, json))
        }
        Some(Command::Status { json }) => {
            with_config(cli.config.as_deref(), |file| status::command(file, json))
        }
    }
}

fn with_config(file: Option<&Path>, command: impl FnOnce(&Path) -> ExitCode) -> ExitCode {
    file.map_or_else(|| fail(EXIT_USAGE, "--config FILE is needed"), command)
}

/// Runs a command of one device or one sweep: one thread is enough and costs the least.
fn block_on(work: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => fail(EXIT_FAILED, &format!("the runtime can't start: {error}")),
    }
}

/// Says on standard error why a command failed.
#[must_use]
pub fn fail(code: u8, why: &str) -> ExitCode {
    // A closed standard error leaves nobody to tell.
    writeln!(std::io::stderr().lock(), "platen-gateway: {why}").ok();
    ExitCode::from(code)
}
