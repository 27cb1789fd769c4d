//! The command line: changes of a repository, and serving it.
//!
//! Exit status: 0 success, 1 failure, 2 wrong arguments or configuration.

mod keys;
mod print;
mod publish;
mod withdraw;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use jiff::Timestamp;
use runtime::check::{Invalid, Problem, Report};
use runtime::config::{ConfigError, Source};
use runtime::malloc::{self, Arenas};
use runtime::output::{self, EXIT_USAGE};

use crate::Config;
use crate::repository::{Due, Lifetimes, Repository};

const PROGRAM: &str = "platen-global-server";
const EXIT_FAILED: u8 = 1;

/// Platen's global server.
#[derive(Debug, Parser)]
#[command(name = "platen-global-server", version, about = "Firmware repository of Platen")]
pub struct Cli {
    /// Configuration file (YAML). Relative paths in it are resolved against its folder.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON document, also for errors.
    #[arg(long, global = true)]
    json: bool,
    /// The command; `serve` when absent.
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve metadata and images over mutual TLS until SIGTERM or SIGINT. This is the default.
    Serve,
    /// Validate the configuration and the repository with every image in it, and print every problem. Changes
    /// nothing.
    Check(Place),
    /// Create a repository: keys, and signed metadata without images.
    Init(Place),
    /// Copy an image into the repository and sign metadata that names it.
    Publish(publish::PublishArgs),
    /// Withdraw an image: sign metadata without it and remove its file. Gateways no longer stage or push it.
    Withdraw(withdraw::WithdrawArgs),
    /// List the published images.
    List(Place),
    /// Sign the targets, a maker's role or the root again, with a later expiry.
    Resign(keys::ResignArgs),
    /// Sign the timestamp again, and the snapshot if it is due; `serve` does it by itself.
    Refresh(Signing),
    /// Make the next root: other keys, other thresholds, or the same with a later expiry.
    Rotate(keys::RotateArgs),
    /// Let a maker's keys sign the maker's images.
    Delegate(keys::DelegateArgs),
    /// Sign what is pending, and install what has enough signatures.
    Sign(keys::SignArgs),
    /// Generate a key: FILE, and FILE with the ending .pub, the public key.
    Key(keys::KeyArgs),
    /// Add timestamp and snapshot to a repository of a former version. Gateways follow by themselves.
    Migrate(Signing),
}

/// The repository to work on.
#[derive(Debug, Args)]
struct Place {
    /// Folder of the repository. Default: the one of the configuration.
    #[arg(long, value_name = "DIR")]
    repository: Option<PathBuf>,
}

/// The repository, and keys that aren't in it.
#[derive(Debug, Args)]
struct Signing {
    #[command(flatten)]
    place: Place,
    /// Private key that isn't in the repository's folder of keys; may be repeated.
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
}

impl Signing {
    fn open(&self, cli: &Cli) -> Result<Repository> {
        let dir = directory(cli, self.place.repository.as_deref())?;
        Ok(Repository::open(&dir)?.with_keys(&self.key))
    }
}

