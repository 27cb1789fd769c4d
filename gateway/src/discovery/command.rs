//! `platen-gateway discover`: sweeps networks and prints what is found.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use gateway_core::profiles::Profiles;
use indicatif::{ProgressBar, ProgressStyle};
use ipnet::IpNet;
use wire::reading::Reading;

use super::{ADDRESSES, Found, Network, Pace, discover};
use crate::cli::{EXIT_FAILED, EXIT_USAGE, fail};
use crate::profile_files;
use crate::read::AskArgs;
use crate::snmp::{Reader, SNMP_PORT};

/// Arguments of `discover`.
#[derive(Debug, Args)]
pub struct DiscoverArgs {
    /// The networks, as CIDRs; a single address is one too.
    #[arg(required = true, value_parser = network, value_name = "CIDR")]
    pub networks: Vec<IpNet>,
    /// Port of the agents.
    #[arg(long, default_value_t = SNMP_PORT)]
    pub port: u16,
    /// How devices are asked.
    #[command(flatten)]
    pub ask: AskArgs,
    /// Addresses asked at once.
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub concurrency: u32,
    /// Addresses begun in a second.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub pps: u32,
    /// Print JSON, a line for each device.
    #[arg(long)]
    pub json: bool,
}

fn network(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map_err(|_| "expected a CIDR or an address, like 192.0.2.0/24".to_owned())
}

/// Sweeps and prints.
pub async fn command(args: DiscoverArgs) -> ExitCode {
    let credentials = match args.ask.credentials() {
        Ok(credentials) => credentials,
        Err(why) => return fail(EXIT_USAGE, &why),
    };
    let networks: Vec<Network> = args
        .networks
        .iter()
        .map(|cidr| Network { cidr: *cidr, port: args.port, credentials: credentials.clone() })
        .collect();
    let addresses = networks.iter().fold(0_u128, |sum, network| sum.saturating_add(network.addresses()));
    if addresses > ADDRESSES {
        return fail(
            EXIT_USAGE,
            &format!("{addresses} addresses: expected at most {ADDRESSES} in one sweep"),
        );
    }
    let profiles = match profile_files::load(args.ask.profiles.as_deref()) {
        Ok(profiles) => profiles,
        Err(error) => return fail(EXIT_USAGE, &error.to_string()),
    };
    match sweep(profiles, &networks, &args, u64::try_from(addresses).unwrap_or(u64::MAX)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(EXIT_FAILED, &why),
    }
}

async fn sweep(
    profiles: Profiles,
    networks: &[Network],
    args: &DiscoverArgs,
    addresses: u64,
) -> Result<(), String> {
    let reader = Reader::new(Arc::new(profiles)).await.map_err(|error| error.to_string())?;
    let pace = Pace {
        timeout: args.ask.timeout(),
        retries: args.ask.retries,
        concurrency: usize::try_from(args.concurrency).unwrap_or(usize::MAX),
        packets_per_s: args.pps,
    };
    // Drawn on standard error, and only on a terminal.
    let bar = ProgressBar::new(addresses);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} addresses, {msg}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let (mut devices, mut others, mut broken) = (0_u64, 0_u64, None);
    let mut on_address = |found| {
        match found {
            Found::Nothing(_) => {}
            Found::Device(_, reading) => {
                devices += 1;
                let printed = bar.suspend(|| print(&reading, args.json));
                broken = broken.take().or(printed.err());
            }
            Found::Other(address, why) => {
                others += 1;
                tracing::debug!(%address, why, "passed over");
            }
        }
        bar.set_message(format!("{devices} devices"));
        bar.inc(1);
    };
    discover(&reader, networks, pace, &mut on_address).await;
    bar.finish_and_clear();
    if !args.json {
        let summary = format!("{devices} devices, {others} other agents, {addresses} addresses");
        let told = writeln!(io::stderr().lock(), "{summary}");
        broken = broken.or(told.err());
    }
    broken.map_or(Ok(()), |error| Err(format!("standard output: {error}")))
}

fn print(reading: &Reading, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, reading)?;
        return writeln!(out);
    }
    let text = |field: &Option<String>| field.clone().unwrap_or_else(|| "-".to_owned());
    let (identity, counter) = (&reading.identity, wire::reading::Counter::Total);
    let total = reading.counters.get(&counter).map_or_else(|| "-".to_owned(), u64::to_string);
    writeln!(
        out,
        "{:<21} {:<10} {:<32} {:<18} {total}",
        reading.address,
        text(&identity.vendor),
        text(&identity.model),
        text(&identity.serial)
    )
}
