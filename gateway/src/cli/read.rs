//! `platen-gateway read`: reads one device and prints the reading for people or as JSON.

mod explain;
mod page;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use gateway_core::reading::CompletedReading;
use gateway_core::reading::profiles::Profiles;

use super::agent_args::AgentArgs;
use super::exit::{EXIT_FAILED, EXIT_USAGE, PROGRAM, fail, printed};
use crate::device_address::DeviceAddress;
use crate::profile_files;
use crate::snmp::{Exchange, ReadError, ReadScope, Reader};

/// Arguments of `read`.
#[derive(Debug, Args)]
pub(super) struct ReadArgs {
    /// The device: ADDR, ADDR:PORT, NAME or NAME:PORT.
    #[arg(value_name = "DEVICE")]
    pub(super) place: DeviceAddress,
    /// How the device is read.
    #[command(flatten)]
    pub(super) ask: AgentArgs,
    /// Read only status, alerts and supplies, without counters.
    #[arg(long)]
    pub(super) status_only: bool,
    /// Print each request with its response, and the object that each value comes from.
    #[arg(long)]
    pub(super) explain: bool,
}

/// Reads and prints.
pub(super) async fn command(args: ReadArgs, json: bool) -> ExitCode {
    let profiles = match profile_files::load(args.ask.profiles.as_deref()) {
        Ok(profiles) => profiles,
        Err(error) => return fail(EXIT_USAGE, &error.to_string()),
    };
    read_and_print(profiles, &args, json).await
}

/// Reads with these profiles and prints.
pub(super) async fn read_and_print(profiles: Profiles, args: &ReadArgs, json: bool) -> ExitCode {
    let mut exchanges = Vec::new();
    let outcome = read(profiles, args, &mut exchanges).await;
    let explained =
        if args.explain { explain::requests(&mut io::stderr().lock(), &exchanges) } else { Ok(()) };
    let finished = match outcome {
        Ok(finished) => finished,
        Err(why) => return fail(EXIT_FAILED, &why),
    };
    printed(runtime::output::write(|out| explained.and_then(|()| print(out, &finished, args, json))))
}

async fn read(
    profiles: Profiles,
    args: &ReadArgs,
    exchanges: &mut Vec<Exchange>,
) -> Result<CompletedReading, String> {
    let reader = Reader::new(Arc::new(profiles)).await.map_err(|error| error.to_string())?;
    let scope = if args.status_only { ReadScope::Status } else { ReadScope::Full };
    let target = args.ask.target(args.place.resolve().await?)?;
    for weakness in target.credentials.weaknesses() {
        // If standard error is closed, there is nobody to warn.
        writeln!(io::stderr().lock(), "{PROGRAM}: warning: {weakness}").ok();
    }
    let mut watch = |exchange: &Exchange| {
        if args.explain {
            exchanges.push(exchange.clone());
        }
    };
    let read = reader.read_watched(&target, scope, &mut watch).await;
    read.map_err(|error| {
        let silent = matches!(error, ReadError::NoAnswer { .. });
        if silent {
            format!("{error}: {}", args.ask.silence(target.address.port()))
        } else {
            error.to_string()
        }
    })
}

fn print(out: &mut dyn Write, finished: &CompletedReading, args: &ReadArgs, json: bool) -> io::Result<()> {
    if json {
        serde_json::to_writer(&mut *out, &finished.reading)?;
        writeln!(out)?;
    } else {
        page::print(out, &finished.reading)?;
    }
    if args.explain {
        explain::provenance(&mut io::stderr().lock(), &finished.provenance)?;
    }
    out.flush()
}
