//! `platen-gateway read`: one reading of one device, for people or as JSON.

mod ask;
mod explain;
mod page;

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use gateway_core::device_reading::Finished;
use gateway_core::profiles::Profiles;

use crate::cli::{EXIT_FAILED, EXIT_USAGE, fail};
use crate::profile_files;
use crate::snmp::{Exchange, ReadError, Reader, SNMP_PORT, Scope};

pub use ask::{AskArgs, UserArgs, Version};

/// Arguments of `read`.
#[derive(Debug, Args)]
pub struct ReadArgs {
    /// The device, `ADDR` or `ADDR:PORT`.
    #[arg(value_parser = address)]
    pub address: SocketAddr,
    /// How it is asked.
    #[command(flatten)]
    pub ask: AskArgs,
    /// Read only status, alerts and supplies.
    #[arg(long)]
    pub status_only: bool,
    /// Show each request, and where each value came from.
    #[arg(long)]
    pub explain: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `ADDR` or `ADDR:PORT`; the port is SNMP's where it is absent.
///
/// # Errors
/// Neither.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse::<SocketAddr>()
        .or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, SNMP_PORT)))
        .map_err(|_| "expected ADDR or ADDR:PORT, like 192.0.2.7 or [2001:db8::7]:161".to_owned())
}

/// Reads and prints.
pub async fn command(args: ReadArgs) -> ExitCode {
    let profiles = match profile_files::load(args.ask.profiles.as_deref()) {
        Ok(profiles) => profiles,
        Err(error) => return fail(EXIT_USAGE, &error.to_string()),
    };
    read_and_print(profiles, &args).await
}

/// What can be done with profile files.
#[derive(Debug, Subcommand)]
pub enum ProfileCommand {
    /// Check a profile file and read a device with it.
    Test {
        /// The profile file.
        file: PathBuf,
        /// The device and how it is read.
        #[command(flatten)]
        read: ReadArgs,
    },
}

/// Carries out `platen-gateway profile`.
pub async fn profile_command(command: ProfileCommand) -> ExitCode {
    let ProfileCommand::Test { file, read } = command;
    match profile_files::file(&file) {
        Ok(profile) => read_and_print(Profiles::new([profile]), &read).await,
        Err(error) => fail(EXIT_USAGE, &error.to_string()),
    }
}

/// Reads with these profiles and prints.
async fn read_and_print(profiles: Profiles, args: &ReadArgs) -> ExitCode {
    let mut exchanges = Vec::new();
    let outcome = read(profiles, args, &mut exchanges).await;
    let mut out = io::stdout().lock();
    let explained =
        if args.explain { explain::requests(&mut io::stderr().lock(), &exchanges) } else { Ok(()) };
    let finished = match outcome {
        Ok(finished) => finished,
        Err(why) => return fail(EXIT_FAILED, &why),
    };
    let printed = explained.and_then(|()| print(&mut out, &finished, args));
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        // Who reads the output has had enough of it.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => fail(EXIT_FAILED, &format!("standard output: {error}")),
    }
}

async fn read(
    profiles: Profiles,
    args: &ReadArgs,
    exchanges: &mut Vec<Exchange>,
) -> Result<Finished, String> {
    let reader = Reader::new(Arc::new(profiles)).await.map_err(|error| error.to_string())?;
    let scope = if args.status_only { Scope::StatusOnly } else { Scope::Whole };
    let target = args.ask.target(args.address)?;
    for weakness in target.credentials.weaknesses() {
        // A closed standard error leaves nobody to warn.
        writeln!(io::stderr().lock(), "platen-gateway: warning: {weakness}").ok();
    }
    let mut watch = |exchange: &Exchange| {
        if args.explain {
            exchanges.push(exchange.clone());
        }
    };
    reader.read_watched(&target, scope, &mut watch).await.map_err(|error: ReadError| error.to_string())
}

fn print(out: &mut dyn Write, finished: &Finished, args: &ReadArgs) -> io::Result<()> {
    if args.json {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_optional() {
        assert_eq!(address("192.0.2.7").unwrap().to_string(), "192.0.2.7:161");
        assert_eq!(address("192.0.2.7:1161").unwrap().port(), 1161);
        assert_eq!(address("2001:db8::7").unwrap().to_string(), "[2001:db8::7]:161");
        assert!(address("printer").unwrap_err().contains("ADDR:PORT"));
    }
}
