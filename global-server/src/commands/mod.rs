//! The command line: what can be done to a repository, and serving it.
//!
//! Exit status: 0 done, 1 could not be done, 2 wrong arguments or configuration.

mod print;
mod publish;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use jiff::Timestamp;
use program::config::ConfigError;
use serde::Serialize;

use crate::Config;
use crate::repository::{Findings, Lifetimes, Repository};

const EXIT_FAILED: u8 = 1;
const EXIT_USAGE: u8 = 2;

/// Platen's global server.
#[derive(Debug, Parser)]
#[command(name = "platen-global-server", version, about = "Firmware repository of Platen")]
pub struct Cli {
    /// Configuration file.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    /// What to do; `serve` when absent.
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve metadata and images over mutual TLS.
    Serve,
    /// Validate the configuration, and the repository with every image in it.
    Check(Place),
    /// Make a repository: keys, a root, an empty list of images.
    Init(Place),
    /// Publish an image.
    Publish(publish::PublishArgs),
    /// List the published images.
    List(Place),
    /// Sign the list of images anew, with a later expiry.
    Resign(Place),
}

/// Which repository.
#[derive(Debug, Args)]
struct Place {
    /// The repository; the configuration's when absent.
    #[arg(long, value_name = "DIR")]
    repository: Option<PathBuf>,
}

/// Carries out the command line.
#[must_use]
pub fn dispatch(cli: &Cli) -> ExitCode {
    let done = match &cli.command {
        None | Some(Command::Serve) => serve(cli),
        Some(Command::Check(place)) => check(cli, place),
        Some(Command::Init(place)) => init(cli, place),
        Some(Command::Publish(args)) => publish::publish(cli, args),
        Some(Command::List(place)) => list(cli, place),
        Some(Command::Resign(place)) => resign(cli, place),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            // A closed standard error leaves nobody to tell.
            writeln!(std::io::stderr().lock(), "platen-global-server: {error:#}").ok();
            let is_usage = error.is::<ConfigError>() || error.is::<NoRepository>();
            ExitCode::from(if is_usage { EXIT_USAGE } else { EXIT_FAILED })
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no {0}: give {1} (see --help)")]
struct NoRepository(&'static str, &'static str);

fn config(cli: &Cli) -> Result<Config> {
    let file = cli.config.as_deref().ok_or(NoRepository("configuration", "--config FILE"))?;
    Ok(program::config::load(file)?)
}

fn directory(cli: &Cli, given: Option<&Path>) -> Result<PathBuf> {
    match (given, &cli.config) {
        (Some(dir), _) => Ok(dir.to_owned()),
        (None, Some(_)) => Ok(config(cli)?.repository),
        (None, None) => Err(NoRepository("repository", "--repository DIR or --config FILE").into()),
    }
}

fn serve(cli: &Cli) -> Result<ExitCode> {
    let config = config(cli)?;
    program::logging::init(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { crate::run(config, program::shutdown::on_signal()).await })?;
    Ok(ExitCode::SUCCESS)
}

fn init(cli: &Cli, place: &Place) -> Result<ExitCode> {
    let dir = directory(cli, place.repository.as_deref())?;
    let repository = Repository::init(&dir, Lifetimes::default(), Timestamp::now())?;
    print::init(cli.json, &repository)?;
    Ok(ExitCode::SUCCESS)
}

fn list(cli: &Cli, place: &Place) -> Result<ExitCode> {
    let repository = Repository::open(&directory(cli, place.repository.as_deref())?)?;
    print::list(cli.json, &repository.verified(Timestamp::now())?)?;
    Ok(ExitCode::SUCCESS)
}

fn resign(cli: &Cli, place: &Place) -> Result<ExitCode> {
    let repository = Repository::open(&directory(cli, place.repository.as_deref())?)?;
    let targets = repository.resign(Lifetimes::default(), Timestamp::now())?;
    print::resigned(cli.json, &targets)?;
    Ok(ExitCode::SUCCESS)
}

/// What `check` prints as JSON.
#[derive(Debug, Serialize)]
struct Checked {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", flatten)]
    repository: Option<Findings>,
}

fn check(cli: &Cli, place: &Place) -> Result<ExitCode> {
    let found = (|| -> Result<Findings> {
        if cli.config.is_some() {
            let config = config(cli)?;
            crate::prepare(&config)?;
        }
        let repository = Repository::open(&directory(cli, place.repository.as_deref())?)?;
        repository.check(Timestamp::now()).context("the repository")
    })();
    match found {
        Ok(findings) => {
            let ok = findings.is_sound();
            print::checked(cli.json, &Checked { ok, problem: None, repository: Some(findings) })?;
            Ok(ExitCode::from(if ok { 0 } else { EXIT_FAILED }))
        }
        Err(error) => {
            if cli.json {
                let problem = Some(format!("{error:#}"));
                print::checked(true, &Checked { ok: false, problem, repository: None })?;
            }
            Err(error)
        }
    }
}
