//! Measures what Platen costs: bytes on the wire, CPU and memory, sizes. Prints figures and judges nothing.
//!
//! Ratios to another program or a physical limit are measured in the same run; single times on a shared
//! machine are not meaningful.

mod bare_server;
mod counting_proxy;
mod exporter;
mod figures;
mod large_device;
mod load;
mod peers;
mod process;
mod reading;
mod replay;
mod server_hello;
mod sizes;
mod sweep;
mod tls;
mod virtual_devices;
mod wire_bytes;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use figures::Figures;

/// Measures what Platen costs.
#[derive(Debug, Parser)]
#[command(name = "benches", version)]
struct Arguments {
    /// Print one JSON object per figure.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Clone, Subcommand)]
enum What {
    /// CPU, requests and memory of reading virtual devices.
    Reading {
        /// Devices, at most 1,000.
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=1000))]
        devices: u16,
        /// Minutes with a status read each minute, after the first round.
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=120))]
        minutes: u8,
    },
    /// Bytes of a meter report and of a service call, TLS handshake included.
    Wire,
    /// Sizes of the release binaries.
    Sizes,
    /// A virtual device and a larger one read by Platen, by prometheus-snmp-exporter and by snmpbulkwalk.
    Peers {
        /// How often each reads it.
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=100_000))]
        readings: u32,
        /// The larger device: a recording in snmpsim's format (.snmprec) instead of the synthetic one.
        #[arg(long)]
        recording: Option<PathBuf>,
    },
    /// Handshakes compared with nginx and bare rustls, our checks, enrollments, memory of an idle connection.
    Tls {
        /// Handshakes of each kind with each server.
        #[arg(long, default_value_t = 4000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
        handshakes: u32,
    },
    /// A /20 swept by Platen and by onesixtyone at the same rate.
    Sweep {
        /// Devices in it.
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=1000))]
        devices: u16,
        /// Packets per second.
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1000))]
        pps: u32,
    },
    /// The communication server under the load of many gateways, compared with nginx and a bare rustls
    /// server.
    Load {
        /// Seconds of each load.
        #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=600))]
        seconds: u64,
    },
    /// Used by `tls` and `load` for comparison.
    #[command(hide = true)]
    BareServer {
        #[arg(long)]
        listen: std::net::SocketAddr,
        /// Folder of its certificate.
        #[arg(long)]
        identity: PathBuf,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut figures = Figures::new(arguments.json);
    match run(arguments.what.as_ref(), &mut figures) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            figures.failure(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(what: Option<&What>, figures: &mut Figures) -> Result<()> {
    let all = what.is_none();
    if all || matches!(what, Some(What::Sizes)) {
        sizes::measure(figures)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let Some(What::BareServer { listen, identity }) = what {
        return runtime.block_on(bare_server::serve(*listen, identity));
    }
    if all || matches!(what, Some(What::Load { .. })) {
        let seconds = if let Some(What::Load { seconds }) = what { *seconds } else { 8 };
        load::measure(seconds, figures)?;
    }
    if all || matches!(what, Some(What::Wire)) {
        runtime.block_on(wire_bytes::measure(figures))?;
    }
    if all || matches!(what, Some(What::Tls { .. })) {
        let handshakes = if let Some(What::Tls { handshakes }) = what { *handshakes } else { 4000 };
        runtime.block_on(tls::measure(handshakes, figures))?;
    }
    if all || matches!(what, Some(What::Peers { .. })) {
        let (readings, recording) = if let Some(What::Peers { readings, recording }) = what {
            (*readings, recording.as_deref())
        } else {
            (200, None)
        };
        // On one thread, as the gateway runs.
        let one = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        one.block_on(peers::measure(readings, recording, figures))?;
    }
    if all || matches!(what, Some(What::Sweep { .. })) {
        let (devices, pps) =
            if let Some(What::Sweep { devices, pps }) = what { (*devices, *pps) } else { (200, 500) };
        sweep::measure(devices, pps, figures)?;
    }
    if all || matches!(what, Some(What::Reading { .. })) {
        let (devices, minutes) = if let Some(What::Reading { devices, minutes }) = what {
            (*devices, *minutes)
        } else {
            (1000, 4)
        };
        let watch = std::time::Duration::from_secs(60 * u64::from(minutes));
        runtime.block_on(reading::measure(devices, watch, figures))?;
    }
    Ok(())
}
