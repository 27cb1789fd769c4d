//! `platen-gateway discover`: searches networks and prints the devices that were found, or what would be searched.

mod plan;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use gateway_core::reading::profiles::Profiles;
use gateway_core::search::{ADDRESSES, Part, Span, Sweep, judge_announced};
use indicatif::{ProgressBar, ProgressStyle};
use ipnet::IpNet;
use runtime::output::OutputReader;
use tokio::sync::Notify;
use wire::reading::Reading;

use super::agent_args::AgentArgs;
use super::exit::{EXIT_FAILED, EXIT_USAGE, fail, printed};
use crate::config;
use crate::device_address::DeviceAddress;
use crate::discovery::{Found, Pace, Search, announcements, discover};
use crate::profile_files;
use crate::snmp::{Reader, SNMP_PORT};

/// Arguments of `discover`.
#[derive(Debug, Args)]
pub(super) struct DiscoverArgs {
    /// Networks, ranges, addresses and names to search: 192.0.2.0/24, 192.0.2.10-192.0.2.99, 192.0.2.7,
    /// printer.example. Default: those of the configuration.
    #[arg(value_name = "ADDRESSES", value_parser = where_to_search)]
    pub(super) networks: Vec<Where>,
    /// Network, range or address that is not searched; may be repeated.
    #[arg(long, value_name = "ADDRESSES")]
    pub(super) exclude: Vec<Span>,
    /// UDP port of the devices' SNMP agents.
    #[arg(long, default_value_t = SNMP_PORT)]
    pub(super) port: u16,
    /// How devices are read.
    #[command(flatten)]
    pub(super) ask: AgentArgs,
    /// Maximum number of addresses that are probed at the same time: 1 to 65536.
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(super) concurrency: u32,
    /// Maximum number of packets sent per second: 1 to 100000. Default: the configured rate, or 500 without a
    /// configuration.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) pps: Option<u32>,
    /// Query multicast DNS first, and read the devices that respond before the sweep; addresses outside of
    /// the networks are skipped.
    #[arg(long)]
    pub(super) mdns: bool,
    /// Read only the addresses that announce themselves, without a sweep.
    #[arg(long, requires = "mdns")]
    pub(super) no_sweep: bool,
    /// Print the addresses that would be probed and how long that takes; send nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// A target of the search.
#[derive(Debug, Clone)]
pub(super) enum Where {
    Span(Span),
    /// The address of a DNS name.
    Name(DeviceAddress),
}

fn where_to_search(text: &str) -> Result<Where, String> {
    match (text.parse::<Span>(), text.parse::<DeviceAddress>()) {
        (Err(_), Ok(name @ DeviceAddress::Named { port: SNMP_PORT, .. })) => Ok(Where::Name(name)),
        (span, _) => span.map(Where::Span).map_err(|error| format!("{error}, or a DNS name")),
    }
}

/// Packets per second by default.
const PACKETS_PER_S: u32 = 500;

/// What is searched, and how.
struct Order {
    search: Search,
    pace: Pace,
    mdns: bool,
    names: Vec<String>,
}

/// Searches and prints.
pub(super) async fn command(args: DiscoverArgs, file: Option<&Path>, json: bool) -> ExitCode {
    let mut order = match order(&args, file).await {
        Ok(order) => order,
        Err(why) => return fail(EXIT_USAGE, &why),
    };
    let size = order.search.sweep.size();
    if size > ADDRESSES {
        return fail(EXIT_USAGE, &format!("{size} addresses: expected at most {ADDRESSES} in one sweep"));
    }
    if args.dry_run {
        let (search, names) = (&order.search, &order.names);
        return printed(runtime::output::write(|out| plan::print(out, search, order.pace, names, json)));
    }
    let profiles = match profile_files::load(args.ask.profiles.as_deref()) {
        Ok(profiles) => profiles,
        Err(error) => return fail(EXIT_USAGE, &error.to_string()),
    };
    if order.mdns {
        match announcements::listen(announcements::LISTEN).await {
            Ok(announced) => {
                let decided = judge_announced(&order.search.sweep, &announced);
                for address in decided.passed_over {
                    tracing::debug!(%address, "announced printer skipped: it is outside of the networks");
                }
                order.search.announced = decided.ask.into_iter().map(|(_, address)| address).collect();
            }
            Err(error) => return fail(EXIT_FAILED, &error.to_string()),
        }
    }
    if args.no_sweep {
        order.search.sweep.parts.iter_mut().for_each(|part| part.swept = false);
    }
    match search(profiles, &order, &args, json).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(EXIT_FAILED, &why),
    }
}