/// Runs the command.
#[must_use]
pub fn dispatch(cli: &Cli) -> ExitCode {
    let done = match &cli.command {
        None | Some(Command::Serve) => serve(cli),
        Some(Command::Check(place)) => check(cli, place),
        Some(Command::Init(place)) => init(cli, place),
        Some(Command::Publish(args)) => publish::publish(cli, args),
        Some(Command::Withdraw(args)) => withdraw::withdraw(cli, args),
        Some(Command::List(place)) => list(cli, place),
        Some(Command::Resign(args)) => keys::resign(cli, args),
        Some(Command::Refresh(signing)) => refresh(cli, signing),
        Some(Command::Rotate(args)) => keys::rotate(cli, args),
        Some(Command::Delegate(args)) => keys::delegate(cli, args),
        Some(Command::Sign(args)) => keys::sign(cli, args),
        Some(Command::Key(args)) => keys::key(cli, args),
        Some(Command::Migrate(signing)) => migrate(cli, signing),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            let is_usage = error.is::<ConfigError>()
                || error.is::<Invalid>()
                || error.is::<NoRepository>()
                || error.is::<publish::UnknownVendor>();
            let code = if is_usage { EXIT_USAGE } else { EXIT_FAILED };
            output::fail(PROGRAM, code, &runtime::error::chain(error.as_ref()))
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no {0}: give {1} (see --help)")]
struct NoRepository(&'static str, &'static str);

fn config(cli: &Cli) -> Result<Config> {
    let file = cli.config.as_deref().ok_or(NoRepository("configuration", "--config FILE"))?;
    Ok(runtime::config::load(file)?)
}

fn directory(cli: &Cli, given: Option<&Path>) -> Result<PathBuf> {
    match (given, &cli.config) {
        (Some(dir), _) => Ok(dir.to_owned()),
        (None, Some(_)) => Ok(config(cli)?.repository),
        (None, None) => Err(NoRepository("repository", "--repository DIR or --config FILE").into()),
    }
}

fn serve(cli: &Cli) -> Result<ExitCode> {
    let settled = malloc::settle(Arenas::Two);
    let config = config(cli)?;
    runtime::logging::init(&config.log)?;
    malloc::log(settled);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { crate::run(config, runtime::shutdown::on_signal()).await })?;
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

fn refresh(cli: &Cli, signing: &Signing) -> Result<ExitCode> {
    let outcome = signing.open(cli)?.refresh(Due::Now, Lifetimes::default(), Timestamp::now())?;
    print::outcome(cli.json, &outcome)?;
    Ok(ExitCode::SUCCESS)
}

fn migrate(cli: &Cli, signing: &Signing) -> Result<ExitCode> {
    let dir = directory(cli, signing.place.repository.as_deref())?;
    let (repository, outcome) =
        Repository::migrate(&dir, &signing.key, Lifetimes::default(), Timestamp::now())?;
    print::migrated(cli.json, &repository, &outcome)?;
    Ok(ExitCode::SUCCESS)
}

fn check(cli: &Cli, place: &Place) -> Result<ExitCode> {
    let (file, repository, mut problems) = match (&cli.config, place.repository.as_deref()) {
        (Some(file), given) => match Source::read(file).and_then(|source| Ok((source.parse()?, source))) {
            Ok((config, source)) => {
                let problems = config_problems(&config, &source);
                (file.clone(), Some(given.map_or(config.repository, Path::to_owned)), problems)
            }
            Err(error) => (file.clone(), None, vec![error.problem()]),
        },
        (None, _) => {
            let repository = directory(cli, place.repository.as_deref())?;
            (repository.clone(), Some(repository), Vec::new())
        }
    };
    let mut summary = String::new();
    let mut code = EXIT_USAGE;
    let mut warnings = Vec::new();
    let found = repository.map(|dir| (Repository::open(&dir).and_then(|it| it.check(Timestamp::now())), dir));
    match found {
        None => {}
        Some((Ok(found), dir)) => {
            // A sound configuration with a damaged repository: the arguments were right.
            if problems.is_empty() {
                code = EXIT_FAILED;
            }
            summary = print::summary(&dir, &found);
            let (faults, notes) = print::findings(&dir, &found);
            problems.extend(faults);
            warnings = notes;
        }
        Some((Err(error), dir)) => {
            let text = runtime::error::chain(&error);
            let text = text.strip_prefix(&format!("{}: ", dir.display())).unwrap_or(&text).to_owned();
            if problems.is_empty() {
                code = EXIT_FAILED;
            }
            problems.push(Problem::of_file(&dir, text));
        }
    }
    Ok(Report::new(&file, problems, warnings).print(PROGRAM, cli.json, &summary, code)?)
}

/// The problems of a configuration and of the identity that it names.
fn config_problems(config: &Config, source: &Source) -> Vec<Problem> {
    let issue = format!(
        "issue it first, where the authority is: platen-pki issue --dir AUTHORITY --profile global-server --name {} \
         --dns HOST --out DIR",
        config.name
    );
    match runtime::check::identity(&config.identity, config.tolerance, &issue) {
        Ok(own) if own.id().party.name() == config.name => Vec::new(),
        Ok(own) => {
            let problem =
                format!("is {:?}, but the certificate names {:?}", config.name, own.id().party.name());
            vec![source.problem("name", problem)]
        }
        Err(faults) => faults.iter().map(|(key, why)| source.problem(key, why)).collect(),
    }
}
