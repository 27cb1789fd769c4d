//! `cargo demo`: builds and starts a whole site on loopback, narrates what happens, and leaves it running.

mod build;
mod narrator;
mod story;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use narrator::Narrator;

/// A whole Platen site on loopback: PKI, both servers, a gateway and 12 virtual printers.
#[derive(Debug, Parser)]
#[command(name = "platen-demo", version)]
struct Arguments {
    /// Exit when done; exit status 0 only if every step succeeded.
    #[arg(long)]
    once: bool,
    /// Print one JSON object per step instead of text.
    #[arg(long)]
    json: bool,
    /// Folder of the site, which is kept. Default: a temporary folder, removed at the end.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Factor by which the gateway's intervals are shortened.
    #[arg(long, value_name = "FACTOR", default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..=3600))]
    speedup: u32,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let narrator = Narrator::new(arguments.json);
    match run(&arguments, &narrator) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            narrator.failure(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, narrator: &Narrator) -> Result<()> {
    build::build(narrator)?;
    let temporary = tempfile::Builder::new().prefix("platen-demo-").tempdir().context("temporary folder")?;
    let dir = match &arguments.dir {
        Some(dir) => std::path::absolute(dir)?,
        None => temporary.path().to_owned(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(story::tell(narrator, dir, arguments.speedup, arguments.once))
}
