//! Discovery: finds the devices of networks by a paced sweep, and `platen-gateway discover`.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use ipnet::IpNet;
use wire::reading::Reading;

use crate::snmp::{Credentials, Reader};

/// Arguments of `discover`.
#[derive(Debug, Args)]
pub struct DiscoverArgs {
    /// The networks, as CIDRs.
    #[arg(required = true)]
    pub networks: Vec<IpNet>,
    /// Print JSON, a line for each device.
    #[arg(long)]
    pub json: bool,
}

/// A network to sweep.
#[derive(Debug, Clone)]
pub struct Network {
    /// Addresses.
    pub cidr: IpNet,
    /// Port of the agents.
    pub port: u16,
    /// With what they are asked.
    pub credentials: Credentials,
}

/// How a sweep goes.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Time for an answer.
    pub timeout: Duration,
    /// Repetitions of a probe.
    pub retries: u32,
    /// Addresses asked at once.
    pub concurrency: usize,
    /// First probes per second.
    pub packets_per_s: u32,
}

/// What a sweep tells while it goes.
#[derive(Debug)]
pub enum Found {
    /// An address is done, and nothing that prints answered there.
    Nothing(SocketAddr),
    /// A printer answered and was read.
    Device(SocketAddr, Box<Reading>),
    /// Something answered and could not be read, or isn't a printer.
    Other(SocketAddr, String),
}

/// Sweeps the networks; `on_address` is called once for each address, in the order of completion.
#[expect(clippy::unused_async, reason = "the signature is the contract")]
pub async fn discover(
    _reader: &Reader,
    _networks: &[Network],
    _pace: Pace,
    _on_address: &mut (dyn FnMut(Found) + Send),
) {
}

/// Sweeps and prints.
#[expect(clippy::unused_async, reason = "the signature is the contract")]
pub async fn command(_args: DiscoverArgs) -> ExitCode {
    crate::cli::fail(crate::cli::EXIT_FAILED, "not built yet")
}