/// From the arguments, or from the configuration if they have no network.
async fn order(args: &DiscoverArgs, file: Option<&Path>) -> Result<Order, String> {
    let mut pace = Pace {
        timeout: args.ask.timeout(),
        retries: args.ask.retries,
        concurrency: usize::try_from(args.concurrency).unwrap_or(usize::MAX),
        packets_per_s: args.pps.unwrap_or(PACKETS_PER_S),
    };
    let announced = Vec::new();
    if !args.networks.is_empty() {
        let mut parts = Vec::new();
        for place in &args.networks {
            let span = match place {
                Where::Span(span) => *span,
                Where::Name(name) => IpNet::from(name.resolve().await?.ip()).into(),
            };
            parts.push(Part { span, port: args.port, swept: true });
        }
        let sweep = Sweep { parts, exclude: args.exclude.clone() };
        let search = Search { sweep, announced, credentials: args.ask.credentials()?, skip: 0 };
        return Ok(Order { search, pace, mdns: args.mdns, names: Vec::new() });
    }
    let file = file.ok_or("expected networks, or --config FILE with networks in it")?;
    let (config, checked) = config::load(file).map_err(|problems| runtime::check::text(&problems))?;
    let mut sweep = config.sweep();
    sweep.exclude.extend(args.exclude.iter().copied());
    pace.packets_per_s = args.pps.unwrap_or(config.discovery.packets_per_s);
    pace.retries = config.search_pace().retries;
    pace.timeout = config.search_pace().timeout;
    let names = config.named_devices().into_iter().map(|named| named.host).collect();
    let search = Search { sweep, announced, credentials: checked.credentials, skip: 0 };
    Ok(Order { search, pace, mdns: args.mdns || config.discovery.mdns, names })
}

async fn search(profiles: Profiles, order: &Order, args: &DiscoverArgs, json: bool) -> Result<(), String> {
    let reader = Reader::new(Arc::new(profiles)).await.map_err(|error| error.to_string())?;
    let swept = order.search.estimate(order.pace).addresses;
    // Drawn on standard error, if that is a terminal.
    let bar = ProgressBar::new(swept);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} probes, {msg}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let (mut devices, mut others, mut done, mut broken) = (0_u64, 0_u64, 0_u64, None);
    let enough = Notify::new();
    let mut on_address = |found| {
        done += 1;
        match found {
            Found::Nothing(_) => {}
            Found::Again(_) => {
                done -= 1;
                bar.inc_length(1);
            }
            Found::Device(_, reading) => {
                devices += 1;
                match bar.suspend(|| runtime::output::write(|out| print(out, &reading, json))) {
                    Ok(OutputReader::Present) => {}
                    Ok(OutputReader::Gone) => enough.notify_one(),
                    Err(error) => broken = Some(error),
                }
            }
            Found::Other(address, why) => {
                others += 1;
                tracing::debug!(%address, why, "address skipped");
            }
        }
        bar.set_message(format!("{devices} devices"));
        bar.inc(1);
    };
    let is_whole = tokio::select! {
        () = discover(&reader, &order.search, order.pace, &mut on_address) => true,
        // Standard output is closed: stop searching.
        () = enough.notified() => false,
    };
    bar.finish_and_clear();
    if is_whole && !json {
        let nobody = devices == 0 && others == 0;
        let hint =
            if nobody { format!("\nNo response; {}.", args.ask.silence(args.port)) } else { String::new() };
        let summary = format!("{devices} devices, {others} other agents, {done} addresses{hint}");
        // If standard error is closed, there is nobody to report to.
        drop(writeln!(io::stderr().lock(), "{summary}"));
    }
    broken.map_or(Ok(()), |error| Err(format!("standard output can't be written: {error}")))
}

fn print(out: &mut dyn Write, reading: &Reading, json: bool) -> io::Result<()> {
    if json {
        serde_json::to_writer(&mut *out, reading)?;
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
