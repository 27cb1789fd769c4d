//! A virtual device and a larger one, each read by Platen, by prometheus-snmp-exporter and by net-snmp's snmpbulkwalk,
//! in one run.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use gateway::snmp::{Credentials, ReadScope, Reader, Target};
use nix::sys::resource::UsageWho;

use crate::exporter::{Cost, Exporter};
use crate::figures::Figures;
use crate::replay::{self, Recorder};
use crate::{large_device, process, virtual_devices};

/// Subtrees that a walker needs for the contents of a reading.
const SUBTREES: [&str; 3] = ["1.3.6.1.2.1.1", "1.3.6.1.2.1.25", "1.3.6.1.2.1.43"];

/// Response time of a simulated device, which one on loopback doesn't have. Real ones take longer.
const DEVICES_TIME: Duration = Duration::from_millis(5);

/// The maximum number of readings of a device with that response time.
const SLOW_READINGS: u32 = 50;

/// snmpbulkwalk is a process per subtree: fewer readings suffice.
const WALKS: u32 = 20;

/// Prints the cost of each, and the ratios. The larger device is the recording, if there is one.
pub(crate) async fn measure(readings: u32, recording: Option<&Path>, figures: &mut Figures) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let network = virtual_devices::network();
    let [a, b, c, _] = network.octets();
    let address = std::net::Ipv4Addr::new(a, b, c, 1);
    let device = SocketAddr::from((address, virtual_devices::PORT));
    let devices = virtual_devices::start(address, 1, dir.path())?;
    let exporter = Exporter::start(dir.path()).await?;
    figures.print("a virtual device", 1.0, "device", "");
    compare(device, exporter.as_ref(), readings, figures).await?;
    let large = large_device::start(recording, Duration::ZERO)?;
    let objects = f64::from(u32::try_from(large.objects)?);
    figures.print("a larger device", objects, "objects", "");
    compare(large.address, exporter.as_ref(), readings, figures).await?;
    let slow = large_device::start(recording, DEVICES_TIME)?;
    let note = "the same, which takes so long for an answer";
    figures.print("a larger device that needs time", 1000.0 * DEVICES_TIME.as_secs_f64(), "ms", note);
    compare(slow.address, exporter.as_ref(), readings.min(SLOW_READINGS), figures).await?;
    devices.stop()
}

async fn compare(
    device: SocketAddr,
    exporter: Option<&Exporter>,
    readings: u32,
    figures: &mut Figures,
) -> Result<()> {
    let own = platen(device, readings, figures).await?;
    match exporter {
        None => figures.skip("prometheus-snmp-exporter"),
        Some(exporter) => {
            for module in ["printer_mib", "whole"] {
                let cost = exporter.read(device, module, readings).await?;
                peer(figures, &format!("snmp_exporter, module {module}"), &cost, &own);
            }
        }
    }
    match net_snmp(device)? {
        None => figures.skip("snmpbulkwalk"),
        Some(cost) => peer(figures, "snmpbulkwalk, a process for each subtree", &cost, &own),
    }
    Ok(())
}

fn peer(figures: &mut Figures, name: &str, cost: &Cost, own: &Cost) {
    figures.print(&format!("CPU for each reading, {name}"), 1000.0 * cost.cpu_ms, "us", "");
    figures.print(&format!("time for each reading, {name}"), 1000.0 * cost.wall_ms, "us", "");
    let share = |own: f64, peer: f64| if peer > 0.0 { 100.0 * own / peer } else { f64::NAN };
    figures.print("  Platen's CPU of it", share(own.cpu_ms, cost.cpu_ms), "percent", "");
    figures.print("  Platen's time of it", share(own.wall_ms, cost.wall_ms), "percent", "");
}

async fn platen(device: SocketAddr, readings: u32, figures: &mut Figures) -> Result<Cost> {
    let profiles = Arc::new(gateway::profile_files::load(None)?);
    let reader = Reader::new(profiles).await?;
    let recorder = Recorder::start(device)?;
    let reading = reader.read(&target(recorder.address), ReadScope::Full).await?;
    if reading.supplies.is_empty() || reading.counters.is_empty() {
        bail!("{device}: a reading without supplies or counters");
    }
    let first = recorder.requests().len();
    // The device's objects are known now; it is read as in later readings.
    reader.read(&target(recorder.address), ReadScope::Full).await?;
    let requests = recorder.requests().split_off(first);
    reader.read(&target(device), ReadScope::Full).await?;
    // Everything that Platen does for a reading it does on this thread.
    let (cpu, began) = (process::own_cpu_ms(UsageWho::RUSAGE_THREAD)?, Instant::now());
    for _ in 0..readings {
        reader.read(&target(device), ReadScope::Full).await?;
    }
    let each = f64::from(readings);
    let cost = Cost {
        wall_ms: 1000.0 * began.elapsed().as_secs_f64() / each,
        cpu_ms: (process::own_cpu_ms(UsageWho::RUSAGE_THREAD)? - cpu) / each,
    };
    let get = requests.get(..1).context("a reading without a request")?;
    let round_trip = 1000.0 * replay::round(device, get, readings)?.wall_ms;
    let bare = replay::round(device, &requests, readings)?;
    let (floor, floor_cpu) = (1000.0 * bare.wall_ms, 1000.0 * bare.cpu_ms);
    let count = f64::from(u32::try_from(requests.len())?);
    let note = format!("{first} for the first one");
    figures.print("requests for each reading, Platen", count, "requests", &note);
    figures.print("CPU for each reading, Platen", 1000.0 * cost.cpu_ms, "us", "sockets included");
    figures.print("  CPU of its requests from a bare socket", floor_cpu, "us", "the kernel's part");
    figures.print("time for each reading, Platen", 1000.0 * cost.wall_ms, "us", "");
    figures.print("  a round trip: its first GET from a bare socket", round_trip, "us", "");
    figures.print("  time of so many such round trips", round_trip * count, "us", "");
    figures.print("  time of its requests from a bare socket", floor, "us", "nothing decoded");
    figures.print("  reading / its requests from a bare socket", 1000.0 * cost.wall_ms / floor, "times", "");
    Ok(cost)
}

fn target(address: SocketAddr) -> Target {
    let credentials = Credentials::V2c("public".into());
    Target { address, credentials: credentials.into(), timeout: Duration::from_secs(2), retries: 1 }
}

/// `None` if net-snmp isn't installed.
fn net_snmp(device: SocketAddr) -> Result<Option<Cost>> {
    let (cpu, began) = (process::own_cpu_ms(UsageWho::RUSAGE_CHILDREN)?, Instant::now());
    for _ in 0..WALKS {
        for subtree in SUBTREES {
            // No MIB files: each process would parse them again.
            let status = Command::new("snmpbulkwalk")
                .args(["-v2c", "-c", "public", "-m", "", "-On", "-Cr24", &device.to_string(), subtree])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .status();
            match status {
                Ok(status) if status.success() => {}
                Ok(status) => bail!("snmpbulkwalk {device} {subtree}: {status}"),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error).context("snmpbulkwalk"),
            }
        }
    }
    let each = f64::from(WALKS);
    let cpu_ms = (process::own_cpu_ms(UsageWho::RUSAGE_CHILDREN)? - cpu) / each;
    Ok(Some(Cost { cpu_ms, wall_ms: 1000.0 * began.elapsed().as_secs_f64() / each }))
}
