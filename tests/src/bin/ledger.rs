//! `cargo run --release -p tests --bin ledger -- --kills 200 --engine sqlite`: nothing missing, nothing
//! duplicated.

use std::io::Write as _;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tests::ledger::{self, Engine, Outcome, Progress, Spec};

/// Kills gateways and servers at random and compares the records of both sides. Exit status 0 only if nothing
/// is missing and nothing is duplicated.
#[derive(Debug, Parser)]
#[command(name = "ledger", version)]
struct Arguments {
    /// Number of programs to kill.
    #[arg(long, default_value_t = 50)]
    kills: u32,
    /// Seed of the random choices; the same seed makes the same choices. Default: a random one.
    #[arg(long)]
    seed: Option<u64>,
    /// Database of the servers.
    #[arg(long, value_enum, default_value = "sqlite")]
    engine: Engine,
    /// Number of communication servers; more than one requires PostgreSQL.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    servers: u8,
    /// Print one JSON document instead of a table.
    #[arg(long)]
    json: bool,
    /// Use the programs as they are, without building them first.
    #[arg(long)]
    no_build: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // If standard error fails, the error can't be reported anywhere.
            drop(writeln!(std::io::stderr().lock(), "ledger: nothing is proven: {error:#}"));
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    if arguments.servers > 1 && arguments.engine == Engine::Sqlite {
        bail!("several servers share a PostgreSQL only: --engine postgresql");
    }
    if !arguments.no_build {
        build()?;
    }
    let seed = arguments.seed.unwrap_or_else(rand::random);
    let mut spec = Spec::new(arguments.engine, arguments.kills, seed);
    spec.servers = usize::from(arguments.servers);
    let dir = tempfile::Builder::new().prefix("platen-ledger-").tempdir().context("temporary folder")?;
    let bar = if arguments.json { ProgressBar::hidden() } else { ProgressBar::new(arguments.kills.into()) };
    bar.set_style(ProgressStyle::with_template(
        "{spinner:.cyan} {msg:<12} {bar:32.cyan/blue} {pos}/{len} {elapsed:.dim}",
    )?);
    bar.enable_steady_tick(Duration::from_millis(120));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(ledger::check(dir.path(), &spec, |progress| show(&bar, progress)));
    bar.finish_and_clear();
    match outcome {
        Ok(outcome) => {
            let right = outcome.discrepancies.is_empty();
            tell(arguments, &spec, &outcome)?;
            if !right {
                keep(dir)?;
            }
            Ok(right)
        }
        Err(error) => {
            keep(dir)?;
            Err(error.context(format!("seed {seed}")))
        }
    }
}

fn show(bar: &ProgressBar, progress: Progress) {
    match progress {
        Progress::Starting => bar.set_message("starting"),
        Progress::Killed(kills) => {
            bar.set_message("kills");
            bar.set_position(kills.into());
        }
        Progress::Settling => bar.set_message("settling"),
        Progress::Comparing => bar.set_message("comparing"),
    }
}

/// Keeps the logs and the spools for inspection.
fn keep(dir: tempfile::TempDir) -> Result<()> {
    let kept = dir.keep();
    writeln!(std::io::stderr().lock(), "ledger: kept {}", kept.display())?;
    Ok(())
}

/// Builds the programs that are started, in the profile of this program.
fn build() -> Result<()> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--quiet", "--workspace", "--bins"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let status = command.status().context("cargo can't be started")?;
    if !status.success() {
        bail!("the programs can't be built");
    }
    Ok(())
}

fn tell(arguments: &Arguments, spec: &Spec, outcome: &Outcome) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let figures = &outcome.figures;
    if arguments.json {
        let wrong: Vec<String> = outcome.discrepancies.iter().map(ToString::to_string).collect();
        let all = json!({"engine": spec.engine, "seed": spec.seed, "servers": spec.servers,
            "figures": figures, "discrepancies": wrong});
        writeln!(out, "{all}")?;
        return Ok(());
    }
    writeln!(out, "kills             {} in {} s, {} servers", figures.kills, figures.seconds, spec.servers)?;
    writeln!(out, "connections cut   {}", figures.connections_broken)?;
    writeln!(out, "disks filled      {}", figures.disks_filled)?;
    writeln!(out, "database crashes  {}", figures.database_crashes)?;
    writeln!(out, "pages             {} printed, {} billed", figures.pages_printed, figures.pages_billed)?;
    let (had, stored) = (figures.service_calls, figures.service_calls_stored);
    writeln!(out, "service calls     {had} had, {stored} stored")?;
    writeln!(out, "orders            {} taken, each carried out once", figures.commands)?;
    let (made, acknowledged) = (figures.reports_made, figures.reports_acknowledged);
    writeln!(
        out,
        "reports           {made} made, {acknowledged} acknowledged, {} stored",
        figures.reports_stored
    )?;
    for wrong in &outcome.discrepancies {
        writeln!(out, "{wrong}")?;
    }
    let again = format!("--kills {} --seed {} --engine {}", spec.kills, spec.seed, name(spec.engine));
    if outcome.discrepancies.is_empty() {
        writeln!(out, "nothing missing, nothing double (seed {})", spec.seed)?;
    } else {
        writeln!(out, "run it again: cargo run --release -p tests --bin ledger -- {again}")?;
    }
    Ok(())
}

const fn name(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "sqlite",
        Engine::Postgresql => "postgres",
    }
}
